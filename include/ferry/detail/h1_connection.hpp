#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/deadline.hpp>
#include <ferry/detail/h1_encoder.hpp>
#include <ferry/detail/h1_parser.hpp>
#include <ferry/detail/reuse_rule.hpp>
#include <ferry/stream.hpp>

namespace ferry::detail {

/// When the steps of an exchange were reached; the epoch if they were not.
struct ExchangeTimes {
  bool begun() const noexcept { return begin != Clock::time_point{}; }

  Clock::time_point begin{};
  Clock::time_point sent{};
  Clock::time_point first_byte{};
  Clock::time_point head{};
  Clock::time_point end{};
};

/// One connection that speaks HTTP/1.1 (RFC 9112), an exchange at a time.
///
/// Threads: one at a time, as the pool's lock orders it; `abort` at any time.
class H1Connection {
 public:
  explicit H1Connection(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~H1Connection() {
    if (stream_) stream_->close();
  }

  Stream& stream() noexcept { return *stream_; }

  /// Sends a request and receives its response.
  ///
  /// All arguments outlive the call. A request is written without waiting as far as the system
  /// takes it; then the response is read, and interim responses are skipped. A final response that
  /// comes while the body is still being sent ends the sending.
  ///
  /// @param event what the observer's events begin with.
  /// @return the failure, or nothing. After a failure, or unless `reuse_verdict` says otherwise,
  /// the connection must not be used again.
  asio::awaitable<std::optional<Error>> exchange(const RequestHead& head, std::string_view body,
                                                 const Timeouts& timeouts,
                                                 const ParserLimits& limits, Watch& watch,
                                                 ResponseMessage& message, ExchangeTimes& times,
                                                 const Observer& observer, Event event) {
    std::error_code error;
    bytes_sent_ = 0;
    fully_sent_ = false;
    early_end_ = false;
    close_announced_ = head.close || announces_close(head);
    head_.clear();
    encode_head(head, head_);
    parser_.start(message, head.method.token() == "HEAD", limits, head.upgrade);
    in_begin_ = in_end_ = 0;

    if (!watch.enter(Phase::write, timeouts.write, stream_.get())) co_return watch.error();
    times.begin = Clock::now();
    auto step = H1Parser::Step::need_more;
    const std::uint64_t total = head_.size() + body.size();
    while (bytes_sent_ < total && step == H1Parser::Step::need_more) {
      const auto rest = unsent(body);
      const std::span<const asio::const_buffer> buffers(rest.data(), rest[1].size() == 0 ? 1 : 2);
      std::size_t sent = stream_->try_write_some(buffers, error);
      if (error == asio::error::would_block) {
        // The server may answer before it has read all: an interim response is no reason to stop, a
        // final one is.
        if (read_early()) {
          step = parse(message, times, observer, event);
          continue;
        }
        if (early_end_)
          sent = co_await stream_->write_some(buffers, error);
        else
          sent = co_await stream_->write_some_or_wait_readable(buffers, error);
      }
      if (error) break;
      bytes_sent_ += sent;
      if (sent > 0) watch.touch();
    }
    if (watch.ended()) co_return watch.error();
    if (error == asio::error::operation_aborted) co_return Error(Errc::cancelled);
    if (error == asio::error::would_block) error.clear();  // An answer ended the sending.
    // A server may answer and close without having read all: its answer is worth more than our
    // error.
    const std::error_code write_error = error;
    fully_sent_ = bytes_sent_ == total;
    times.sent = Clock::now();
    if (fully_sent_ && observer) {
      event.kind = Event::Kind::request_sent;
      observe(observer, event);
    }

    const bool begun = times.first_byte != Clock::time_point{};
    if (!(begun ? watch.enter(Phase::read, timeouts.read)
                : watch.enter(Phase::first_byte, timeouts.first_byte)))
      co_return watch.error();
    while (step != H1Parser::Step::message_done) {
      if (step == H1Parser::Step::failed) co_return parser_.error();
      if (step == H1Parser::Step::head_done &&
          (parser_.framing() == Framing::none || parser_.framing() == Framing::length))
        break;
      if (in_begin_ < in_end_) {
        step = parse(message, times, observer, event);
        continue;
      }
      const std::size_t received = co_await stream_->read_some(room(), error);
      if (watch.ended()) co_return watch.error();
      if (error == asio::error::operation_aborted) co_return Error(Errc::cancelled);
      // A reset that the write has met reads as the end of the stream: it ends no body.
      if (error == asio::error::eof && !write_error && parser_.finish()) break;
      if (error) co_return read_failure(error, write_error);
      in_end_ += received;
      if (times.first_byte != Clock::time_point{})
        watch.touch();
      else if (!watch.enter(Phase::read, timeouts.read))
        co_return watch.error();
    }

    if (parser_.framing() == Framing::length) {
      // Straight into its destination, which grows with what has arrived: a head must not be enough
      // to make us allocate what it only promises.
      std::string& out = message.body;
      const std::uint64_t size = parser_.body_size();
      const auto early = buffered().substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(size, in_end_ - in_begin_)));
      out.assign(early);
      in_begin_ += early.size();
      for (std::size_t filled = out.size(); filled < size;) {
        if (filled == out.size()) {
          const auto more = std::max<std::uint64_t>(first_body_step, out.size());
          out.resize(static_cast<std::size_t>(std::min(size, filled + more)));
        }
        const auto rest = asio::buffer(out.data() + filled, out.size() - filled);
        std::size_t received = stream_->try_read_some(rest, error);
        if (error == asio::error::would_block) received = co_await stream_->read_some(rest, error);
        if (watch.ended()) co_return watch.error();
        if (error == asio::error::operation_aborted) co_return Error(Errc::cancelled);
        if (error) {
          std::string what = std::to_string(filled) + " of " + std::to_string(size) + " bytes came";
          co_return Error(Errc::truncated_body, std::move(what), cause_of(error));
        }
        filled += received;
        watch.touch();
      }
    }
    times.end = Clock::now();
    if (head_.capacity() > max_kept_head) head_ = std::string();
    co_return std::nullopt;
  }

