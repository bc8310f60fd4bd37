#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/read_buffer.hpp>
#include <ferry/detail/h1/request_writer.hpp>
#include <ferry/detail/h1/response_reader.hpp>
#include <ferry/detail/policy/reuse.hpp>
#include <ferry/detail/protocol/connection.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/work_budget.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A connection that speaks HTTP/1.1 (RFC 9112): one exchange at a time.
///
///     begin --> sending --> receiving --> done --> end, or abandon
///       |                       ^         |  ^
///       |                       |         +--+  read_body, for a body that was left
///       +-----------------------+   the whole request was written without waiting
///
/// 1. `current_` is made anew for each exchange, and lasts from `begin` until `end`, `abandon` or
///    the next `begin`. Only the buffers and the work budget outlive an exchange.
/// 2. While receiving, `wait` returns the stream's awaitable, not a coroutine's. So an exchange
///    whose request was written at once allocates no coroutine frame, unless the budget is used up.
/// 3. While sending, bytes of a response are taken in before each wait to write, before each
///    further piece of the body's source, and while `100 Continue` is awaited; but not while the
///    source is read.
///
/// Threads: as `Connection`.
class H1Connection final : public Connection {
 public:
  using Connection::Connection;

  std::size_t capacity() const noexcept override { return 1; }

  std::optional<Error> refuse_early_bytes() override {
    if (stream_->check_idle() != IdleState::unexpected_data) return std::nullopt;
    std::array<char, 64> bytes;
    std::error_code error;
    const std::size_t count = stream_->try_read_some(asio::buffer(bytes), error);
    std::string what = "it begins with " + in_quotes(std::string_view(bytes.data(), count));
    return Error(Errc::unsolicited_response, std::move(what));
  }

  std::optional<Error> begin(Exchange& exchange, const RequestHead& head, const HeadLimits& limits,
                             Clock::time_point now) override {
    Current& current = current_.emplace(exchange, head, limits, *this);
    Deadline& deadline = exchange.deadline;
    if (!deadline.begin_phase(Phase::write, exchange.timeouts.write, stream_.get(), now))
      return deadline.error();
    // The first piece from a source goes out together with the head.
    if (current.request.rest() == RequestWriter::Rest::in_source) return std::nullopt;
    exchange.times.begin = now;
    if (current.request.write_available() && !current.request.is_complete()) return std::nullopt;
    return end_sending(current);
  }

  bool is_waiting(const Exchange&) const noexcept override {
    return current_->request.is_active() || !current_->response.is_done();
  }

  asio::awaitable<std::size_t> wait(Exchange&, std::error_code& error) override {
    Current& current = *current_;
    if (current.request.is_active()) {
      current.awaits = Awaits::sending;
      return send(current);
    }
    if (budget_.is_used_up()) {
      current.awaits = Awaits::turn;
      return give_turn(current);
    }
    current.awaits = Awaits::bytes;
    return stream_->read_some(current.response.room(), error);
  }

  std::optional<Error> proceed(Exchange&, std::size_t count, std::error_code error) override {
    Current& current = *current_;
    switch (current.awaits) {
      case Awaits::sending: return std::move(current.failure);
      case Awaits::turn:
        if (current.failure) return std::move(current.failure);
        return current.response.receive_available();
      case Awaits::bytes: break;
    }
    budget_.spend_awaited(count);
    return current.response.receive(count, error);
  }

  asio::awaitable<std::optional<Error>> read_body(Exchange&, std::string_view& piece) override {
    return current_->response.read_body(piece);
  }

  bool drain(Exchange&) noexcept override { return current_->response.drain(); }

  Reuse end(Exchange&) noexcept override {
    ReuseFacts facts = current_->response.reuse_facts();
    facts.fully_sent = current_->request.is_complete();
    facts.close_announced = facts.close_announced || current_->close_announced;
    const Reuse reuse{reuse_obstacle(facts), current_->response.keep_alive_hint()};
    current_.reset();
    in_.put_aside();  // Frees the read buffer, because no exchange follows at once.
    return reuse;
  }

  void abandon(Exchange&) noexcept override { current_.reset(); }

  std::pair<std::unique_ptr<Stream>, std::string> detach() override {
    std::string received(in_.unread());
    return {std::move(stream_), std::move(received)};
  }

 private:
  /// The event for which `wait` waits.
  enum class Awaits { sending, turn, bytes };

  /// The state of one exchange.
  struct Current {
    Current(Exchange& its, const RequestHead& head, const HeadLimits& limits, H1Connection& on)
        : exchange(its),
          close_announced(head.close || announces_close(head)),
          request(its, head, on.request_memory_, *on.stream_, on.budget_),
          response(its, request, head, limits, on.in_, *on.stream_, on.budget_) {}

    Exchange& exchange;
    const bool close_announced;
    RequestWriter request;
    ResponseReader response;
    Awaits awaits = Awaits::bytes;
    std::optional<Error> failure;  ///< The failure of `send` or `give_turn`.
  };

  /// Lets other coroutines run before this one takes more of the available bytes.
  asio::awaitable<std::size_t> give_turn(Current& current) {
    current.failure = co_await let_others_run(budget_, current.exchange.deadline);
    co_return 0;
  }

  // ---- sending ----

