#pragma once

/// @file
/// `ServerEvents`: reads a response of type `text/event-stream`, event by event.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/event_stream.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/server_event.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Reads the events that a server sends, as they come:
/// `while (auto event = co_await events.next())`.
///
/// Request them with `Accept: text/event-stream`, and with a read timeout longer than the pauses
/// between events. When the events end or fail, the caller has to connect again: after `retry()`,
/// with `last_event_id()` as the field `Last-Event-ID`. Lifetime: owns the stream. Threads: one at
/// a time. (WHATWG HTML 9.2)
class ServerEvents {
 public:
  /// @param stream the response; owned.
  /// @param max_size the largest event allowed, in bytes.
  /// @throws Error `Errc::http_status` for a status other than 200 (204 asks the client not to
  ///   connect again), `Errc::malformed_response` for another `Content-Type`.
  explicit ServerEvents(ResponseStream stream, std::size_t max_size = 1024 * 1024);

  /// The next event; nothing at the end.
  /// @throws Error as `ResponseStream::read`, and `Errc::body_too_large` for an event that is too
  /// large. Cancellation: terminal.
  asio::awaitable<std::optional<ServerEvent>> next();

  /// The last id that took effect; empty if there was none.
  const std::string& last_event_id() const& noexcept { return parser_.last_event_id(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::string& last_event_id() const&& = delete;
  /// The time to wait before connecting again, if the server has given one.
  std::optional<std::chrono::milliseconds> retry() const noexcept { return parser_.retry(); }
  /// The response that the events belong to.
  const ResponseStream& response() const& noexcept { return stream_; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const ResponseStream& response() const&& = delete;

 private:
  ResponseStream stream_;
  detail::SseParser parser_;
};
static_assert(detail::co_await_safe<ServerEvents>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/sse.ipp>
#endif
