#pragma once

/// @file
/// `Stream`: the bytes of a connection. TCP is one; tests use scripted ones.

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/tls_info.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// An object whose operations another thread may have to end.
class Abortable {
 public:
  /// Makes pending and later operations fail. Any thread may call it, at any time in the object's
  /// life. Locks of ferry's may be held meanwhile, so it must not call into a pool or a client.
  virtual void abort() noexcept = 0;

 protected:
  ~Abortable() = default;
};

/// The state of an idle stream.
enum class IdleState {
  quiet,            ///< Open, and no bytes have come: it can carry another request.
  closed,           ///< Closed by the peer, or failed.
  unexpected_data,  ///< Bytes have come that were not requested.
};

namespace detail {

/// The wait of a stream that cannot wait. A virtual function defined apart would make each file of
/// a header-only program compile the class.
asio::awaitable<bool> cannot_wait();

}  // namespace detail

/// An ordered, reliable stream of bytes, used by one coroutine at a time.
///
/// Operations report failures through an error code and never throw, except that a cancelled
/// coroutine's `co_await` throws `operation_aborted` (Asio's rule). The end of the stream is
/// `asio::error::eof`. Threads: one at a time, except for `abort`.
class Stream : public Abortable {
 public:
  virtual ~Stream() = default;

  /// Writes as much of these buffers as possible, waiting if necessary. Returns 0 without an error
  /// as soon as something can be read: a server may answer before it has read everything. A stream
  /// that cannot wait for both only writes.
  virtual asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) {
    return write_some(buffers, error);
  }

  /// Reads the bytes that are there, at least one, waiting for them if necessary.
  virtual asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                                 std::error_code& error) = 0;
  /// Writes as much of these buffers as possible at once, at least a byte, waiting if necessary.
  virtual asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                                  std::error_code& error) = 0;

  /// Waits until something can be read, or until the time `until`, and reads nothing; call
  /// `try_read_some` afterwards. @return false at once if this stream cannot wait like this.
  virtual asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) {
    (void)until;
    return detail::cannot_wait();
  }

  /// Reads without waiting: `asio::error::would_block` if nothing is there.
  virtual std::size_t try_read_some(asio::mutable_buffer buffer,
                                    std::error_code& error) noexcept = 0;
  /// Writes without waiting: `asio::error::would_block` if nothing can be written.
  virtual std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                                     std::error_code& error) noexcept = 0;

  /// Checks, without waiting and without reading, whether an idle stream may be used again.
  virtual IdleState check_idle() noexcept = 0;

  /// Closes the stream and frees its resources. No operation may be pending.
  virtual void close() noexcept = 0;
  /// True until the stream is closed or aborted.
  virtual bool is_open() const noexcept = 0;

  /// `address:port` of this end; empty if it has none.
  virtual std::string local_endpoint() const { return {}; }
  /// `address:port` of the other end; empty if it has none.
  virtual std::string remote_endpoint() const { return {}; }
  /// The result of the TLS handshake; nothing for a stream without TLS.
  virtual std::optional<TlsInfo> tls() const { return std::nullopt; }
};

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/stream.ipp>
#endif