  /// After a successful exchange: why the connection must not be used again, if so.
  std::optional<CloseReason> reuse_verdict(const ResponseMessage& message) const {
    ReuseFacts facts;
    facts.fully_sent = fully_sent_;
    facts.close_announced = close_announced_;
    facts.until_close = parser_.framing() == Framing::until_close;
    facts.surplus = in_begin_ < in_end_;
    return may_reuse(message, facts);
  }

  /// After an exchange that ended in a 101: gives the stream away, and what came behind the head.
  std::pair<std::unique_ptr<Stream>, std::string> detach() {
    std::string received(buffered());
    return {std::move(stream_), std::move(received)};
  }

  /// After an exchange that failed because of the body's size alone: takes the rest of it off the
  /// connection, if it is short and has arrived. @return true if that has left the connection
  /// clean.
  bool drain() noexcept {
    if (parser_.framing() != Framing::length || parser_.body_size() > max_drained) return false;
    std::size_t rest = static_cast<std::size_t>(parser_.body_size());
    const std::size_t early = std::min(rest, in_end_ - in_begin_);
    in_begin_ += early;
    rest -= early;
    char sink[4096];
    while (rest > 0) {
      std::error_code error;
      rest -= stream_->try_read_some(asio::buffer(sink, std::min(rest, sizeof sink)), error);
      if (error) return false;
    }
    return true;
  }

  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  /// True once a byte of a response to the present request has come.
  bool response_started() const noexcept { return parser_.any_byte(); }

 private:
  static constexpr std::size_t first_read = 8 * 1024;
  static constexpr std::size_t max_kept_head = 64 * 1024;
  static constexpr std::size_t largest_read = 64 * 1024;
  static constexpr std::uint64_t max_drained = 64 * 1024;
  static constexpr std::uint64_t first_body_step = 1024 * 1024;

  std::array<asio::const_buffer, 2> unsent(std::string_view body) const noexcept {
    if (bytes_sent_ >= head_.size()) {
      const auto rest = body.substr(static_cast<std::size_t>(bytes_sent_ - head_.size()));
      return {asio::buffer(rest.data(), rest.size()), asio::const_buffer()};
    }
    const auto sent = static_cast<std::size_t>(bytes_sent_);
    return {asio::buffer(head_.data() + sent, head_.size() - sent),
            asio::buffer(body.data(), body.size())};
  }

  /// Takes in, without waiting, what comes before the request is sent. Its end of the stream is no
  /// failure yet: a server may read on.
  bool read_early() {
    if (early_end_) return false;
    std::error_code error;
    in_end_ += stream_->try_read_some(room(), error);
    early_end_ = error && error != asio::error::would_block;
    return !error;
  }

  /// Parses what has been read.
  H1Parser::Step parse(const ResponseMessage& message, ExchangeTimes& times,
                       const Observer& observer, Event& event) {
    if (times.first_byte == Clock::time_point{}) times.first_byte = Clock::now();
    const auto [used, step] = parser_.feed(buffered());
    in_begin_ += used;
    if (step == H1Parser::Step::head_done) {
      times.head = Clock::now();
      if (observer) {
        event.kind = Event::Kind::head_received;
        event.status = message.status;
        event.duration = times.head - times.begin;
        observe(observer, event);
      }
    }
    return step;
  }

  std::string_view buffered() const noexcept {
    return {in_.data() + in_begin_, in_end_ - in_begin_};
  }

  /// Where the next bytes go. A read that filled the buffer makes it larger.
  asio::mutable_buffer room() {
    if (in_.empty()) in_.resize(first_read);
    if (in_begin_ == in_end_) {
      if (in_end_ == in_.size() && in_.size() < largest_read) in_.resize(largest_read);
      in_begin_ = in_end_ = 0;
    } else if (in_end_ == in_.size()) {
      if (in_begin_ > 0) {
        in_.erase(0, in_begin_);
        in_end_ -= in_begin_;
        in_begin_ = 0;
      }
      in_.resize(in_end_ + largest_read);
    }
    return asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
  }

  Error read_failure(std::error_code read_error, std::error_code write_error) {
    const bool ended = read_error == asio::error::eof;
    const auto cause = cause_of(ended && write_error ? write_error : read_error);
    if (!parser_.any_byte()) return Error(Errc::connection_lost, {}, cause);
    return Error(parser_.in_body() ? Errc::truncated_body : Errc::truncated_head, {}, cause);
  }

  /// An end of stream is no error of the system's.
  static std::error_code cause_of(std::error_code error) noexcept {
    return error == asio::error::eof ? std::error_code() : error;
  }

  std::unique_ptr<Stream> stream_;
  H1Parser parser_;
  std::string head_;  // Of the request; its memory is kept from one to the next.
  std::string in_;    // Bytes read: [in_begin_, in_end_) is not parsed yet.
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::uint64_t bytes_sent_ = 0;
  bool fully_sent_ = false;
  bool early_end_ = false;  // Nothing more can be read, while the request is still being sent.
  bool close_announced_ = false;
};

}  // namespace ferry::detail
