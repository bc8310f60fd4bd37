#include <algorithm>
#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/text.hpp>

using ferry::charset_of;
using ferry::Errc;
using ferry::to_utf8;
using ferry::detail::Text;
using namespace std::string_literals;

namespace {

const std::string bad = "\uFFFD";

std::string refusal(std::string_view charset) {
  try {
    return "accepted: " + to_utf8("x", charset);
  } catch (const ferry::Error& error) {
    CHECK(error.code() == Errc::undecodable_body);
    CHECK(error.code() == ferry::Condition::protocol_error);
    return error.what();
  }
}

}  // namespace

TEST_CASE("the charset of a content type") {
  CHECK(charset_of("text/html; charset=utf-8") == "utf-8");
  CHECK(charset_of("text/html;charset=UTF-8;x=y") == "UTF-8");
  CHECK(charset_of("text/html; Charset = \"iso-8859-1\" ; x=y") == "iso-8859-1");
  CHECK(charset_of("text/html; x=\"; charset=no\"; CHARSET=\"a\\b\"") == "ab");
  CHECK(charset_of("text/html; charset=\"  utf-8 \"") == "utf-8");
  CHECK(charset_of("a;charset=one;charset=two") == "one");
  CHECK(charset_of("a;charset=;charset=two") == "two");
  CHECK(charset_of("a;charset;charset=two") == "two");
  CHECK(charset_of("a;charset=\"open") == "open");
  CHECK(charset_of("a;charset=\"open\\") == "open\\");
  CHECK(charset_of("a;charset=\"quoted\"junk;x") == "quoted");
  CHECK(charset_of("a;;;charset=x;;") == "x");
  for (const auto* none :
       {"", "text/html", "charset=utf-8", ";", ";;", "a;charset", "a;charset=", "a;charset=\"\"",
        "a;charset=\"", "a;xcharset=y", "a;charset2=y", "a;x=\"charset=y\"", "a;=charset"})
    CHECK(charset_of(none) == "");
}

TEST_CASE("the byte order mark comes first, then the content type, then UTF-8") {
  CHECK(Text::of("\u00e4", std::nullopt) == "\u00e4");
  CHECK(Text::of("\u00e4", "text/plain") == "\u00e4");
  CHECK(Text::of("\xe4", "text/plain") == bad);
  CHECK(Text::of("\xe4", "text/plain; charset=latin1") == "\u00e4");
  CHECK(Text::of("\xe4", "text/plain; charset=\"ISO-8859-1\"") == "\u00e4");
  CHECK(Text::of("\xEF\xBB\xBF\u00e4", "text/plain; charset=latin1") == "\u00e4");
  CHECK(Text::of("\xFF\xFE\xe4\0"s, "text/plain; charset=utf-8") == "\u00e4");
  CHECK(Text::of("\xFE\xFF\0\xe4"s, "text/plain; charset=nonsense") == "\u00e4");
  CHECK(Text::of("\xEF\xBB\xBF", std::nullopt) == "");
  CHECK(Text::of("\xEF\xBB\xBF\xEF\xBB\xBF", std::nullopt) == "\uFEFF");
  CHECK(Text::of("", "a; charset=utf-16") == "");
  CHECK_THROWS_AS(Text::of("x", "text/plain; charset=nonsense"), ferry::Error);
}

TEST_CASE("names mean what they mean on the web") {
  for (const auto* name : {"utf-8", "UTF8", " Utf-8 ", "unicode-1-1-utf-8", "x-unicode20utf8"})
    CHECK(to_utf8("\u20ac", name) == "\u20ac");
  for (const auto* name : {"latin1", "L1", "iso-8859-1", "ISO_8859-1:1987", "ascii", "US-ASCII",
                           "windows-1252", "cp1252", "cp819", "ANSI_X3.4-1968"})
    CHECK(to_utf8("\x80\xe4\x41", name) == "\u20ac\u00e4A");
  for (const auto* name : {"utf-16", "UTF-16LE", "ucs-2", "unicode", "iso-10646-ucs-2"})
    CHECK(to_utf8("A\0\xac\x20"s, name) == "A\u20ac");
  for (const auto* name : {"utf-16be", "unicodeFFFE"})
    CHECK(to_utf8("\0A\x20\xac"s, name) == "A\u20ac");
  const auto& labels = ferry::detail::charset_labels;
  CHECK(std::is_sorted(labels.begin(), labels.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; }));
}

