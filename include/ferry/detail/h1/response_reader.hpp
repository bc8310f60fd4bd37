#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/read_buffer.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/detail/h1/request_writer.hpp>
#include <ferry/detail/policy/reuse.hpp>
#include <ferry/detail/protocol/exchange.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Reads the response of one exchange from the stream into the exchange's message.
///
///     parsing --> filling --> done      a collected body of known length
///     parsing --> done                  any other response: one without a body, a collected body
///                                       of unknown length, a body that is left or discarded
///
/// `BodyUse` says whether a body is collected, left or discarded.
///
/// 1. While parsing, bytes go through the read buffer and the parser. While filling, bytes go
///    straight into the message's body, which grows with what has arrived.
/// 2. `is_done` means that the exchange waits for nothing more. A body that was left or discarded
///    is still on the connection then: `read_body` reads it, `drain` reads its rest.
/// 3. A response may arrive while the request is still being sent. A success that keeps the
///    connection open does not end the sending (RFC 9110 7.5), unless `100 Continue` is still
///    awaited: see `goes_on_sending`. Any other final response ends it.
///
/// Threads: as the connection.
class ResponseReader {
 public:
  /// @param in the connection's read buffer; its memory is used again.
  ResponseReader(Exchange& exchange, RequestWriter& request, const RequestHead& head,
                 const HeadLimits& limits, ReadBuffer& in, Stream& stream, WorkBudget& budget)
      : exchange_(exchange),
        request_(request),
        stream_(stream),
        budget_(budget),
        in_(in),
        parser_(
            exchange.message, head.method.token() == "HEAD",
            {limits.max_head_size, limits.max_fields, std::numeric_limits<std::uint64_t>::max()},
            head.upgrade) {
    in_.clear();
  }
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  bool is_done() const noexcept { return stage_ == Stage::done; }
  /// True once the server has sent `100 Continue`.
  bool got_continue() const noexcept { return got_continue_; }

  // ---- while the request is being sent ----

  /// True once the head of a final response has arrived, or parsing has failed.
  bool has_answer() const noexcept { return step_ != ParseStep::need_more; }
  /// True if no response keeps the request from being sent on.
  bool lets_send() const noexcept { return !has_answer() || goes_on_sending_; }
  /// True if a response has begun and the request is sent to its end all the same.
  bool goes_on_sending() const noexcept { return goes_on_sending_; }
  /// True once the stream can bring no more bytes.
  bool has_ended_early() const noexcept { return ended_early_; }

  /// True if more of the response may come while the request is still being sent.
  bool expects_more() const noexcept {
    if (ended_early_) return false;
    if (!is_done()) return true;
    // The bytes of a body that was left are kept in `in_`.
    return use_.kind != BodyUse::Kind::collect && !body_done_ &&
           parser_.framing() != Framing::none &&
           (parser_.framing() != Framing::length || body_left_ > in_.unread().size());
  }

  /// Takes in the bytes that have come while the request is still being sent.
  /// @param has_received set to true if any have.
  /// @return the failure, or nothing.
  std::optional<Error> receive_early(bool& has_received) {
    if (!goes_on_sending_) {
      std::error_code ignored;
      has_received = read_early(ignored);
      if (!has_received) return std::nullopt;
      step_ = parse();
      goes_on_sending_ = leaves_connection_open();
      return goes_on_sending_ ? take_in() : std::nullopt;
    }
    if (!expects_more()) return std::nullopt;
    if (is_done()) return keep_early(has_received);
    std::error_code error;
    const std::size_t count = stream_.try_read_some(room(), error);
    has_received = error != asio::error::would_block;
    if (!has_received) return std::nullopt;
    budget_.spend(count);
    return receive(count, error);
  }

  // ---- after the request ----

  /// The buffer for the next bytes of the response.
  asio::mutable_buffer room() {
    if (stage_ == Stage::parsing) return in_.room();
    std::string& body = exchange_.message.body;
    return asio::buffer(body.data() + filled(), exchange_.unfilled);
  }

  /// Takes in the result of a read into `room`: `count` bytes, or `error`.
  /// @return the failure, or nothing.
  std::optional<Error> receive(std::size_t count, std::error_code error) {
    if (stage_ == Stage::parsing) return take_bytes(count, error);
    auto failure = take_body(count, error);
    return failure ? failure : fill_body();
  }

