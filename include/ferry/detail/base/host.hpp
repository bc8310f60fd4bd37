#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

// Rules for the hosts of URLs. A host that two programs could read differently is refused: the
// program that checks a URL and the one that connects must mean the same machine.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// True for an `IPv4address` (RFC 3986 3.2.2): four numbers from 0 to 255 without leading zeros.
constexpr bool is_ipv4(std::string_view text) noexcept {
  std::size_t i = 0;
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0) {
      if (i == text.size() || text[i] != '.') return false;
      ++i;
    }
    if (i == text.size() || !is_digit(text[i])) return false;
    int value = text[i] - '0';
    const bool may_go_on = value > 0;
    for (++i; i < text.size() && is_digit(text[i]); ++i) {
      value = value * 10 + (text[i] - '0');
      if (!may_go_on || value > 255) return false;
    }
  }
  return i == text.size();
}

/// True for an `IPv6address` of RFC 3986 3.2.2, without brackets: eight groups, or fewer around one
/// `::`; the last two may be written as an IPv4 address.
constexpr bool is_ipv6(std::string_view text) noexcept {
  int groups = 0;
  bool gap = text.starts_with("::");
  if (gap) text.remove_prefix(2);
  while (!text.empty()) {
    const auto group = text.substr(0, text.find(':'));
    const bool last = group.size() == text.size();
    if (last && is_ipv4(group)) {
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), is_hex))
      return false;
    ++groups;
    if (last) break;
    text.remove_prefix(group.size() + 1);
    if (text.empty()) return false;  // The text ends with a single colon.
    if (text[0] == ':') {
      if (gap) return false;
      gap = true;
      text.remove_prefix(1);
    }
  }
  return gap ? groups < 8 : groups == 8;
}

/// True if some program reads this label as a number: decimal or octal digits, or `0x` and
/// hexadecimal digits.
constexpr bool is_numeric_label(std::string_view label) noexcept {
  if (label.size() >= 2 && label[0] == '0' && to_lower(label[1]) == 'x')
    return std::all_of(label.begin() + 2, label.end(), is_hex);
  return std::all_of(label.begin(), label.end(), is_digit);
}

/// True for a character of a host's name: `unreserved` or `sub-delims` of RFC 3986.
constexpr bool is_host_char(char c) noexcept {
  return is_digit(c) || is_alpha(c) ||
         std::string_view("-._~!$&'()*+,;=").find(c) != std::string_view::npos;
}

/// The problem of a URL's host (an IPv6 address is in brackets), as text that follows the host;
/// empty if there is none.
constexpr std::string_view host_problem(std::string_view host) noexcept {
  if (host.empty()) return "is missing";
  if (host.size() > 255) return "is longer than 255 bytes";
  if (host[0] == '[') {
    if (host.find('%') != std::string_view::npos) return "has an IPv6 zone, which is not supported";
    const bool closed = host.back() == ']';
    if (!closed || !is_ipv6(host.substr(1, host.size() - 2))) return "is not a valid IPv6 address";
    return {};
  }
  for (char c : host) {
    if (static_cast<unsigned char>(c) >= 0x80)
      return "is not ASCII: set options.idna, of ferry/idna.hpp, or write its punycode (xn--) form";
    if (c == '%') return "is percent-encoded, which programs read in different ways";
    if (!is_host_char(c)) return "has a character that no host may have";
  }
  auto labels = host;
  if (labels.back() == '.') labels.remove_suffix(1);  // The DNS root.
  if (labels.empty() || labels.front() == '.' || labels.find("..") != std::string_view::npos ||
      labels.back() == '.')
    return "has an empty label";
  if (is_numeric_label(labels.substr(labels.rfind('.') + 1)) && !is_ipv4(host))
    return "looks like an IPv4 address but is not four decimal numbers from 0 to 255 without "
           "leading zeros";
  return {};
}

/// The problem of a host before its mapping to ASCII; empty if there is none. Its ASCII characters
/// must already be allowed in a host, so that none is lost, or becomes a delimiter, in the mapping.
constexpr std::string_view unmapped_host_problem(std::string_view host) noexcept {
  constexpr std::size_t longest = 4 * 255;  // Bytes of as many characters as a host may have.
  if (host.size() > longest) return "is longer than 1020 bytes";
  for (char c : host) {
    if (c == '%') return "is percent-encoded, which programs read in different ways";
    if (static_cast<unsigned char>(c) < 0x80 && !is_host_char(c))
      return "has a character that no host may have";
  }
  return {};
}

/// The problem of a host after its mapping to ASCII; empty if there is none. The mapping of UTS #46
/// turns look-alike characters into `/`, `:`, `@`, `[` and the like: the forbidden domain code
/// points of the WHATWG's URL standard, for all of which `is_host_char` is false.
constexpr std::string_view mapped_host_problem(std::string_view host) noexcept {
  // An address is not allowed, either.
  if (host.starts_with('[')) return "has a character that no host may have";
  return host_problem(host);
}

/// The problem of a Unix socket's name, as text that follows the name; empty if there is none.
constexpr std::string_view unix_path_problem(std::string_view path) noexcept {
  constexpr std::size_t longest = 107;  // Bytes that fit in `sockaddr_un`.
  if (!path.starts_with('/') && !path.starts_with('@'))
    return "is neither an absolute path nor @ and an abstract name";
  if (path.size() == 1) return "names nothing";
  if (path.size() > longest) return "is longer than 107 bytes";
  if (path.find('\0') != std::string_view::npos) return "has a zero byte";
  return {};
}

}  // namespace ferry::detail
