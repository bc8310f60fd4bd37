#pragma once

/// @file
/// `Lines`: reads a response line by line.

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/line_splitter.hpp>
#include <ferry/response_stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Reads the lines of a response's body as they come: `while (auto line = co_await lines.next())`.
///
/// A line ends with LF, CR LF or CR, which is not part of the line; bytes after the last line end
/// are one more line. Lifetime: owns the stream. Threads: one at a time.
class Lines {
 public:
  /// @param stream the response; owned.
  /// @param max_size the longest line allowed, in bytes.
  explicit Lines(ResponseStream stream, std::size_t max_size = 1024 * 1024)
      : stream_(std::move(stream)), splitter_(max_size) {}

  /// The next line; nothing at the end. The view is valid until the next call.
  /// @throws Error as `ResponseStream::read`, and `Errc::body_too_large` for a line that is too
  /// long. Cancellation: terminal.
  asio::awaitable<std::optional<std::string_view>> next() &;

  /// Deleted: the line would dangle when the temporary is destroyed.
  asio::awaitable<std::optional<std::string_view>> next() && = delete;

  /// The response that the lines belong to.
  const ResponseStream& response() const& noexcept { return stream_; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const ResponseStream& response() const&& = delete;

 private:
  ResponseStream stream_;
  detail::LineSplitter splitter_;
  bool ended_ = false;
};
static_assert(detail::co_await_safe<Lines>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/lines.ipp>
#endif