  /// Takes in bytes that have been read but not yet been looked at.
  std::optional<Error> take_in() {
    for (;;) {
      if (step_ == ParseStep::failed) {
        body_failed_ = parser_.framing() != Framing::length;
        body_left_ = parser_.body_size();
        return parser_.error();
      }
      const bool has_head = step_ == ParseStep::head_done;
      const bool collects = use_.kind == BodyUse::Kind::collect;
      if (has_head && exchange_.message.status == 101 && !request_.is_complete())
        return Error(Errc::unexpected_upgrade, "before the request was sent");
      if (has_head && parser_.framing() == Framing::length) {
        body_left_ = parser_.body_size();
        if (collects && !parser_.body_fits()) return parser_.error();
        if (collects) return begin_filling();
      }
      if (step_ == ParseStep::message_done ||
          (has_head && (!collects || parser_.framing() == Framing::none))) {
        finish();
        return std::nullopt;
      }
      if (in_.empty()) return std::nullopt;
      step_ = parse();
    }
  }

  /// Takes the bytes that can be read without waiting, within the work budget.
  /// @return the failure, or nothing.
  std::optional<Error> receive_available() {
    if (!request_.error()) return stage_ == Stage::filling ? fill_body() : std::nullopt;
    // Only bytes that have already arrived can still be read from a failed connection.
    std::optional<Error> failure;
    while (!failure && !is_done() && !budget_.is_used_up()) {
      std::error_code error;
      const std::size_t count = stream_.try_read_some(room(), error);
      budget_.spend(count);
      if (error == asio::error::would_block) error = request_.error();
      failure = receive(count, error);
    }
    return failure;
  }

  // ---- a body that was left, or is not wanted ----

  /// Takes the next bytes of a body that was left, and waits for them if necessary.
  /// @param piece receives the bytes; valid until the next call, and empty at the body's end.
  /// @return the failure, or nothing.
  asio::awaitable<std::optional<Error>> read_body(std::string_view& piece) {
    Deadline& deadline = exchange_.deadline;
    piece = {};
    while (!next_piece(piece, exchange_.message)) {
      if (body_failed_) co_return parser_.error();
      auto now = Clock::now();
      if (!deadline.check(now)) co_return deadline.error();
      if (budget_.is_used_up(now)) {
        if (auto failure = co_await let_others_run(budget_, deadline)) co_return failure;
        now = Clock::now();
      }
      std::error_code error;
      std::size_t received = stream_.try_read_some(in_.room(), error);
      if (error == asio::error::would_block && request_.error()) {
        error = request_.error();  // The connection will bring no more bytes.
      } else if (error == asio::error::would_block) {
        if (!deadline.begin_phase(Phase::read, exchange_.timeouts.read, &stream_, now))
          co_return deadline.error();
        received = co_await stream_.read_some(in_.room(), error);
        budget_.spend_awaited(received);
      } else {
        budget_.spend(received);
      }
      if (auto failure = check_ended(error)) co_return failure;
      if (is_proper_end(error)) {
        body_done_ = true;
        co_return std::nullopt;
      }
      if (error && parser_.framing() == Framing::length)
        co_return body_failure(parser_.body_size() - body_left_, error);
      if (error) co_return read_failure(error);
      in_.fill(received);
    }
    co_return std::nullopt;
  }

  /// Reads the rest of an unwanted or oversized body, if that is short and has already arrived.
  /// @return true if the response has been read to its end.
  bool drain() noexcept {
    const bool has_no_end = parser_.framing() == Framing::until_close && !body_done_;
    if (body_failed_ || body_left_ > max_drained || has_no_end) return false;
    try {
      ResponseMessage unwanted;
      parser_.go_on_into(unwanted);
      for (std::size_t taken = 0; taken <= max_drained;) {
        std::string_view piece;
        if (next_piece(piece, unwanted)) {
          if (piece.empty()) return true;
          taken += piece.size();
          continue;
        }
        std::error_code error;
        if (!body_failed_) in_.fill(stream_.try_read_some(in_.room(), error));
        if (body_failed_ || error) return false;
      }
    } catch (const std::bad_alloc&) {  // The caller closes the connection then.
    }
    return false;
  }

  /// The facts about the response for the rules of reuse.
  ReuseFacts reuse_facts() const noexcept {
    const ConnectionFields& said = parser_.connection();
    ReuseFacts facts;
    facts.close_announced = said.close;
    facts.keep_alive = said.keep_alive;
    facts.is_http_1_0 = parser_.is_http_1_0();
    facts.until_close = parser_.framing() == Framing::until_close;
    facts.surplus = !in_.empty();
    facts.ambiguous = parser_.is_ambiguous();
    return facts;
  }
  /// The time for which the server says that it keeps the connection, if it does.
  std::optional<Duration> keep_alive_hint() const noexcept { return parser_.connection().hint; }

 private:
  static constexpr std::uint64_t max_drained = 64 * 1024;
  static constexpr std::uint64_t first_body_step = 1024 * 1024;