TEST_CASE("windows-1252, all of it") {
  std::string bytes, expected;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  for (char32_t c = 0; c < 256; ++c)
    if (c < 0x80 || c >= 0xA0) {
      ferry::detail::append_utf8(expected, c);
    } else if (c == 0x80) {
      expected +=
          "\u20ac\xC2\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152"
          "\xC2\x8D\u017d\xC2\x8F\xC2\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc"
          "\u2122\u0161\u203a\u0153\xC2\x9D\u017e\u0178";
    }
  CHECK(to_utf8(bytes, "windows-1252") == expected);
}

TEST_CASE("what is not UTF-8 is replaced by maximal parts") {
  const auto utf8 = [](std::string_view bytes) { return to_utf8(bytes, "utf-8"); };
  const std::string fine = "a\0\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"s;
  CHECK(utf8(fine) == fine);
  // Table 3-8 of the Unicode standard, and its neighbours.
  CHECK(utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") ==
        bad + bad + bad + bad + bad + bad + bad + bad + "A");
  CHECK(utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") ==
        bad + bad + bad + bad + bad + bad + bad + bad + "A");
  CHECK(utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") ==
        bad + bad + bad + bad + bad + "A" + bad + bad + "B");
  CHECK(utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == bad + bad + bad + bad + "A");
  CHECK(utf8("\xF0\x9F\x98") == bad);
  CHECK(utf8("\xE2\x82") == bad);
  CHECK(utf8("\xC3") == bad);
  CHECK(utf8("\xE2\x82\xE2\x82\xAC") == bad + "\u20ac");
  CHECK(utf8("\xC3\x28") == bad + "(");
  CHECK(utf8("\xF5\x80\xF8\xFE\xFF") == bad + bad + bad + bad + bad);
}

TEST_CASE("every character of Unicode, in UTF-8 and UTF-16") {
  std::string utf8, le, be;
  const auto unit = [&](std::uint32_t u) {
    le += static_cast<char>(u & 0xFF);
    le += static_cast<char>(u >> 8);
    be += static_cast<char>(u >> 8);
    be += static_cast<char>(u & 0xFF);
  };
  for (std::uint32_t c = 1; c < 0x110000; c += c < 0x800 ? 1 : 61) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    ferry::detail::append_utf8(utf8, c);
    if (c >= 0x10000) {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + (c & 0x3FF));
    } else {
      unit(c);
    }
  }
  CHECK((ferry::detail::find_invalid_utf8(utf8) == utf8.size()));
  CHECK((to_utf8(utf8, "utf-8") == utf8));
  CHECK((to_utf8(le, "utf-16le") == utf8));
  CHECK((to_utf8(be, "utf-16be") == utf8));
}

TEST_CASE("halves of UTF-16 are replaced") {
  const auto le = [](const std::string& bytes) { return to_utf8(bytes, "utf-16le"); };
  CHECK(le("\x3d\xd8\x00\xde"s) == "\U0001f600");
  CHECK(le("\x3d\xd8"s) == bad);
  CHECK(le("\x3d\xd8\x41\0"s) == bad + "A");
  CHECK(le("\x3d\xd8\x3d\xd8\x00\xde"s) == bad + "\U0001f600");
  CHECK(le("\x00\xde\x41\0"s) == bad + "A");
  CHECK(le("\x41\0\x42"s) == "A" + bad);
  CHECK(le("\x3d\xd8\x00"s) == bad + bad);
  CHECK(le("\x41"s) == bad);
  CHECK(to_utf8("\xd8\x3d\xde\x00\xd8"s, "utf-16be") == "\U0001f600" + bad);
}

