#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/body.hpp>
#include <ferry/detail/base/read_buffer.hpp>
#include <ferry/detail/h1/encoder.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/detail/policy/reuse.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/user_coroutine.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/stream.hpp>

namespace ferry::detail {

/// The times at which the steps of an exchange were reached; the epoch if they were not.
struct ExchangeTimes {
  bool begun() const noexcept { return begin != Clock::time_point{}; }

  Clock::time_point begin{};
  Clock::time_point sent{};
  Clock::time_point first_byte{};
  Clock::time_point head{};
  Clock::time_point end{};
};

/// The destination of a response's body.
enum class Collect {
  all,   ///< The message, unless the response leads to another request.
  none,  ///< The caller, by `read_body`.
};

/// One request and its response, as a connection needs them. The arguments outlive the exchange.
class Exchange {
 public:
  /// @param size the body's size in bytes, as the head says it, even if its source now says
  ///   otherwise; nothing if it is not known.
  Exchange(const Body& content, std::optional<std::uint64_t> size, const Timeouts& limits,
           Deadline& over, ResponseMessage& answer, ExchangeTimes& steps, Collect which, bool kept,
           std::uint64_t most_early) noexcept
      : body(content),
        body_size(size),
        timeouts(limits),
        deadline(over),
        message(answer),
        times(steps),
        is_kept(kept),
        most_kept_back(most_early),
        collect(which) {}

  /// Reports an event: `request_sent`, `interim_received` or `head_received`.
  virtual void tell(Event::Kind kind) = 0;
  /// Called when the response's head has arrived.
  /// @return true if another request follows, so the body is of no use.
  virtual bool decide_follow_up() = 0;

 protected:
  ~Exchange() = default;

 private:
  friend class H1Connection;

  /// The part of the request's body that is not yet in `unsent_`.
  enum class Rest {
    awaiting_continue,  ///< All of it, until the server sends `100 Continue`.
    in_source,          ///< The part that the source has not yet given.
    none,               ///< Nothing.
  };

