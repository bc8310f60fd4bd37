#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/attempt.hpp>
#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/call/credentials.hpp>
#include <ferry/detail/call/events.hpp>
#include <ferry/detail/call/history.hpp>
#include <ferry/detail/call/options.hpp>
#include <ferry/detail/call/request.hpp>
#include <ferry/detail/http/content_decoding.hpp>
#include <ferry/detail/http/response_state.hpp>
#include <ferry/detail/net/context_owner.hpp>
#include <ferry/detail/policy/retry.hpp>
#include <ferry/response.hpp>
#include <ferry/upgraded.hpp>

// The state and the steps of one call. The decisions after an answer's head or a failure are in
// `detail/call/conclusion.hpp`; the rules that they follow are in `detail/policy/`. The coroutine
// in `detail/call/sender.hpp` does the waiting.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The next step after an attempt that gave neither a complete answer nor an error.
enum class NextStep {
  decoding,   ///< `go_on_decoding`, after other coroutines have run.
  attempt,    ///< The same request again: a stale connection is replaced.
  follow_up,  ///< Another request, after `prepare`.
  stream,     ///< An answer whose body is read from now on: `OpenBody` takes the call.
};

/// The result of an attempt: the call's answer, its error, or the next step.
using Outcome = std::variant<NextStep, Response, Upgraded, Error>;
inline bool is(const Outcome& outcome, NextStep next) noexcept {
  const NextStep* const value = std::get_if<NextStep>(&outcome);
  return value && *value == next;
}

/// A call, from its request to its answer. A call consists of one request, or of several if
/// redirects, challenges or retries lead to others; each request takes one attempt or two.
///
/// The functions are the steps of a call, in order. None of them waits: `authorize` and `acquire`
/// return awaitables, for which the coroutine waits.
///
///     step                 next
///     prepare              ask_for_credentials, or the failure
///     ask_for_credentials  take_connection, or a wait for an authenticator and on_credentials
///     take_connection      begin_exchange, or acquire and on_connection before it
///     begin_exchange       the connection's own steps, to the end of the exchange
///     conclude             the answer, the stream or the failure; the same request again, from its
///                          credentials on; another request, from prepare on; go_on_decoding
///     go_on_decoding       the answer or the failure; go_on_decoding again
///
/// Invariants:
/// 1. Once `attempt().failure` is set, the next step that does anything is `conclude`.
/// 2. The follow-up of an attempt is decided once, at the end of the answer's head (`on_head`), and
///    prepared by `conclude`. A retry after a failure is decided in `conclude_failure`.
/// 3. Each exchange is ended or abandoned before its attempt ends.
/// 4. Between two connections of a call, `admission` keeps a draining pool waiting for the call.
/// 5. Each call ends with one event, `response_received` or `request_failed`, unless it was refused
///    before its first attempt, or its coroutine was destroyed. A stream's event comes when its
///    body ends.
/// 6. `earlier` has the errors of the attempts that failed after they had sent something, and an
///    error for each answer that was retried because of its status.
class Call : public CacheAllocated<Call> {
 public:
  /// @param lease_of the connection to use and to give back, or null; a stale one is not replaced.
  /// @param what the arguments for the request: another request, or its method and so on.
  template <class... What>
  Call(std::shared_ptr<const ClientCore> its_client, const RequestOptions& call_options,
       ResponseKind wanted, std::shared_ptr<LeasedConnection> lease_of, What&&... what)
      : client(std::move(its_client)),
        options(client->options, call_options, wanted, lease_of != nullptr),
        request(std::forward<What>(what)...),
        admission(*client->pool),
        lease(*client->pool),
        held_(std::move(lease_of)) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { abandon_exchange(); }

  // ---- the parts ----

  const std::shared_ptr<const ClientCore> client;
  const CallOptions options;
  PreparedRequest request;  ///< The current request.
  /// Outlives the lease: between two connections, the call has only this.
  PoolCore::Admission admission;
  Lease lease;                       ///< Outlives the deadline, which may abort the lease's stream.
  std::optional<Deadline> deadline;  ///< Time limits of the current request.
  /// State kept between requests; set after the first redirect or other repeat.
  std::unique_ptr<CallHistory> history;
  std::vector<Error> earlier;  ///< Errors and retried answers of earlier attempts.