#if __has_include(<iconv.h>)
TEST_CASE("other charsets, by the system") {
  CHECK(to_utf8("\xcf\xf0\xe8\xe2\xe5\xf2", "windows-1251") ==
        "\u041f\u0440\u0438\u0432\u0435\u0442");
  CHECK(to_utf8("\xf0\xd2\xc9\xd7\xc5\xd4", "KOI8-R") == "\u041f\u0440\u0438\u0432\u0435\u0442");
  CHECK(to_utf8("\xa4", "iso-8859-15") == "\u20ac");
  CHECK(to_utf8("\x93\xfa\x96\x7b", "Shift_JIS") == "\u65e5\u672c");
  CHECK(to_utf8("\xc6\xfc\xcb\xdc", "euc-jp") == "\u65e5\u672c");
  CHECK(to_utf8("\x1b$BF|K\\\x1b(B!", "iso-2022-jp") == "\u65e5\u672c!");
  CHECK(to_utf8("\xd6\xd0\xce\xc4", "gb2312") == "\u4e2d\u6587");
  CHECK(to_utf8("\xa4\xa4\xa4\xe5", "big5") == "\u4e2d\u6587");
  CHECK(to_utf8("\xc7\xd1", "euc-kr") == "\ud55c");
  CHECK(to_utf8("\x80\xa1", "windows-874") == "\u20ac\u0e01");
  CHECK(to_utf8("\0\x01\xF6\0"s, "utf-32be") == "\U0001f600");
  CHECK(to_utf8("\0\0\x20\xac"s, "ucs-4") == "\u20ac");

  // Every label of the table has a converter behind it.
  for (const auto& [label, charset] : ferry::detail::charset_labels)
    CHECK(to_utf8("", label).empty());

  // What is no character, and a text that ends within one.
  CHECK(to_utf8("a\xff\xff"
                "b",
                "euc-jp") == "a" + bad + bad + "b");
  CHECK(to_utf8("a\xc6", "euc-jp") == "a" + bad);
  CHECK(to_utf8("\0\0\xd8\0\0\0\0A\0\x11\0\0\0\0\0B\0"s, "utf-32be") ==
        bad + "A" + bad + "B" + bad);
  // A character kept back, to see whether an accent follows.
  CHECK(to_utf8("a", "windows-1258") == "a");
  CHECK(to_utf8("\x88\x66", "big5-hkscs") == "\u00ca");

  // More than fits at once.
  std::string bytes, text;
  for (int i = 0; i < 20'000; ++i) {
    bytes += "\xcf\xff";
    text += "\u041f\u044f";
  }
  CHECK((to_utf8(bytes, "windows-1251") == text));
}

TEST_CASE("a megabyte that is no text at all takes linear time") {
  const std::string bytes(1'000'000, '\xff');
  for (const auto* charset : {"utf-8", "euc-jp", "gb18030", "shift_jis", "iso-2022-jp", "utf-32be"})
    CHECK(to_utf8(bytes, charset).size() >= 3 * 250'000);
}
#endif

TEST_CASE("a charset that is not known is named") {
  CHECK(refusal("klingon").find("charset \"klingon\" is not known") != std::string::npos);
  for (const auto* bad_name :
       {"", "//", "utf-32//TRANSLIT", "utf-32//", "utf-32,x", "utf-32/", "../../lib", "a b", "char",
        "WCHAR_T", "internal", "utf-7", "UTF-7-IMAP", "koi8-r\r\n", "\xff"})
    CHECK(refusal(bad_name).ends_with("is not known"));
  CHECK(refusal("a\r\nb").find("\"a\\x0d\\x0ab\"") != std::string::npos);
  CHECK(refusal("koi8-r\0"s).find("not known") != std::string::npos);
  CHECK(refusal(std::string(1000, 'x')).size() < 300);
}
