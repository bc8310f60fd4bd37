#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/call.hpp>
#include <ferry/detail/http/content_decoding.hpp>
#include <ferry/detail/http/response_state.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A call whose response's body is read piece by piece. It owns the call until the body's end.
///
///     start --> read_raw or read_decoded, then consumed, for each piece --> complete
///     at any time: failed, or the destruction
///
/// 1. The call has its connection until the body is complete or has failed, and no longer.
/// 2. One event reports the end of the call: `complete`, `failed` and the destructor see to it.
class OpenBody {
 public:
  explicit OpenBody(std::unique_ptr<Call> owned)
      : call(std::move(owned)), response(call->take_response()) {
    call->request.drop();
  }
  OpenBody(const OpenBody&) = delete;
  OpenBody& operator=(const OpenBody&) = delete;
  ~OpenBody() {
    if (!call->lease) return;
    report_drop();
    call->deadline->finish();
    leave_connection(call->lease, call->exchange(), *call->deadline);
  }

  /// Begins reading the body, after the head. @return an error if the body cannot be read.
  std::optional<Error> start() {
    if (call->options.decodes && response.status() != 206) {
      auto made = ContentDecoding::of(response.headers(), call->client->options.codings);
      if (!made) return failed(made.error());
      decoding_ = std::move(*made);
    }
    Deadline& deadline = *call->deadline;
    Stream& stream = connection().stream();
    if (!deadline.begin_phase(Phase::read, call->options.timeouts.read, &stream))
      return failed(deadline.error());
    deadline.suspend_limit(Phase::read);  // No read waits for the server yet.
    return std::nullopt;
  }

  /// True while more of the body can be read.
  bool is_open() const noexcept { return static_cast<bool>(call->lease); }

  /// The next bytes of the body; none at the end.
  /// @param piece receives the bytes.
  /// @return the failure, or nothing.
  asio::awaitable<std::optional<Error>> read(std::string_view& piece) {
    return decoding_.is_active() ? read_decoded(piece) : read_raw(piece);
  }

  /// Accounts for a piece that was read. @return an error if no more may be read.
  std::optional<Error> consumed(std::string_view piece) {
    call->deadline->suspend_limit(Phase::read);
    size_ += piece.size();
    if (!decoding_.is_active()) raw_size_ = size_;
    const std::uint64_t most = call->options.max_stream_size();
    if (size_ > most)
      return Error(Errc::body_too_large,
                   "it is larger than " + std::to_string(most) + " bytes (max_body_size)");
    if (piece.empty()) complete();
    return std::nullopt;
  }

  /// Ends the call with an error; no more bytes follow.
  Error failed(const Error& error) {
    failure = error
                  .at(Phase::read, std::string(response.url().origin()), call->attempts(),
                      response.connection().reused, call->exchange().bytes_sent)
                  .with(response.status(), {}, call->earlier);
    call->deadline->finish();
    discard_connection(call->lease, call->exchange(), CloseReason::failed);
    call->admission.end();
    report(*failure);
    return *failure;
  }

  const std::unique_ptr<Call> call;
  Response response;  ///< The response without its body.
  std::optional<Error> failure;
  bool is_being_read = false;

 private:
  static constexpr std::size_t buffer_size = 64 * 1024;

  Connection& connection() const noexcept { return *call->lease.connection().http; }
  ResponseMessage& message() noexcept { return access::state(response).message; }

  asio::awaitable<std::optional<Error>> read_raw(std::string_view& piece) {
    return connection().read_body(call->exchange(), piece);
  }

  asio::awaitable<std::optional<Error>> read_decoded(std::string_view& piece) {
    Deadline& deadline = *call->deadline;
    WorkBudget& budget = connection().budget();
    decoded_.resize(buffer_size);
    for (bool ended = false;;) {
      // A little input may decode to a lot of output, so time and work are checked here.
      const auto now = Clock::now();
      if (!deadline.check(now)) co_return deadline.error();
      if (budget.is_used_up(now)) {
        if (auto error = co_await let_others_run(budget, deadline)) co_return error;
      }
      const auto made = decoding_.read(decoded_);
      if (!made) co_return made.error();
      budget.spend(*made);
      piece = std::string_view(decoded_).substr(0, *made);
      if (!piece.empty()) co_return std::nullopt;
      if (ended) co_return decoding_.finish();
      std::string_view raw;
      if (auto error = co_await read_raw(raw)) co_return error;
      ended = raw.empty();
      raw_size_ += raw.size();
      decoding_.feed(raw);
    }
  }

  /// Gives back the connection, and reports the whole response.
  void complete() {
    Deadline& deadline = *call->deadline;
    deadline.finish();
    const auto end = Clock::now();
    Timings& timings = access::state(response).timings;
    timings.receive = end - call->exchange().times.first_byte;
    timings.total = end - call->begun();
    conclude_exchange(call->lease, call->exchange(), nullptr, deadline, end);
    call->admission.end();
    message().body = std::string();
    if (call->observer())
      report_response(call->observer(), event(Event::Kind::response_received),
                      access::state(response), raw_size_);
  }

  void report(const Error& error) {
    if (call->observer())
      report_failure(call->observer(), event(Event::Kind::request_failed), error, call->begun());
  }
  /// Every call ends with an event, so a dropped stream has one as well.
  void report_drop() noexcept {
    if (!call->observer()) return;
    try {
      report(Error(Errc::cancelled, "its stream was dropped before its end"));
    } catch (const std::bad_alloc&) {
    }
  }
  Event event(Event::Kind kind) const {
    return request_event(kind, response.url(), call->request.request.method(),
                         response.connection().id(), call->attempts());
  }

  ContentDecoding decoding_;
  std::string decoded_;
  std::uint64_t size_ = 0;      // Bytes returned so far.
  std::uint64_t raw_size_ = 0;  // Bytes received so far.
};

}  // namespace ferry::detail