  PoolCore& pool() const noexcept { return *client->pool; }
  const Url& url() const noexcept { return response_->url; }
  ResponseMessage& message() noexcept { return response_->message; }
  const Observer& observer() const noexcept { return client->options.observer; }
  Attempt& attempt() noexcept { return *attempt_; }
  Exchange& exchange() noexcept { return *attempt_->exchange; }
  /// The time at which the first request was ready to be sent.
  Clock::time_point begun() const noexcept { return begin_; }
  /// The time by which the whole call must be done.
  Clock::time_point limit() const noexcept { return after(begin_, options.timeouts.total); }
  /// Number of attempts of the call so far.
  int attempts() const noexcept {
    return (history ? history->attempts : 0) + (attempt_ ? attempt_->number : 0);
  }

  /// Reuses the memory of an earlier answer.
  void answer_into(std::unique_ptr<ResponseState> earlier_answer) noexcept {
    response_ = std::move(earlier_answer);
  }

  // ---- before the exchange ----

  /// Prepares the request for its first attempt.
  /// @return the failure if the request cannot be sent, or nothing.
  std::optional<Error> prepare() {
    if (auto refused = try_to_prepare()) {
      // A call without an attempt was refused before it began: no event reports it.
      if (attempts() == 0) return refused;
      return fail_between(*refused, Phase::prepare);
    }
    begin_attempt(1);
    if (attempts() == 1) begin_ = attempt_->now;
    deadline.emplace(pool().deadlines(), client.get(), &client->closed, limit(),
                     options.timeouts.total);
    return std::nullopt;
  }

  /// Asks the authenticators of the origin and the proxy for credentials.
  /// @return the authenticator that must be waited for, after which to call this again; null if all
  ///   were asked, or one has failed.
  Authenticator* ask_for_credentials() {
    while (credentials_ && !attempt_->failure) {
      Authenticator* const auth = credentials_->next();
      if (!auth) break;
      const auto known = authorize_now(*auth, credentials_->context(), credentials_->value());
      // A draining pool admits no new call; a call that waits here is admitted and may finish.
      if (known && !*known && admission.try_admit()) return auth;
      if (!known)
        attempt_->failure = known.error();
      else if (!*known)
        attempt_->failure.emplace(Errc::client_closed);
      credentials_->advance();
    }
    return nullptr;
  }
  /// Waits for the credentials of this authenticator. The awaitable's result is for
  /// `on_credentials`.
  asio::awaitable<std::optional<Error>> authorize(Authenticator& auth) {
    return detail::authorize(auth, credentials_->context(), credentials_->value(), *deadline,
                             Phase::authorize, no_timeout);
  }
  void on_credentials(std::optional<Error> error) {
    attempt_->failure = std::move(error);
    attempt_->now = Clock::now();
    credentials_->advance();
  }

  /// Takes the connection for this attempt, if one is available at once.
  /// @return false if the caller must wait for one with `acquire`.
  bool take_connection() {
    attempt_->queued_since = attempt_->now;
    attempt_->stage = Attempt::Stage::seeking_connection;
    if (held_) {
      take_held();
      return true;
    }
    if (attempt_->number > 1) return false;
    lease.take(pool().take_idle(url().origin(), attempt_->now));
    return static_cast<bool>(lease);
  }
  /// Waits for a connection. The awaitable's result is for `on_connection`.
  asio::awaitable<std::optional<Error>> acquire() {
    return pool().acquire(url(), lease, admission, options.timeouts, *deadline, observer());
  }
  void on_connection(std::optional<Error> error) {
    attempt_->failure = std::move(error);
    attempt_->now = Clock::now();
  }

  /// Begins the exchange on the leased connection.
  /// @return the connection, or null if the attempt has failed.
  Connection* begin_exchange(bool is_cancelled);

  // ---- during the exchange ----

  /// Reports an event of the exchange.
  void report(Event::Kind kind);
  /// Decides, at the end of the answer's head, whether the answer leads to another request, and
  /// what its body is used for.
  BodyUse on_head();

