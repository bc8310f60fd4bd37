#pragma once

/// @file
/// `to_utf8`: text in any charset as UTF-8.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/ascii.hpp>
#include <ferry/detail/utf8.hpp>
#include <ferry/error.hpp>

#if __has_include(<iconv.h>)
#include <iconv.h>
#endif

namespace ferry {

/// The charset that a `Content-Type` names, as it was written; empty if it names none:
/// `charset_of("text/html; Charset=\"utf-8\"")` is `utf-8`. Threads: any. (RFC 9110 8.3)
inline std::string charset_of(std::string_view content_type) {
  auto rest = content_type;
  rest.remove_prefix(std::min(rest.find(';'), rest.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto name_end = std::min(rest.find_first_of(";="), rest.size());
    const auto name = detail::trim_ows(rest.substr(0, name_end));
    rest.remove_prefix(name_end);
    if (!rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    std::string value;
    if (rest.starts_with('"')) {
      std::size_t i = 1;
      for (; i < rest.size() && rest[i] != '"'; ++i) {
        if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
        value += rest[i];
      }
      rest.remove_prefix(std::min(i, rest.size()));
    }
    const auto end = std::min(rest.find(';'), rest.size());
    if (!rest.starts_with('"')) value += detail::trim_ows(rest.substr(0, end));
    rest.remove_prefix(end);
    if (detail::iequals(name, "charset") && !detail::trim_ows(value).empty())
      return std::string(detail::trim_ows(value));
  }
  return {};
}

namespace detail {

/// What a charset's name stands for.
struct Charset {
  enum class Kind { utf_8, utf_16_le, utf_16_be, windows_1252, other };
  Kind kind = Kind::other;
  std::string_view name;  ///< For `other`: the name that iconv has for it.
};

/// Names that mean something else on the web than they say, or that iconv does not know, in lower
/// case and in order (WHATWG Encoding 4.2); and UCS-4, which for some iconvs has more than Unicode.
inline constexpr auto charset_labels = std::to_array<std::pair<std::string_view, Charset>>({
    {"ansi_x3.4-1968", {Charset::Kind::windows_1252, {}}},
    {"ascii", {Charset::Kind::windows_1252, {}}},
    {"big5", {Charset::Kind::other, "BIG5-HKSCS"}},
    {"big5-hkscs", {Charset::Kind::other, "BIG5-HKSCS"}},
    {"chinese", {Charset::Kind::other, "GB18030"}},
    {"cn-big5", {Charset::Kind::other, "BIG5-HKSCS"}},
    {"cp1252", {Charset::Kind::windows_1252, {}}},
    {"cp819", {Charset::Kind::windows_1252, {}}},
    {"csgb2312", {Charset::Kind::other, "GB18030"}},
    {"csisolatin1", {Charset::Kind::windows_1252, {}}},
    {"csisolatin5", {Charset::Kind::other, "CP1254"}},
    {"csshiftjis", {Charset::Kind::other, "CP932"}},
    {"csucs4", {Charset::Kind::other, "UTF-32BE"}},
    {"csunicode", {Charset::Kind::utf_16_le, {}}},
    {"dos-874", {Charset::Kind::other, "CP874"}},
    {"euc-kr", {Charset::Kind::other, "CP949"}},
    {"gb2312", {Charset::Kind::other, "GB18030"}},
    {"gb_2312", {Charset::Kind::other, "GB18030"}},
    {"gb_2312-80", {Charset::Kind::other, "GB18030"}},
    {"gbk", {Charset::Kind::other, "GB18030"}},
    {"ibm819", {Charset::Kind::windows_1252, {}}},
    {"iso-10646-ucs-2", {Charset::Kind::utf_16_le, {}}},
    {"iso-10646-ucs-4", {Charset::Kind::other, "UTF-32BE"}},
    {"iso-8859-1", {Charset::Kind::windows_1252, {}}},
    {"iso-8859-11", {Charset::Kind::other, "CP874"}},
    {"iso-8859-8-e", {Charset::Kind::other, "ISO-8859-8"}},
    {"iso-8859-8-i", {Charset::Kind::other, "ISO-8859-8"}},
    {"iso-8859-9", {Charset::Kind::other, "CP1254"}},
    {"iso-ir-100", {Charset::Kind::windows_1252, {}}},
    {"iso8859-1", {Charset::Kind::windows_1252, {}}},
    {"iso88591", {Charset::Kind::windows_1252, {}}},
    {"iso_8859-1", {Charset::Kind::windows_1252, {}}},
    {"iso_8859-1:1987", {Charset::Kind::windows_1252, {}}},
    {"korean", {Charset::Kind::other, "CP949"}},
    {"ks_c_5601-1987", {Charset::Kind::other, "CP949"}},
    {"ksc5601", {Charset::Kind::other, "CP949"}},
    {"l1", {Charset::Kind::windows_1252, {}}},
    {"latin1", {Charset::Kind::windows_1252, {}}},
    {"latin5", {Charset::Kind::other, "CP1254"}},
    {"macintosh", {Charset::Kind::other, "MACINTOSH"}},
    {"ms_kanji", {Charset::Kind::other, "CP932"}},
    {"shift-jis", {Charset::Kind::other, "CP932"}},
    {"shift_jis", {Charset::Kind::other, "CP932"}},
    {"sjis", {Charset::Kind::other, "CP932"}},
    {"tis-620", {Charset::Kind::other, "CP874"}},
    {"ucs-2", {Charset::Kind::utf_16_le, {}}},
    {"ucs-4", {Charset::Kind::other, "UTF-32BE"}},
    {"ucs-4be", {Charset::Kind::other, "UTF-32BE"}},
    {"ucs-4le", {Charset::Kind::other, "UTF-32LE"}},
    {"ucs4", {Charset::Kind::other, "UTF-32BE"}},
    {"unicode", {Charset::Kind::utf_16_le, {}}},
    {"unicode-1-1-utf-8", {Charset::Kind::utf_8, {}}},
    {"unicode11utf8", {Charset::Kind::utf_8, {}}},
    {"unicode20utf8", {Charset::Kind::utf_8, {}}},
    {"unicodefeff", {Charset::Kind::utf_16_le, {}}},
    {"unicodefffe", {Charset::Kind::utf_16_be, {}}},
    {"us-ascii", {Charset::Kind::windows_1252, {}}},
    {"utf-16", {Charset::Kind::utf_16_le, {}}},
    {"utf-16be", {Charset::Kind::utf_16_be, {}}},
    {"utf-16le", {Charset::Kind::utf_16_le, {}}},
    {"utf-8", {Charset::Kind::utf_8, {}}},
    {"utf8", {Charset::Kind::utf_8, {}}},
    {"windows-1252", {Charset::Kind::windows_1252, {}}},
    {"windows-31j", {Charset::Kind::other, "CP932"}},
    {"windows-874", {Charset::Kind::other, "CP874"}},
    {"windows-949", {Charset::Kind::other, "CP949"}},
    {"x-cp1250", {Charset::Kind::other, "CP1250"}},
    {"x-cp1251", {Charset::Kind::other, "CP1251"}},
    {"x-cp1252", {Charset::Kind::windows_1252, {}}},
    {"x-cp1253", {Charset::Kind::other, "CP1253"}},
    {"x-cp1254", {Charset::Kind::other, "CP1254"}},
    {"x-cp1255", {Charset::Kind::other, "CP1255"}},
    {"x-cp1256", {Charset::Kind::other, "CP1256"}},
    {"x-cp1257", {Charset::Kind::other, "CP1257"}},
    {"x-cp1258", {Charset::Kind::other, "CP1258"}},
    {"x-euc-jp", {Charset::Kind::other, "EUC-JP"}},
    {"x-gbk", {Charset::Kind::other, "GB18030"}},
    {"x-mac-cyrillic", {Charset::Kind::other, "MAC-CYRILLIC"}},
    {"x-mac-roman", {Charset::Kind::other, "MACINTOSH"}},
    {"x-mac-ukrainian", {Charset::Kind::other, "MAC-CYRILLIC"}},
    {"x-sjis", {Charset::Kind::other, "CP932"}},
    {"x-unicode20utf8", {Charset::Kind::utf_8, {}}},
    {"x-x-big5", {Charset::Kind::other, "BIG5-HKSCS"}},
});

/// @param lower the name in lower case; what is returned may be a view into it.
inline Charset find_charset(std::string_view lower) {
  const auto* label =
      std::lower_bound(charset_labels.begin(), charset_labels.end(), lower,
                       [](const auto& a, std::string_view b) { return a.first < b; });
  if (label != charset_labels.end() && label->first == lower) return label->second;
  return {Charset::Kind::other, lower};
}

/// The bytes 0x80 to 0x9F of windows-1252 (WHATWG's index, where the five unused are controls).
inline constexpr std::array<char16_t, 32> windows_1252_high = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

inline std::string from_windows_1252(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(out, byte >= 0x80 && byte <= 0x9F ? windows_1252_high[byte - 0x80u] : byte);
  }
  return out;
}

/// @param high which of two bytes is the higher one: 0 or 1.
inline std::string from_utf16(std::string_view bytes, std::size_t high) {
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + high]) << 8 |
                                      static_cast<unsigned char>(bytes[i + 1 - high]));
  };
  std::string out;
  out.reserve(bytes.size());
  std::size_t i = 0;
  for (; bytes.size() - i >= 2; i += 2) {
    const auto first = unit(i);
    if (first < 0xD800 || first > 0xDFFF) {
      append_utf8(out, first);
      continue;
    }
    const auto second = first < 0xDC00 && bytes.size() - i >= 4 ? unit(i + 2) : 0;
    if (second >= 0xDC00 && second <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
      i += 2;
    } else {
      out += replacement_character;
    }
  }
  if (i < bytes.size()) out += replacement_character;
  return out;
}

