#pragma once

#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/socket_stream.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

inline std::string to_string(const asio::ip::tcp::endpoint& endpoint) {
  const auto port = std::to_string(endpoint.port());
  if (endpoint.address().is_v6()) return "[" + endpoint.address().to_string() + "]:" + port;
  // The system's function takes ten times as long, for each connection.
  std::string text;
  for (const unsigned byte : endpoint.address().to_v4().to_bytes())
    text.append(std::to_string(byte)).append(1, '.');
  text.back() = ':';
  return text += port;
}

/// A TCP connection.
class TcpStream final : public SocketStream<asio::ip::tcp> {
 public:
  using SocketStream::SocketStream;

  /// Opens the socket and starts to connect.
  /// @return true if the attempt has already ended, successfully or with an error.
  bool start_connect(const asio::ip::tcp::endpoint& remote, const TcpOptions& options,
                     std::error_code& error) {
    remote_ = remote;
    if (!open(remote.protocol(), error)) return true;
    std::error_code ignored;
    if (options.no_delay) socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (!set(options, error)) return true;
    // Asks twice: on a near network the handshake has ended by the second time, which saves a wait
    // in the reactor.
    return !connect_pending(error) || !connect_pending(error);
  }

  /// Calls the handler on the next event of the attempt; `connect_ended` tells whether the event
  /// ended the attempt.
  template <class Handler>
  void wait_connect(Handler handler) {
    socket_.async_wait(asio::socket_base::wait_write, std::move(handler));
  }

  /// True if the attempt has ended, successfully or with an error.
  bool connect_ended(std::error_code& error) {
    ConnectError pending;
    socket_.get_option(pending, error);
    if (error) return true;
    error = pending.code();
    if (error) return true;
    socket_.remote_endpoint(error);
    if (error != asio::error::not_connected) return true;
    error.clear();
    return false;
  }

  std::string local_endpoint() const override {
    std::error_code error;
    const auto local = socket_.local_endpoint(error);
    return error ? std::string() : to_string(local);
  }
  std::string remote_endpoint() const override { return to_string(remote_); }

 private:
  /// Sets the options that differ from the system's defaults.
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

  asio::ip::tcp::endpoint remote_;
};

}  // namespace ferry::detail
