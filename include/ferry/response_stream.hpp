#pragma once

/// @file
/// `ResponseStream`: a response whose body is read piece by piece.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/file/output_file.hpp>
#include <ferry/detail/http/content_decoding.hpp>
#include <ferry/response.hpp>

namespace ferry {

class ResponseStream;

namespace detail {

/// Ends the stream of a cancelled coroutine as `ResponseStream::read` would have ended it: Asio
/// throws its own error at `co_await stream.read()`, before `read` begins. Call this in a handler
/// of the exception `thrown`; any error that is not a cancellation is thrown again.
[[noreturn]] void throw_cancelled(const std::system_error& thrown, ResponseStream& stream);

/// A call whose response's body has not been read yet.
struct OpenBody {
  OpenBody(std::shared_ptr<const ClientCore> c, Response head, Clock::time_point total,
           Duration total_limit)
      : client(std::move(c)),
        lease(*client->pool),
        deadline(client->pool->deadlines(), client.get(), &client->closed, total, total_limit),
        response(std::move(head)) {}
  OpenBody(const OpenBody&) = delete;
  OpenBody& operator=(const OpenBody&) = delete;
  ~OpenBody() {
    if (!lease) return;
    tell_of_drop();
    deadline.finish();
    if (!deadline.ended() && lease.connection().h1.drain())
      release_connection(lease, nullptr, Clock::now());
    else
      lease.discard(CloseReason::unread);
  }

  /// Begins reading the body, after the head. @return an error if the body cannot be read.
  std::optional<Error> start(bool decode) {
    H1Connection& h1 = lease.connection().h1;
    h1.go_on_into(message());
    if (decode && response.status() != 206) {
      auto made = ContentDecoding::of(response.headers(), client->options.codings);
      if (!made) return failed(made.error());
      decoding = std::move(*made);
    }
    if (!deadline.begin_phase(Phase::read, read_limit, &h1.stream()))
      return failed(deadline.error());
    deadline.suspend_limit(Phase::read);  // No read waits for the server yet.
    return std::nullopt;
  }

  /// The next bytes of the body as received; none at the end.
  template <class = void>
  asio::awaitable<std::optional<Error>> read_raw(std::string_view& piece) {
    return lease.connection().h1.read_body(piece, message(), deadline, read_limit);
  }

  /// The next bytes of the body, decoded; none at the end.
  template <class = void>
  asio::awaitable<std::optional<Error>> read_decoded(std::string_view& piece) {
    H1Connection& h1 = lease.connection().h1;
    decoded.resize(buffer_size);
    for (bool ended = false;;) {
      // A little input may decode to a lot of output, so time and work are checked here.
      const auto now = Clock::now();
      if (!deadline.check(now)) co_return deadline.error();
      if (h1.has_used_up_budget(now)) {
        if (auto error = co_await h1.let_others_run(deadline)) co_return error;
      }
      const auto made = decoding.read(decoded);
      if (!made) co_return made.error();
      h1.count_work(*made);
      piece = std::string_view(decoded).substr(0, *made);
      if (!piece.empty()) co_return std::nullopt;
      if (ended) co_return decoding.finish();
      std::string_view raw;
      if (auto error = co_await read_raw(raw)) co_return error;
      ended = raw.empty();
      raw_size += raw.size();
      decoding.feed(raw);
    }
  }

  /// Accounts for a piece that was read. @return an error if no more may be read.
  std::optional<Error> consumed(std::string_view piece) {
    deadline.suspend_limit(Phase::read);
    size += piece.size();
    if (!decoding.is_active()) raw_size = size;
    if (size > max_size)
      return Error(Errc::body_too_large,
                   "it is larger than " + std::to_string(max_size) + " bytes (max_body_size)");
    if (piece.empty()) complete();
    return std::nullopt;
  }

  /// Ends the call with an error; no more bytes follow.
  Error failed(const Error& error) {
    const auto& connection = response.connection();
    failure = error
                  .at(Phase::read, std::string(response.url().origin()), attempt, connection.reused,
                      lease.connection().h1.bytes_sent())
                  .with(response.status(), {}, earlier);
    deadline.finish();
    lease.discard(CloseReason::failed);
    if (client->options.observer) tell_of(*failure);
    return *failure;
  }

  static constexpr std::size_t buffer_size = 64 * 1024;

