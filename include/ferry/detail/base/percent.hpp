#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

// Percent-encoding (RFC 3986 2.1).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// True if a `%` with two hexadecimal digits is at this position.
constexpr bool is_escape_at(std::string_view text, std::size_t i) noexcept {
  return text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
}

/// The text with each `%XX` replaced by its byte.
inline std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_escape_at(text, i)) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Writes a byte as `%XX`.
inline void append_escaped(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

/// Appends text percent-encoded: all but `unreserved` (RFC 3986 2.3); a space becomes `%20`.
inline void append_component(std::string& out, std::string_view text) {
  for (char c : text) {
    if (is_digit(c) || is_alpha(c) || c == '-' || c == '.' || c == '_' || c == '~')
      out += c;
    else
      append_escaped(out, c);
  }
}

}  // namespace ferry::detail
