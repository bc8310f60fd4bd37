#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <ferry/cookie_store.hpp>
#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/call/history.hpp>
#include <ferry/detail/call/prepare.hpp>
#include <ferry/detail/http/content_decoding.hpp>
#include <ferry/detail/net/context_owner.hpp>
#include <ferry/detail/policy/retry.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/upgraded.hpp>

// One call and all of its decisions; the coroutine in `detail/call/sender.hpp` does its waiting.
namespace ferry::detail {

/// The part of a response that a caller wants.
enum class ResponseKind { buffered, stream, upgrade };

/// A call, from its request to its answer. A call consists of one request, or of several if
/// redirects, challenges or retries lead to others; each request takes one attempt or two.
///
/// The functions are the steps of a call, in order; none of them waits:
///
///     step                 next
///     prepare              ask_for_credentials, or the failure
///     ask_for_credentials  take_connection, or a wait for an authenticator and on_credentials
///     take_connection      begin_exchange, or PoolCore::acquire and on_connection before it
///     begin_exchange       the connection's own steps, to the end of the exchange
///     conclude             the answer or the failure; the same request again, from its credentials
///                          on; another request, from prepare on; go_on_decoding
///     go_on_decoding       the answer or the failure; go_on_decoding again
///
/// Invariants:
/// 1. A step after which `failure` is set leads to `conclude`; the steps between do nothing.
/// 2. An attempt's `follow_up_` is decided once, at the end of the answer's head, and carried out
///    by `conclude`.
/// 3. `has_connection_` is true from `begin_exchange` on. Before that, on the second attempt, the
///    lease holds the connection on which the first one failed.
/// 4. Between two connections of a call, `admission` keeps a draining pool waiting for the call.
/// 5. Each call ends with one event, `response_received` or `request_failed`. A stream's comes when
///    its body ends.
/// 6. `earlier_` has the failures of those attempts alone that had sent something.
template <class = void>
class Call : public CacheAllocated<Call<void>> {
 public:
  /// The step after an attempt.
  enum class Next {
    answer,      ///< None: `take_response`, `take_stream` or `take_upgraded` has the answer.
    decoding,    ///< `go_on_decoding`, after other coroutines have run.
    failure,     ///< None: `failure` has the error.
    attempt,     ///< The same request again.
    preparation  ///< Another request, after `prepare`.
  };