  const std::shared_ptr<const ClientCore> client;
  Lease lease;  // Outlives the deadline, which may abort the lease's stream.
  Deadline deadline;
  Response response;  ///< The response without its body.
  Method method;
  Clock::time_point begin{};
  Clock::time_point first_byte{};
  Duration read_limit{};
  int attempt = 1;
  std::uint64_t max_size = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_collected = 0;  ///< The most bytes that `read_all` returns.
  std::uint64_t size = 0;           ///< Bytes returned so far.
  std::uint64_t raw_size = 0;       ///< Bytes received so far.
  ContentDecoding decoding;
  std::string decoded;
  std::vector<Error> earlier;  ///< The failures of earlier attempts.
  std::optional<Error> failure;
  bool is_being_read = false;

 private:
  void tell_of(const Error& error) {
    Event event = make_event(Event::Kind::request_failed);
    event.error = &error;
    event.duration = Clock::now() - begin;
    observe(client->options.observer, event);
  }
  /// Every call ends with an event, so a dropped stream has one as well.
  void tell_of_drop() noexcept {
    if (!client->options.observer) return;
    try {
      tell_of(Error(Errc::cancelled, "its stream was dropped before its end"));
    } catch (const std::bad_alloc&) {
    }
  }

  ResponseMessage& message() noexcept { return access::state(response).message; }

  void complete() {
    deadline.finish();
    const auto end = Clock::now();
    Timings& timings = access::state(response).timings;
    timings.receive = end - first_byte;
    timings.total = end - begin;
    if (deadline.ended())  // Time ran out as the last byte came; the response is complete.
      lease.discard(CloseReason::failed);
    else
      release_connection(lease, nullptr, end);
    message().body = std::string();
    if (client->options.observer) {
      Event event = make_event(Event::Kind::response_received);
      event.status = response.status();
      event.version = response.version();
      event.body_size = raw_size;
      event.duration = timings.total;
      event.timings = &timings;
      event.info = &response.connection();
      observe(client->options.observer, event);
    }
  }

  Event make_event(Event::Kind kind) const {
    Event event{kind};
    event.origin = response.url().origin();
    event.method = method.token();
    event.target = response.url().target();
    event.connection = response.connection().id();
    event.attempt = attempt;
    return event;
  }
};

}  // namespace detail

/// A response whose head has been received, and whose body is read as it comes:
/// `while (auto piece = co_await stream.read())`. Bytes that are not asked for stay in the socket,
/// and the server has to wait.
///
/// Lifetime: owns its connection until the body's end. If the stream is destroyed before that, the
/// connection is given back if the rest of the body is short (64 KiB) and already there; otherwise
/// it is closed. The stream must not be moved or destroyed while a read is in progress. Threads:
/// one at a time.
class ResponseStream {
 public:
  /// An empty stream of status 0, at its end.
  ResponseStream() = default;

  /// The next bytes of the body, at least one; nothing at the end, and from then on.
  ///
  /// Content codings are undone as for `Response::body`. The view is valid until the next call.
  /// @throws Error as `Client`'s verbs; the connection is closed then, and every later read throws
  ///   the same error. `Errc::lease_unusable` while another read is in progress; that read goes on.
  ///   Cancellation: terminal; the connection is closed too.
  template <class = void>
  asio::awaitable<std::optional<std::string_view>> read() & {
    if (!body_) co_return std::nullopt;
    detail::OpenBody& body = *body_;
    if (body.failure) throw *body.failure;
    if (!body.lease) co_return std::nullopt;
    if (body.is_being_read)
      throw Error(Errc::lease_unusable, "a read of this stream is in progress already");
    const Reading reading(body.is_being_read);
    std::string_view piece;
    std::optional<Error> failure;
    try {
      if (body.decoding.is_active())
        failure = co_await body.read_decoded(piece);
      else
        failure = co_await body.read_raw(piece);
    } catch (const std::system_error& e) {
      // Asio throws this error at the next `co_await` of a cancelled coroutine.
      if (e.code() != asio::error::operation_aborted) throw;
      failure.emplace(Errc::cancelled);
    }
    if (!failure) failure = body.consumed(piece);
    if (failure) throw body.failed(*failure);
    if (piece.empty()) co_return std::nullopt;
    co_return piece;
  }

