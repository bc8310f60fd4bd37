#pragma once

/// @file
/// `HostileServer`: misbehaves like real servers, proxies and networks.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "ledger.hpp"
#include "plan.hpp"
#include "sabotage.hpp"
#include "script.hpp"

namespace soak {

/// An HTTP/1.1 server on loopback, with its own thread, that follows the `Plan` of each request and
/// closes idle connections at random. It enters the requests that it reads and answers into the
/// ledger.
///
/// It understands only this client's requests. Threads: every member may be called from any thread.
class HostileServer {
 public:
  HostileServer(std::uint64_t seed, Ledger& ledger, Findings& findings, Sabotage sabotage)
      : seed_{seed}, ledger_{ledger}, findings_{findings}, sabotage_{sabotage} {
    for (Acceptor& acceptor : acceptors_)
      asio::co_spawn(context_, accept(acceptor), asio::detached);
    thread_ = std::thread{[this] { context_.run(); }};
  }

  /// Stops at once: open connections are closed, whatever their state.
  ~HostileServer() {
    context_.stop();
    thread_.join();
  }

  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;

  /// `http://127.0.0.1:PORT`
  std::string origin(std::size_t which) const { return "http://" + authority(which); }

  std::uint64_t accepted() const noexcept { return accepted_; }
  /// The number of times that the server has done this act.
  std::uint64_t done(Act act) const noexcept { return done_[static_cast<std::size_t>(act)]; }
  /// Number of connections that the server closed while they were idle, or as a request came.
  std::uint64_t closed_idle() const noexcept { return closed_idle_; }

 private:
  using Socket = asio::ip::tcp::socket;
  using Acceptor = asio::ip::tcp::acceptor;

  struct Connection {
    Connection(Socket accepted, std::uint64_t seed, std::uint64_t number)
        : socket{std::move(accepted)},
          timer{socket.get_executor()},
          dice{seed, number, connection_dice} {}

    Socket socket;
    asio::steady_timer timer;
    Dice dice;
    std::string input;            // Bytes that were read but not used yet.
    std::uint64_t requests = 0;   // Number of requests served.
    bool awaits_request = false;  // True if the timer may close the connection.
  };
  using Peer = std::shared_ptr<Connection>;

  struct Arrival {
    Token token;
    std::size_t content_length = 0;
  };

  static constexpr std::size_t largest_head = 4096;

  std::string authority(std::size_t which) const {
    return "127.0.0.1:" + std::to_string(acceptors_[which].local_endpoint().port());
  }

  asio::awaitable<void> accept(Acceptor& acceptor) {
    for (;;) {
      asio::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      Socket socket = co_await acceptor.async_accept(token);
      if (error) continue;
      socket.set_option(asio::ip::tcp::no_delay{true}, error);
      auto peer = std::make_shared<Connection>(std::move(socket), seed_, ++accepted_);
      if (sabotage_ == Sabotage::descriptor && accepted_ % 1000 == 0)
        leaked_descriptor_ = ::dup(peer->socket.native_handle());
      asio::co_spawn(context_, serve(std::move(peer)), asio::detached);
    }
  }

  asio::awaitable<void> serve(Peer peer) {
    Connection& connection = *peer;
    for (;;) {
      if (connection.requests > 0 && connection.dice.one_in(300)) {
        co_await reset_as_request_comes(connection);
        co_return;
      }
      close_if_idle(peer);
      const std::size_t head_size = co_await read_head(connection);
      if (head_size == 0) co_return;
      const auto arrival = parse(std::string_view{connection.input}.substr(0, head_size));
      if (!arrival) co_return;
      connection.input.erase(0, head_size);
      const int nth = ledger_.see(arrival->token);
      if (nth == 0) co_return;

      const Verb verb = errand_of(seed_, arrival->token).verb;
      const Plan plan = plan_of(seed_, arrival->token, verb, nth);
      ++done_[static_cast<std::size_t>(plan.act)];
      if (plan.act != Act::reset_part_read || arrival->content_length == 0) {
        const bool whole = co_await read_body(connection, *arrival);
        if (!whole) co_return;
      }
      const Script script = sabotaged(script_of(plan, *arrival, verb), *arrival);
      const bool sent = co_await play(connection, script);
      if (sent && facts_of(plan.act).answers) ledger_.answer(arrival->token);
      const bool ends = co_await ended(connection, script.end);
      if (ends) co_return;
      ++connection.requests;
    }
  }

