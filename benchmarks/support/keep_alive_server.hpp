#pragma once

/// @file
/// `KeepAliveServer`: the HTTP/1.1 server that a benchmark's client talks to.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <asio.hpp>

namespace benchmark {

/// Answers every request on loopback with the same `200 OK`, on its own thread, and keeps the
/// connection unless the request says otherwise.
///
/// It understands the requests of a benchmark's client, and closes the connection for others
/// (chunked request bodies, heads above 64 KiB). Threads: every member may be called from any
/// thread.
class KeepAliveServer {
 public:
  using Socket = asio::ip::tcp::socket;

  /// A function that serves an accepted socket: it calls `converse` with the socket, or with a
  /// stream around it.
  using Serve = std::function<asio::awaitable<void>(KeepAliveServer&, Socket)>;

  /// Listens on a port that the system chooses; each response carries `body_size` bytes.
  /// @param serve serves a socket; if set, the scheme is `https`.
  explicit KeepAliveServer(std::size_t body_size, Serve serve = nullptr)
      : kept_{body_size, ""},
        closing_{body_size, "Connection: close\r\n"},
        serve_{std::move(serve)},
        acceptor_{context_, {asio::ip::address_v4::loopback(), 0}},
        url_{(serve_ ? "https://127.0.0.1:" : "http://127.0.0.1:") +
             std::to_string(acceptor_.local_endpoint().port()) + "/"} {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread{[this] { context_.run(); }};
  }

  /// Stops at once: open connections are closed, whatever their state.
  ~KeepAliveServer() {
    context_.stop();
    thread_.join();
  }

  KeepAliveServer(const KeepAliveServer&) = delete;
  KeepAliveServer& operator=(const KeepAliveServer&) = delete;

  /// The server's URL: `http://127.0.0.1:PORT/`, or `https`.
  const std::string& url() const noexcept { return url_; }

  /// The number of connections accepted so far; counted before their first response.
  std::uint64_t accepted() const noexcept { return accepted_; }

  /// The number of requests answered so far; counted before their response is sent.
  std::uint64_t served() const noexcept { return served_; }

  /// Answers the requests of a stream until it ends.
  template <class Stream>
  asio::awaitable<void> converse(Stream& stream) {
    asio::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    std::string input;
    for (;;) {
      const std::size_t head_size = co_await asio::async_read_until(
          stream, asio::dynamic_buffer(input, max_head_size), "\r\n\r\n", token);
      if (error) co_return;
      const Head head = parse(std::string_view{input}.substr(0, head_size));
      if (!head.supported) co_return;
      input.erase(0, head_size);

      const std::size_t arrived = std::min(input.size(), head.content_length);
      input.erase(0, arrived);
      for (std::size_t left = head.content_length - arrived; left > 0;) {
        std::array<char, 4096> ignored;
        left -= co_await stream.async_read_some(
            asio::buffer(ignored.data(), std::min(ignored.size(), left)), token);
        if (error) co_return;
      }

      ++served_;
      const Reply& reply = head.keep_alive ? kept_ : closing_;
      const asio::const_buffer bytes =
          asio::buffer(reply.bytes.data(), head.body_wanted ? reply.bytes.size() : reply.head_size);
      std::size_t sent = 0;
      if constexpr (std::same_as<Stream, Socket>) {
        // The socket's buffer nearly always takes the whole response, so there is no wait.
        sent = stream.write_some(bytes, error);
        if (error && error != asio::error::would_block) co_return;
      }
      if (sent < bytes.size()) {
        co_await asio::async_write(stream, bytes + sent, token);
        if (error) co_return;
      }
      if (!head.keep_alive) co_return;
    }
  }

 private:
  /// A response, built once, so that sending it takes one buffer and no formatting.
  struct Reply {
    Reply(std::size_t body_size, const std::string& connection)
        : bytes{"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + connection +
                "Content-Length: " + std::to_string(body_size) + "\r\n\r\n"},
          head_size{bytes.size()} {
      bytes.append(body_size, 'x');
    }

    std::string bytes;
    std::size_t head_size;
  };

  /// The parts of a request that are needed to answer it.
  struct Head {
    bool supported = true;
    bool keep_alive = true;
    bool body_wanted = true;
    std::size_t content_length = 0;
  };

  static constexpr std::size_t max_head_size = 64 * 1024;

  static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

  static bool same(char a, char b) { return lower(a) == lower(b); }

  static bool equal(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
  }

  static bool contains(std::string_view text, std::string_view word) {
    return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
  }

  static std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
  }

  /// Parses a request's head, its empty line included.
  static Head parse(std::string_view text) {
    Head head;
    const std::string_view request_line = text.substr(0, text.find("\r\n"));
    head.keep_alive = request_line.ends_with(" HTTP/1.1");
    head.body_wanted = !request_line.starts_with("HEAD ");
    text.remove_prefix(request_line.size() + 2);
    while (!text.starts_with("\r\n")) {
      const std::string_view line = text.substr(0, text.find("\r\n"));
      text.remove_prefix(line.size() + 2);
      const std::size_t colon = line.find(':');
      if (colon == line.npos) {
        head.supported = false;
        break;
      }
      const std::string_view name = line.substr(0, colon);
      const std::string_view value = trimmed(line.substr(colon + 1));
      if (equal(name, "connection")) {
        if (contains(value, "close")) head.keep_alive = false;
      } else if (equal(name, "content-length")) {
        const char* end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, head.content_length);
        if (error != std::errc{} || stop != end) head.supported = false;
      } else if (equal(name, "transfer-encoding")) {
        head.supported = false;
      }
    }
    return head;
  }

  asio::awaitable<void> accept() {
    for (;;) {
      asio::error_code error;
      Socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      // No descriptor is left, for example. The next connection that ends makes room.
      if (error) continue;
      ++accepted_;
      asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> serve(Socket socket) {
    asio::error_code error;
    socket.set_option(asio::ip::tcp::no_delay{true}, error);
    socket.non_blocking(true, error);
    if (serve_)
      co_await serve_(*this, std::move(socket));
    else
      co_await converse(socket);
  }

  // All members that a connection's coroutine refers to are before the context, which destroys it.
  Reply kept_;
  Reply closing_;
  Serve serve_;
  std::atomic<std::uint64_t> accepted_ = 0;
  std::atomic<std::uint64_t> served_ = 0;
  asio::io_context context_{1};
  asio::ip::tcp::acceptor acceptor_;
  std::string url_;
  std::thread thread_;
};

}  // namespace benchmark