  // ---- after the exchange ----

  /// Decides the next step after an attempt.
  Outcome conclude() { return attempt_->failure ? conclude_failure() : conclude_success(); }

  /// Undoes more of the body's codings. A long body takes several steps, so that other coroutines
  /// run and time limits and cancellation are checked between them.
  /// @param is_cancelled true if the call was cancelled meanwhile.
  Outcome go_on_decoding(bool is_cancelled = false);

  /// The outcome of a call that is cancelled while it waits after an attempt.
  Outcome fail_waiting(const Outcome& outcome, const Error& cancelled) {
    if (is(outcome, NextStep::decoding)) return go_on_decoding(true);
    return fail_between(cancelled, Phase::prepare);
  }
  /// The error of a call that fails between two attempts.
  Error fail_between(const Error& error, Phase phase);

  /// Takes the answer, whose body may have to be read yet.
  Response take_response() {
    if (history) {
      response_->history = std::move(history->history);
      history->mark(*response_);
    } else {
      response_->left_origin = false;
      if (!url().userinfo().empty() || !response_->userinfo.empty())
        response_->userinfo = url().userinfo();
    }
    return access::make<Response>(std::move(response_));
  }

 private:
  /// A collected body during decoding.
  struct Decoding {
    explicit Decoding(ContentDecoding c) noexcept : coding(std::move(c)) {}
    ContentDecoding coding;
    std::string body;  ///< Decoded bytes so far.
  };

  std::optional<Error> try_to_prepare();
  void begin_attempt(int number) {
    attempt_.emplace(number);
    if (credentials_) credentials_->begin_attempt();
  }
  void take_held();
  void note_connection();

  /// An event of the current attempt.
  Event event(Event::Kind kind) const noexcept {
    return request_event(kind, url(), request.request.method(), response_->connection.id(),
                         attempts());
  }

  // ---- after an attempt: detail/call/conclusion.hpp ----

  Outcome conclude_success();
  void note_timings() noexcept;
  Outcome take_upgraded();
  Outcome begin_decoding();
  Outcome deliver(std::size_t size);
  void report_answer(std::size_t size) const;

  Outcome conclude_failure();
  void keep_received(Attempt& attempt);
  void explain_failure(Phase phase, std::uint64_t bytes_sent);
  void give_up_connection(bool is_replaced) noexcept;
  RetryFacts retry_facts(std::uint64_t bytes_sent) const;
  StaleRetryFacts stale_retry_facts(const RetryFacts& policy) const;

  std::optional<StatusRetry> retry_on_status();
  Outcome prepare_follow_up();
  void follow_redirect(Redirection to);
  void follow_challenge(AnsweredChallenge challenge);
  void retry(std::optional<Duration> asked);
  CallHistory& begin_follow_up();

  void abandon_exchange() noexcept {
    if (attempt_ && attempt_->exchange && lease)
      lease.connection().http->abandon(*attempt_->exchange);
  }

  const std::shared_ptr<LeasedConnection> held_;
  Clock::time_point begin_{};                // Begin of the call.
  std::unique_ptr<ResponseState> response_;  // State of the answer.
  std::unique_ptr<CallCredentials> credentials_;
  std::optional<Attempt> attempt_;
  std::unique_ptr<Decoding> decoding_;
};

// ---- before the exchange ----

inline std::optional<Error> Call::try_to_prepare() {
  const ClientOptions& settings = client->options;
  if (response_)
    response_->clear();
  else
    response_ = std::make_unique<ResponseState>();
  if (history) response_->connection.retry_reason = history->retry_reason;
  Request& sent = request.request;
  if (auto error = resolve_request(*client, sent, options.timeouts, response_->url)) return error;
  if (!history && CallHistory::has_left_origin(sent)) {
    history = std::make_unique<CallHistory>();
    history->leave_origin(sent, url(), given_field(sent, settings, "Cookie") == "");
  }
  if (auto error = request.take_body(options.kind)) return error;
  if (auto error = request.take_cookies(settings, history.get(), url())) return error;
  credentials_.reset();
  Authenticator* const auth = authenticator_of(sent, settings, history.get());
  const Proxy* const proxy = pool().forwarding_proxy_for(url());
  if (auth || proxy)
    credentials_ = std::make_unique<CallCredentials>(sent, url(), history.get(), auth, proxy);
  return std::nullopt;
}

