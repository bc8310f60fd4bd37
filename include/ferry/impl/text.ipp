#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/quoted_string.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/detail/text/charsets.hpp>
#include <ferry/detail/text/iconv.hpp>
#include <ferry/detail/text/multibyte.hpp>
#include <ferry/text.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION std::string charset_of(std::string_view content_type) {
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
    const bool is_quoted = rest.starts_with('"');
    if (is_quoted) value = detail::take_quoted_string(rest, "\\");
    const auto end = std::min(rest.find(';'), rest.size());
    if (!is_quoted) value = detail::trim_ows(rest.substr(0, end));
    rest.remove_prefix(end);
    if (detail::iequals(name, "charset") && !detail::trim_ows(value).empty())
      return std::string(detail::trim_ows(value));
  }
  return {};
}

namespace detail {

/// Decodes a charset that has one character for each byte. (WHATWG Encoding 9.1)
inline std::string from_single_byte(std::string_view bytes, std::u16string_view high) {
  const auto first = 256 - high.size();
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(out, byte < first ? byte : high[byte - first]);
  }
  return out;
}

/// @param high the index of the higher one of two bytes: 0 or 1.
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
    if (first < 0xDC00 && bytes.size() - i < 4) break;  // Only half of a surrogate pair is left.
    const auto second = first < 0xDC00 ? unit(i + 2) : 0;
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

/// @param high the index of the highest one of four bytes: 0 or 3.
inline std::string from_utf32(std::string_view bytes, std::size_t high) {
  std::string out;
  out.reserve(bytes.size());
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    std::uint32_t c = 0;
    for (std::size_t i = 0; i < 4; ++i)
      c = c << 8 | static_cast<unsigned char>(bytes[high == 0 ? i : 3 - i]);
    append_utf8(out, c < 0x110000 && (c < 0xD800 || c > 0xDFFF) ? c : 0xFFFD);
  }
  if (!bytes.empty()) out += replacement_character;
  return out;
}

/// Decodes a text that has a byte order mark; nothing if it has none. (WHATWG Encoding 6)
/// @param utf_32 true to recognize the mark of UTF-32, which looks like that of UTF-16 and a
///   U+0000.
inline std::optional<std::string> from_marked(std::string_view bytes, bool utf_32) {
  using namespace std::string_view_literals;
  if (utf_32 && bytes.starts_with("\xFF\xFE\0\0"sv)) return from_utf32(bytes.substr(4), 3);
  if (utf_32 && bytes.starts_with("\0\0\xFE\xFF"sv)) return from_utf32(bytes.substr(4), 0);
  if (bytes.starts_with("\xEF\xBB\xBF")) return to_valid_utf8(bytes.substr(3));
  if (bytes.starts_with("\xFF\xFE")) return from_utf16(bytes.substr(2), 1);
  if (bytes.starts_with("\xFE\xFF")) return from_utf16(bytes.substr(2), 0);
  return std::nullopt;
}

/// @param name the charset's name, for the error.
inline std::string decode_text(std::string_view bytes, const Charset& charset,
                               std::string_view name) {
  switch (charset.decoder) {
    case TextDecoder::utf_8: return to_valid_utf8(bytes);
    case TextDecoder::utf_16_le: return from_utf16(bytes, 1);
    case TextDecoder::utf_16_be: return from_utf16(bytes, 0);
    case TextDecoder::utf_32_le: return from_utf32(bytes, 3);
    case TextDecoder::utf_32_be: return from_utf32(bytes, 0);
    case TextDecoder::single_byte: return from_single_byte(bytes, charset.high);
    case TextDecoder::shift_jis: return from_shift_jis(bytes);
    case TextDecoder::euc_jp: return from_euc_jp(bytes);
    case TextDecoder::iso_2022_jp: return from_iso_2022_jp(bytes);
    case TextDecoder::big5: return from_big5(bytes);
    case TextDecoder::euc_kr: return from_euc_kr(bytes);
    case TextDecoder::gb18030: return from_gb18030(bytes);
    case TextDecoder::replacement: break;
  }
  throw Error(Errc::undecodable_body,
              "charset " + in_quotes(name) + " is refused, as it is on the web");
}

}  // namespace detail

FERRY_DEFINITION std::string to_utf8(std::string_view bytes, std::string_view charset) {
  const auto name = detail::charset_name(charset);
  const auto* known = detail::find_charset(name);
  const bool utf_32 = !known || known->decoder == detail::TextDecoder::utf_32_le ||
                      known->decoder == detail::TextDecoder::utf_32_be;
  if (auto text = detail::from_marked(bytes, utf_32)) return std::move(*text);
  if (known) return detail::decode_text(bytes, *known, charset);
  if (auto text = detail::from_system_charset(bytes, name)) return std::move(*text);
  if (detail::find_invalid_utf8(bytes) == bytes.size()) return std::string(bytes);
  throw Error(Errc::undecodable_body, "charset " + detail::in_quotes(charset) + " is not known");
}

namespace detail {

FERRY_DEFINITION std::string Text::of(std::string_view body,
                                      std::optional<std::string_view> content_type,
                                      const std::optional<Error>& coded) {
  if (coded && find_invalid_utf8(body) != body.size()) throw *coded;
  const std::string charset = content_type ? charset_of(*content_type) : std::string();
  if (!charset.empty()) return to_utf8(body, charset);
  auto text = from_marked(body, true);
  return text ? std::move(*text) : to_valid_utf8(body);
}

}  // namespace detail

}  // namespace ferry
