#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/call.hpp>
#include <ferry/detail/http/response_state.hpp>

// The decisions of a call once the head of an answer has arrived, or an attempt has failed.
namespace ferry::inline FERRY_CONFIGURATION::detail {

// ---- at the end of the answer's head ----

inline BodyUse Call::on_head() {
  static constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
  const BodyUse use = options.kind == ResponseKind::stream
                          ? BodyUse{BodyUse::Kind::leave, no_limit}
                          : BodyUse{BodyUse::Kind::collect, options.max_body_size};
  const int status = response_->message.status;
  if (status < 300 || held_) return use;
  if (!options.redirects.follow && options.max_retries == 0 && !credentials_) return use;
  std::optional<FollowUp>& follow_up = attempt_->follow_up;
  const Request& sent = request.request;
  auto next = redirection({status, response_->message.headers, url(), sent.method(),
                           can_repeat(sent.body()), options.redirects,
                           history ? history->redirects : 0, pool().host_to_ascii()});
  if (!next) {
    follow_up = next.error();
  } else if (*next) {
    follow_up = std::move(**next);
  } else {
    auto challenge = credentials_
                         ? credentials_->answer_challenge(status, response_->message.headers)
                         : std::nullopt;
    if (challenge)
      follow_up = std::move(*challenge);
    else if (const auto retry = retry_on_status())
      follow_up = *retry;
  }
  return follow_up ? BodyUse{BodyUse::Kind::discard, no_limit} : use;
}

/// Plans a retry of a request that the server could not serve, if the caller's policy allows it.
inline std::optional<StatusRetry> Call::retry_on_status() {
  if (options.max_retries == 0) return std::nullopt;
  const Retries& retries = client->options.retries;
  const int status = response_->message.status;
  if (std::find(retries.statuses.begin(), retries.statuses.end(), status) == retries.statuses.end())
    return std::nullopt;
  const auto asked = retry_after(response_->message.headers);
  // The server asks for a longer delay than allowed.
  if (asked && *asked > retries.max_delay) return std::nullopt;
  if (!may_retry(retry_facts(1)) || !client->retry_budget.take()) return std::nullopt;
  return StatusRetry{asked};
}

// ---- after a success ----

inline Outcome Call::conclude_success() {
  const ResponseMessage& message = response_->message;
  deadline->finish();
  note_timings();
  if (client->options.cookies) client->options.cookies->take(url(), message.headers);
  if (attempt_->follow_up) return prepare_follow_up();
  if (message.status < 300 && options.max_retries > 0) client->retry_budget.earn();
  if (credentials_) credentials_->tell_answered(message.headers);
  if (options.kind == ResponseKind::stream) return NextStep::stream;
  if (message.status == 101) return take_upgraded();
  Exchange& exchange = *attempt_->exchange;
  conclude_exchange(lease, exchange, held_.get(), *deadline, exchange.times.end);
  // A 206 contains a part of the encoded data, which cannot be decoded alone.
  if (options.decodes && !client->options.codings.empty() && message.status != 206)
    return begin_decoding();
  return deliver(message.body.size());
}

inline void Call::note_timings() noexcept {
  const ExchangeTimes& times = attempt_->exchange->times;
  Timings& timings = response_->timings;
  timings.send = times.sent - times.begin;
  timings.first_byte = std::max(times.first_byte - times.sent, Duration());
  timings.receive = times.end - times.first_byte;
  timings.total = times.end - begin_;
  response_->elapsed = times.head - times.begin;
}

inline Outcome Call::take_upgraded() {
  Upgraded upgraded;
  std::tie(upgraded.stream, upgraded.received) = lease.connection().http->detach();
  discard_connection(lease, *attempt_->exchange, CloseReason::upgraded);
  if (auto owner = pool().context_owner.lock(); owner && upgraded.stream)
    upgraded.stream = std::make_unique<OwningStream>(std::move(owner), std::move(upgraded.stream));
  report_answer(0);
  upgraded.response = take_response();
  return upgraded;
}

inline Outcome Call::begin_decoding() {
  ResponseMessage& message = response_->message;
  auto coding = ContentDecoding::of(message.headers, client->options.codings);
  if (!coding) {
    attempt_->failure = coding.error();
    return conclude_failure();
  }
  if (!coding->is_active()) return deliver(message.body.size());
  decoding_ = std::make_unique<Decoding>(std::move(*coding));
  decoding_->coding.feed(message.body);
  return go_on_decoding();
}

inline Outcome Call::go_on_decoding(bool is_cancelled) {
  std::optional<Error>& failure = attempt_->failure;
  if (is_cancelled) failure.emplace(Errc::cancelled);
  if (deadline->ended()) failure = deadline->error();
  if (failure) return conclude_failure();
  ContentDecoding& coding = decoding_->coding;
  const auto done = coding.read_more(decoding_->body, options.max_body_size, WorkBudget::most);
  if (!done)
    failure = done.error();
  else if (*done)
    failure = coding.finish();
  else if (deadline->begin_phase(Phase::read, no_timeout,
                                 nullptr))  // The total limit still applies.
    return NextStep::decoding;
  else
    failure = deadline->error();
  if (failure) return conclude_failure();
  deadline->finish();
  const auto raw_size = response_->message.body.size();
  response_->message.body = std::move(decoding_->body);
  response_->is_decoded = true;
  return deliver(raw_size);
}

/// Reports and returns the finished answer.
/// @param size the body's size in bytes, as received.
inline Outcome Call::deliver(std::size_t size) {
  report_answer(size);
  return take_response();
}
inline void Call::report_answer(std::size_t size) const {
  if (observer())
    report_response(observer(), event(Event::Kind::response_received), *response_, size);
}

// ---- before a follow-up ----

/// Prepares the request to which the answer leads.
inline Outcome Call::prepare_follow_up() {
  FollowUp& follow_up = *attempt_->follow_up;
  if (const auto* error = std::get_if<Error>(&follow_up)) {
    attempt_->failure = *error;
    return conclude_failure();
  }
  if (auto* const redirection = std::get_if<Redirection>(&follow_up))
    follow_redirect(std::move(*redirection));
  else if (auto* const challenge = std::get_if<AnsweredChallenge>(&follow_up))
    follow_challenge(std::move(*challenge));
  else
    retry(std::get<StatusRetry>(follow_up).after);
  return NextStep::follow_up;
}

inline void Call::follow_redirect(Redirection to) {
  if (credentials_) credentials_->tell_answered(response_->message.headers);
  if (observer()) {
    Event event = this->event(Event::Kind::redirected);
    event.status = response_->message.status;
    event.location = to.url.str();
    observe(observer(), event);
  }
  CallHistory& onward = begin_follow_up();
  const bool has_no_cookies = given_field(request.request, client->options, "Cookie") == "";
  onward.redirect(request.request, std::move(to), access::make<Response>(std::move(response_)),
                  has_no_cookies);
}

inline void Call::follow_challenge(AnsweredChallenge challenge) {
  CallHistory& onward = begin_follow_up();
  onward.answer_challenge(request.request, url());
  (challenge.by_proxy ? onward.proxy_asked : onward.asked) = std::move(challenge.state);
}

/// Prepares the same request again, because of the answer's status.
/// @param asked the delay that the server asks for, if any.
inline void Call::retry(std::optional<Duration> asked) {
  if (credentials_) credentials_->tell_answered(response_->message.headers);
  const int status = response_->message.status;
  const std::string origin(url().origin());
  const auto answer = Error::of_status(status, std::to_string(status), origin);
  const Error error = answer.at(Phase::read, origin, attempts(), response_->connection.reused,
                                attempt_->exchange->bytes_sent);
  earlier.push_back(error);
  if (observer()) {
    Event event = this->event(Event::Kind::request_retried);
    event.error = &error;
    observe(observer(), event);
  }
  CallHistory& onward = begin_follow_up();
  onward.delay = asked.value_or(retry_delay(client->options.retries, onward.retries));
  onward.retry(request.request, url(), "the server had answered that it could not");
}

/// Leaves the connection, and admits the call to the pool until it has another one.
/// @return the state that is kept between two requests.
inline CallHistory& Call::begin_follow_up() {
  admission.admit();
  if (!history) {
    history = std::make_unique<CallHistory>();
    history->userinfo = url().userinfo();
  }
  history->attempts += attempt_->number;
  if (lease) leave_connection(lease, *attempt_->exchange, *deadline);
  return *history;
}

// ---- after a failure ----

inline Outcome Call::conclude_failure() {
  Attempt& attempt = *attempt_;
  // If credentials are still being made, the failure may be an error of another connection.
  const bool waited = attempt.stage == Attempt::Stage::seeking_connection;
  const Phase phase = waited ? phase_of(*attempt.failure, *deadline) : deadline->phase();
  const std::uint64_t bytes_sent = lease && attempt.exchange ? attempt.exchange->bytes_sent : 0;
  keep_received(attempt);
  const RetryFacts policy = retry_facts(bytes_sent);
  const StaleRetry verdict = decide_stale_retry(stale_retry_facts(policy));
  explain_failure(phase, bytes_sent);
  deadline->detach();
  const bool retries = !is_retry(verdict) && options.max_retries > 0 &&
                       attempt.stage != Attempt::Stage::seeking_credentials &&
                       is_transient(attempt.failure->code()) && may_retry(policy) &&
                       client->retry_budget.take();
  if (retries) admission.admit();  // Admit the call before its connection is given up.
  give_up_connection(is_retry(verdict));
  const bool is_final = !is_retry(verdict) && !retries;
  if (observer())
    report_failure(observer(),
                   event(is_final ? Event::Kind::request_failed : Event::Kind::request_retried),
                   *attempt.failure, begin_);
  if (is_final) return std::move(*attempt.failure);
  if (bytes_sent > 0) earlier.push_back(*attempt.failure);
  if (is_retry(verdict)) {
    response_->message.clear();
    response_->connection = ConnectionInfo();
    response_->connection.retry_reason = to_string(verdict);
    begin_attempt(attempt.number + 1);
    return NextStep::attempt;
  }
  CallHistory& onward = begin_follow_up();
  onward.delay = retry_delay(client->options.retries, onward.retries);
  onward.retry(request.request, url(), "the failure may be over by now");
  deadline->finish();
  return NextStep::follow_up;
}

/// Keeps the part of the body that was received, and the connection if only the body's size was at
/// fault.
inline void Call::keep_received(Attempt& attempt) {
  if (!lease || !attempt.exchange) return;
  Exchange& exchange = *attempt.exchange;
  std::string& body = response_->message.body;
  body.resize(body.size() - std::exchange(exchange.unfilled, 0));
  if (attempt.failure->code() == Errc::body_too_large)
    drain_connection(lease, exchange, held_.get(), *deadline);
}

/// Adds the circumstances, the received part of a response, and the errors of earlier attempts to
/// the failure.
inline void Call::explain_failure(Phase phase, std::uint64_t bytes_sent) {
  std::optional<Error>& failure = attempt_->failure;
  const bool reused = response_->connection.reused;
  if (lease && failure->code() == Errc::connection_lost && !reused && url().scheme() == "http" &&
      pool().dials_port(url()))
    failure.emplace(Errc::connection_lost, "if the port speaks TLS, the URL begins with https://",
                    failure->cause());
  failure = failure->at(phase, std::string(url().origin()), attempts(), reused, bytes_sent);
  const bool has_head = attempt_->times().has_head();
  if (!has_head && earlier.empty()) return;
  static constexpr std::size_t most = 64 * 1024;
  const ResponseMessage& message = response_->message;
  failure = failure->with(has_head ? message.status : 0,
                          has_head ? message.body.substr(0, most) : std::string(), earlier);
}

/// Gives up the connection of a failed attempt. A connection that is fit and on which nothing was
/// sent goes back.
/// @param is_replaced true if another connection replaces it at once. Then it is closed when the
///   next place in the queue is taken, so that the pool always sees a request in flight.
inline void Call::give_up_connection(bool is_replaced) noexcept {
  if (!lease) return;
  const std::optional<Error>& failure = attempt_->failure;
  const bool is_untouched =
      attempt_->stage == Attempt::Stage::exchanging && !attempt_->times().begun() &&
      lease.connection().http->stream().is_open() && failure->code() != Errc::client_closed &&
      failure->code() != Errc::unsolicited_response;
  abandon_exchange();
  if (is_untouched) {
    --lease.connection().requests;
    if (held_)
      held_->slot = lease.detach();
    else
      lease.release_unused();
  } else if (!is_replaced) {
    lease.discard(CloseReason::failed);
  }
}

inline RetryFacts Call::retry_facts(std::uint64_t bytes_sent) const {
  const Request& sent = request.request;
  RetryFacts facts;
  facts.retries = history ? history->retries : 0;
  facts.max = options.max_retries;
  facts.any_method = client->options.retries.any_method;
  facts.idempotent = sent.method().is_idempotent();
  facts.has_idempotency_key = has_idempotency_key(sent, client->options);
  facts.bytes_sent = bytes_sent;
  facts.body_replayable = can_repeat(sent.body());
  return facts;
}

inline StaleRetryFacts Call::stale_retry_facts(const RetryFacts& policy) const {
  const Attempt& attempt = *attempt_;
  StaleRetryFacts facts;
  facts.allowed = options.retries_stale;
  facts.attempt = attempt.number;
  facts.reused = response_->connection.reused;
  facts.lost = lease && attempt.failure->code() == Errc::connection_lost;
  facts.response_started = attempt.exchange && attempt.exchange->response_started;
  facts.bytes_sent = policy.bytes_sent;
  facts.body_replayable = policy.body_replayable;
  facts.idempotent = policy.idempotent;
  facts.has_idempotency_key = policy.has_idempotency_key;
  return facts;
}

// ---- between two attempts ----

inline Error Call::fail_between(const Error& error, Phase phase) {
  const auto url = Url::parse(request.request.url());
  Error failure = error.at(phase, std::string(url ? url->origin() : std::string_view()),
                           history->attempts, false, 0);
  if (!earlier.empty()) failure = failure.with(0, {}, std::move(earlier));
  if (observer())
    report_failure(observer(),
                   request_event(Event::Kind::request_failed, url ? *url : Url(),
                                 request.request.method(), 0, history->attempts),
                   failure, begin_);
  return failure;
}

}  // namespace ferry::detail