  // ---- waiting for a request ----

  /// Closes some idle connections, so soon that a request may be on its way.
  void close_if_idle(const Peer& peer) {
    Connection& connection = *peer;
    connection.awaits_request = connection.requests > 0 && connection.dice.one_in(20);
    if (!connection.awaits_request) return;
    connection.timer.expires_after(std::chrono::microseconds(connection.dice.below(2000)));
    connection.timer.async_wait([this, peer](asio::error_code error) {
      if (error || !peer->awaits_request) return;
      ++closed_idle_;
      if (peer->dice.one_in(4) && has_delivered(peer->socket)) linger_0(peer->socket);
      asio::error_code ignored;
      peer->socket.close(ignored);
    });
  }

  asio::awaitable<void> reset_as_request_comes(Connection& connection) {
    std::array<char, 20> some;
    asio::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await connection.socket.async_read_some(asio::buffer(some), token);
    linger_0(connection.socket);
    ++closed_idle_;
  }

  /// True if all bytes have reached the client. A reset would discard the rest of an answer that
  /// has not.
  static bool has_delivered(Socket& socket) {
    int on_its_way = 0;
    return ::ioctl(socket.native_handle(), TIOCOUTQ, &on_its_way) == 0 && on_its_way == 0;
  }

  /// Makes the next close send a reset.
  static void linger_0(Socket& socket) {
    asio::error_code ignored;
    socket.set_option(asio::socket_base::linger{true, 0}, ignored);
  }

  // ---- reading ----

  /// Reads a head. @return its size in bytes, with the empty line; 0 if none came.
  asio::awaitable<std::size_t> read_head(Connection& connection) {
    asio::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    auto input = asio::dynamic_buffer(connection.input, largest_head);
    const std::size_t size =
        co_await asio::async_read_until(connection.socket, input, "\r\n\r\n", token);
    const bool was_armed = std::exchange(connection.awaits_request, false);
    if (was_armed) connection.timer.cancel();
    if (error == asio::error::not_found)
      findings_.add(Findings::wrong, Token{}, "the server got no head: " + connection.input);
    co_return error ? 0 : size;
  }

  /// Parses a request's head; returns nothing, and adds a finding, if the head is not as the client
  /// should send it.
  std::optional<Arrival> parse(std::string_view head) {
    Arrival arrival;
    const auto token = parse_token(field(head, "Token"));
    if (!token) {
      findings_.add(Findings::wrong, Token{}, "the server got no token: " + std::string{head});
      return std::nullopt;
    }
    arrival.token = *token;
    const std::string_view length = field(head, "Content-Length");
    std::from_chars(length.data(), length.data() + length.size(), arrival.content_length);

    const Errand errand = errand_of(seed_, *token);
    const std::string_view method = errand.verb == Verb::get    ? "GET"
                                    : errand.verb == Verb::head ? "HEAD"
                                                                : "POST";
    const std::string line = std::string{method} + " /" + to_string(*token) + " HTTP/1.1\r\n";
    if (!head.starts_with(line) || arrival.content_length != errand.upload ||
        field(head, "Host") != authority(errand.origin)) {
      findings_.add(Findings::wrong, *token, "it arrived as another one: " + std::string{head});
      return std::nullopt;
    }
    return arrival;
  }

