#pragma once

/// @file
/// `ServerEvents`: reads a response of type `text/event-stream`, event by event.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/detail/http/event_stream.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/server_event.hpp>

namespace ferry {

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
  explicit ServerEvents(ResponseStream stream, std::size_t max_size = 1024 * 1024)
      : stream_(std::move(stream)), parser_(max_size) {
    if (stream_.status() != 200) {
      const bool is_over = stream_.status() == 204;  // A status of 204 ends the events (WHATWG HTML
                                                     // 9.2.3).
      throw detail::status_error(stream_.status(), stream_.reason(), stream_.url(),
                                 is_over ? ": the server asks not to connect again" : "");
    }
    const auto type = stream_.headers().get("Content-Type").value_or("");
    if (!detail::iequals(detail::trim_ows(type.substr(0, type.find(';'))), "text/event-stream"))
      throw Error(Errc::malformed_response,
                  "its Content-Type is not text/event-stream but " + detail::in_quotes(type));
  }

  /// The next event; nothing at the end.
  /// @throws Error as `ResponseStream::read`, and `Errc::body_too_large` for an event that is too
  /// large. Cancellation: terminal.
  asio::awaitable<std::optional<ServerEvent>> next() {
    for (;;) {
      auto event = parser_.next();
      if (!event) throw event.error();
      if (*event) co_return std::move(*event);
      std::optional<std::string_view> piece;
      try {
        piece = co_await stream_.read();
      } catch (const std::system_error& e) {
        detail::throw_cancelled(e, stream_);
      }
      if (!piece) co_return std::nullopt;
      parser_.feed(*piece);
    }
  }

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