  /// Deleted: the bytes would dangle when the temporary is destroyed.
  template <class = void>
  asio::awaitable<std::optional<std::string_view>> read() && = delete;

  /// The rest of the body.
  /// @throws Error as `read`; `Errc::body_too_large` if it exceeds the limit of a collected
  ///   `Response`.
  template <class = void>
  asio::awaitable<std::string> read_all() {
    std::string all;
    try {
      while (const auto piece = co_await read()) {
        if (piece->size() > body_->max_collected - all.size()) {
          throw body_->failed(Error(Errc::body_too_large, "it is larger than " +
                                                              std::to_string(body_->max_collected) +
                                                              " bytes (limits.max_body_size)"));
        }
        all += *piece;
      }
    } catch (const std::system_error& e) {
      detail::throw_cancelled(e, *this);
    }
    co_return all;
  }

  /// Writes the rest of the body to a file, which is created or emptied first. Writing blocks the
  /// thread, as file I/O does.
  /// @return the number of bytes written.
  /// @throws Error as `read`, and `Errc::file_failed`; the bytes written so far stay in the file.
  template <class = void>
  asio::awaitable<std::uint64_t> read_to(std::string path) {
    detail::OutputFile file(std::move(path), detail::OutputFile::Mode::replace);
    std::uint64_t written = 0;
    try {
      while (const auto piece = co_await read()) {
        file.write(*piece);
        written += piece->size();
      }
    } catch (const std::system_error& e) {
      detail::throw_cancelled(e, *this);
    }
    file.close();
    co_return written;
  }

  /// The status code.
  int status() const noexcept { return response().status(); }
  /// The reason phrase; may be empty.
  const std::string& reason() const& noexcept { return response().reason(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::string& reason() const&& = delete;
  /// "HTTP/1.1" or "HTTP/1.0".
  std::string_view version() const noexcept { return response().version(); }
  /// The header fields.
  const Headers& headers() const& noexcept { return response().headers(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Headers& headers() const&& = delete;
  /// The fields after a chunked body; empty before the body's end (RFC 9110 6.5).
  const Headers& trailers() const& noexcept { return response().trailers(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Headers& trailers() const&& = delete;
  /// The URL of the response, in normal form, without userinfo.
  const Url& url() const& noexcept { return response().url(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Url& url() const&& = delete;
  /// True for a status below 400.
  bool ok() const noexcept { return response().ok(); }
  /// Returns the stream itself if `ok()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more.
  const ResponseStream& raise_for_status() const& {
    response().raise_for_status();
    return *this;
  }
  /// Returns the stream itself, moved, if `ok()`:
  /// `auto stream = (co_await client.stream(url)).raise_for_status()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more.
  ResponseStream raise_for_status() && {
    response().raise_for_status();
    return std::move(*this);
  }
  /// The same time as `Response::elapsed`.
  Duration elapsed() const noexcept { return response().elapsed(); }
  /// The durations of the call's steps; `receive` and `total` are final at the body's end.
  const Timings& timings() const& noexcept { return response().timings(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const Timings& timings() const&& = delete;
  /// The connection that carries the response.
  const ConnectionInfo& connection() const& noexcept { return response().connection(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const ConnectionInfo& connection() const&& = delete;
  /// The redirects that led to this response, the first one first, without their bodies.
  const std::vector<Response>& history() const& noexcept { return response().history(); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::vector<Response>& history() const&& = delete;

 private:
  friend struct detail::access;

  explicit ResponseStream(std::unique_ptr<detail::OpenBody> body) noexcept
      : body_(std::move(body)) {}

  /// Marks a read as in progress while this object exists.
  class Reading {
   public:
    explicit Reading(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() { flag_ = false; }

   private:
    bool& flag_;
  };

  const Response& response() const noexcept {
    static const Response none;
    return body_ ? body_->response : none;
  }

  std::unique_ptr<detail::OpenBody> body_;
};
static_assert(detail::co_await_safe<ResponseStream>);

inline void detail::throw_cancelled(const std::system_error& thrown, ResponseStream& stream) {
  if (thrown.code() != asio::error::operation_aborted) throw;
  OpenBody* const body = access::body(stream).get();
  if (body && body->failure) throw *body->failure;
  if (body && body->lease) throw body->failed(Error(Errc::cancelled));
  throw Error(Errc::cancelled);
}

}  // namespace ferry
