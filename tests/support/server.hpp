#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

namespace test {

using asio::ip::tcp;

/// One accepted connection of a `Server`, for the server's handler. A socket error ends the
/// handler.
class Peer {
 public:
  Peer(tcp::socket socket, int number) : socket_(std::move(socket)), number_(number) {
    socket_.set_option(tcp::no_delay(true));
  }

  int number() const { return number_; }  ///< From 1, in the order of arrival.
  tcp::socket& socket() { return socket_; }

  /// Reads a request with its body (by `Content-Length`); returns an empty string at the end of the
  /// stream.
  asio::awaitable<std::string> read_request() {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const auto head =
        co_await asio::async_read_until(socket_, asio::dynamic_buffer(buffer_), "\r\n\r\n", token);
    if (error) co_return std::string();
    std::size_t length = 0;
    const auto field = buffer_.find("Content-Length: ");
    if (field < head) length = std::stoul(buffer_.substr(field + 16));
    if (buffer_.size() < head + length) {
      const auto missing = asio::transfer_exactly(head + length - buffer_.size());
      co_await asio::async_read(socket_, asio::dynamic_buffer(buffer_), missing, token);
      if (error) co_return std::string();
    }
    std::string request = buffer_.substr(0, head + length);
    buffer_.erase(0, head + length);
    co_return request;
  }
  /// Reads until these bytes have come, and returns all bytes read; nothing at the end of the
  /// stream.
  asio::awaitable<std::string> read_until(std::string end) {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const auto size =
        co_await asio::async_read_until(socket_, asio::dynamic_buffer(buffer_), end, token);
    if (error) co_return std::string();
    std::string text = buffer_.substr(0, size);
    buffer_.erase(0, size);
    co_return text;
  }
  /// Reads the bytes that are there, at least one; returns 0 at the end.
  asio::awaitable<std::size_t> read_piece(asio::mutable_buffer room) {
    if (!buffer_.empty()) {
      const auto count = asio::buffer_copy(room, asio::buffer(buffer_));
      buffer_.erase(0, count);
      co_return count;
    }
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_return co_await socket_.async_read_some(room, token);
  }
  asio::awaitable<void> write(std::string bytes) {
    std::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await asio::async_write(socket_, asio::buffer(bytes), token);
  }
  /// Waits until the client closes.
  asio::awaitable<void> wait_closed() {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    char byte;
    while (!error) co_await socket_.async_read_some(asio::buffer(&byte, 1), token);
  }
  /// Ends this side of the connection; the other side may go on.
  void finish() {
    std::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void reset() {
    socket_.set_option(asio::socket_base::linger(true, 0));
    socket_.close();
  }

 private:
  tcp::socket socket_;
  int number_;
  std::string buffer_;
};

inline std::string response(std::string_view body, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

/// A server on loopback with its own thread; its handler serves each connection.
class Server {
 public:
  using Handler = std::function<asio::awaitable<void>(std::shared_ptr<Peer>)>;

  explicit Server(Handler handler = keep_alive()) : handler_(std::move(handler)) {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Server() {
    context_.stop();
    thread_.join();
  }

  std::string url(std::string_view path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }
  std::string origin() const { return url(""); }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int accepted() const { return accepted_; }
  int live() const { return live_; }
  int most_at_once() const { return most_at_once_; }

  /// Answers every request with the request's target, and keeps the connection.
  static Handler keep_alive() {
    return [](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
      for (;;) {
        const std::string request = co_await peer->read_request();
        if (request.empty()) co_return;
        const auto begin = request.find(' ') + 1;
        std::string answer = response(request.substr(begin, request.find(' ', begin) - begin));
        if (request.starts_with("HEAD")) answer.erase(answer.find("\r\n\r\n") + 4);
        co_await peer->write(std::move(answer));
        if (request.find("\r\nConnection: close\r\n") != std::string::npos) co_return;
      }
    };
  }
  /// Reads a request, answers it with these bytes, and closes. Each connection gets one of the
  /// answers; the last one also serves all later connections.
  static Handler raw(std::vector<std::string> answers) {
    return [answers](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
      const auto at = std::min(static_cast<std::size_t>(peer->number()), answers.size()) - 1;
      const auto request = co_await peer->read_request();
      co_await peer->write(answers[at]);
    };
  }
  /// Reads a request and never answers.
  static Handler silent() {
    return
        [](std::shared_ptr<Peer> peer) -> asio::awaitable<void> { co_await peer->wait_closed(); };
  }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      // A test may use up the process's descriptors for a while.
      std::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      tcp::socket socket = co_await acceptor_.async_accept(token);
      if (error) continue;
      const int live = ++live_;
      if (live > most_at_once_) most_at_once_ = live;
      asio::co_spawn(context_, serve(std::make_shared<Peer>(std::move(socket), ++accepted_)),
                     asio::detached);
    }
  }
  asio::awaitable<void> serve(std::shared_ptr<Peer> peer) {
    co_await handler_(peer);
    peer.reset();
    --live_;
  }

  Handler handler_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::atomic<int> accepted_{0};
  std::atomic<int> live_{0};
  std::atomic<int> most_at_once_{0};
  std::thread thread_;
};

/// A listening port on which no connection is ever completed: its queue is full.
class FullPort {
 public:
  explicit FullPort(const char* address = "127.0.0.1", std::uint16_t port = 0) {
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address), port);
    acceptor_.open(endpoint.protocol());
    acceptor_.bind(endpoint);
    acceptor_.listen(0);
    for (int i = 0; i < 4; ++i)
      fillers_.emplace_back(context_).async_connect(acceptor_.local_endpoint(), asio::detached);
    context_.poll();
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }

 private:
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_};
  std::deque<asio::ip::tcp::socket> fillers_;
};

}  // namespace test
