#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The server's idle timeout in a field `Keep-Alive: timeout=N`, less a margin of one second for
/// bytes on their way; nothing if there is none or it is malformed. A very long one is capped.
inline std::optional<std::chrono::seconds> keep_alive_hint(std::string_view value) {
  constexpr std::uint64_t cap = 600;
  for (std::string_view list = value; !list.empty();) {
    const auto comma = std::min(list.find(','), list.size());
    const auto item = trim_ows(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (item.size() <= 8 || !iequals(item.substr(0, 8), "timeout=")) continue;
    const auto digits = item.substr(8);
    if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    const std::uint64_t seconds = std::min(cap, parse_decimal(digits).value_or(cap));
    return std::chrono::seconds(seconds > 0 ? seconds - 1 : 0);
  }
  return std::nullopt;
}

/// The fields of a response's head about its connection.
struct ConnectionFields {
  bool close = false;       ///< `Connection: close`, in any position of any line.
  bool keep_alive = false;  ///< `Connection: keep-alive`, in any position of any line.
  /// Time for which the server says that it keeps the connection.
  std::optional<std::chrono::seconds> hint;

  void take(std::string_view name, std::string_view value) {
    if (iequals(name, "Connection")) {
      const bool usual = iequals(value, "keep-alive");
      keep_alive = keep_alive || usual || list_has_token(value, "keep-alive");
      close = close || (!usual && list_has_token(value, "close"));
    } else if (!hint && iequals(name, "Keep-Alive")) {
      hint = keep_alive_hint(value);
    }
  }
};

}  // namespace ferry::detail
