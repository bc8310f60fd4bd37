#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/net/open_sockets.hpp>
#include <ferry/detail/net/wait_ready.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A stream over a socket of any kind; derived classes connect the socket.
///
/// After a fork, the connection still belongs to the parent process. In the child, every operation
/// fails without reading, writing or shutting down, and the copy of the descriptor is closed, which
/// does not affect the parent.
template <class Protocol>
class SocketStream : public Stream, private OpenSocket {
 public:
  explicit SocketStream(const asio::any_io_executor& executor)
      : socket_(executor),
        open_sockets_(OpenSockets::of(executor)),
        looks_before_waiting_(waits_after_short_read(executor)) {}
  ~SocketStream() override { SocketStream::close(); }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    close_if_inherited();
    if (looks_before_waiting_) return look_and_read(buffer, error);
    auto token = asio::redirect_error(asio::use_awaitable, error);
    return socket_.async_read_some(buffer, token);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    close_if_inherited();
    auto token = asio::redirect_error(asio::use_awaitable, error);
    return socket_.async_write_some(buffers, token);
  }
  /// Only waits until the socket is readable or writable; the caller then tries again.
  asio::awaitable<std::size_t> write_some_or_wait_readable(std::span<const asio::const_buffer>,
                                                           std::error_code& error) override {
    close_if_inherited();
    co_await wait_ready(socket_, error);
    co_return 0;
  }
  asio::awaitable<bool> wait_readable(Clock::time_point until) override {
    close_if_inherited();
    const auto readable = std::make_shared<OneShotEvent>();
    struct Cancel {
      typename Protocol::socket& socket;
      ~Cancel() {
        std::error_code ignored;
        socket.cancel(ignored);
      }
    };
    socket_.async_wait(asio::socket_base::wait_read,
                       [readable](std::error_code) { readable->fire(); });
    const Cancel cancel{socket_};
    co_await readable->wait(until);
    co_return true;
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    close_if_inherited();
    return socket_.read_some(buffer, error);
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    close_if_inherited();
    // One buffer takes a simpler system call than several.
    return buffers.size() == 1 ? socket_.write_some(buffers.front(), error)
                               : socket_.write_some(buffers, error);
  }

  /// Only peeks, so even in a child process nothing is taken from the connection.
  IdleState check_idle() noexcept override {
    char byte;
    std::error_code error;
    socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
    if (error == asio::error::would_block) return IdleState::quiet;
    return error ? IdleState::closed : IdleState::unexpected_data;
  }

  void close() noexcept override {
    const std::lock_guard lock(mutex_);
    open_ = false;
    if (std::exchange(known_, false)) open_sockets_.remove(*this);
    std::error_code ignored;
    socket_.close(ignored);
  }

  /// Shuts down both directions but does not close the descriptor: pending reads and writes see an
  /// end of stream. The lock keeps the descriptor from being closed and reused meanwhile.
  void abort() noexcept override {
    const std::lock_guard lock(mutex_);
    if (!open_) return;
    open_ = false;
    if (!process_.is_current()) return;
    std::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  }

  bool is_open() const noexcept override {
    const std::lock_guard lock(mutex_);
    return open_ && process_.is_current();
  }

 protected:
  /// Opens the socket and makes it non-blocking.
  bool open(const Protocol& protocol, std::error_code& error) {
    {
      const std::lock_guard lock(mutex_);
      socket_.open(protocol, error);
      if (error) return false;
      open_ = true;
      process_ = ProcessMark();
      open_sockets_.add(*this);
      known_ = true;
    }
    socket_.non_blocking(true, error);
    return !error;
  }

  typename Protocol::socket socket_;

 private:
  /// Tries to read without waiting before it waits.
  asio::awaitable<std::size_t> look_and_read(asio::mutable_buffer buffer, std::error_code& error) {
    const std::size_t there = try_read_some(buffer, error);
    if (error != asio::error::would_block) co_return there;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_return co_await socket_.async_read_some(buffer, token);
  }

  void close_in_child() noexcept override { SocketStream::close(); }
  void close_if_inherited() noexcept {
    if (!process_.is_current()) [[unlikely]]
      SocketStream::close();
  }

  OpenSockets& open_sockets_;
  const bool looks_before_waiting_;
  mutable std::mutex mutex_;
  bool open_ = false;
  bool known_ = false;   // True while registered in `OpenSockets`.
  ProcessMark process_;  // The process that opened the socket.
};

}  // namespace ferry::detail