  static std::string_view field(std::string_view head, std::string_view name) {
    const std::size_t at = head.find("\r\n" + std::string{name} + ": ");
    if (at == head.npos) return {};
    head.remove_prefix(at + name.size() + 4);
    return head.substr(0, head.find('\r'));
  }

  /// Reads a request's body, checks it, and enters the request. @return false if the body ended
  /// early.
  asio::awaitable<bool> read_body(Connection& connection, Arrival arrival) {
    std::string& input = connection.input;
    if (input.size() < arrival.content_length) {
      asio::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      const auto rest = asio::transfer_exactly(arrival.content_length - input.size());
      co_await asio::async_read(connection.socket, asio::dynamic_buffer(input), rest, token);
      if (error) co_return false;
    }
    ledger_.read(arrival.token);
    if (input != pattern(arrival.token, request_body, arrival.content_length))
      findings_.add(Findings::wrong, arrival.token, "its body arrived as another one");
    // Large memory is freed, because the next request is probably small.
    input.clear();
    if (input.capacity() > 2 * largest_head) input.shrink_to_fit();
    co_return true;
  }

  // ---- answering ----

  Script script_of(const Plan& plan, const Arrival& arrival, Verb verb) const {
    return ScriptWriter{plan, arrival.token, verb, seed_}.script();
  }

  /// Writes a script's bytes. @return true if all of them were written.
  asio::awaitable<bool> play(Connection& connection, const Script& script) {
    asio::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    std::size_t begin = 0;
    for (std::size_t i = 0; begin < script.bytes.size(); ++i) {
      const std::size_t end = i < script.cuts.size() ? script.cuts[i] : script.bytes.size();
      const auto piece = asio::buffer(script.bytes.data() + begin, end - begin);
      co_await asio::async_write(connection.socket, piece, token);
      if (error) co_return false;
      begin = end;
      if (script.pause == milliseconds{0} || begin == script.bytes.size()) continue;
      connection.timer.expires_after(script.pause);
      co_await connection.timer.async_wait(token);
    }
    co_return true;
  }

  /// Does the end of a script. @return true if the connection ends with it.
  asio::awaitable<bool> ended(Connection& connection, Script::End end) {
    if (end == Script::End::keep) co_return false;
    if (end == Script::End::reset) linger_0(connection.socket);
    if (end == Script::End::silence) {  // Waits until the client gives up.
      asio::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      std::array<char, 64> ignored;
      co_await connection.socket.async_read_some(asio::buffer(ignored), token);
    }
    co_return true;
  }

  /// The script, or a faulty one that a check must notice.
  Script sabotaged(Script script, const Arrival& arrival) {
    if (sabotage_ == Sabotage::none || ++answered_ % 1000 != 0) return script;
    if (sabotage_ == Sabotage::doubled) ledger_.read(arrival.token);
    if (sabotage_ == Sabotage::leak) leaked_.emplace_back(64 * 1024, 'x');
    const std::string token = to_string(arrival.token);
    const std::size_t echoed = script.bytes.find(token);
    if (sabotage_ == Sabotage::wrong && echoed != script.bytes.npos) script.bytes[echoed + 15] ^= 1;
    if (sabotage_ == Sabotage::lost) {
      script.bytes.clear();
      script.end = Script::End::fin;
    }
    return script;
  }

  const std::uint64_t seed_;
  Ledger& ledger_;
  Findings& findings_;
  const Sabotage sabotage_;
  std::uint64_t answered_ = 0;
  std::vector<std::string> leaked_;
  int leaked_descriptor_ = -1;
  std::array<std::atomic<std::uint64_t>, acts.size()> done_{};
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> closed_idle_{0};
  asio::io_context context_{1};
  std::array<Acceptor, origins> acceptors_{{{context_, {asio::ip::address_v4::loopback(), 0}},
                                            {context_, {asio::ip::address_v4::loopback(), 0}}}};
  std::thread thread_;
};

}  // namespace soak