  /// Writes the rest of the request, and waits for the system, for the body's source, or for
  /// `100 Continue`. A final response that comes meanwhile ends the sending, unless the response is
  /// a success that leaves the connection open: then the body is sent to its end (RFC 9110 7.5).
  asio::awaitable<std::size_t> send(Current& current) {
    RequestWriter& request = current.request;
    if (!current.exchange.times.begun()) {
      current.failure = co_await refill(current);
      if (!current.failure) current.failure = begin_after_source(current.exchange);
    }
    for (bool goes_on = true; goes_on && !current.failure && current.response.lets_send();) {
      // A cancelled call sends nothing more, even if its coroutine does not throw then.
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (is_cancelled(cancellation)) {
        current.failure.emplace(Errc::cancelled);
      } else if (budget_.is_used_up()) {
        current.failure = co_await let_others_run(budget_, current.exchange.deadline);
      } else if (request.is_complete()) {
        goes_on = false;
      } else if (request.unsent().empty()) {
        current.failure = co_await refill(current);
      } else if (must_wait_to_write(current, goes_on)) {
        std::error_code error;
        std::size_t sent = 0;
        if (current.response.expects_more())
          sent = co_await stream_->write_some_or_wait_readable(request.unsent(), error);
        else
          sent = co_await stream_->write_some(request.unsent(), error);
        goes_on = !error || error == asio::error::would_block;
        if (!goes_on) {
          request.set_error(error);
        } else {
          budget_.spend_awaited(sent);
          request.consume(sent);
        }
      }
    }
    if (!current.failure) current.failure = end_sending(current);
    co_return 0;
  }

  /// Checks the connection before the first byte is sent, after a source that may have been slow.
  /// Meanwhile the server may have closed the connection, or sent bytes that answer no request.
  std::optional<Error> begin_after_source(Exchange& exchange) {
    exchange.times.begin = Clock::now();
    if (!exchange.is_kept) return refuse_early_bytes();
    if (stream_->check_idle() != IdleState::quiet) return Error(Errc::connection_lost);
    return std::nullopt;
  }

  /// Writes what can be written without waiting.
  /// @param goes_on set to false after an error, and once the request is complete.
  /// @return true if the rest can only be written after a wait.
  bool must_wait_to_write(Current& current, bool& goes_on) {
    RequestWriter& request = current.request;
    goes_on = request.write_available() && !request.is_complete();
    if (!goes_on || request.unsent().empty() || budget_.is_used_up()) return false;
    // The server may answer before it has read everything.
    bool has_received = false;
    current.failure = current.response.receive_early(has_received);
    return !current.failure && !has_received;
  }

  /// Brings more of the body into the unsent bytes, unless an answer comes first.
  asio::awaitable<std::optional<Error>> refill(Current& current) {
    Exchange& exchange = current.exchange;
    Deadline& deadline = exchange.deadline;
    if (exchange.bytes_sent > 0) {
      bool has_received = false;
      auto early = current.response.receive_early(has_received);
      if (early || has_received) co_return early;
    }
    deadline.suspend_limit(Phase::write);  // The wait is not, or should not be, for the server.
    std::optional<Error> failure;
    if (current.request.rest() == RequestWriter::Rest::awaiting_continue) {
      failure = co_await await_continue(current);
      if (!failure && !current.response.lets_send()) co_return std::nullopt;
      if (!failure) current.request.begin_body();
    } else {
      failure = co_await current.request.read_source();
      if (failure && deadline.ended()) failure = deadline.error();
    }
    if (failure) co_return failure;
    if (!deadline.begin_phase(Phase::write, exchange.timeouts.write, stream_.get()))
      co_return deadline.error();
    co_return std::nullopt;
  }

  /// Waits until the server wants the body, answers without it, or has had time enough.
  asio::awaitable<std::optional<Error>> await_continue(Current& current) {
    ResponseReader& response = current.response;
    const Deadline& deadline = current.exchange.deadline;
    const auto until = after(Clock::now(), current.exchange.timeouts.expect_continue);
    while (!response.got_continue() && !response.has_answer() && Clock::now() < until) {
      // More bytes may have come, and the stream may have buffered them already.
      bool has_received = false;
      if (auto failure = response.receive_early(has_received)) co_return failure;
      if (has_received) continue;
      if (response.has_ended_early()) break;
      const bool is_readable = co_await stream_->wait_readable(until);
      if (deadline.ended()) co_return deadline.error();
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (is_cancelled(cancellation)) co_return Error(Errc::cancelled);
      if (!is_readable) break;
    }
    co_return std::nullopt;
  }

  /// Ends the sending, because the request is written or will not be.
  std::optional<Error> end_sending(Current& current) {
    Exchange& exchange = current.exchange;
    RequestWriter& request = current.request;
    ResponseReader& response = current.response;
    Deadline& deadline = exchange.deadline;
    if (deadline.ended()) return deadline.error();
    if (is_cancelled(request.error())) return Error(Errc::cancelled);
    ExchangeTimes& times = exchange.times;
    times.sent = Clock::now();
    if (request.is_complete()) exchange.report(Event::Kind::request_sent);
    request.stop();
    if (response.goes_on_sending()) times.end = std::max(times.end, times.sent);
    if (response.is_done()) request.free_memory();  // The answer has arrived, or is left.
    const bool has_begun = times.first_byte != Clock::time_point{};
    const bool has_time =
        has_begun
            ? deadline.begin_phase(Phase::read, exchange.timeouts.read, times.sent)
            : deadline.begin_phase(Phase::first_byte, exchange.timeouts.first_byte, times.sent);
    if (!has_time) return deadline.error();
    auto failure = has_begun && !response.goes_on_sending() ? response.take_in() : std::nullopt;
    return failure || !request.error() ? failure : response.receive_available();
  }

  RequestWriter::Memory request_memory_;
  ReadBuffer in_;
  std::optional<Current> current_;
};

}  // namespace ferry::detail