  const Body& body;
  const std::optional<std::uint64_t> body_size;
  const Timeouts& timeouts;
  Deadline& deadline;
  ResponseMessage& message;
  ExchangeTimes& times;
  const bool is_kept;
  const std::uint64_t most_kept_back;  // Maximum bytes of an uncollected answer during sending.
  Collect collect;
  Rest rest = Rest::none;
  std::uint64_t given = 0;  // Bytes given by the source.
  std::size_t filled = 0;   // Bytes of the response's body received, if its length is known.
  std::error_code write_error;
  ParseStep step = ParseStep::need_more;
  bool sends_on = false;  // True if the answer has begun while the request's body is still sent.
};

/// One connection that speaks HTTP/1.1 (RFC 9112), one exchange at a time.
///
/// The steps of an exchange are ordinary functions, and the caller waits for the stream between
/// them. So a request that need not wait takes no coroutine of its own. Call `begin`; while
/// `is_sending`, `go_on_sending`; while `is_receiving`, read into `room` and call `received`, or
/// call `go_on_receiving` when the work budget is used up. A failure ends both exchange and
/// connection.
///
/// Threads: one at a time, ordered by the pool's lock; `abort` of the stream at any time.
class H1Connection {
 public:
  explicit H1Connection(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~H1Connection() {
    if (stream_) stream_->close();
  }

  Stream& stream() noexcept { return *stream_; }

  /// Begins an exchange, and writes as much of the request as possible without waiting.
  std::optional<Error> begin(Exchange& exchange, const RequestHead& head,
                             const ParserLimits& limits, Clock::time_point now) {
    stage_ = Stage::head;
    sending_ = true;
    bytes_sent_ = 0;
    fully_sent_ = false;
    early_end_ = false;
    got_continue_ = false;
    body_done_ = false;
    body_failed_ = false;
    close_announced_ = head.close || announces_close(head);
    body_left_ = 0;
    head_.clear();
    encode_head(head, head_);
    parser_.emplace(exchange.message, head.method.token() == "HEAD", limits, head.upgrade);
    in_.clear();
    sent_ = unsent_count_ = 0;
    add_unsent(asio::buffer(head_.view()));
    if (head.expect)
      exchange.rest = Exchange::Rest::awaiting_continue;
    else if (exchange.body.source())
      exchange.rest = Exchange::Rest::in_source;
    else
      add_unsent(asio::buffer(exchange.body.bytes()));

    if (!exchange.deadline.begin_phase(Phase::write, exchange.timeouts.write, stream_.get(), now))
      return exchange.deadline.error();
    // The first piece from a source goes out together with the head.
    if (exchange.rest == Exchange::Rest::in_source) return std::nullopt;
    exchange.times.begin = now;
    return write_some(exchange) ? std::nullopt : end_sending(exchange);
  }

  /// Checks a connection that has carried no request yet: bytes that have already arrived answer no
  /// request (RFC 9112 9.2).
  /// @return the failure, or nothing.
  std::optional<Error> refuse_early_bytes() {
    if (stream_->check_idle() != IdleState::unexpected_data) return std::nullopt;
    std::array<char, 64> bytes;
    std::error_code error;
    const std::size_t count = stream_->try_read_some(asio::buffer(bytes), error);
    std::string what = "it begins with " + in_quotes(std::string_view(bytes.data(), count));
    return Error(Errc::unsolicited_response, std::move(what));
  }

  /// True while the request is not fully written.
  bool is_sending() const noexcept { return sending_; }

  /// Writes the rest of the request, and waits for the system, for the body's source, or for
  /// `100 Continue`. A final response that comes meanwhile ends the sending, unless the response is
  /// a success that leaves the connection open: then the body is sent to its end (RFC 9110 7.5).
  template <class = void>
  asio::awaitable<std::optional<Error>> go_on_sending(Exchange& exchange) {
    if (!exchange.times.begun()) {
      if (auto failure = co_await refill(exchange)) co_return failure;
      exchange.times.begin = Clock::now();
      // The source may have been slow. Meanwhile the server may have closed the connection, or sent
      // bytes that answer no request.
      if (!exchange.is_kept) {
        if (auto failure = refuse_early_bytes()) co_return failure;
      } else if (stream_->check_idle() != IdleState::quiet) {
        co_return Error(Errc::connection_lost);
      }
    }
    while (exchange.step == ParseStep::need_more || exchange.sends_on) {
      // A cancelled call sends nothing more, even if its coroutine does not throw then.
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (is_cancelled(cancellation)) co_return Error(Errc::cancelled);
      if (budget_.is_used_up()) {
        if (auto failure = co_await let_others_run(exchange.deadline)) co_return failure;
        continue;
      }
      const auto rest = unsent();
      if (rest.empty()) {
        if (exchange.rest == Exchange::Rest::none) break;
        if (auto failure = co_await refill(exchange)) co_return failure;
        continue;
      }
      if (!write_some(exchange)) break;
      if (unsent().empty() || budget_.is_used_up()) continue;
      // The server may answer before it has read everything.
      bool has_received = false;
      if (auto failure = receive_early(exchange, has_received)) co_return failure;
      if (has_received) continue;
      std::error_code error;
      std::size_t sent = 0;
      if (expects_more(exchange))
        sent = co_await stream_->write_some_or_wait_readable(unsent(), error);
      else
        sent = co_await stream_->write_some(unsent(), error);
      if (error && error != asio::error::would_block) {
        exchange.write_error = error;
        break;
      }
      budget_.spend_awaited(sent);
      consumed(sent);
      if (sent > 0 && !unsent().empty()) exchange.deadline.extend();
    }
    co_return end_sending(exchange);
  }

  /// True while the exchange waits for bytes of the response.
  bool is_receiving() const noexcept {
    return !sending_ && (stage_ == Stage::head || stage_ == Stage::body);
  }

  /// The buffer for the next bytes of the response.
  asio::mutable_buffer room(Exchange& exchange) {
    if (stage_ == Stage::head) return in_.room();
    std::string& body = exchange.message.body;
    return asio::buffer(body.data() + exchange.filled, body.size() - exchange.filled);
  }

  /// Takes in the result of an awaited read into `room`: `count` bytes, or `error`.
  std::optional<Error> received(Exchange& exchange, std::size_t count, std::error_code error) {
    budget_.spend_awaited(count);
    if (stage_ != Stage::body) return took_bytes(exchange, count, error);
    auto failure = took_body(exchange, count, error);
    return failure ? failure : fill_body(exchange);
  }

  /// True if other coroutines must run before this one takes more of the available bytes.
  bool has_used_up_budget() const noexcept { return budget_.is_used_up(); }
  bool has_used_up_budget(Clock::time_point now) noexcept { return budget_.is_used_up(now); }
  /// Counts work on this many bytes that the connection's reader does.
  void count_work(std::size_t bytes) noexcept { budget_.spend(bytes); }

  /// Suspends the coroutine once, then checks the time limits and cancellation.
  template <class = void>
  asio::awaitable<std::optional<Error>> let_others_run(Deadline& deadline) {
    co_await budget_.renew();
    if (!deadline.check(Clock::now())) co_return deadline.error();
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (is_cancelled(cancellation)) co_return Error(Errc::cancelled);
    co_return std::nullopt;
  }

  /// Lets other coroutines run, then takes the available bytes.
  template <class = void>
  asio::awaitable<std::optional<Error>> go_on_receiving(Exchange& exchange) {
    if (auto failure = co_await let_others_run(exchange.deadline)) co_return failure;
    co_return receive_available(exchange);
  }

  /// After an exchange that did not collect: names the message that takes the rest of the response,
  /// the pieces of its body and its trailers.
  void go_on_into(ResponseMessage& message) noexcept { parser_->go_on_into(message); }

  /// Takes the next bytes of the body, and waits for them if necessary.
  ///
  /// @param piece receives the bytes; valid until the next call, and empty at the end.
  /// @param limit the longest wait for the next byte.
  /// @return the failure, or nothing.
  template <class = void>
  asio::awaitable<std::optional<Error>> read_body(std::string_view& piece, ResponseMessage& message,
                                                  Deadline& deadline, Duration limit) {
    piece = {};
    while (!next_piece(piece, message)) {
      if (body_failed_) co_return parser_->error();
      auto now = Clock::now();
      if (!deadline.check(now)) co_return deadline.error();
      if (budget_.is_used_up(now)) {
        if (auto failure = co_await let_others_run(deadline)) co_return failure;
        now = Clock::now();
      }
      std::error_code error;
      std::size_t received = stream_->try_read_some(in_.room(), error);
      if (error == asio::error::would_block && write_error_) {
        error = write_error_;  // The connection will bring no more bytes.
      } else if (error == asio::error::would_block) {
        if (!deadline.begin_phase(Phase::read, limit, stream_.get(), now))
          co_return deadline.error();
        received = co_await stream_->read_some(in_.room(), error);
        budget_.spend_awaited(received);
      } else {
        budget_.spend(received);
      }
      if (deadline.ended()) co_return deadline.error();
      if (error == asio::error::operation_aborted) co_return Error(Errc::cancelled);
      if (error == asio::error::eof && !write_error_ && parser_->finish()) {
        body_done_ = true;
        co_return std::nullopt;
      }
      if (error && parser_->framing() == Framing::length)
        co_return body_failure(parser_->body_size() - body_left_, parser_->body_size(), error);
      if (error) co_return read_failure(error, write_error_);
      in_.fill(received);
    }
    co_return std::nullopt;
  }

  /// After a successful exchange: the reason why the connection must not be reused, or nothing.
  std::optional<CloseReason> reuse_obstacle() const noexcept {
    if (!parser_) return CloseReason::not_kept;  // No exchange has begun.
    const ConnectionFields& said = parser_->connection();
    ReuseFacts facts;
    facts.fully_sent = fully_sent_;
    facts.close_announced = close_announced_ || said.close;
    facts.keep_alive = said.keep_alive;
    facts.is_http_1_0 = parser_->is_http_1_0();
    facts.until_close = parser_->framing() == Framing::until_close;
    facts.surplus = !in_.empty();
    facts.ambiguous = parser_->is_ambiguous();
    return detail::reuse_obstacle(facts);
  }
  /// The time for which the server says that it keeps the connection, if it does.
  std::optional<Duration> keep_alive_hint() const noexcept { return parser_->connection().hint; }

  /// After an exchange that ended with a 101: gives away the stream, and the bytes after the head.
  std::pair<std::unique_ptr<Stream>, std::string> detach() {
    std::string received(in_.unread());
    return {std::move(stream_), std::move(received)};
  }

  /// Reads the rest of an unwanted or oversized body, if that is short and has already arrived.
  /// @return true if the connection is clean now.
  bool drain() noexcept {
    if (!parser_) return true;  // No exchange has begun.
    const bool has_no_end = parser_->framing() == Framing::until_close && !body_done_;
    if (body_failed_ || body_left_ > max_drained || has_no_end) return false;
    try {
      ResponseMessage unwanted;
      go_on_into(unwanted);
      for (std::size_t taken = 0; taken <= max_drained;) {
        std::string_view piece;
        if (next_piece(piece, unwanted)) {
          if (piece.empty()) return true;
          taken += piece.size();
          continue;
        }
        std::error_code error;
        if (!body_failed_) in_.fill(stream_->try_read_some(in_.room(), error));
        if (body_failed_ || error) return false;
      }
    } catch (const std::bad_alloc&) {  // The caller closes the connection then.
    }
    return false;
  }

  /// After a failure: cuts a collected body to the received bytes.
  void trim(Exchange& exchange) {
    if (stage_ == Stage::body) exchange.message.body.resize(exchange.filled);
  }

  /// Frees the read buffer, because no exchange follows at once.
  void go_idle() noexcept { in_.put_aside(); }

  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  /// True once a byte of a response to the current request has arrived.
  bool response_started() const noexcept { return parser_ && parser_->any_byte(); }

 private:
  static constexpr std::size_t max_kept_head = 64 * 1024;
  static constexpr std::size_t largest_read = 64 * 1024;
  static constexpr std::uint64_t max_drained = 64 * 1024;
  static constexpr std::uint64_t first_body_step = 1024 * 1024;

  /// Progress of the response.
  enum class Stage { idle, head, body, done };

  std::span<const asio::const_buffer> unsent() const noexcept {
    return {unsent_.data() + sent_, unsent_count_ - sent_};
  }
  /// Appends a piece to the unsent buffers.
  void add_unsent(asio::const_buffer piece) noexcept {
    if (sent_ == unsent_count_) sent_ = unsent_count_ = 0;
    if (piece.size() > 0) unsent_[unsent_count_++] = piece;
  }
  void consumed(std::size_t count) noexcept {
    bytes_sent_ += count;
    while (count > 0) {
      const auto part = std::min(count, unsent_[sent_].size());
      unsent_[sent_] += part;
      count -= part;
      if (unsent_[sent_].size() == 0) ++sent_;
    }
  }

  /// Writes as much as possible without waiting.
  /// @return true if something is left.
  bool write_some(Exchange& exchange) {
    for (;;) {
      const auto rest = unsent();
      if (rest.empty()) return exchange.rest != Exchange::Rest::none;
      if (budget_.is_used_up()) return true;
      std::error_code error;
      const std::size_t sent = stream_->try_write_some(rest, error);
      if (error == asio::error::would_block) return true;
      exchange.write_error = error;
      if (error) return false;
      budget_.spend(sent);
      consumed(sent);
      if (sent > 0 && !unsent().empty()) exchange.deadline.extend();
    }
  }

  /// Ends the sending, because the request is written or will not be.
  std::optional<Error> end_sending(Exchange& exchange) {
    const Deadline& deadline = exchange.deadline;
    if (deadline.ended()) return deadline.error();
    if (exchange.write_error == asio::error::operation_aborted) return Error(Errc::cancelled);
    // Any other write error does not end the exchange yet: a server may answer and close without
    // having read everything, and its answer is worth more than the error.
    fully_sent_ = exchange.rest == Exchange::Rest::none && unsent().empty();
    ExchangeTimes& times = exchange.times;
    times.sent = Clock::now();
    if (fully_sent_) exchange.tell(Event::Kind::request_sent);
    const bool begun = times.first_byte != Clock::time_point{};
    const Timeouts& limits = exchange.timeouts;
    sending_ = false;
    if (exchange.sends_on) times.end = std::max(times.end, times.sent);
    if (stage_ == Stage::done) {  // The answer has arrived, or is left for `read_body`.
      write_error_ = exchange.write_error;
      free_request();
    }
    if (!(begun ? exchange.deadline.begin_phase(Phase::read, limits.read, times.sent)
                : exchange.deadline.begin_phase(Phase::first_byte, limits.first_byte, times.sent)))
      return deadline.error();
    auto failure = begun && !exchange.sends_on ? take_in(exchange) : std::nullopt;
    return failure || !exchange.write_error ? failure : receive_available(exchange);
  }

  /// Takes the bytes that can be read without waiting, within the work budget.
  std::optional<Error> receive_available(Exchange& exchange) {
    if (!exchange.write_error) return stage_ == Stage::body ? fill_body(exchange) : std::nullopt;
    // Only bytes that have already arrived can still be read from a failed connection.
    std::optional<Error> failure;
    while (!failure && is_receiving() && !budget_.is_used_up()) {
      std::error_code error;
      const std::size_t count = stream_->try_read_some(room(exchange), error);
      budget_.spend(count);
      if (error == asio::error::would_block) error = exchange.write_error;
      failure = stage_ == Stage::body ? took_body(exchange, count, error)
                                      : took_bytes(exchange, count, error);
      if (!failure && stage_ == Stage::body) failure = fill_body(exchange);
    }
    return failure;
  }

  /// Takes in bytes of the head, or of a body whose length the head does not tell.
  std::optional<Error> took_bytes(Exchange& exchange, std::size_t count, std::error_code error) {
    if (exchange.deadline.ended()) return exchange.deadline.error();
    if (error == asio::error::operation_aborted) return Error(Errc::cancelled);
    // After a failed write, a reset reads as the end of the stream, which must not end a body.
    if (error == asio::error::eof && !exchange.write_error && parser_->finish()) {
      end_receiving(exchange);
      return std::nullopt;
    }
    if (error) return read_failure(error, exchange.write_error);
    in_.fill(count);
    if (!sending_) exchange.deadline.set_phase(Phase::read);
    ExchangeTimes& times = exchange.times;
    const bool had_head = times.head != Clock::time_point{};
    auto failure = take_in(exchange);
    // Reading the clock is not cheap, so bytes that came with the head get the head's time.
    const bool has_head = times.head != Clock::time_point{};
    const auto now = has_head && !had_head ? times.head : Clock::now();
    if (times.first_byte == Clock::time_point{}) times.first_byte = now;
    times.end = std::max(times.end, now);
    if (!failure && is_receiving() &&
        !exchange.deadline.begin_phase(Phase::read, exchange.timeouts.read, now))
      failure = exchange.deadline.error();
    return failure;
  }

  /// Parses the bytes read so far, until more must be read.
  std::optional<Error> take_in(Exchange& exchange) {
    for (;;) {
      if (exchange.step == ParseStep::failed) {
        body_failed_ = parser_->framing() != Framing::length;
        body_left_ = parser_->body_size();
        return parser_->error();
      }
      if (exchange.step == ParseStep::head_done) {
        if (exchange.message.status == 101 && !fully_sent_)
          return Error(Errc::unexpected_upgrade, "before the request was sent");
        if (parser_->framing() == Framing::length) {
          body_left_ = parser_->body_size();
          if (exchange.collect != Collect::none) {
            if (!parser_->body_fits()) return parser_->error();
            return take_in_body(exchange);
          }
        }
      }
      if (exchange.step == ParseStep::message_done ||
          (exchange.step == ParseStep::head_done &&
           (exchange.collect == Collect::none || parser_->framing() == Framing::none))) {
        end_receiving(exchange);
        return std::nullopt;
      }
      if (in_.empty()) return std::nullopt;
      exchange.step = parse(exchange);
    }
  }

  /// Starts a body of known length, which is read straight into its destination. The destination
  /// grows with the received bytes, so a head alone cannot make the client allocate much.
  std::optional<Error> take_in_body(Exchange& exchange) {
    std::string& body = exchange.message.body;
    const auto unread = in_.unread();
    if (body_left_ > unread.size())
      body.reserve(static_cast<std::size_t>(std::min(body_left_, first_body_step)));
    body.assign(unread.substr(0, std::min<std::uint64_t>(body_left_, unread.size())));
    in_.take(body.size());
    exchange.filled = body.size();
    stage_ = Stage::body;
    return fill_body(exchange);
  }

  std::optional<Error> took_body(Exchange& exchange, std::size_t count, std::error_code error) {
    if (exchange.deadline.ended()) return exchange.deadline.error();
    if (error == asio::error::operation_aborted) return Error(Errc::cancelled);
    if (error) return body_failure(exchange.filled, parser_->body_size(), error);
    exchange.filled += count;
    exchange.times.end = Clock::now();
    if (!sending_)
      exchange.deadline.begin_phase(Phase::read, exchange.timeouts.read, exchange.times.end);
    return std::nullopt;
  }

  /// Takes the available bytes of the body.
  std::optional<Error> fill_body(Exchange& exchange) {
    std::string& body = exchange.message.body;
    const std::uint64_t size = parser_->body_size();
    while (exchange.filled < size) {
      if (exchange.filled == body.size()) {
        // The capacity doubles; the part filled with zeros at a time is bounded.
        const auto more = std::max<std::uint64_t>(first_body_step, body.size());
        body.reserve(static_cast<std::size_t>(std::min(size, exchange.filled + more)));
        body.resize(static_cast<std::size_t>(std::min(size, exchange.filled + first_body_step)));
      }
      if (budget_.is_used_up()) return std::nullopt;
      std::error_code error;
      const std::size_t count = stream_->try_read_some(room(exchange), error);
      if (error == asio::error::would_block) return std::nullopt;
      budget_.spend(count);
      if (auto failure = took_body(exchange, count, error)) return failure;
    }
    body_left_ = 0;
    end_receiving(exchange);
    return std::nullopt;
  }

  void end_receiving(Exchange& exchange) {
    stage_ = Stage::done;
    write_error_ = exchange.write_error;
    body_done_ = exchange.collect != Collect::none;
    exchange.times.end = std::max(exchange.times.end, exchange.times.head);
    if (!sending_) free_request();
  }

  /// Frees the memory of the request's bytes, which are no longer needed.
  void free_request() noexcept {
    if (head_.capacity() > max_kept_head) head_ = ByteBuffer();
    piece_ = std::string();
  }

  /// True if more of an answer may come while the request is still being sent.
  bool expects_more(const Exchange& exchange) const noexcept {
    if (early_end_) return false;
    if (stage_ != Stage::done) return true;
    // The answer is left for `read_body`: its bytes are kept in `in_`.
    return exchange.collect == Collect::none && !body_done_ &&
           parser_->framing() != Framing::none &&
           (parser_->framing() != Framing::length || body_left_ > in_.unread().size());
  }

  /// Takes in the bytes that have come while the request is still being sent.
  /// @param has_received set to true if any have.
  std::optional<Error> receive_early(Exchange& exchange, bool& has_received) {
    if (!exchange.sends_on) {
      std::error_code ignored;
      has_received = read_early(exchange.times, ignored);
      if (!has_received) return std::nullopt;
      exchange.step = parse(exchange);
      exchange.sends_on = goes_on_sending(exchange);
      return exchange.sends_on ? take_in(exchange) : std::nullopt;
    }
    if (!expects_more(exchange)) return std::nullopt;
    if (stage_ == Stage::done) {
      std::error_code error;
      has_received = read_early(exchange.times, error);
      // A reset is reported once: the next read would find a proper end.
      if (error && error != asio::error::eof) exchange.write_error = error;
      if (in_.unread().size() <= exchange.most_kept_back) return std::nullopt;
      return Error(Errc::body_too_large,
                   "more than " + std::to_string(exchange.most_kept_back) +
                       " bytes of it came before the request was sent (limits.max_body_size)");
    }
    std::error_code error;
    const std::size_t count = stream_->try_read_some(room(exchange), error);
    has_received = error != asio::error::would_block;
    if (!has_received) return std::nullopt;
    budget_.spend(count);
    if (stage_ == Stage::head) return took_bytes(exchange, count, error);
    auto failure = took_body(exchange, count, error);
    return failure ? failure : fill_body(exchange);
  }

  /// True if the request's body is sent to its end although this answer's head has arrived.
  bool goes_on_sending(const Exchange& exchange) const noexcept {
    const ConnectionFields& said = parser_->connection();
    const int status = exchange.message.status;
    return (exchange.step == ParseStep::head_done || exchange.step == ParseStep::message_done) &&
           status >= 200 && status < 300 &&
           (exchange.rest != Exchange::Rest::awaiting_continue || got_continue_) && !said.close &&
           (!parser_->is_http_1_0() || said.keep_alive);
  }

  /// Brings more of the body into `unsent_`, unless an answer comes first.
  template <class = void>
  asio::awaitable<std::optional<Error>> refill(Exchange& exchange) {
    Deadline& deadline = exchange.deadline;
    if (bytes_sent_ > 0) {
      bool has_received = false;
      if (auto failure = receive_early(exchange, has_received)) co_return failure;
      if (has_received) co_return std::nullopt;
    }
    deadline.suspend_limit(Phase::write);  // The wait is not, or should not be, for the server.
    if (exchange.rest == Exchange::Rest::awaiting_continue) {
      const auto until = after(Clock::now(), exchange.timeouts.expect_continue);
      while (!got_continue_ && exchange.step == ParseStep::need_more && !early_end_ &&
             Clock::now() < until) {
        // More bytes may have come, and the stream may have buffered them already.
        bool has_received = false;
        if (auto failure = receive_early(exchange, has_received)) co_return failure;
        if (has_received) continue;
        if (early_end_) break;
        const bool is_readable = co_await stream_->wait_readable(until);
        if (deadline.ended()) co_return deadline.error();
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) co_return Error(Errc::cancelled);
        if (!is_readable) break;
      }
      if (exchange.step != ParseStep::need_more && !exchange.sends_on) co_return std::nullopt;
      exchange.rest = exchange.body.source() ? Exchange::Rest::in_source : Exchange::Rest::none;
      add_unsent(asio::buffer(exchange.body.bytes()));
    } else if (auto failure = co_await read_source(exchange)) {
      co_return deadline.ended() ? deadline.error() : std::move(*failure);
    }
    if (!deadline.begin_phase(Phase::write, exchange.timeouts.write, stream_.get()))
      co_return deadline.error();
    co_return std::nullopt;
  }

