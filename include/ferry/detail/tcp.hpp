#pragma once

#include <mutex>

#include <ferry/detail/asio.hpp>
#include <ferry/detail/wait_ready.hpp>
#include <ferry/options.hpp>
#include <ferry/stream.hpp>

namespace ferry::detail {

inline std::string to_string(const asio::ip::tcp::endpoint& endpoint) {
  const auto address = endpoint.address().to_string();
  const auto port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

/// A TCP connection.
class TcpStream final : public Stream {
 public:
  explicit TcpStream(const asio::any_io_executor& executor) : socket_(executor) {}
  ~TcpStream() { close(); }

  /// Opens the socket and starts to connect. @return true if that has ended, well or with an error.
  bool start_connect(const asio::ip::tcp::endpoint& remote, const TcpOptions& options,
                     std::error_code& error) {
    remote_ = remote;
    {
      const std::lock_guard lock(mutex_);
      if (socket_.open(remote.protocol(), error)) return true;
      open_ = true;
    }
    if (socket_.non_blocking(true, error)) return true;
    std::error_code ignored;
    if (options.no_delay) socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (!set(options, error)) return true;
    // Asked twice: on a near network the handshake is over by now, and the reactor need not be
    // asked.
    return !connect_pending(error) || !connect_pending(error);
  }

  /// Calls the handler when something has happened to the attempt; `connect_ended` says whether
  /// that was its end.
  template <class Handler>
  void wait_connect(Handler handler) {
    socket_.async_wait(asio::socket_base::wait_write, std::move(handler));
  }

  /// True if the attempt has ended, well or with an error.
  bool connect_ended(std::error_code& error) {
    ConnectError pending;
    if (socket_.get_option(pending, error)) return true;
    error = pending.code();
    if (error) return true;
    socket_.remote_endpoint(error);
    if (error != asio::error::not_connected) return true;
    error.clear();
    return false;
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    return socket_.async_read_some(buffer, token);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    return socket_.async_write_some(buffers, token);
  }
  /// It only waits, for whichever comes first: then the caller tries again.
  asio::awaitable<std::size_t> write_some_or_wait_readable(std::span<const asio::const_buffer>,
                                                           std::error_code& error) override {
    co_await wait_ready(socket_, error);
    co_return 0;
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    return socket_.read_some(buffer, error);
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    return socket_.write_some(buffers, error);
  }

  Look look() noexcept override {
    char byte;
    std::error_code error;
    socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
    if (error == asio::error::would_block) return Look::quiet;
    return error ? Look::closed : Look::surplus;
  }

  void close() noexcept override {
    const std::lock_guard lock(mutex_);
    open_ = false;
    std::error_code ignored;
    socket_.close(ignored);
  }

  /// Ends both directions without touching the descriptor's life: whoever is reading or writing
  /// finds an end of stream. The lock keeps the descriptor from being closed, and reused, in
  /// between.
  void abort() noexcept override {
    const std::lock_guard lock(mutex_);
    if (!open_) return;
    open_ = false;
    std::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  }

  bool is_open() const noexcept override {
    const std::lock_guard lock(mutex_);
    return open_;
  }

  std::string local_endpoint() const override {
    std::error_code error;
    const auto local = socket_.local_endpoint(error);
    return error ? std::string() : to_string(local);
  }
  std::string remote_endpoint() const override { return to_string(remote_); }

 private:
  /// What is not asked for costs nothing.
  bool set(const TcpOptions& options, std::error_code& error) {
    if (options.keep_alive) socket_.set_option(asio::socket_base::keep_alive(true), error);
    if (options.send_buffer && !error)
      socket_.set_option(asio::socket_base::send_buffer_size(options.send_buffer), error);
    if (options.receive_buffer && !error)
      socket_.set_option(asio::socket_base::receive_buffer_size(options.receive_buffer), error);
    if (!options.interface.empty() && !error)
      bind_to_interface(socket_.native_handle(), options.interface, error);
    if (!options.local_address.empty() && !error)
      socket_.bind({asio::ip::make_address(options.local_address, error), 0}, error);
    return !error;
  }

  bool connect_pending(std::error_code& error) {
    native_connect(socket_, remote_, error);
    if (error == asio::error::already_connected) error.clear();
    const bool pending = error == asio::error::in_progress ||
                         error == asio::error::already_started || error == asio::error::would_block;
    return pending;
  }

  asio::ip::tcp::socket socket_;
  asio::ip::tcp::endpoint remote_;
  mutable std::mutex mutex_;
  bool open_ = false;
};

}  // namespace ferry::detail