#if __has_include(<iconv.h>)

/// One conversion of iconv's.
class Iconv {
 public:
  explicit Iconv(const std::string& charset)
      : handle_(::iconv_open("UTF-8", charset.c_str())),
        unit_(iequals(std::string_view(charset).substr(0, 6), "utf-32") ? 4 : 1) {
    if (!is_open() && errno == ENOMEM) throw std::bad_alloc();
  }
  Iconv(const Iconv&) = delete;
  Iconv& operator=(const Iconv&) = delete;
  ~Iconv() {
    if (is_open()) ::iconv_close(handle_);
  }
  bool is_open() const noexcept { return handle_ != reinterpret_cast<iconv_t>(-1); }

  /// Converts everything; what is none of the charset's characters becomes U+FFFD.
  std::string convert(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + bytes.size() / 2);
    for (;;) {
      const auto before = bytes.size();
      const int error = step(&bytes, out);
      if (error == 0) break;
      if (error == E2BIG) {
        if (bytes.size() == before && produced_ == 0) break;  // It would not fit anywhere.
        continue;
      }
      out += replacement_character;
      if (error != EILSEQ || bytes.empty()) break;  // The text ends within a character.
      bytes.remove_prefix(std::min(unit_, bytes.size()));
    }
    // Some charsets keep a character back, to see whether an accent follows.
    step(nullptr, out);
    return to_valid_utf8(out);
  }

 private:
  /// POSIX has `char**` for the input, older systems have `const char**`.
  struct Input {
    const char** text;
    operator char**() const noexcept { return const_cast<char**>(text); }
    operator const char**() const noexcept { return text; }
  };

  /// One call; without bytes, the last one.
  /// @return 0 when it has read everything, or why not.
  int step(std::string_view* bytes, std::string& out) {
    std::array<char, 4096> buffer;
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const char* from = bytes ? bytes->data() : nullptr;
    std::size_t left = bytes ? bytes->size() : 0;
    const auto result = ::iconv(handle_, bytes ? Input{&from} : Input{nullptr}, &left, &to, &room);
    const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
    produced_ = buffer.size() - room;
    out.append(buffer.data(), produced_);
    if (bytes) bytes->remove_prefix(bytes->size() - left);
    return error;
  }

  iconv_t handle_;
  std::size_t unit_;  ///< How many bytes are left out where there is no character.
  std::size_t produced_ = 0;
};