  enum class Stage { parsing, filling, done };

  /// Number of bytes of a collected body that have arrived.
  std::size_t filled() const noexcept { return exchange_.message.body.size() - exchange_.unfilled; }

  // ---- parsing ----

  /// Parses the bytes read so far, including interim responses.
  /// @return never `interim_done`.
  ParseStep parse() {
    ExchangeTimes& times = exchange_.times;
    for (;;) {
      const auto [used, step] = parser_.feed(in_.unread());
      in_.take(used);
      exchange_.response_started = parser_.any_byte();
      const bool interim = step == ParseStep::interim_done;
      if (!interim && step != ParseStep::head_done) return step;
      if (!interim) times.head = Clock::now();
      if (interim && exchange_.message.status == 100) got_continue_ = true;
      exchange_.report(interim ? Event::Kind::interim_received : Event::Kind::head_received);
      if (!interim) {
        use_ = exchange_.on_head();
        parser_.limit_body(use_.limit);
        return step;
      }
      if (in_.empty()) return ParseStep::need_more;
    }
  }

  /// Takes in bytes of the head, or of a collected body whose length the head does not tell.
  std::optional<Error> take_bytes(std::size_t count, std::error_code error) {
    if (auto failure = check_ended(error)) return failure;
    if (is_proper_end(error)) {
      finish();
      return std::nullopt;
    }
    if (error) return read_failure(error);
    in_.fill(count);
    Deadline& deadline = exchange_.deadline;
    if (!request_.is_active()) deadline.set_phase(Phase::read);
    ExchangeTimes& times = exchange_.times;
    const bool had_head = times.has_head();
    auto failure = take_in();
    // Reading the clock is not cheap, so bytes that came with the head get the head's time.
    const auto now = times.has_head() && !had_head ? times.head : Clock::now();
    if (times.first_byte == Clock::time_point{}) times.first_byte = now;
    times.end = std::max(times.end, now);
    if (!failure && !request_.is_active() && !is_done() &&
        !deadline.begin_phase(Phase::read, exchange_.timeouts.read, now))
      failure = deadline.error();
    return failure;
  }

  void finish() {
    stage_ = Stage::done;
    body_done_ = use_.kind == BodyUse::Kind::collect;
    exchange_.times.end = std::max(exchange_.times.end, exchange_.times.head);
    if (!request_.is_active()) request_.free_memory();
  }

  // ---- a collected body of known length ----

  /// Begins to read the body straight into its destination, which grows with the received bytes, so
  /// a head alone cannot make the client allocate much.
  std::optional<Error> begin_filling() {
    std::string& body = exchange_.message.body;
    const auto unread = in_.unread();
    if (body_left_ > unread.size())
      body.reserve(static_cast<std::size_t>(std::min(body_left_, first_body_step)));
    body.assign(unread.substr(0, std::min<std::uint64_t>(body_left_, unread.size())));
    in_.take(body.size());
    stage_ = Stage::filling;
    return fill_body();
  }

  std::optional<Error> take_body(std::size_t count, std::error_code error) {
    if (auto failure = check_ended(error)) return failure;
    if (error) return body_failure(filled(), error);
    exchange_.unfilled -= count;
    exchange_.times.end = Clock::now();
    if (!request_.is_active())
      exchange_.deadline.begin_phase(Phase::read, exchange_.timeouts.read, exchange_.times.end);
    return std::nullopt;
  }

  /// Takes the available bytes of the body.
  std::optional<Error> fill_body() {
    std::string& body = exchange_.message.body;
    const std::uint64_t size = parser_.body_size();
    while (filled() < size) {
      if (exchange_.unfilled == 0) grow(body, size);
      if (budget_.is_used_up()) return std::nullopt;
      std::error_code error;
      const std::size_t count = stream_.try_read_some(room(), error);
      if (error == asio::error::would_block) return std::nullopt;
      budget_.spend(count);
      if (auto failure = take_body(count, error)) return failure;
    }
    body_left_ = 0;
    finish();
    return std::nullopt;
  }

  /// Makes room in a full body. The capacity doubles; the part filled with zeros at a time is
  /// bounded.
  void grow(std::string& body, std::uint64_t size) {
    const std::size_t full = body.size();
    const auto more = std::max<std::uint64_t>(first_body_step, full);
    body.reserve(static_cast<std::size_t>(std::min(size, full + more)));
    body.resize(static_cast<std::size_t>(std::min(size, full + first_body_step)));
    exchange_.unfilled = body.size() - full;
  }

  // ---- a body in pieces ----

