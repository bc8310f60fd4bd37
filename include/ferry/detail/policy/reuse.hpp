#pragma once

#include <optional>

#include <ferry/event.hpp>

// When a connection may carry another request.
namespace ferry::detail {

/// What decides whether a connection may be used again.
struct ReuseFacts {
  bool fully_sent = true;        ///< The whole request had been written.
  bool close_announced = false;  ///< One side said `Connection: close`.
  bool keep_alive = false;       ///< The server said `Connection: keep-alive`.
  bool is_http_1_0 = false;      ///< The response was of HTTP/1.0.
  bool until_close = false;      ///< The body ended with the connection.
  bool surplus = false;          ///< Bytes came behind the response.
  bool ambiguous = false;        ///< It framed a body that it had not, in a way to be misread.
};

/// Why the connection must not carry another request, or nothing. (RFC 9112 9.3)
constexpr std::optional<CloseReason> may_reuse(const ReuseFacts& facts) noexcept {
  // Half a request is on the wire: whatever came next would be taken for its rest (CVE-2024-24791).
  if (!facts.fully_sent) return CloseReason::not_kept;
  if (facts.until_close) return CloseReason::not_kept;
  // No request is open, so no response can be on its way: the two ends disagree.
  if (facts.surplus) return CloseReason::surplus_bytes;
  // The server, or what stands before it, may yet send a body.
  if (facts.ambiguous) return CloseReason::ambiguous_framing;
  if (facts.close_announced || (facts.is_http_1_0 && !facts.keep_alive))
    return CloseReason::not_kept;
  return std::nullopt;
}

}  // namespace ferry::detail
