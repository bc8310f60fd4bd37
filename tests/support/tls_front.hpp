#pragma once

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <asio.hpp>
#include <asio/ssl.hpp>

#include "certificates.hpp"

namespace test {

/// Speaks TLS in front of a plain server on loopback: its own thread moves bytes between the two.
/// The end of either side ends the other one cleanly.
class TlsFront {
 public:
  explicit TlsFront(std::uint16_t port) : behind_(asio::ip::address_v4::loopback(), port) {
    tls_.use_certificate_chain_file(certificates::server);
    tls_.use_private_key_file(certificates::server_key, asio::ssl::context::pem);
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~TlsFront() {
    context_.stop();
    thread_.join();
  }

  std::string url(const std::string& path = "/") const {
    return "https://localhost:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }

 private:
  using tcp = asio::ip::tcp;
  struct Relay {
    Relay(tcp::socket socket, asio::ssl::context& tls)
        : secured(std::move(socket), tls), plain(secured.get_executor()) {}
    asio::ssl::stream<tcp::socket> secured;
    tcp::socket plain;
  };

  asio::awaitable<void> accept() {
    for (;;) {
      auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(context_, serve(std::make_shared<Relay>(std::move(socket), tls_)),
                     asio::detached);
    }
  }
  asio::awaitable<void> serve(std::shared_ptr<Relay> relay) {
    co_await relay->secured.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
    co_await relay->plain.async_connect(behind_, asio::use_awaitable);
    relay->plain.set_option(tcp::no_delay(true));
    asio::co_spawn(context_, inwards(relay), asio::detached);
    std::error_code error;
    co_await pump(relay->plain, relay->secured, error);
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await relay->secured.async_shutdown(token);
    relay->secured.next_layer().close(error);
  }
  asio::awaitable<void> inwards(std::shared_ptr<Relay> relay) {
    std::error_code error;
    co_await pump(relay->secured, relay->plain, error);
    relay->plain.shutdown(tcp::socket::shutdown_both, error);
  }
  template <class From, class To>
  asio::awaitable<void> pump(From& from, To& to, std::error_code& error) {
    std::array<char, 16 * 1024> buffer;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    while (!error) {
      const auto count = co_await from.async_read_some(asio::buffer(buffer), token);
      if (!error) co_await asio::async_write(to, asio::buffer(buffer, count), token);
    }
  }

  asio::ssl::context tls_{asio::ssl::context::tls_server};
  tcp::endpoint behind_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::thread thread_;
};

}  // namespace test