  /// Takes a piece of the body from the bytes already read; an empty one at the body's end.
  /// @param message receives the pieces of a chunked body, and the trailers.
  /// @return false if more must be read first, or if parsing has failed.
  bool next_piece(std::string_view& piece, ResponseMessage& message) {
    const auto take = [&](std::uint64_t most) {
      piece = in_.unread();
      piece = piece.substr(0, std::min<std::uint64_t>(most, piece.size()));
      in_.take(piece.size());
      return !piece.empty();
    };
    if (body_done_) return true;
    switch (parser_.framing()) {
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
      const auto [used, step] = parser_.feed(in_.unread());
      in_.take(used);
      body_done_ = step == ParseStep::message_done;
      body_failed_ = step == ParseStep::failed;
      if (body_failed_) return false;
    }
    piece = message.body;
    return body_done_ || !piece.empty();
  }

  // ---- early bytes ----

  /// Reads, without waiting, bytes that come before the request is sent. The end of the stream is
  /// no failure yet: the server may read on.
  bool read_early(std::error_code& error) {
    if (ended_early_) return false;
    const std::size_t count = stream_.try_read_some(in_.room(), error);
    budget_.spend(count);
    in_.fill(count);
    if (error == asio::error::would_block) {
      error.clear();
      return false;
    }
    ended_early_ = static_cast<bool>(error);
    auto& first_byte = exchange_.times.first_byte;
    if (!error && first_byte == Clock::time_point{}) first_byte = Clock::now();
    return !error;
  }

  /// Keeps bytes of a body that is read later, within the limit.
  std::optional<Error> keep_early(bool& has_received) {
    std::error_code error;
    has_received = read_early(error);
    // A reset is reported once: the next read would find a proper end.
    if (error && error != asio::error::eof) request_.set_error(error);
    if (in_.unread().size() <= exchange_.max_early_body) return std::nullopt;
    return Error(Errc::body_too_large,
                 "more than " + std::to_string(exchange_.max_early_body) +
                     " bytes of it came before the request was sent (limits.max_body_size)");
  }

  /// True if the request's body is sent to its end although this answer's head has arrived.
  bool leaves_connection_open() const noexcept {
    const ConnectionFields& said = parser_.connection();
    const int status = exchange_.message.status;
    return (step_ == ParseStep::head_done || step_ == ParseStep::message_done) && status >= 200 &&
           status < 300 &&
           (request_.rest() != RequestWriter::Rest::awaiting_continue || got_continue_) &&
           !said.close && (!parser_.is_http_1_0() || said.keep_alive);
  }

  // ---- failures ----

  /// The failure of an operation that was ended from outside; nothing if it was not.
  std::optional<Error> check_ended(std::error_code error) const {
    if (!exchange_.deadline.ended() && !is_cancelled(error)) return std::nullopt;
    return end_failure();
  }
  Error end_failure() const {
    return exchange_.deadline.ended() ? exchange_.deadline.error() : Error(Errc::cancelled);
  }

  /// True if the end of the stream completes the response. After a failed write, a reset reads as
  /// the end of the stream, which must not end a body.
  bool is_proper_end(std::error_code error) {
    return error == asio::error::eof && !request_.error() && parser_.finish();
  }

  Error read_failure(std::error_code error) const {
    const bool ended = error == asio::error::eof;
    const auto cause = cause_of(ended && request_.error() ? request_.error() : error);
    if (!parser_.any_byte()) return Error(Errc::connection_lost, {}, cause);
    return Error(parser_.in_body() ? Errc::truncated_body : Errc::truncated_head, {}, cause);
  }

  Error body_failure(std::uint64_t came, std::error_code error) const {
    std::string what =
        std::to_string(came) + " of " + std::to_string(parser_.body_size()) + " bytes came";
    return Error(Errc::truncated_body, std::move(what), cause_of(error));
  }

  /// The cause of a failure. An end of the stream is no system error.
  static std::error_code cause_of(std::error_code error) noexcept {
    return error == asio::error::eof ? std::error_code() : error;
  }

  Exchange& exchange_;
  RequestWriter& request_;
  Stream& stream_;
  WorkBudget& budget_;
  ReadBuffer& in_;
  H1Parser parser_;
  BodyUse use_;
  std::uint64_t body_left_ = 0;  // Bytes not yet taken of a body of known length.
  Stage stage_ = Stage::parsing;
  ParseStep step_ = ParseStep::need_more;
  bool got_continue_ = false;
  bool goes_on_sending_ = false;
  bool ended_early_ = false;
  bool body_done_ = false;
  bool body_failed_ = false;  // True if the rest of the body cannot be read.
};

}  // namespace ferry::detail
