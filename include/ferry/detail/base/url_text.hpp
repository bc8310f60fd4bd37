#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>

// The characters of a URL, and its normal form (RFC 3986).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The scheme of URLs whose host is the percent-encoded path of a Unix socket.
inline constexpr std::string_view unix_scheme = "http+unix";

/// The default port of a scheme (in any case), or 0.
constexpr std::uint16_t default_port(std::string_view scheme) noexcept {
  return iequals(scheme, "http") ? 80 : iequals(scheme, "https") ? 443 : 0;
}

/// The length of the scheme at the beginning of a URL, without the colon; 0 if there is none (RFC
/// 3986 3.1).
constexpr std::size_t scheme_length(std::string_view url) noexcept {
  if (url.empty() || !is_alpha(url[0])) return 0;
  std::size_t i = 1;
  while (i < url.size() &&
         (is_alpha(url[i]) || is_digit(url[i]) || url[i] == '+' || url[i] == '-' || url[i] == '.'))
    ++i;
  return i < url.size() && url[i] == ':' ? i : 0;
}

/// The bytes that need no percent-encoding after the authority. `%` is one of them only before two
/// hexadecimal digits.
inline constexpr auto plain_url_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x21; c < 0x7F; ++c)
    plain[c] =
        std::string_view("\"<>\\^`{|}%").find(static_cast<char>(c)) == std::string_view::npos;
  return plain;
}();

/// The bytes of a host's name in normal form, except for the dots.
inline constexpr auto plain_host_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0; c < 128; ++c) {
    const auto byte = static_cast<char>(c);
    plain[c] = is_digit(byte) || (byte >= 'a' && byte <= 'z') || byte == '-';
  }
  return plain;
}();

/// True if the byte at this position, after the authority, needs no percent-encoding.
constexpr bool is_plain_at(std::string_view text, std::size_t i) noexcept {
  return plain_url_bytes[static_cast<unsigned char>(text[i])] || is_escape_at(text, i);
}

/// True if nothing after the authority, here given, needs percent-encoding.
constexpr bool is_plain(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!is_plain_at(text, i)) return false;
  return true;
}

/// Appends text and percent-encodes the bytes that are not plain; `%XX` stays as it is.
inline void append_plain(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain_at(text, i))
      out += text[i];
    else
      append_escaped(out, text[i]);
  }
}

/// True if the path has a segment `.` or `..`.
constexpr bool has_dot_segment(std::string_view path) noexcept {
  for (auto at = path.find("/."); at != path.npos; at = path.find("/.", at + 1)) {
    const auto rest = path.substr(at + 2);
    if (rest.empty() || rest[0] == '/' || rest == "." || rest.starts_with("./")) return true;
  }
  return false;
}

/// Appends an absolute path, percent-encoded and without dot segments (RFC 3986 5.2.4); an empty
/// path becomes `/`.
inline void append_path(std::string& out, std::string_view path) {
  if (path.empty()) path = "/";
  const auto root = out.size();
  while (!path.empty()) {
    const auto segment = path.substr(0, path.find('/', 1));
    path.remove_prefix(segment.size());
    if (segment == "/." || segment == "/..") {
      if (segment == "/.." && out.size() > root) out.resize(out.rfind('/'));
      if (path.empty()) out += '/';
    } else {
      append_plain(out, segment);
    }
  }
}

}  // namespace ferry::detail