  /// Brings the source's next piece into `unsent_`, as a chunk if the body's size is not known (RFC
  /// 9112 7.1).
  template <class = void>
  asio::awaitable<std::optional<Error>> read_source(Exchange& exchange) {
    BodySource& source = *exchange.body.source();
    const auto size = exchange.body_size;
    const std::uint64_t left = size ? *size - exchange.given : largest_read;
    if (piece_.empty()) piece_.resize(largest_read);
    // If nothing is left, one more byte shows that the source is longer than it said.
    const auto room = static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 1, largest_read));
    std::optional<Error> failure;
    std::size_t count = 0;
    Headers trailers;
    try {
      const auto buffer = asio::buffer(piece_.data(), room);
      if (const auto there = source.read_now(buffer)) {
        count = *there;
      } else {
        auto reading = read_into(count, source, buffer);
        co_await run_limited(std::move(reading), exchange.deadline, Phase::body_source);
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) failure.emplace(Errc::cancelled);
      }
      budget_.spend(0);
      if (!failure && count == 0 && !size) trailers = source.trailers();
    } catch (const std::system_error& e) {
      // An `Error` may come from another connection that the source reads from. The error says
      // nothing about this connection, and is no reason to send again.
      if (e.code() == asio::error::operation_aborted || e.code() == Errc::cancelled)
        failure.emplace(Errc::cancelled);
      else
        failure.emplace(Errc::body_source_failed, e.what());
    } catch (const std::exception& e) {
      failure.emplace(Errc::body_source_failed, e.what());
    }
    if (failure) co_return failure;
    exchange.given += count;
    if (count > room)
      co_return Error(Errc::body_source_failed, "it returned more than it was given room for");
    if (size && exchange.given > *size)
      co_return Error(Errc::body_source_failed, "it is longer than it had said");
    if (size && left > 0 && count == 0) {
      std::string what = "it ended after " + std::to_string(exchange.given) + " of ";
      what += std::to_string(*size) + " bytes";
      co_return Error(Errc::body_source_failed, std::move(what));
    }
    if (count == 0) {
      exchange.rest = Exchange::Rest::none;
      if (!size) co_return end_chunks(trailers);
      co_return std::nullopt;
    }
    const auto data = asio::buffer(piece_.data(), count);
    if (size) {
      add_unsent(data);
    } else {
      char digits[18];
      const auto end = std::to_chars(digits, digits + 16, count, 16).ptr;
      chunk_head_.assign(digits, end).append("\r\n");
      add_unsent(asio::buffer(chunk_head_));
      add_unsent(data);
      add_unsent(asio::buffer("\r\n", 2));
    }
    co_return std::nullopt;
  }

  static asio::awaitable<void> read_into(std::size_t& count, BodySource& source,
                                         asio::mutable_buffer buffer) {
    count = co_await source.read(buffer);
  }

  /// Adds the last chunk and the trailers.
  /// @return the failure if a trailer is not allowed, or nothing.
  std::optional<Error> end_chunks(const Headers& trailers) {
    chunk_head_ = "0\r\n";
    for (const auto [name, value] : trailers) {
      // Fields that frame, route or authenticate a message cannot be trailers (RFC 9110 6.5.1).
      for (const std::string_view early :
           {"Content-Length", "Transfer-Encoding", "Host", "Content-Type", "Content-Encoding",
            "Content-Range", "Trailer", "Authorization", "Proxy-Authorization", "Cookie", "Expect",
            "Connection", "Range", "TE", "Upgrade", "Cache-Control"})
        if (iequals(name, early))
          return Error(Errc::invalid_header, std::string(early) + " cannot be a trailer");
      chunk_head_.append(name).append(": ").append(value).append("\r\n");
    }
    chunk_head_.append("\r\n");
    add_unsent(asio::buffer(chunk_head_));
    return std::nullopt;
  }

  /// Takes a piece of the body from the bytes already read; an empty one at the body's end.
  /// @return false if more must be read first, or if parsing has failed.
  bool next_piece(std::string_view& piece, ResponseMessage& message) {
    const auto take = [&](std::uint64_t most) {
      piece = in_.unread();
      piece = piece.substr(0, std::min<std::uint64_t>(most, piece.size()));
      in_.take(piece.size());
      return !piece.empty();
    };
    if (body_done_) return true;
    switch (parser_->framing()) {
      case Framing::none: return true;
      case Framing::until_close: return take(in_.unread().size());
      case Framing::length:
        if (body_left_ == 0) return true;
        take(body_left_);
        body_left_ -= piece.size();
        return !piece.empty();
      case Framing::chunked: break;
    }
    message.body.clear();
    while (!in_.empty() && message.body.empty() && !body_done_) {
      const auto [used, step] = parser_->feed(in_.unread());
      in_.take(used);
      body_done_ = step == ParseStep::message_done;
      body_failed_ = step == ParseStep::failed;
      if (body_failed_) return false;
    }
    piece = message.body;
    return body_done_ || !piece.empty();
  }

  /// Reads, without waiting, bytes that come before the request is sent. The end of the stream is
  /// no failure yet: the server may read on.
  bool read_early(ExchangeTimes& times, std::error_code& error) {
    if (early_end_) return false;
    const std::size_t count = stream_->try_read_some(in_.room(), error);
    budget_.spend(count);
    in_.fill(count);
    if (error == asio::error::would_block) {
      error.clear();
      return false;
    }
    early_end_ = static_cast<bool>(error);
    if (!error && times.first_byte == Clock::time_point{}) times.first_byte = Clock::now();
    return !error;
  }

  /// Parses the bytes read so far, including interim responses.
  /// @return never `interim_done`.
  ParseStep parse(Exchange& exchange) {
    ExchangeTimes& times = exchange.times;
    for (;;) {
      const auto [used, step] = parser_->feed(in_.unread());
      in_.take(used);
      const bool interim = step == ParseStep::interim_done;
      if (!interim && step != ParseStep::head_done) return step;
      if (!interim) times.head = Clock::now();
      if (interim && exchange.message.status == 100) got_continue_ = true;
      exchange.tell(interim ? Event::Kind::interim_received : Event::Kind::head_received);
      if (!interim && exchange.decide_follow_up()) exchange.collect = Collect::none;
      if (!interim) return step;
      if (in_.empty()) return ParseStep::need_more;
    }
  }

  Error read_failure(std::error_code read_error, std::error_code write_error) {
    const bool ended = read_error == asio::error::eof;
    const auto cause = cause_of(ended && write_error ? write_error : read_error);
    if (!parser_->any_byte()) return Error(Errc::connection_lost, {}, cause);
    return Error(parser_->in_body() ? Errc::truncated_body : Errc::truncated_head, {}, cause);
  }

  static Error body_failure(std::uint64_t came, std::uint64_t size, std::error_code error) {
    std::string what = std::to_string(came) + " of " + std::to_string(size) + " bytes came";
    return Error(Errc::truncated_body, std::move(what), cause_of(error));
  }

  /// The cause of a failure. An end of the stream is no system error.
  static std::error_code cause_of(std::error_code error) noexcept {
    return error == asio::error::eof ? std::error_code() : error;
  }

  std::unique_ptr<Stream> stream_;
  std::optional<H1Parser> parser_;  // Made anew by `begin`.
  ByteBuffer head_;                 // Head of the request; its memory is reused.
  ReadBuffer in_;
  /// The next bytes to write: the head, and a piece of the body with a chunk's framing around it.
  std::array<asio::const_buffer, 4> unsent_;
  std::size_t unsent_count_ = 0;
  std::size_t sent_ = 0;    // Number of these buffers written completely.
  std::string piece_;       // Current piece of a source's body.
  std::string chunk_head_;  // Bytes before the piece, or the end of a chunked body.
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t body_left_ = 0;  // Bytes not yet taken of a body of known length.
  std::error_code write_error_;
  WorkBudget budget_;
  Stage stage_ = Stage::idle;
  bool sending_ = false;
  bool fully_sent_ = false;
  bool early_end_ = false;  // True if the stream can bring no more while the request is still sent.
  bool got_continue_ = false;  // True once the server has sent `100 Continue`.
  bool close_announced_ = false;
  bool body_done_ = false;
  bool body_failed_ = false;  // True if the rest of the body cannot be read.
};

}  // namespace ferry::detail