/// Converts from any charset that the system knows; nothing if it knows none of this name.
inline std::optional<std::string> from_system_charset(std::string_view bytes,
                                                      const std::string& charset) {
  Iconv iconv(charset);
  if (!iconv.is_open()) return std::nullopt;
  return iconv.convert(bytes);
}

#else

/// There is no iconv here.
inline std::optional<std::string> from_system_charset(std::string_view, const std::string&) {
  return std::nullopt;
}

#endif

/// True for names that iconv may be given: it reads more into others (`//TRANSLIT`, the locale's
/// charset for an empty one), and has some that are this machine's own, or hide ASCII from who
/// looks for it.
inline bool is_charset_name(std::string_view lower) noexcept {
  for (const char c : lower)
    if (!is_alpha(c) && !is_digit(c) && c != '_' && c != '.' && c != ':' && c != '-') return false;
  return !lower.empty() && lower != "char" && lower != "wchar_t" && lower != "internal" &&
         !lower.starts_with("utf-7") && !lower.starts_with("utf7") &&
         !lower.starts_with("unicode-1-1-utf-7");
}

}  // namespace detail

/// Text in this charset as UTF-8.
///
/// A byte order mark, of UTF-8 or UTF-16, comes before the charset, and is taken off. What is no
/// character of the charset becomes U+FFFD, so that the result is always UTF-8. UTF-8, UTF-16 and
/// windows-1252 are read here, others by the system's `iconv` (which some systems want to be linked
/// with: `-liconv`). Names mean what they mean on the web: `iso-8859-1` and `ascii` are
/// windows-1252, `gb2312` is GB18030.
/// @param charset its name, in any case.
/// @return the text: it may be three times as large as the bytes, or more.
/// @throws Error `Errc::undecodable_body` for a charset that is not known. Threads: any.
/// (WHATWG Encoding)
inline std::string to_utf8(std::string_view bytes, std::string_view charset) {
  using Kind = detail::Charset::Kind;
  if (bytes.starts_with("\xEF\xBB\xBF")) return detail::to_valid_utf8(bytes.substr(3));
  if (bytes.starts_with("\xFF\xFE")) return detail::from_utf16(bytes.substr(2), 1);
  if (bytes.starts_with("\xFE\xFF")) return detail::from_utf16(bytes.substr(2), 0);

  std::string lower(detail::trim_ows(charset));
  std::transform(lower.begin(), lower.end(), lower.begin(), detail::to_lower);
  const auto known = detail::find_charset(lower);
  switch (known.kind) {
    case Kind::utf_8: return detail::to_valid_utf8(bytes);
    case Kind::utf_16_le: return detail::from_utf16(bytes, 1);
    case Kind::utf_16_be: return detail::from_utf16(bytes, 0);
    case Kind::windows_1252: return detail::from_windows_1252(bytes);
    case Kind::other: break;
  }
  if (detail::is_charset_name(lower))
    if (auto text = detail::from_system_charset(bytes, std::string(known.name))) return *text;
  throw Error(Errc::undecodable_body, "charset " + detail::in_quotes(charset) + " is not known");
}

namespace detail {

/// A response's body as text. A type, so that `Response` can name it before it is defined.
struct Text {
  /// @throws Error `Errc::undecodable_body` for a charset that is not known.
  static std::string of(std::string_view body, std::optional<std::string_view> content_type) {
    const std::string charset = content_type ? charset_of(*content_type) : std::string();
    return to_utf8(body, charset.empty() ? std::string_view("utf-8") : charset);
  }
};

}  // namespace detail

}  // namespace ferry
