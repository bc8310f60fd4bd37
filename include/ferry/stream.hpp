#pragma once

/// @file
/// `Stream`: the bytes under a connection. TCP is one; tests bring scripted ones.

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <ferry/detail/base/asio.hpp>
#include <ferry/tls_info.hpp>

namespace ferry {

/// Something that another thread may have to end: it fails what is pending on it, and what comes
/// later.
class Abortable {
 public:
  /// Makes pending and later operations fail. Any thread may call it, at any time in the object's
  /// life; locks of ferry's may be held meanwhile, so it must not call into a pool or a client.
  virtual void abort() noexcept = 0;

 protected:
  ~Abortable() = default;
};

/// What a look at an idle stream finds.
enum class Look {
  quiet,    ///< Open, and nothing has come: fit for another request.
  closed,   ///< The peer has closed it, or it has failed.
  surplus,  ///< Bytes have come that nobody asked for.
};

/// An ordered, reliable stream of bytes, used by one coroutine at a time.
///
/// Operations report failures through an error code and never throw, except that a cancelled
/// coroutine's `co_await` throws `operation_aborted` (Asio's rule). End of stream is
/// `asio::error::eof`. Threads: one at a time, apart from `abort`.
class Stream : public Abortable {
 public:
  virtual ~Stream() = default;

  /// Writes what can be taken of these buffers, waiting if need be, or returns 0 without an error
  /// as soon as something can be read: a server may answer before it has read all. A stream that
  /// cannot wait for both just writes.
  virtual asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) {
    return write_some(buffers, error);
  }

  /// Reads what is there, at least a byte, waiting for it if need be.
  virtual asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                                 std::error_code& error) = 0;
  /// Writes what can be taken of these buffers in one go, at least a byte, waiting if need be.
  virtual asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                                  std::error_code& error) = 0;

  /// Waits until something can be read, or `until`, and takes nothing: `try_read_some` tells what
  /// there is. @return false at once if this stream cannot wait so.
  virtual asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) {
    (void)until;
    co_return false;
  }

  /// As `read_some`, but without waiting: `asio::error::would_block` if nothing is there.
  virtual std::size_t try_read_some(asio::mutable_buffer buffer,
                                    std::error_code& error) noexcept = 0;
  /// As `write_some`, but without waiting: `asio::error::would_block` if nothing can be taken.
  virtual std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                                     std::error_code& error) noexcept = 0;

  /// Looks, without waiting and without taking anything, whether an idle stream may be used again.
  virtual Look look() noexcept = 0;

  /// Closes it and frees what it holds. Nothing may be pending.
  virtual void close() noexcept = 0;
  /// True until it was closed or aborted.
  virtual bool is_open() const noexcept = 0;

  /// `address:port` of this end; empty if it has none.
  virtual std::string local_endpoint() const { return {}; }
  /// `address:port` of the other end; empty if it has none.
  virtual std::string remote_endpoint() const { return {}; }
  /// What TLS has agreed on, if it is secured.
  virtual std::optional<TlsInfo> tls() const { return std::nullopt; }
};

}  // namespace ferry
