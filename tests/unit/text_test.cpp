#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/text.hpp>

using ferry::charset_of;
using ferry::Errc;
using ferry::to_utf8;
using ferry::detail::Text;
using namespace std::string_literals;

namespace {

const std::string bad = "\uFFFD";

/// The words of a list, with a space between them.
std::vector<std::string> words(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    out.emplace_back(list.substr(0, list.find(' ')));
    list.remove_prefix(std::min(out.back().size() + 1, list.size()));
  }
  return out;
}

std::string refusal(std::string_view charset) {
  try {
    return "accepted: " + to_utf8("\xff", charset);
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
  CHECK(charset_of("text/html; charset=utf-8,gbk") == "utf-8,gbk");
  CHECK(charset_of("text/html; charset = 'utf-8' ") == "'utf-8'");
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
  CHECK_THROWS_AS(Text::of("\xe4", "text/plain; charset=nonsense"), ferry::Error);
}

TEST_CASE("UTF-32's mark counts where nothing says UTF-16") {
  const auto le = "\xFF\xFE\0\0A\0\0\0\x00\xF6\x01\0"s;
  const auto be = "\0\0\xFE\xFF\0\0\0A\0\x01\xF6\x00"s;
  for (const auto* charset : {"utf-32", "UTF-32LE", "utf-32be", "utf32", "ucs-4", "klingon"}) {
    CHECK(to_utf8(le, charset) == "A\U0001f600");
    CHECK(to_utf8(be, charset) == "A\U0001f600");
  }
  CHECK(Text::of(le, std::nullopt) == "A\U0001f600");
  CHECK(Text::of(be, "text/plain") == "A\U0001f600");
  // The web has no UTF-32: there, it is UTF-16 that begins with a U+0000.
  for (const auto* charset : {"utf-16", "utf-8", "latin1"})
    CHECK(to_utf8("\xFF\xFE\0\0A\0"s, charset) == "\0A"s);
  CHECK(to_utf8("A\0\0\0"s, "utf-32") == "A");
  CHECK(to_utf8("\0\0\0A"s, "utf-32be") == "A");
  CHECK(to_utf8("\0\0\xd8\0\0\0\0A\0\x11\0\0\0\0\0B\0"s, "utf-32be") ==
        bad + "A" + bad + "B" + bad);
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
}

TEST_CASE("names as servers write them") {
  const auto latin1 = [](std::string_view name) {
    return to_utf8("\x80\xe9", name) == "\u20ac\u00e9";
  };
  const auto utf8 = [](std::string_view name) {
    return to_utf8("\u20ac\xff", name) == "\u20ac" + bad;
  };
  for (const auto* name :
       {"'utf-8'", "\"utf-8", "utf-8\"", "\\\"utf-8\\\"", "utf-8,gbk", "utf-8, utf-8", "utf-8;",
        " utf-8\r\n", "utf-8; charset=utf-8", "utf-8,charset=utf-8", "utf_8", "UTF8_", "utf--8",
        "utf8mb4", "utf8mb3", "csUTF8", "x-utf-8"})
    CHECK_MESSAGE(utf8(name), name);
  for (const auto* name :
       {"latin-1", "Latin_1", "iso8859_1", "ISO-8859_1", "iso_88591", "ISO88591", "8859_1",
        "8859-1", "iso-latin-1", "cp-1252", "cp_1252", "win-1252", "win1252", "windows1252",
        "windows_1252", "us_ascii", "'iso-8859-1'", "x-windows-1252", "csWindows1252"})
    CHECK_MESSAGE(latin1(name), name);
  for (const auto* name : {"win-1251", "windows1251", "cp-1251", "Windows_1251"})
    CHECK_MESSAGE(to_utf8("\xcf", name) == "\u041f", name);
  for (const auto* name :
       {"iso_8859_15", "iso8859_15", "8859_15", "latin-9", "latin9", "ISO885915"})
    CHECK_MESSAGE(to_utf8("\xa4", name) == "\u20ac", name);
  CHECK(to_utf8("\xcf", "koi8r") == "\u043e");
  CHECK(to_utf8("\xa1", "tis620") == "\u0e01");
  CHECK(to_utf8("\xac\x20"s, "utf16") == "\u20ac");
  CHECK(Text::of("\xe9", "text/html; charset='iso-8859-1'") == "\u00e9");
  CHECK(Text::of("\xe9", "text/html; charset = iso-8859-1,utf-8") == "\u00e9");
}

TEST_CASE("an index that the system does not have is asked for again") {
  using ferry::detail::CharsetIndex;
  CHECK_THROWS_AS(CharsetIndex("no such charset", ferry::detail::big5_pointer), ferry::Error);
}

TEST_CASE("names that hide ASCII, or that are this machine's own, are no charsets") {
  for (const char* name : {"utf-7", "csunicode11utf7", "hz", "java", "c99", "ucs-2-swapped",
                           "ucs-4-internal", "wchar_t"}) {
    CAPTURE(name);
    CHECK_FALSE(ferry::detail::is_charset_name(name));
  }
}

TEST_CASE("under a name that nobody knows, UTF-8 is text") {
  for (const auto* name : {"klingon", "none", "", "''", "utf-7", "uft-8", "*", "text/html", "\xff"})
    CHECK(to_utf8("\u20ac\0A"s, name) == "\u20ac\0A"s);
  CHECK(Text::of("\u20ac", "text/plain; charset=none") == "\u20ac");
  CHECK(Text::of("", "text/plain; charset=none") == "");
  CHECK_THROWS_AS(Text::of("\xE2\x82", "text/plain; charset=none"), ferry::Error);
  CHECK(to_utf8("\xE2\x82", "utf-8") == bad);  // It was asked for.
}

TEST_CASE("charsets that the web refuses") {
  for (const auto* name : {"replacement", "iso-2022-kr", "csISO2022KR", "hz-gb-2312", "iso-2022-cn",
                           "iso-2022-cn-ext", "'ISO-2022-KR'"}) {
    CHECK_THROWS_AS(to_utf8("x", name), ferry::Error);
    CHECK(refusal(name).find(ferry::detail::in_quotes(name)) != std::string::npos);
    CHECK(to_utf8("\xEF\xBB\xBFx", name) == "x");
  }
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
  CHECK(le("\x3d\xd8\x00"s) == bad);
  CHECK(le("\x3d\xd8\x41"s) == bad);
  CHECK(le("\x00\xde\x41"s) == bad + bad);
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

  CHECK(to_utf8("\x9b", "cp437") == "\u00a2");
  CHECK(to_utf8("\xd5", "ibm850") == "\u0131");

  // Bytes that are no character, and a text that ends within one.
  CHECK(to_utf8("a\xff\xff"
                "b",
                "euc-jp") == "a" + bad + bad + "b");
  CHECK(to_utf8("a\xc6", "euc-jp") == "a" + bad);
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

TEST_CASE("where the Encoding Standard differs from iconvs") {
  CHECK(to_utf8("\xAD\xA1", "euc-jp") == "\u2460");
  CHECK(to_utf8("\xA1\xC1", "euc-jp") == "\uff5e");
  CHECK(to_utf8("\xF9\xA1", "euc-jp") == "\u7e8a");
  CHECK(to_utf8("\x8E\xB1\x8F\xB0\xA1\x8F\xA2\xB7", "euc-jp") == "\uff71\u4e02\uff5e");
  CHECK(to_utf8("\x1b$B-!\x1b(J\\~\x1b(I1", "iso-2022-jp") == "\u2460\u00a5\u203e\uff71");
  CHECK(to_utf8("\x1b$B!A\x1b(B~", "iso-2022-jp") == "\uff5e~");
  CHECK(to_utf8("\x81\x60\x87\x40\xb1\x80\xf0\x40", "shift_jis") ==
        "\uff5e\u2460\uff71\u0080\ue000");
  CHECK(to_utf8("\xA1\x45\xA2\x46\x88\x62\x88\xA5\x8E\x69", "big5") ==
        "\u2027\uffe0\u00ca\u0304\u00ea\u030c\u7bb8");
  CHECK(to_utf8("\x80\xA3\xA0\xA6\xD9\xFE\x51\xA8\xBC\x81\x35\xF4\x37", "gbk") ==
        "\u20ac\u3000\ufe10\ue816\u1e3f\ue7c7");
  // No letter waits for an accent.
  CHECK(to_utf8("\xe9\xd9\xe9\xc4", "windows-1255") == "\u05d9" + bad + "\u05d9\u05b4");
  CHECK(to_utf8("a\xcc\xd2", "windows-1258") == "a\u0300\u0309");
  CHECK(to_utf8("\xa1\xd2", "windows-1253") == "\u0385" + bad);
  CHECK(to_utf8("\x81\x9f", "windows-1250") == "\u0081\u017a");
  CHECK(to_utf8("\x80\xff", "x-user-defined") == "\uf780\uf7ff");
  CHECK(to_utf8("\xae\xbe", "koi8-u") == "\u045e\u040e");
}

TEST_CASE("after an error, ASCII is read again") {
  CHECK(to_utf8("\x81<\xa1", "euc-kr") == bad + "<" + bad);
  CHECK(to_utf8("\x81 \x81\xff\x81", "big5") == bad + " " + bad + bad);
  CHECK(to_utf8("\x81\"\x81\x7f\xfd", "shift_jis") == bad + "\"" + bad + "\x7f" + bad);
  CHECK(to_utf8("\x8e<\x8f\xa1<\x8f\x80\xff\xa1\x80", "euc-jp") ==
        bad + "<" + bad + "<" + bad + bad + bad);
  CHECK(to_utf8("\x81\x30<\x81\x30\x81<\x81\x30", "gb18030") ==
        bad + "0<" + bad + "0" + bad + "<" + bad);
  CHECK(to_utf8("\xE3\x32\x9A\x36\xff", "gb18030") == bad + bad);
  CHECK(to_utf8("\x1b(J\x1b(B\x1b$(B\x0e\x1b", "iso-2022-jp") == bad + bad + "$(B" + bad + bad);
  CHECK(to_utf8("\x1b$B!\x1b(B<", "iso-2022-jp") == bad + "<");
}

TEST_CASE("every label and every character of the Encoding Standard") {
  struct Row {
    std::string_view labels;
    std::uint64_t digest;  // FNV-1a over all that two bytes come to; 0 for an error.
  };
  // `tests/charsets/run --write` makes these from the Standard's own indexes.
  const std::vector<Row> rows = {
      // Digests begin
      {"unicode-1-1-utf-8 utf-8 utf8 unicode11utf8 unicode20utf8 x-unicode20utf8",
       0xD55229C0EA7134A5},
      {"866 cp866 csibm866 ibm866", 0xD389F69EF1CEA771},
      {"csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
       0x6BBD0F5605618D4D},
      {"csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
       0xAAEABE795B570F07},
      {"csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
       0x503DA762C83CEEA5},
      {"csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
       "iso_8859-5:1988",
       0x94F6C5BB272AAEBF},
      {"arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
       "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
       0x8BC662275995AF71},
      {"csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
       "iso_8859-7 iso_8859-7:1987 sun_eu_greek",
       0x6E7BDB8828030A19},
      {"csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 "
       "iso_8859-8 iso_8859-8:1988 visual",
       0xE46518A7D879D549},
      {"csiso88598i iso-8859-8-i logical", 0xE46518A7D879D549},
      {"csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6", 0xDBEBB24D90593C85},
      {"iso-8859-13 iso8859-13 iso885913", 0x02854C67F36A9F61},
      {"iso-8859-14 iso8859-14 iso885914", 0xAA07DF2BAF69234D},
      {"csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9", 0x1F55ADD6DFF74E43},
      {"iso-8859-16", 0xDEBBB13CF4F4E917},
      {"cskoi8r koi koi8 koi8-r koi8_r", 0x552D4965C9A78D75},
      {"koi8-ru koi8-u", 0xE3AA245A4B88F6C1},
      {"csmacintosh mac macintosh x-mac-roman", 0xF97739E92988A995},
      {"dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874", 0xA10FB9E49F44AB71},
      {"cp1250 windows-1250 x-cp1250", 0xABC237961216B369},
      {"cp1251 windows-1251 x-cp1251", 0x6E731709B4C75401},
      {"ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
       "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
       0x0D95FDF520D4F58F},
      {"cp1253 windows-1253 x-cp1253", 0xC4E561F11B3BF5A9},
      {"cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 "
       "latin5 windows-1254 x-cp1254",
       0xEEEF851933AB015D},
      {"cp1255 windows-1255 x-cp1255", 0x08535177D4239A79},
      {"cp1256 windows-1256 x-cp1256", 0x0937CB127B9B3991},
      {"cp1257 windows-1257 x-cp1257", 0x8B469BC7D35FB5A5},
      {"cp1258 windows-1258 x-cp1258", 0x24735DE447E28845},
      {"x-mac-cyrillic x-mac-ukrainian", 0xEBAA5819F5378235},
      {"chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
       0xDA708651B4A997FE},
      {"gb18030", 0xEDDC998D7E66507B},
      {"big5 big5-hkscs cn-big5 csbig5 x-x-big5", 0x2D416AD49AE2D48C},
      {"cseucpkdfmtjapanese euc-jp x-euc-jp", 0x317038853AB5A6AD},
      {"csiso2022jp iso-2022-jp", 0x197372D81FD368D9},
      {"csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis", 0xE6FF29BDBC847FE1},
      {"cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
       "ksc_5601 windows-949",
       0x8ECB9143A2FFDC98},
      {"csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement", 0},
      {"utf-16be unicodefffe", 0x74808F5279C43DAD},
      {"utf-16 utf-16le csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff", 0xDDF8882F754958BD},
      {"x-user-defined", 0xE7B57A13B9DBC025},
      // Digests end
  };
  REQUIRE(rows.size() == 40);

  const auto lines = [](const std::string& beginning, int lead) {
    std::string out;
    for (int trail = 0; trail < 256; ++trail)
      out += beginning + static_cast<char>(lead) + static_cast<char>(trail) + '\n';
    return out;
  };
  for (const auto& [list, digest] : rows) {
    const auto labels = words(list);
    const auto is = [&](std::string_view label) {
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    };
    if (digest == 0) {
      for (const auto& label : labels) CHECK_THROWS_AS(to_utf8("", label), ferry::Error);
      continue;
    }
    std::uint64_t hash = 0xCBF29CE484222325;
    const auto add = [&](const std::string& bytes) {
      for (const unsigned char c : to_utf8(bytes, labels[0])) hash = (hash ^ c) * 0x100000001B3;
    };
    const auto beginnings = is("euc-jp")        ? words(" \x8F")
                            : is("iso-2022-jp") ? words("\x1b(B \x1b(J \x1b(I \x1b$@ \x1b$B")
                                                : std::vector<std::string>{""};
    const int first = is("utf-16") || is("utf-16be") || is("iso-2022-jp") ? 0 : 0x80;
    for (const auto& beginning : beginnings)
      for (int lead = first; lead < 256; ++lead) add(lines(beginning, lead));
    if (is("gb18030"))
      for (const int lead : {0x81, 0x82, 0x83, 0x84, 0x85, 0x90, 0xE3, 0xFE})
        for (int second = '0'; second <= '9'; ++second) {
          std::string bytes;
          for (int third = 0x81; third <= 0xFE; ++third)
            for (int fourth = '0'; fourth <= '9'; ++fourth)
              for (const int byte : {lead, second, third, fourth, 0x0A})
                bytes += static_cast<char>(byte);
          add(bytes);
        }
    CHECK_MESSAGE(hash == digest, labels[0]);

    std::string sample;
    for (int lead = 1; lead < 256; lead += 16) sample += lines(beginnings.back(), lead);
    const auto text = to_utf8(sample, labels[0]);
    for (const auto& label : labels) CHECK_MESSAGE((to_utf8(sample, label) == text), label);
  }
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
       {"", "//", "utf-32//TRANSLIT", "utf-32//", "utf-32/", "../../lib", "a b", "char", "WCHAR_T",
        "internal", "utf-7", "UTF-7-IMAP", "koi8-r//\n", "\xff"})
    CHECK(refusal(bad_name).ends_with("is not known"));
  CHECK(refusal("a\r\nb").find("\"a\\x0d\\x0ab\"") != std::string::npos);
  CHECK(refusal("koi8-r\0"s).find("not known") != std::string::npos);
  CHECK(refusal(std::string(1000, 'x')).size() < 300);
}