inline void Call::take_held() {
  lease.take(std::exchange(held_->slot, nullptr));
  if (!lease || lease.slot().host->key != url().origin()) {
    std::string what = lease ? "it is for " + lease.slot().host->key : "it is in use, or spent";
    if (lease) held_->slot = lease.detach();
    attempt_->failure.emplace(Errc::lease_unusable, std::move(what));
  } else if (pool().discard_if_unfit(lease.slot())) {
    lease.detach();
    attempt_->failure.emplace(Errc::connection_lost, "the leased connection was closed");
  }
}

inline Connection* Call::begin_exchange(bool is_cancelled) {
  Attempt& attempt = *attempt_;
  if (attempt.failure) return nullptr;
  note_connection();
  Connection& connection = *lease.connection().http;
  if (is_cancelled)
    attempt.failure.emplace(Errc::cancelled);
  else if (attempt.number > 1 && request.request.body().source())
    attempt.failure = request.rewind_body();
  // A kept connection was already checked when it was taken.
  if (!attempt.failure && !lease.slot().kept) attempt.failure = connection.refuse_early_bytes();
  if (attempt.failure) return nullptr;
  Exchange& exchange = attempt.exchange.emplace(*this);
  RequestHead head = request.head(*client, url(), options.kind);
  if (credentials_) credentials_->fill(head);
  const Limits& limits = client->options.limits;
  auto failure =
      connection.begin(exchange, head, {limits.max_head_size, limits.max_fields}, attempt.now);
  if (!failure) return &connection;
  attempt.failure = std::move(failure);
  return nullptr;
}

/// Notes in the answer which connection the attempt has got.
inline void Call::note_connection() {
  PooledConnection& connection = lease.connection();
  const auto& slot = lease.slot();
  ConnectionInfo& info = response_->connection;
  access::facts(info) = connection.facts;
  info.reused = slot.kept;
  info.request_number = ++connection.requests;
  info.idle_for = info.reused ? attempt_->now - slot.idle_since : Duration();
  attempt_->stage = Attempt::Stage::exchanging;
  Timings& timings = response_->timings;
  timings.queued += attempt_->now - attempt_->queued_since;
  // The time to open a connection counts only if it was opened during the call.
  const bool opened_meanwhile = slot.opened >= begin_;
  timings.resolve = opened_meanwhile ? connection.resolved_in : Duration();
  timings.connect = opened_meanwhile ? connection.connected_in : Duration();
  timings.tls = opened_meanwhile ? connection.tls_time : Duration();
  if (!info.reused) return;
  pool().count_reuse();
  if (!observer()) return;
  Event reuse = event(Event::Kind::connection_reused);
  reuse.duration = info.idle_for;
  observe(observer(), reuse);
}

// ---- during the exchange ----

inline CallExchange::CallExchange(Call& call)
    : Exchange(call.request.request.body(), call.request.body_size(), call.options.timeouts,
               *call.deadline, call.message(), call.lease.slot().kept, call.options.max_body_size),
      call_(call) {}
inline void CallExchange::report(Event::Kind kind) {
  if (call_.observer()) call_.report(kind);
}
inline BodyUse CallExchange::on_head() { return call_.on_head(); }

inline void Call::report(Event::Kind kind) {
  Event event = this->event(kind);
  if (kind != Event::Kind::request_sent) {
    const ResponseMessage& message = response_->message;
    const ExchangeTimes& times = attempt_->exchange->times;
    const bool is_final = kind == Event::Kind::head_received;
    event.status = message.status;
    event.version = message.version();
    event.headers = &message.headers;
    event.duration = (is_final ? times.head : Clock::now()) - times.begin;
  }
  observe(observer(), event);
}

}  // namespace ferry::detail

#include <ferry/detail/call/conclusion.hpp>
