#pragma once

#include <optional>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/event.hpp>

// Rules for the reuse of a connection.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The facts that decide whether a connection may be used again.
struct ReuseFacts {
  bool fully_sent = true;        ///< True if the whole request was written.
  bool close_announced = false;  ///< True if one side sent `Connection: close`.
  bool keep_alive = false;       ///< True if the server sent `Connection: keep-alive`.
  bool is_http_1_0 = false;      ///< True for an HTTP/1.0 response.
  bool until_close = false;      ///< True if the body ended with the connection.
  bool surplus = false;          ///< True if bytes came after the response.
  bool ambiguous = false;  ///< True if a response without a body had ambiguous framing fields.
};

/// The reason why the connection must not carry another request, or nothing (RFC 9112 9.3).
constexpr std::optional<CloseReason> reuse_obstacle(const ReuseFacts& facts) noexcept {
  // A part of a request is on the wire: the server would take the next one for the rest of it
  // (CVE-2024-24791).
  if (!facts.fully_sent) return CloseReason::not_kept;
  if (facts.until_close) return CloseReason::not_kept;
  // No request is open, so no response can be on its way: the two ends disagree.
  if (facts.surplus) return CloseReason::surplus_bytes;
  // The server, or a proxy before it, may still send a body.
  if (facts.ambiguous) return CloseReason::ambiguous_framing;
  if (facts.close_announced || (facts.is_http_1_0 && !facts.keep_alive))
    return CloseReason::not_kept;
  return std::nullopt;
}

}  // namespace ferry::detail
