#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <ferry/detail/base/configuration.hpp>

// The characters of HTTP and URIs. No function depends on the locale; <cctype> does, and is slower.
namespace ferry::inline FERRY_CONFIGURATION::detail {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
constexpr char to_upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c;
}
/// The value of a hexadecimal digit.
constexpr int hex_value(char c) noexcept { return is_digit(c) ? c - '0' : to_lower(c) - 'a' + 10; }

/// A control character: 0x00 to 0x1F and DEL.
constexpr bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

/// True for each `tchar` of RFC 9110 5.6.2, the characters of methods and field names.
inline constexpr auto token_bytes = [] {
  std::array<bool, 256> token{};
  for (std::size_t c = 0; c < 128; ++c) {
    const auto byte = static_cast<char>(c);
    token[c] = is_digit(byte) || is_alpha(byte) ||
               std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos;
  }
  return token;
}();
constexpr bool is_token_char(char c) noexcept { return token_bytes[static_cast<unsigned char>(c)]; }

/// True for a `token` of RFC 9110 5.6.2: one or more `tchar`.
constexpr bool is_token(std::string_view text) noexcept {
  for (char c : text)
    if (!is_token_char(c)) return false;
  return !text.empty();
}

/// Compares ASCII text without regard to case.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (b.empty()) return true;
  // Most names match exactly. If b is a literal, the compiler inlines this comparison.
  if (!std::is_constant_evaluated() && std::memcmp(a.data(), b.data(), b.size()) == 0) return true;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && to_lower(a[i]) != to_lower(b[i])) return false;
  return true;
}

/// True for SP or HTAB.
constexpr bool is_ows(char c) noexcept { return c == ' ' || c == '\t'; }

/// Removes optional white space (SP and HTAB, RFC 9110 5.6.3) at both ends.
constexpr std::string_view trim_ows(std::string_view text) noexcept {
  while (!text.empty() && is_ows(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ows(text.back())) text.remove_suffix(1);
  return text;
}

/// True if the comma-separated list contains this token, in any case and position (RFC 9110 5.6.1).
constexpr bool list_has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (iequals(trim_ows(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

/// Parses `1*DIGIT`; nothing for any other text, or above 2^63 - 1.
constexpr std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (!is_digit(c) || value > (INT64_MAX - static_cast<std::uint64_t>(c - '0')) / 10)
      return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

/// Makes user input printable for an error's text: in quotes, with control and non-ASCII bytes as
/// `\xNN`, cut after 80 bytes.
inline std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 80)) {
    if (is_control(c) || static_cast<unsigned char>(c) >= 0x80) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += buffer;
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out += text.size() > 80 ? "\"..." : "\"";
}

}  // namespace ferry::detail
