#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/run.hpp"
#include "support/server.hpp"

namespace test {

/// A server on loopback that follows a test's script step by step, on the test's own thread. After
/// each of its steps, the client does all that it can. The tests therefore have no races and wait
/// for no clock.
class HostileServer {
 public:
  /// One step of the server on a connection.
  struct Act {
    enum class Kind { request, send, hold, fin, reset, serve };
    Kind kind;
    std::string bytes = {};
  };
  using Acts = std::vector<Act>;

  static Act read_request() { return {Act::Kind::request}; }  ///< With its body, if any.
  static Act send(std::string bytes) { return {Act::Kind::send, std::move(bytes)}; }
  static Act hold() { return {Act::Kind::hold}; }    ///< Waits for `release()`.
  static Act fin() { return {Act::Kind::fin}; }      ///< Ends the server's side; it still reads.
  static Act reset() { return {Act::Kind::reset}; }  ///< The remaining acts are skipped.

  static Act serve() { return {Act::Kind::serve}; }  ///< Answers all further requests with "clean".

  /// Sends bytes in pieces of these sizes, and the rest in one piece.
  static void send_in_pieces(Acts& acts, std::string_view bytes,
                             const std::vector<std::size_t>& sizes) {
    for (const std::size_t size : sizes) {
      acts.push_back(send(std::string(bytes.substr(0, size))));
      bytes.remove_prefix(std::min(size, bytes.size()));
    }
    if (!bytes.empty()) acts.push_back(send(std::string(bytes)));
  }

  /// @param connections the acts on each connection, in the order of arrival. On later connections
  ///   the server answers every request with "clean".
  explicit HostileServer(std::vector<Acts> connections) : plans_(std::move(connections)) {
    asio::co_spawn(context_, accept(), asio::detached);
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }
  int accepted() const { return accepted_; }
  /// The events of the connection of this number, from 0: "request GET", "sent 5", "fin", "reset",
  /// "client closed".
  const std::vector<std::string>& log(std::size_t connection) const { return logs_[connection]; }

  /// Lets a connection that waits in `hold` go on.
  void release() { gate_.cancel_one(); }

  /// Runs a coroutine and the server in turn, until the coroutine has ended and the server has done
  /// all that it can.
  void run(asio::io_context& client, std::function<asio::awaitable<void>()> body) {
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(client, body(), [&](std::exception_ptr e) {
      ended = true;
      thrown = e;
    });
    drive(client, [&] { return ended; });
    if (thrown) std::rethrow_exception(thrown);
  }
  /// Runs client and server in turn, until this condition holds.
  void drive(asio::io_context& client, const std::function<bool()>& until) {
    for (int quiet = 0; quiet < 3 || !until();) {
      client.restart();
      const bool stepped = client.poll() > 0;
      quiet = step() || stepped ? 0 : quiet + 1;
    }
  }
  /// Runs one handler. @return false if there was none.
  bool step() {
    context_.restart();
    return context_.poll_one() > 0;
  }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
      logs_.emplace_back();
      const auto number = static_cast<std::size_t>(accepted_++);
      asio::co_spawn(context_, serve(std::make_shared<Peer>(std::move(socket), accepted_), number),
                     asio::detached);
    }
  }

  asio::awaitable<void> serve(std::shared_ptr<Peer> peer, std::size_t number) {
    if (number < plans_.size()) {
      for (std::size_t i = 0; i < plans_[number].size(); ++i) {
        const bool goes_on = co_await perform(*peer, plans_[number][i], logs_[number]);
        if (!goes_on) co_return;
        co_await asio::post(context_, asio::use_awaitable);  // The client's turn.
      }
      co_await peer->wait_closed();
      logs_[number].push_back("client closed");
      co_return;
    }
    co_await serve_all(*peer, logs_[number]);
  }

  asio::awaitable<void> serve_all(Peer& peer, std::vector<std::string>& log) {
    for (;;) {
      const std::string request = co_await peer.read_request();
      if (request.empty()) break;
      log.push_back("request " + request.substr(0, request.find(' ')));
      co_await peer.write(response("clean"));
    }
    log.push_back("client closed");
  }

  /// @return true if the connection goes on.
  asio::awaitable<bool> perform(Peer& peer, const Act& act, std::vector<std::string>& log) {
    switch (act.kind) {
      case Act::Kind::request: {
        const std::string request = co_await peer.read_request();
        log.push_back(request.empty() ? "client closed"
                                      : "request " + request.substr(0, request.find(' ')));
        co_return !request.empty();
      }
      case Act::Kind::send:
        co_await peer.write(act.bytes);
        log.push_back("sent " + std::to_string(act.bytes.size()));
        break;
      case Act::Kind::hold: {
        std::error_code ignored;
        auto token = asio::redirect_error(asio::use_awaitable, ignored);
        co_await gate_.async_wait(token);
        break;
      }
      case Act::Kind::fin:
        peer.finish();
        log.push_back("fin");
        break;
      case Act::Kind::reset:
        peer.reset();
        log.push_back("reset");
        co_return false;
      case Act::Kind::serve: co_await serve_all(peer, log); co_return false;
    }
    co_return true;
  }

  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  asio::steady_timer gate_{context_, asio::steady_timer::time_point::max()};
  const std::vector<Acts> plans_;
  std::deque<std::vector<std::string>> logs_;  // A deque, because references to its elements stay
                                               // valid.
  int accepted_ = 0;
};

}  // namespace test
