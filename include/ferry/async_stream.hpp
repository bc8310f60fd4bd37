#pragma once

/// @file
/// `AsyncStream`: a `Stream` in the form that Asio's composed operations, and libraries built on
/// them, expect.

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <asio/associated_executor.hpp>
#include <asio/bind_executor.hpp>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/stream.hpp>
#include <ferry/upgraded.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A `Stream` as an Asio AsyncReadStream and AsyncWriteStream, for `asio::async_read` and for
/// WebSocket libraries. Use it where `co_await stream->read_some(...)` does not fit.
///
/// Cancellation: none; `abort()` ends pending operations. Threads: one operation in each direction
/// at a time, on the stream's executor, as for any socket. Lifetime: the stream must outlive its
/// operations.
class AsyncStream {
 public:
  /// The executor's type, which Asio requires of a stream.
  using executor_type = asio::any_io_executor;
  /// The stream's own type, which Asio requires of a stream: there is no layer below it.
  using lowest_layer_type = AsyncStream;

  /// @param executor runs the operations, and their handlers unless those have an executor of their
  ///   own.
  /// @param stream the stream to adapt; owned.
  /// @param received bytes that are read before those of `stream`.
  AsyncStream(executor_type executor, std::unique_ptr<Stream> stream, std::string received = {})
      : executor_(std::move(executor)),
        stream_(std::move(stream)),
        received_(std::move(received)) {}
  /// Takes the stream of an upgrade. The bytes that have already come are read first.
  AsyncStream(executor_type executor, Upgraded upgraded)
      : AsyncStream(std::move(executor), std::move(upgraded.stream), std::move(upgraded.received)) {
  }

  /// The executor on which handlers run.
  executor_type get_executor() const noexcept { return executor_; }
  /// The stream itself.
  lowest_layer_type& lowest_layer() & noexcept { return *this; }
  /// The stream below, which carries the bytes.
  Stream& stream() & noexcept { return *stream_; }

  /// Makes pending and later operations fail. Any thread may call it.
  void abort() noexcept { stream_->abort(); }
  /// Closes both directions. Operations in flight fail.
  void close() noexcept { stream_->close(); }

  /// Reads the bytes that are there, at least one. Signature: `void(std::error_code, std::size_t)`.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const asio::mutable_buffer first = first_of<asio::mutable_buffer>(buffers);
    return start(std::forward<Token>(token), [this, first] { return read(first); });
  }
  /// Writes some of the bytes, at least one. Signature: `void(std::error_code, std::size_t)`.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const asio::const_buffer first = first_of<asio::const_buffer>(buffers);
    return start(std::forward<Token>(token), [this, first] { return write(first); });
  }

 private:
  struct Outcome {
    std::error_code error;
    std::size_t count = 0;
  };

  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    for (auto i = asio::buffer_sequence_begin(buffers); i != asio::buffer_sequence_end(buffers);
         ++i)
      if (const Buffer buffer(*i); buffer.size() > 0) return buffer;
    return Buffer();
  }

  template <class Token, class Operation>
  auto start(Token&& token, Operation operation) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [this](auto handler, Operation run) {
          auto executor = asio::get_associated_executor(handler, executor_);
          asio::co_spawn(executor_, run(),
                         asio::bind_executor(
                             executor, [handler = std::move(handler)](std::exception_ptr thrown,
                                                                      Outcome outcome) mutable {
                               if (thrown) outcome.error = asio::error::operation_aborted;
                               std::move(handler)(outcome.error, outcome.count);
                             }));
        },
        token, std::move(operation));
  }

  asio::awaitable<Outcome> read(asio::mutable_buffer buffer);
  asio::awaitable<Outcome> write(asio::const_buffer buffer);

  executor_type executor_;
  std::unique_ptr<Stream> stream_;
  std::string received_;
};
static_assert(detail::co_await_safe<AsyncStream>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/async_stream.ipp>
#endif
