#pragma once

/// @file
/// `ResponseStream`: a response whose body is read piece by piece.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/response.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

class ResponseStream;

namespace detail {

class OpenBody;

/// Ends the stream of a cancelled coroutine as `ResponseStream::read` would have ended it: Asio
/// throws its own error at `co_await stream.read()`, before `read` begins. Call this in a handler
/// of the exception `thrown`; any error that is not a cancellation is thrown again.
[[noreturn]] void throw_cancelled(const std::system_error& thrown, ResponseStream& stream);

}  // namespace detail

/// A response whose head has been received, and whose body is read as it comes:
/// `while (auto piece = co_await stream.read())`. Bytes that are not asked for stay in the socket,
/// and the server has to wait.
///
/// Lifetime: owns its connection until the body's end. If the stream is destroyed before that, the
/// connection is given back if the rest of the body is short (64 KiB) and already there; otherwise
/// it is closed. The stream must not be moved or destroyed while a read is in progress. Threads:
/// one at a time.
class ResponseStream {
 public:
  /// An empty stream of status 0, at its end.
  ResponseStream() noexcept;
  /// Moves the other stream; no read may be in progress.
  ResponseStream(ResponseStream&&) noexcept;
  /// Moves the other stream; no read may be in progress. The old body is dropped.
  ResponseStream& operator=(ResponseStream&&) noexcept;
  ~ResponseStream();

  /// The next bytes of the body, at least one; nothing at the end, and from then on.
  ///
  /// Content codings are undone as for `Response::body`. The view is valid until the next call.
  /// @throws Error as `Client`'s verbs; the connection is closed then, and every later read throws
  ///   the same error. `Errc::lease_unusable` while another read is in progress; that read goes on.
  ///   Cancellation: terminal; the connection is closed too.
  asio::awaitable<std::optional<std::string_view>> read() &;

  /// Deleted: the bytes would dangle when the temporary is destroyed.
  asio::awaitable<std::optional<std::string_view>> read() && = delete;

  /// The rest of the body.
  /// @throws Error as `read`; `Errc::body_too_large` if it exceeds the limit of a collected
  ///   `Response`.
  asio::awaitable<std::string> read_all();

  /// Writes the rest of the body to a file, which is created or emptied first. Writing blocks the
  /// thread, as file I/O does.
  /// @return the number of bytes written.
  /// @throws Error as `read`, and `Errc::file_failed`; the bytes written so far stay in the file.
  asio::awaitable<std::uint64_t> read_to(std::string path);

  /// The status code.
  int status() const noexcept { return response().status(); }
  /// The reason phrase; may be empty.
  const std::string& reason() const& noexcept { return response().reason(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::string& reason() const&& = delete;
  /// "HTTP/1.1" or "HTTP/1.0".
  std::string_view version() const noexcept { return response().version(); }
  /// The header fields.
  const Headers& headers() const& noexcept { return response().headers(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Headers& headers() const&& = delete;
  /// The fields after a chunked body; empty before the body's end (RFC 9110 6.5).
  const Headers& trailers() const& noexcept { return response().trailers(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Headers& trailers() const&& = delete;
  /// The URL of the response, in normal form, without userinfo.
  const Url& url() const& noexcept { return response().url(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Url& url() const&& = delete;
  /// True for a status below 400.
  bool ok() const noexcept { return response().ok(); }
  /// Returns the stream itself if `ok()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more.
  const ResponseStream& raise_for_status() const& {
    response().raise_for_status();
    return *this;
  }
  /// Returns the stream itself, moved, if `ok()`:
  /// `auto stream = (co_await client.stream(url)).raise_for_status()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more.
  ResponseStream raise_for_status() && {
    response().raise_for_status();
    return std::move(*this);
  }
  /// The same time as `Response::elapsed`.
  Duration elapsed() const noexcept { return response().elapsed(); }
  /// The durations of the call's steps; `receive` and `total` are final at the body's end.
  const Timings& timings() const& noexcept { return response().timings(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Timings& timings() const&& = delete;
  /// The connection that carries the response.
  const ConnectionInfo& connection() const& noexcept { return response().connection(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const ConnectionInfo& connection() const&& = delete;
  /// The redirects that led to this response, the first one first, without their bodies.
  const std::vector<Response>& history() const& noexcept { return response().history(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::vector<Response>& history() const&& = delete;

 private:
  friend struct detail::access;

  explicit ResponseStream(std::unique_ptr<detail::OpenBody> body) noexcept;

  const Response& response() const noexcept;

  std::unique_ptr<detail::OpenBody> body_;
};
static_assert(detail::co_await_safe<ResponseStream>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/response_stream.ipp>
#endif
