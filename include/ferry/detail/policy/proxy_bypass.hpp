#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/host.hpp>

// Rules for hosts that are reached without a proxy.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The bytes of an IP address; an IPv4 address is mapped into IPv6 (RFC 4291 2.5.5.2).
using AddressBytes = std::array<std::uint8_t, 16>;

/// The address in a text, in any spelling; nothing if the text is not an address.
inline std::optional<AddressBytes> parse_address(std::string_view text) {
  AddressBytes bytes{};
  std::size_t at = 0;
  const auto put_ipv4 = [&](std::string_view dotted) {
    for (int octet = 0; octet < 4; ++octet) {
      const auto digits = dotted.substr(0, dotted.find('.'));
      bytes[at++] = static_cast<std::uint8_t>(parse_decimal(digits).value_or(0));
      dotted.remove_prefix(std::min(digits.size() + 1, dotted.size()));
    }
  };
  if (is_ipv4(text)) {
    bytes[10] = bytes[11] = 0xFF;
    at = 12;
    put_ipv4(text);
    return bytes;
  }
  if (!is_ipv6(text)) return std::nullopt;
  std::size_t gap = bytes.size();  // Position of `::`.
  while (!text.empty()) {
    if (text.starts_with("::")) {
      gap = at;
      text.remove_prefix(2);
      continue;
    }
    if (text.front() == ':') text.remove_prefix(1);
    const auto group = text.substr(0, text.find(':'));
    text.remove_prefix(group.size());
    if (group.find('.') != group.npos) {
      put_ipv4(group);
      continue;
    }
    int value = 0;
    for (const char c : group) value = value * 16 + hex_value(c);
    bytes[at++] = static_cast<std::uint8_t>(value >> 8);
    bytes[at++] = static_cast<std::uint8_t>(value & 0xFF);
  }
  const auto place = [&bytes](std::size_t i) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(i);
  };
  if (gap < at) std::rotate(place(gap), place(at), bytes.end());
  return bytes;
}

/// The hosts that are reached without a proxy, in the syntax of `no_proxy`.
class ProxyBypass {
 public:
  /// Adds an entry.
  /// @param entry `*`, a name, which also means all names below it, an address, or a network in
  ///   CIDR form; a name or an address may have a port. White space around it is ignored.
  /// @return false if the entry has no meaning; it then matches no host.
  bool add(std::string_view entry) {
    entry = trim_ows(entry);
    if (entry.empty()) return true;
    if (entry == "*") return all_ = true;
    if (const auto slash = entry.find('/'); slash != entry.npos) {
      const auto address = without_brackets(entry.substr(0, slash));
      const std::uint64_t most = is_ipv4(address) ? 32 : 128;
      const auto bits = parse_decimal(entry.substr(slash + 1));
      return bits && *bits <= most && add_network(address, 128 - most + *bits, 0);
    }
    std::uint16_t port = 0;
    if (const auto colon = entry.rfind(':');
        colon != entry.npos && !is_ipv6(entry) && entry.back() != ']') {
      const auto number = parse_decimal(entry.substr(colon + 1));
      if (!number || *number == 0 || *number > 65535) return false;
      port = static_cast<std::uint16_t>(*number);
      entry = entry.substr(0, colon);
    }
    if (entry.ends_with('.')) entry.remove_suffix(1);
    if (add_network(without_brackets(entry), 128, port)) return true;
    if (entry.starts_with('*')) entry.remove_prefix(1);
    if (entry.starts_with('.')) entry.remove_prefix(1);
    if (entry.find_first_of("*,") != entry.npos || !host_problem(entry).empty()) return false;
    Name& name = names_.emplace_back();
    for (const char c : entry) name.host += to_lower(c);
    name.port = port;
    return true;
  }

  /// @param host the host of a URL, in lower case, without brackets.
  bool matches(std::string_view host, std::uint16_t port) const {
    if (all_) return true;
    if (const auto address = parse_address(host)) {
      return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
        return (network.port == 0 || network.port == port) && network.has(*address);
      });
    }
    if (host.ends_with('.')) host.remove_suffix(1);
    return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
      if (name.port != 0 && name.port != port) return false;
      if (host.size() == name.host.size()) return host == name.host;
      return host.size() > name.host.size() && host.ends_with(name.host) &&
             host[host.size() - name.host.size() - 1] == '.';
    });
  }

 private:
  struct Name {
    std::string host;
    std::uint16_t port = 0;  // 0 for any port.
  };
  struct Network {
    AddressBytes address;
    std::uint64_t bits;  // Number of leading bits that its addresses share.
    std::uint16_t port;  // 0 for any port.

    bool has(const AddressBytes& other) const noexcept {
      // An IPv6 network contains no IPv4 address, not even `::/0`.
      constexpr AddressBytes ipv4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
      if (bits < 96 && std::equal(ipv4.begin(), ipv4.begin() + 12, other.begin())) return false;
      const std::size_t whole = bits / 8;
      if (!std::equal(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(whole),
                      address.begin()))
        return false;
      return bits % 8 == 0 || (address[whole] ^ other[whole]) >> (8 - bits % 8) == 0;
    }
  };

  static std::string_view without_brackets(std::string_view text) noexcept {
    return text.starts_with('[') && text.ends_with(']') ? text.substr(1, text.size() - 2) : text;
  }
  bool add_network(std::string_view address, std::uint64_t bits, std::uint16_t port) {
    const auto bytes = parse_address(address);
    if (bytes) networks_.push_back({*bytes, bits, port});
    return bytes.has_value();
  }

  bool all_ = false;
  std::vector<Name> names_;
  std::vector<Network> networks_;
};

}  // namespace ferry::detail
