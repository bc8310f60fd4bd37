#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include <ferry/detail/h1_parser.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>

// When a connection may carry another request, and for how long it may wait for one.
namespace ferry::detail {

/// What, beside the response itself, decides whether its connection may be used again.
struct ReuseFacts {
  bool fully_sent = true;        ///< The whole request had been written.
  bool close_announced = false;  ///< The request said `Connection: close`.
  bool until_close = false;      ///< The body ended with the connection.
  bool surplus = false;          ///< Bytes came behind the response.
};

/// Why the connection must not carry another request, or nothing. (RFC 9112 9.3)
inline std::optional<CloseReason> may_reuse(const ResponseMessage& response,
                                            const ReuseFacts& facts) {
  // Half a request is on the wire: whatever came next would be taken for its rest (CVE-2024-24791).
  if (!facts.fully_sent) return CloseReason::not_kept;
  if (facts.until_close) return CloseReason::not_kept;
  // No request is open, so no response can be on its way: the two ends disagree.
  if (facts.surplus) return CloseReason::surplus_bytes;
  if (facts.close_announced || response.headers.has_token("Connection", "close"))
    return CloseReason::not_kept;
  if (response.minor_version == 0 && !response.headers.has_token("Connection", "keep-alive"))
    return CloseReason::not_kept;
  return std::nullopt;
}

/// The server's own idle timeout, `Keep-Alive: timeout=N`, less a margin for what is on its way;
/// nothing if it gives none. Garbage is no hint; a huge one is capped.
inline std::optional<Duration> keep_alive_hint(const Headers& headers) {
  constexpr std::uint64_t cap = 600;
  for (const auto [name, value] : headers) {
    if (!iequals(name, "Keep-Alive")) continue;
    for (std::string_view list = value; !list.empty();) {
      const auto comma = list.find(',');
      const auto item = trim_ows(list.substr(0, comma));
      if (item.size() > 8 && iequals(item.substr(0, 8), "timeout=")) {
        const auto digits = item.substr(8);
        if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
        const std::uint64_t seconds = std::min(cap, parse_decimal(digits).value_or(cap));
        return std::chrono::seconds(seconds > 0 ? seconds - 1 : 0);
      }
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  return std::nullopt;
}

}  // namespace ferry::detail