  /// @param h the connection to use and to give back, or null; a stale one is not replaced.
  /// @param what the arguments for the request: another request, or its method and so on.
  template <class... What>
  Call(std::shared_ptr<const ClientCore> c, const RequestOptions& options, ResponseKind w,
       std::shared_ptr<LeasedConnection> h, What&&... what)
      : client(std::move(c)),
        request(std::forward<What>(what)...),
        timeouts(merged(client->options.timeouts, options)),
        admission(*client->pool),
        lease(*client->pool),
        held_(std::move(h)),
        redirects_(client->options.redirects),
        max_body_size_(options.max_body_size.value_or(client->options.limits.max_body_size)),
        kind_(w),
        decodes_(options.decode),
        limits_stream_(options.max_body_size.has_value()),
        retries_stale_(!held_ && options.retry_stale.value_or(client->options.retry_stale)),
        max_retries_(held_ ? 0 : options.max_retries.value_or(client->options.retries.max)) {
    // A caller that holds a connection goes only where it leads, and a caller that wants another
    // protocol talks only to the server that speaks it: neither follows redirects.
    redirects_.follow = !held_ && kind_ != ResponseKind::upgrade &&
                        options.follow_redirects.value_or(redirects_.follow);
    redirects_.max = options.max_redirects.value_or(redirects_.max);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const std::shared_ptr<const ClientCore> client;
  Request request;  ///< The current request.
  const Timeouts timeouts;
  /// Outlives the lease: between two connections, the call has only this.
  PoolCore::Admission admission;
  Lease lease;                       ///< Outlives the deadline, which may abort the lease's stream.
  std::optional<Deadline> deadline;  ///< Time limits of the current request.
  /// State kept between requests; set after the first redirect or other repeat.
  std::unique_ptr<CallHistory> trip;
  std::optional<Error> failure;  ///< Error of the current attempt; in the end, of the call.

  PoolCore& pool() const noexcept { return *client->pool; }
  const Url& url() const noexcept { return state_->url; }
  const Observer& observer() const noexcept { return client->options.observer; }

  /// Reuses the memory of an earlier answer.
  void answer_into(std::unique_ptr<ResponseState> earlier) noexcept { state_ = std::move(earlier); }

  /// The time at which the first request was ready to be sent.
  Clock::time_point begun() const noexcept { return begin_; }
  /// The time by which the whole call must be done.
  Clock::time_point limit() const noexcept { return after(begin_, timeouts.total); }

  /// Prepares the request for its first attempt.
  /// @return false if the request cannot be sent: `failure` has the error.
  bool prepare() {
    failure = try_to_prepare();
    if (failure) return false;
    attempt_ = 0;
    begin_attempt();
    if (attempts() == 1) begin_ = now_;
    deadline.emplace(pool().deadlines(), client.get(), &client->closed, limit(), timeouts.total);
    return true;
  }

  /// Asks the authenticators of the origin and the proxy for credentials.
  /// @return the authenticator that must be waited for, after which to call this again; null if all
  ///   were asked, or one has failed.
  Authenticator* ask_for_credentials() {
    while (credentials_ && credentials_->asked < 2 && !failure) {
      Authenticator* const asks = asked_for_credentials();
      if (asks) {
        const auto known = authorize_now(*asks, auth_context(), credentials());
        // A draining pool admits no new call; a call that waits here is admitted and may finish.
        if (known && !*known && admission.ask()) return asks;
        if (!known)
          failure = known.error();
        else if (!*known)
          failure.emplace(Errc::client_closed);
      }
      ++credentials_->asked;
    }
    return nullptr;
  }
  /// The request's data for the authenticator that is asked now.
  AuthContext auth_context() const noexcept {
    return is_origin_asked() ? origin_context() : proxy_context();
  }
  std::string& credentials() const noexcept {
    return is_origin_asked() ? credentials_->authorization : credentials_->proxy_authorization;
  }
  void on_credentials(std::optional<Error> error) {
    failure = std::move(error);
    ++credentials_->asked;
    now_ = Clock::now();
  }

  /// Takes the connection for this attempt, if one is available at once.
  /// @return false if the caller must wait for one with `PoolCore::acquire`.
  bool take_connection() {
    queued_since_ = now_;
    seeks_connection_ = true;
    if (held_) {
      take_held();
      return true;
    }
    if (attempt_ == 1) lease.take(pool().take_idle(url().origin(), now_));
    return lease && attempt_ == 1;
  }
  void on_connection(std::optional<Error> error) {
    failure = std::move(error);
    now_ = Clock::now();
  }

  /// Begins the exchange on the leased connection.
  /// @return the connection, or null if the attempt has failed.
  H1Connection* begin_exchange(bool cancelled) {
    if (failure) return nullptr;
    PooledConnection& connection = lease.connection();
    const auto& slot = lease.slot();
    ConnectionInfo& info = state_->connection;
    access::facts(info) = connection.facts;
    info.reused = slot.kept;
    info.request_number = ++connection.requests;
    info.idle_for = info.reused ? now_ - slot.idle_since : Duration();
    has_connection_ = true;
    Timings& timings = state_->timings;
    timings.queued += now_ - queued_since_;
    // The time to open a connection counts only if it was opened during the call.
    const bool opened_meanwhile = slot.opened >= begin_;
    timings.resolve = opened_meanwhile ? connection.resolved_in : Duration();
    timings.connect = opened_meanwhile ? connection.connected_in : Duration();
    timings.tls = opened_meanwhile ? connection.tls_time : Duration();
    if (info.reused) pool().count_reuse();
    if (info.reused && observer()) {
      Event reuse = event(Event::Kind::connection_reused);
      reuse.duration = info.idle_for;
      observe(observer(), reuse);
    }
    if (cancelled)
      failure.emplace(Errc::cancelled);
    else if (attempt_ > 1 && request.body().source())  // A file may have grown since.
      failure = detail::prepare(request.body(), request, body_size_);
    // A kept connection was already checked when it was taken.
    if (!failure && !slot.kept) failure = connection.h1.refuse_early_bytes();
    if (failure) return nullptr;
    exchange_.emplace(*this);
    failure = connection.h1.begin(*exchange_, head(), parser_limits(), now_);
    return failure ? nullptr : &connection.h1;
  }

  Exchange& exchange() noexcept { return *exchange_; }

  /// Undoes more of the body's codings. A long body takes several steps, so that other coroutines
  /// run and time limits and cancellation are checked between them.
  /// @param cancelled true if the call was cancelled meanwhile.
  Next go_on_decoding(bool cancelled = false) {
    if (cancelled) failure.emplace(Errc::cancelled);
    if (deadline->ended()) failure = deadline->error();
    if (failure) return conclude_failure();
    const auto done =
        decoding_->coding.read_more(decoding_->body, max_body_size_, WorkBudget::most);
    if (!done)
      failure = done.error();
    else if (*done)
      failure = decoding_->coding.finish();
    else if (deadline->begin_phase(Phase::read, no_timeout,
                                   nullptr))  // The total limit still applies.
      return Next::decoding;
    else
      failure = deadline->error();
    if (failure) return conclude_failure();
    deadline->finish();
    const auto raw_size = state_->message.body.size();
    state_->message.body = std::move(decoding_->body);
    state_->is_decoded = true;
    return deliver(raw_size);
  }

  /// Records a failure of the call between two attempts.
  void fail_between(const Error& error, Phase phase) {
    const auto url = Url::parse(request.url());
    const std::string origin(url ? url->origin() : std::string_view());
    failure = error.at(phase, origin, trip->attempts, false, 0);
    if (!earlier_.empty()) failure = failure->with(0, {}, std::move(earlier_));
    if (!observer()) return;
    Event event{Event::Kind::request_failed};
    event.origin = origin;
    event.method = request.method().token();
    if (url) event.target = url->target();
    event.attempt = trip->attempts;
    event.duration = Clock::now() - begin_;
    event.error = &*failure;
    observe(observer(), event);
  }

  /// Decides the next step after an attempt.
  Next conclude() { return failure ? conclude_failure() : conclude_success(); }

  Response take_response() {
    if (trip) {
      state_->history = std::move(trip->history);
      trip->mark(*state_);
    } else {
      state_->left_origin = false;
      if (!url().userinfo().empty() || !state_->userinfo.empty())
        state_->userinfo = url().userinfo();
    }
    return access::make<Response>(std::move(state_));
  }
  ResponseStream take_stream() noexcept { return access::make<ResponseStream>(std::move(stream_)); }
  Upgraded take_upgraded() {
    Upgraded upgraded;
    if (upgraded_) upgraded = std::move(*upgraded_);
    if (auto owner = pool().context_owner.lock(); owner && upgraded.stream)
      upgraded.stream =
          std::make_unique<OwningStream>(std::move(owner), std::move(upgraded.stream));
    upgraded.response = take_response();
    return upgraded;
  }

  /// An event of the current attempt.
  Event event(Event::Kind kind) const noexcept {
    Event event{kind};
    event.origin = url().origin();
    event.method = request.method().token();
    event.target = url().target();
    event.connection = state_->connection.id();
    event.attempt = attempts();
    return event;
  }

 private:
  /// Credentials of a request; null in most calls.
  struct Credentials {
    Authenticator* auth = nullptr;  ///< The origin's authenticator, or null.
    const Proxy* proxy = nullptr;   ///< The forwarding proxy, or null.
    std::string authorization;
    std::string proxy_authorization;
    std::string proxy_target;  ///< The request's target at the proxy.
    int asked = 0;             ///< Number of authenticators asked in this attempt, 0 to 2.
  };

  /// A refusal that the call answers with other credentials.
  struct Challenge {
    ChallengeState asked;
    bool by_proxy;
  };
  /// An answer after which the same request is sent once more.
  struct Retry {
    std::optional<Duration> after;  ///< Delay that the server asks for, if any.
  };

  /// A collected body during decoding.
  struct Decoding {
    explicit Decoding(ContentDecoding c) noexcept : coding(std::move(c)) {}
    ContentDecoding coding;
    std::string body;  ///< Decoded bytes so far.
  };

  int attempts() const noexcept { return (trip ? trip->attempts : 0) + attempt_; }

  // ---- before an attempt ----

  std::optional<Error> try_to_prepare() {
    const ClientOptions& settings = client->options;
    if (state_)
      state_->clear();
    else
      state_ = std::make_unique<ResponseState>();
    if (trip) state_->connection.retry_reason = trip->retry_reason;
    if (auto error = detail::prepare(*client, request, timeouts, state_->url)) return error;
    if (!trip && CallHistory::has_left_origin(request)) {
      trip = std::make_unique<CallHistory>();
      trip->leave_origin(request, url(), given_field(request, settings, "Cookie") == "");
    }
    use_.emplace(request.body());
    if (!use_->granted())
      return Error(Errc::invalid_body, "its source is being read by another request");
    if (auto error = detail::prepare(request.body(), request, body_size_)) return error;
    if (kind_ == ResponseKind::upgrade && !request.headers().contains("Upgrade"))
      return Error(Errc::invalid_header,
                   "there is no Upgrade field to say which protocol it asks for");

    cookie_.clear();
    if (settings.cookies &&
        (!given_field(request, settings, "Cookie") || (trip && trip->left_own_cookie))) {
      cookie_ = settings.cookies->cookies_for(url());
      if (auto error = check_field("Cookie", cookie_)) return error;
    }
    credentials_.reset();
    Authenticator* const auth = authenticator_of(request, settings, trip.get());
    const Proxy* const proxy = pool().forwarding_proxy_for(url());
    if (!auth && !proxy) return std::nullopt;
    credentials_ = std::make_unique<Credentials>();
    credentials_->auth = auth;
    credentials_->proxy = proxy;
    if (!proxy) return std::nullopt;
    credentials_->proxy_authorization = proxy->authorization();
    if (proxy->auth) credentials_->proxy_target.append(url().origin()).append(url().target());
    return std::nullopt;
  }

  void begin_attempt() {
    ++attempt_;
    now_ = Clock::now();
    times_ = ExchangeTimes();
    seeks_connection_ = has_connection_ = false;
    follow_up_.reset();
    failure.reset();
    if (credentials_) credentials_->asked = 0;  // Ask again in every attempt: a nonce is counted.
  }

  bool is_origin_asked() const noexcept { return credentials_->asked == 0; }
  Authenticator* asked_for_credentials() const noexcept {
    if (is_origin_asked()) return credentials_->auth;
    return credentials_->proxy ? credentials_->proxy->auth.get() : nullptr;
  }
  /// The request's data for the origin's authenticator.
  AuthContext origin_context() const noexcept {
    AuthContext context{request.method().token(), url(), url().target()};
    if (trip) trip->asked.fill(context);
    context.redirected = trip && trip->left_origin;
    return context;
  }
  /// The request's data for a forwarding proxy's authenticator.
  AuthContext proxy_context() const noexcept {
    AuthContext context{request.method().token(), credentials_->proxy->url,
                        credentials_->proxy_target, true};
    if (trip) trip->proxy_asked.fill(context);
    return context;
  }

  void take_held() {
    lease.take(std::exchange(held_->slot, nullptr));
    if (!lease || lease.slot().host->key != url().origin()) {
      std::string what = lease ? "it is for " + lease.slot().host->key : "it is in use, or spent";
      if (lease) held_->slot = lease.detach();
      failure.emplace(Errc::lease_unusable, std::move(what));
    } else if (!pool().is_fit(lease.slot())) {
      lease.detach();
      failure.emplace(Errc::connection_lost, "the leased connection was closed");
    }
  }

  RequestHead head() const {
    const ClientOptions& settings = client->options;
    const Body& body = request.body();
    RequestHead head{request.method(), url(), request.headers(), settings.headers};
    head.user_agent = settings.user_agent;
    head.content_type = body.content_type();
    head.accept_encoding = client->accept_encoding;
    head.cookie = cookie_;
    head.body_size = body_size_;
    head.has_body = body.is_present();
    head.close = client->one_off;
    head.expect = body.is_present() && expects_continue(request.headers(), settings.headers);
    head.upgrade = kind_ == ResponseKind::upgrade;
    head.default_head_fields = client->default_head_fields;
    if (credentials_) {
      head.authorization = credentials_->authorization;
      head.to_proxy = credentials_->proxy != nullptr;
      head.proxy_authorization = credentials_->proxy_authorization;
    }
    return head;
  }
  ParserLimits parser_limits() const noexcept {
    const Limits& limits = client->options.limits;
    return {
        limits.max_head_size, limits.max_fields,
        kind_ == ResponseKind::stream ? std::numeric_limits<std::uint64_t>::max() : max_body_size_};
  }
  Collect collect() const noexcept {
    return kind_ == ResponseKind::stream ? Collect::none : Collect::all;
  }

  // ---- after an attempt ----

  Next conclude_success() {
    ResponseMessage& message = state_->message;
    deadline->finish();
    Timings& timings = state_->timings;
    timings.send = times_.sent - times_.begin;
    timings.first_byte = std::max(times_.first_byte - times_.sent, Duration());
    timings.receive = times_.end - times_.first_byte;
    timings.total = times_.end - begin_;
    state_->elapsed = times_.head - times_.begin;
    if (client->options.cookies) client->options.cookies->take(url(), message.headers);
    if (follow_up_) return follow_up() ? Next::preparation : conclude_failure();
    if (message.status < 300 && max_retries_ > 0) client->retry_budget.earn();
    tell_authenticators();
    if (kind_ == ResponseKind::stream) return open_stream();
    if (message.status == 101) {
      upgraded_ = std::make_unique<Upgraded>();
      std::tie(upgraded_->stream, upgraded_->received) = lease.connection().h1.detach();
      lease.discard(CloseReason::upgraded);
    } else if (deadline->ended()) {  // The limit passed with the last byte: still a response.
      lease.discard(CloseReason::failed);
    } else {
      release_connection(lease, held_.get(), times_.end);
    }
    // A 206 contains a part of the encoded data, which cannot be decoded alone.
    if (decodes_ && !client->options.codings.empty() && message.status != 206)
      return begin_decoding();
    return deliver(message.body.size());
  }

  Next begin_decoding() {
    ResponseMessage& message = state_->message;
    auto coding = ContentDecoding::of(message.headers, client->options.codings);
    if (!coding) {
      failure = coding.error();
      return conclude_failure();
    }
    if (!coding->is_active()) return deliver(message.body.size());
    decoding_ = std::make_unique<Decoding>(std::move(*coding));
    decoding_->coding.feed(message.body);
    return go_on_decoding();
  }

  /// Reports the finished answer.
  /// @param size the body's size in bytes, as received.
  Next deliver(std::size_t size) {
    if (observer()) {
      const ResponseMessage& message = state_->message;
      const Timings& timings = state_->timings;
      Event done = event(Event::Kind::response_received);
      done.body_size = size;
      done.status = message.status;
      done.version = message.version();
      done.duration = timings.total;
      done.timings = &timings;
      done.info = &state_->connection;
      observe(observer(), done);
    }
    return Next::answer;
  }

  Next open_stream() {
    auto body = std::make_unique<OpenBody>(client, take_response(), limit(), timeouts.total);
    body->lease.take(lease.detach());
    body->begin = begin_;
    body->first_byte = times_.first_byte;
    body->attempt = attempts();
    body->method = request.method();
    body->read_limit = timeouts.read;
    body->max_collected = max_body_size_;
    body->earlier = std::move(earlier_);
    if (limits_stream_) body->max_size = max_body_size_;
    failure = body->start(decodes_);
    if (failure) return Next::failure;
    stream_ = std::move(body);
    return Next::answer;
  }

  void tell_authenticators() {
    if (!credentials_) return;
    const Headers& fields = state_->message.headers;
    tell_answered(credentials_->auth, origin_context(), credentials_->authorization, fields);
    if (credentials_->proxy)
      tell_answered(credentials_->proxy->auth.get(), proxy_context(),
                    credentials_->proxy_authorization, fields);
  }

  /// Leaves the connection, which is kept only if the rest of the answer has already arrived: the
  /// call does not wait for a server that withholds it.
  /// @return the state that is kept between two requests.
  CallHistory& begin_follow_up() {
    admission.keep();
    if (!trip) {
      trip = std::make_unique<CallHistory>();
      trip->userinfo = url().userinfo();
    }
    trip->attempts += attempt_;
    if (lease && !deadline->ended() && lease.connection().h1.drain())
      release_connection(lease, nullptr, Clock::now());
    else
      lease.discard(CloseReason::unread);
    return *trip;
  }

  /// Decides, at the end of an answer's head, whether the answer leads to another request.
  bool decide_follow_up() {
    if (state_->message.status < 300 || held_) return false;
    if (!redirects_.follow && max_retries_ == 0 && !credentials_) return false;
    auto next = redirection({state_->message.status, state_->message.headers, url(),
                             request.method(), can_repeat(request.body()), redirects_,
                             trip ? trip->redirects : 0, pool().host_to_ascii()});
    if (!next)
      follow_up_ = next.error();
    else if (*next)
      follow_up_ = std::move(**next);
    else if (!answers_challenge())
      retry_on_status();
    return follow_up_.has_value();
  }

  bool answers_challenge() {
    if (!credentials_) return false;
    const int status = state_->message.status;
    const bool by_proxy = status == 407 && credentials_->proxy && credentials_->proxy->auth;
    if (!by_proxy && (status != 401 || !credentials_->auth)) return false;
    if (!can_repeat(request.body())) return false;
    Challenge challenge{{}, by_proxy};
    ChallengeState& asked = challenge.asked;
    if (trip) asked.challenges = (by_proxy ? trip->proxy_asked : trip->asked).challenges;
    const AuthContext context = by_proxy ? proxy_context() : origin_context();
    Authenticator& auth = by_proxy ? *credentials_->proxy->auth : *credentials_->auth;
    if (!is_challenged(auth, context, state_->message.headers,
                       by_proxy ? credentials_->proxy_authorization : credentials_->authorization,
                       asked))
      return false;
    follow_up_ = std::move(challenge);
    return true;
  }

  /// Plans a retry of a request that the server could not serve, if the caller's policy allows it.
  void retry_on_status() {
    if (max_retries_ == 0) return;
    const Retries& retries = client->options.retries;
    const int status = state_->message.status;
    if (std::find(retries.statuses.begin(), retries.statuses.end(), status) ==
        retries.statuses.end())
      return;
    const auto asked = retry_after(state_->message.headers);
    // The server asks for a longer delay than allowed.
    if (asked && *asked > retries.max_delay) return;
    if (may_retry(retry_facts(1)) && client->retry_budget.take()) follow_up_ = Retry{asked};
  }

  /// Prepares the request to which the answer leads.
  /// @return false if there must be none: `failure` has the error.
  bool follow_up() {
    if (const auto* error = std::get_if<Error>(&*follow_up_)) {
      failure = *error;
      return false;
    }
    if (auto* const to = std::get_if<Redirection>(&*follow_up_)) {
      tell_authenticators();
      if (observer()) {
        Event event = this->event(Event::Kind::redirected);
        event.status = state_->message.status;
        event.location = to->url.str();
        observe(observer(), event);
      }
      CallHistory& onward = begin_follow_up();
      const bool has_no_cookies = given_field(request, client->options, "Cookie") == "";
      onward.redirect(request, std::move(*to), access::make<Response>(std::move(state_)),
                      has_no_cookies);
    } else if (auto* const challenge = std::get_if<Challenge>(&*follow_up_)) {
      CallHistory& onward = begin_follow_up();
      onward.answer_challenge(request, url());
      (challenge->by_proxy ? onward.proxy_asked : onward.asked) = std::move(challenge->asked);
    } else {
      retry(std::get<Retry>(*follow_up_).after);
    }
    return true;
  }

  /// Prepares the same request again.
  /// @param asked the delay that the server asks for, if any.
  void retry(std::optional<Duration> asked) {
    tell_authenticators();
    const int status = state_->message.status;
    const auto answer =
        Error::of_status(status, std::to_string(status), std::string(url().origin()));
    const Error error = answer.at(Phase::read, std::string(url().origin()), attempts(),
                                  state_->connection.reused, lease.connection().h1.bytes_sent());
    earlier_.push_back(error);
    if (observer()) {
      Event event = this->event(Event::Kind::request_retried);
      event.error = &error;
      observe(observer(), event);
    }
    CallHistory& onward = begin_follow_up();
    onward.delay = asked.value_or(retry_delay(client->options.retries, onward.retries));
    onward.retry(request, url(), "the server had answered that it could not");
  }

  RetryFacts retry_facts(std::uint64_t bytes_sent) const {
    RetryFacts facts;
    facts.retries = trip ? trip->retries : 0;
    facts.max = max_retries_;
    facts.any_method = client->options.retries.any_method;
    facts.idempotent = request.method().is_idempotent();
    facts.has_idempotency_key = has_idempotency_key(request, client->options);
    facts.bytes_sent = bytes_sent;
    facts.body_replayable = can_repeat(request.body());
    return facts;
  }

  /// Adds the received part of a response, and the errors of earlier attempts, to the failure.
  void add_what_came() {
    const bool has_head = has_connection_ && times_.head != Clock::time_point{};
    if (!has_head && earlier_.empty()) return;
    static constexpr std::size_t most = 64 * 1024;
    const ResponseMessage& message = state_->message;
    failure = failure->with(has_head ? message.status : 0,
                            has_head ? message.body.substr(0, most) : std::string(), earlier_);
  }

  Next conclude_failure() {
    if (has_connection_ && lease && exchange_) lease.connection().h1.trim(*exchange_);
    // If credentials are still being made, the failure may be an error of another connection.
    const bool waited = seeks_connection_ && !has_connection_;
    const Phase phase = waited ? phase_of(*failure, *deadline) : deadline->phase();
    const bool has_begun = lease && has_connection_ && times_.begun();
    const std::uint64_t bytes_sent = has_begun ? lease.connection().h1.bytes_sent() : 0;
    if (lease && failure->code() == Errc::body_too_large && !deadline->ended() &&
        lease.connection().h1.drain()) {
      deadline->detach();
      release_connection(lease, held_.get(), Clock::now());
    }
    const bool reused = state_->connection.reused;
    const RetryFacts policy = retry_facts(bytes_sent);
    StaleRetryFacts facts;
    facts.allowed = retries_stale_;
    facts.attempt = attempt_;
    facts.reused = reused;
    facts.lost = lease && failure->code() == Errc::connection_lost;
    facts.response_started = lease && lease.connection().h1.response_started();
    facts.bytes_sent = bytes_sent;
    facts.body_replayable = policy.body_replayable;
    facts.idempotent = policy.idempotent;
    facts.has_idempotency_key = policy.has_idempotency_key;
    const StaleRetry verdict = decide_stale_retry(facts);
    if (facts.lost && !reused && url().scheme() == "http" && pool().dials_port(url()))
      failure.emplace(Errc::connection_lost, "if the port speaks TLS, the URL begins with https://",
                      failure->cause());
    failure = failure->at(phase, std::string(url().origin()), attempts(), reused, bytes_sent);
    add_what_came();
    deadline->detach();
    const bool retries = !is_retry(verdict) && max_retries_ > 0 && seeks_connection_ &&
                         is_transient(failure->code()) && may_retry(policy) &&
                         client->retry_budget.take();
    if (retries) admission.keep();  // Admit the call before its connection is given up.
    const bool untouched =
        lease && has_connection_ && !times_.begun() && lease.connection().h1.stream().is_open();
    if (untouched && failure->code() != Errc::client_closed &&
        failure->code() != Errc::unsolicited_response) {
      --lease.connection().requests;
      if (held_)
        held_->slot = lease.detach();
      else
        lease.restore();
    }
    // On a retry, the connection is closed when the next place in the queue is taken, so that the
    // pool always sees a request in flight.
    if (!is_retry(verdict)) lease.discard(CloseReason::failed);
    if (observer()) {
      Event event = this->event(is_retry(verdict) || retries ? Event::Kind::request_retried
                                                             : Event::Kind::request_failed);
      event.error = &*failure;
      event.duration = Clock::now() - begin_;
      observe(observer(), event);
    }
    if ((is_retry(verdict) || retries) && bytes_sent > 0) earlier_.push_back(*failure);
    if (is_retry(verdict)) {
      state_->message.clear();
      state_->connection = ConnectionInfo();
      state_->connection.retry_reason = to_string(verdict);
      begin_attempt();
      return Next::attempt;
    }
    if (!retries) return Next::failure;
    CallHistory& onward = begin_follow_up();
    onward.delay = retry_delay(client->options.retries, onward.retries);
    onward.retry(request, url(), "the failure may be over by now");
    deadline->finish();
    failure.reset();
    return Next::preparation;
  }

  /// The exchange of this call, as its connection sees it.
  class OwnExchange final : public Exchange {
   public:
    explicit OwnExchange(Call& call)
        : Exchange(call.request.body(), call.body_size_, call.timeouts, *call.deadline,
                   call.state_->message, call.times_, call.collect(), call.lease.slot().kept,
                   call.max_body_size_),
          call_(call) {}
    void tell(Event::Kind kind) override {
      if (call_.observer()) call_.tell(kind);
    }
    bool decide_follow_up() override { return call_.decide_follow_up(); }

   private:
    Call& call_;
  };

  void tell(Event::Kind kind) {
    Event event = this->event(kind);
    if (kind != Event::Kind::request_sent) {
      const ResponseMessage& message = state_->message;
      const bool is_final = kind == Event::Kind::head_received;
      event.status = message.status;
      event.version = message.version();
      event.headers = &message.headers;
      event.duration = (is_final ? times_.head : Clock::now()) - times_.begin;
    }
    observe(observer(), event);
  }

  const std::shared_ptr<LeasedConnection> held_;
  Redirects redirects_;
  const std::uint64_t max_body_size_;
  const ResponseKind kind_;
  const bool decodes_;
  const bool limits_stream_;
  const bool retries_stale_;
  const int max_retries_;

  Clock::time_point begin_{};      // Begin of the call.
  std::optional<SourceLock> use_;  // Use of the current request's body.
  std::optional<std::uint64_t> body_size_;
  std::unique_ptr<ResponseState> state_;  // State of the answer.
  std::string cookie_;
  std::unique_ptr<Credentials> credentials_;

  int attempt_ = 0;  // Number of the attempt at the current request, from 1.
  Clock::time_point now_{};
  Clock::time_point queued_since_{};
  bool seeks_connection_ = false;  // True once the attempt's credentials are complete.
  // True once the lease has this attempt's connection; before, the lease may hold a failed one.
  bool has_connection_ = false;
  ExchangeTimes times_;
  std::optional<OwnExchange> exchange_;
  /// The next request, if the answer's head leads to one; an error if it must not be followed.
  std::optional<std::variant<Error, Redirection, Challenge, Retry>> follow_up_;

  std::vector<Error> earlier_;  // Errors of earlier attempts that had sent something.
  std::unique_ptr<Decoding> decoding_;
  std::unique_ptr<OpenBody> stream_;
  std::unique_ptr<Upgraded> upgraded_;
};

}  // namespace ferry::detail
