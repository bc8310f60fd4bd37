#pragma once

#include <array>
#include <concepts>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/cookie_store.hpp>
#include <ferry/detail/authorization.hpp>
#include <ferry/detail/client_core.hpp>
#include <ferry/detail/content_decoding.hpp>
#include <ferry/detail/credentials.hpp>
#include <ferry/detail/retry_rule.hpp>
#include <ferry/detail/trip.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/upgraded.hpp>

// One coroutine sends a request: a loop around one exchange, which asks pure rules what to do next.
namespace ferry::detail {

/// Checks all that can be checked before anything is sent, and finds out where to send it.
/// @param is_first it is the call's first request: the client's own query is not in it yet.
inline Result<Url> prepare(const PoolCore& pool, const ClientCore& client, Request& request,
                           const Timeouts& timeouts, bool is_first = true) {
  if (timeouts != client.options.timeouts) {  // Which were checked when it was made.
    if (auto error = check(timeouts)) return *error;
  }
  if (!request.method().is_valid()) {
    std::string what = in_quotes(request.method().token());
    what += request.method().token() == "CONNECT" ? " is for proxies" : " is not a token";
    return Error(Errc::invalid_method, std::move(what));
  }
  static const Request::Pairs none;
  Result<Url> url = request.take_target(client.base, is_first ? client.options.query : none,
                                        pool.host_to_ascii());
  if (!url) return url;
  const bool secure = url->scheme() == "https";
  if (secure && !pool.has_tls()) {
    return Error(Errc::tls_unavailable,
                 std::string(url->origin()) +
                     " needs options.tls = ferry::tls::context(), of ferry/tls.hpp");
  }
  if (!secure && url->scheme() != "http" && url->scheme() != unix_scheme)
    return Error(Errc::unsupported_scheme, in_quotes(url->scheme()) +
                                               " is neither http nor https (" +
                                               std::string(url->origin()) + ")");
  if (is_first && !url->userinfo().empty() && !request.auth() && !client.options.auth &&
      !request.headers().contains("Authorization") &&
      !client.options.headers.contains("Authorization")) {
    const auto basic = basic_from_userinfo(url->userinfo());
    if (!basic) return basic.error();
    request.header("Authorization", *basic);
  }
  return url;
}

/// Checks a request's body, and brings it to its beginning.
/// @param size how large it is; nothing if that is not known.
inline std::optional<Error> prepare(const Body& body, const Request& request,
                                    std::optional<std::uint64_t>& size) {
  if (!body.content_type().empty()) {
    if (auto error = check_field("Content-Type", body.content_type())) return error;
  }
  if (BodySource* const source = body.source().get()) {
    if (auto error = source->rewind()) return error;
    size = source->size();
  } else {
    size = body.bytes().size();
  }
  if (!body.is_present() && request.headers().has_token("Expect", "100-continue"))
    return Error(Errc::invalid_header, "Expect: 100-continue, in a request without a body");
  return check_framing_fields(request.headers(), size);
}

/// What a caller of `send` gets for a failure: the error in a `Result`, or thrown. This is the one
/// place where errors become exceptions.
template <class Answer>
Answer fail(Error error) {
  if constexpr (std::same_as<Answer, Result<Response>>)
    return error;
  else
    throw error;
}

/// What a caller of `send` gets for a success. (A `Response` of its own in the coroutine would be
/// that much more to allocate.)
/// @param detached a connection that speaks another protocol now, and what came behind the head.
template <class Answer>
Answer succeed(Trip* trip, std::pair<std::unique_ptr<Stream>, std::string>& detached,
               ResponseMessage& message, Url& url, Duration elapsed, const Timings& timings,
               ConnectionInfo& info) {
  Response response(std::move(message), std::move(url), elapsed, timings, std::move(info));
  if (trip) trip->finish(response);
  if constexpr (std::same_as<Answer, Upgraded>) {
    Upgraded upgraded;
    upgraded.response = std::move(response);
    upgraded.stream = std::move(detached.first);
    upgraded.received = std::move(detached.second);
    return upgraded;
  } else {
    return response;
  }
}

/// Undoes the codings of a collected body.
inline std::optional<Error> decode(ResponseMessage& message, std::span<const ContentCoding> codings,
                                   std::uint64_t max_size) {
  if (message.status == 206) return std::nullopt;  // A part of what was encoded.
  auto decoding = ContentDecoding::of(message.headers, codings);
  if (!decoding) return decoding.error();
  if (!decoding->is_active()) return std::nullopt;
  auto decoded = decoding->decode_all(message.body, max_size);
  if (!decoded) return decoded.error();
  message.body = std::move(*decoded);
  return std::nullopt;
}

/// Who gives this request its credentials; null: nobody.
inline Authenticator* authenticator_of(const Request& request, const ClientOptions& settings,
                                       const Trip* trip) noexcept {
  Authenticator* const auth = request.auth() ? request.auth().get() : settings.auth.get();
  if (!auth) return nullptr;
  if (trip && trip->left_origin) return auth->chooses_by_origin() ? auth : nullptr;
  if (request.headers().contains("Authorization")) return nullptr;
  return request.auth() || !settings.headers.contains("Authorization") ? auth : nullptr;
}

/// What the origin's authenticator is told of a request.
inline AuthContext auth_context(const Request& request, const Url& url, const Trip* trip) noexcept {
  AuthContext context{request.method().token(), url, url.target()};
  if (trip) trip->asked.tell(context);
  context.redirected = trip && trip->left_origin;
  return context;
}

/// What a forwarding proxy's is.
inline AuthContext proxy_context(const Request& request, const Proxy& proxy,
                                 std::string_view target, const Trip* trip) noexcept {
  AuthContext context{request.method().token(), proxy.url, target, true};
  if (trip) trip->proxy_asked.tell(context);
  return context;
}

inline bool can_repeat(const Body& body) { return !body.source() || body.source()->can_rewind(); }

/// The value of a field as it is given, the request's own before the client's; empty: it is kept
/// from being sent.
inline std::optional<std::string_view> given_field(const Request& request,
                                                   const ClientOptions& settings,
                                                   std::string_view name) {
  return request.headers().contains(name) ? request.headers().get(name)
                                          : settings.headers.get(name);
}

inline bool has_idempotency_key(const Request& request, const ClientOptions& settings) {
  return !given_field(request, settings, "Idempotency-Key").value_or("").empty();
}

/// An exchange that has succeeded, and whose answer may not be the call's.
struct Answered {
  const std::shared_ptr<PoolCore>& pool;
  const std::shared_ptr<const ClientCore>& client;
  Request& request;
  const RequestOptions& options;
  Url& url;
  ResponseMessage& message;
  ConnectionInfo& info;
  const Timings& timings;
  Duration elapsed;
  Lease& lease;
  Authenticator* auth;
  const std::string& authorization;
  const Proxy* proxy;
  const std::string& proxy_authorization;
  std::string_view proxy_target;
  Clock::time_point begin;
  int attempt;
  const Redirects& redirects;
  int max_retries;
  Event& event;
};

/// Decides whether the call goes on with another request, which the trip knows then: it gets the
/// connection too, from which the answer's body may still have to be taken.
inline Result<bool> goes_further(const Answered& a, std::unique_ptr<Trip>& trip) {
  const ClientOptions& settings = a.client->options;
  const int retries = trip ? trip->retries : 0;
  const auto set_out = [&] {
    if (!trip) trip = std::make_unique<Trip>(a.pool, a.client, a.options, a.begin);
    trip->attempts += a.attempt;
    trip->unread = a.lease.detach();
  };
  auto next = redirection({a.message.status, a.message.headers, a.url, a.request.method(),
                           can_repeat(a.request.body()), a.redirects, trip ? trip->redirects : 0,
                           a.pool->host_to_ascii()});
  if (!next) return next.error();
  const auto tell = [&] {
    tell_answered(a.auth, auth_context(a.request, a.url, trip.get()), a.authorization,
                  a.message.headers);
    if (a.proxy)
      tell_answered(a.proxy->auth.get(),
                    proxy_context(a.request, *a.proxy, a.proxy_target, trip.get()),
                    a.proxy_authorization, a.message.headers);
  };
  if (*next) {
    tell();
    if (settings.observer) {
      a.event.kind = Event::Kind::redirected;
      a.event.status = a.message.status;
      a.event.location = (*next)->url.str();
      observe(settings.observer, a.event);
    }
    set_out();
    trip->redirect(
        std::move(a.request), std::move(**next),
        Response(std::move(a.message), std::move(a.url), a.elapsed, a.timings, std::move(a.info)));
    return true;
  }

  const bool by_proxy = a.message.status == 407 && a.proxy && a.proxy->auth;
  if ((by_proxy || (a.auth && a.message.status == 401)) && can_repeat(a.request.body())) {
    Asked asked;
    if (trip) asked.challenges = (by_proxy ? trip->proxy_asked : trip->asked).challenges;
    AuthContext context = by_proxy ? proxy_context(a.request, *a.proxy, a.proxy_target, trip.get())
                                   : auth_context(a.request, a.url, trip.get());
    Authenticator& auth = by_proxy ? *a.proxy->auth : *a.auth;
    if (is_challenged(auth, context, a.message.headers,
                      by_proxy ? a.proxy_authorization : a.authorization, asked)) {
      set_out();
      trip->refused = std::move(a.message);
      trip->answer_challenge(std::move(a.request), a.url);
      (by_proxy ? trip->proxy_asked : trip->asked) = std::move(asked);
      return true;
    }
  }

  if (a.max_retries == 0) return false;
  const std::vector<int>& statuses = settings.retries.statuses;
  if (std::find(statuses.begin(), statuses.end(), a.message.status) == statuses.end()) return false;
  PolicyFacts policy;
  policy.retries = retries;
  policy.max = a.max_retries;
  policy.any_method = settings.retries.any_method;
  policy.idempotent = a.request.method().is_idempotent();
  policy.has_idempotency_key = has_idempotency_key(a.request, settings);
  policy.bytes_sent = 1;
  policy.body_is_there = can_repeat(a.request.body());
  const auto asked = retry_after(a.message.headers);
  if (asked && *asked > settings.retries.max_delay) return false;  // It had rather not be asked.
  if (!policy_allows(policy) || !take_retry(*a.client)) return false;
  tell();
  if (settings.observer) {
    const Error error(Errc::http_status, std::to_string(a.message.status));
    a.event.kind = Event::Kind::request_retried;
    a.event.error = &error;
    observe(settings.observer, a.event);
    a.event.error = nullptr;
  }
  set_out();
  trip->delay = asked.value_or(retry_delay(settings.retries, retries));
  trip->refused = std::move(a.message);
  trip->retry(std::move(a.request), a.url, "the server had answered that it could not");
  return true;
}

template <class Answer>
asio::awaitable<Answer> go_on(std::unique_ptr<Trip> trip);

/// Sends a request, and once more if its kept connection turns out to have been closed.
///
/// One coroutine, with either way of reporting failures: a wrapper would be one more frame, to be
/// allocated for every request.
/// @param held the connection to use, and to give back; it is not replaced if it turns out to be
/// stale.
/// @param trip what has gone before in this call.
/// @tparam Answer `Response` to throw errors, `Result<Response>` to return them, `ResponseStream`
/// to leave the body to be read, `Upgraded` to let another protocol take the connection over.
/// Cancellation: terminal; the connection is closed, a place in the queue given up.
template <class Answer>
asio::awaitable<Answer> send(std::shared_ptr<PoolCore> pool,
                             std::shared_ptr<const ClientCore> client, Request request,
                             RequestOptions options, std::shared_ptr<HeldConnection> held = nullptr,
                             std::unique_ptr<Trip> trip = nullptr) {
  const ClientOptions& settings = client->options;
  const Timeouts timeouts = merged(settings.timeouts, options);
  auto now = Clock::now();
  const auto begin = trip ? trip->begin : now;

  constexpr bool streams = std::same_as<Answer, ResponseStream>;
  Result<Url> prepared = prepare(*pool, *client, request, timeouts, !trip);
  if (!prepared) co_return fail<Answer>(prepared.error());
  const Url& url = *prepared;
  Body::Use use(request.body());
  if (!use.granted()) {
    co_return fail<Answer>(
        Error(Errc::invalid_body, "its source is being read by another request"));
  }
  std::optional<std::uint64_t> body_size;
  if (auto error = prepare(request.body(), request, body_size))
    co_return fail<Answer>(std::move(*error));
  if (std::same_as<Answer, Upgraded> && !request.headers().contains("Upgrade")) {
    co_return fail<Answer>(
        Error(Errc::invalid_header, "there is no Upgrade field to say which protocol it asks for"));
  }

  const std::uint64_t max_body_size = options.max_body_size.value_or(settings.limits.max_body_size);
  Authenticator* const auth = authenticator_of(request, settings, trip.get());
  std::string authorization;
  std::string cookie;
  if (settings.cookies &&
      (!given_field(request, settings, "Cookie") || (trip && trip->left_own_cookie)))
    cookie = settings.cookies->cookies_for(url);
  if (auto error = check_field("Cookie", cookie)) co_return fail<Answer>(std::move(*error));
  const Proxy* const proxy = pool->forwarding_proxy_for(url);
  std::string proxy_authorization = proxy ? proxy->authorization() : std::string();
  std::string proxy_target;
  if (proxy && proxy->auth) proxy_target.append(url.origin()).append(url.target());
  RequestHead head{
      request.method(),
      url,
      request.headers(),
      settings.headers,
      settings.user_agent,
      request.body().content_type(),
      client->accept_encoding,
      {},
      cookie,
      body_size,
      request.body().is_present(),
      client->one_off,
      request.body().is_present() && expects_continue(request.headers(), settings.headers),
      std::same_as<Answer, Upgraded>,
      proxy != nullptr,
      proxy_authorization,
      client->usual_fields};
  Event event{};
  event.origin = url.origin();
  event.method = request.method().token();
  event.target = url.target();

  Lease lease(*pool);  // Outlives the watch, which may abort its stream.
  Watch watch(pool->deadlines(), client.get(), &client->closed, after(begin, timeouts.total));
  Redirects redirects = settings.redirects;
  redirects.follow = options.follow_redirects.value_or(redirects.follow);
  redirects.max = options.max_redirects.value_or(redirects.max);
  // Who drives a connection has to go where it leads, and who wants another protocol, to the one
  // who speaks it.
  if (held || std::same_as<Answer, Upgraded>) redirects.follow = false;
  const int max_retries = held ? 0 : options.max_retries.value_or(settings.retries.max);
  const int earlier_attempts = trip ? trip->attempts : 0;
  const ParserLimits limits{settings.limits.max_head_size, settings.limits.max_fields,
                            streams ? std::numeric_limits<std::uint64_t>::max() : max_body_size,
                            redirects.follow};
  Collect collect = Collect::all;
  if (redirects.follow) collect = Collect::unless_redirected;
  if (streams) collect = Collect::none;

  ConnectionInfo info;
  if (trip) info.retry_reason = trip->retry_reason;
  Timings timings;
  std::optional<Error> failure;
  bool goes_on = false;  // There is another request: the trip knows it.
  for (int attempt = 1;; ++attempt) {
    // Each time: a nonce is counted.
    const std::array<Authenticator*, 2> authenticators{auth, proxy ? proxy->auth.get() : nullptr};
    for (Authenticator* const& asks : authenticators) {
      if (!asks) continue;
      const bool is_origin = &asks == &authenticators[0];
      std::string& value = is_origin ? authorization : proxy_authorization;
      const AuthContext context = is_origin
                                      ? auth_context(request, url, trip.get())
                                      : proxy_context(request, *proxy, proxy_target, trip.get());
      const auto known = authorize_now(*asks, context, value);
      if (!known) co_return fail<Answer>(known.error());
      if (!*known) {
        if (auto error = co_await authorize(*asks, context, value))
          co_return fail<Answer>(std::move(*error));
        now = Clock::now();
      }
    }
    head.authorization = authorization;
    head.proxy_authorization = proxy_authorization;
    event.attempt = earlier_attempts + attempt;
    event.connection = 0;
    Phase phase = Phase::pool;
    std::uint64_t bytes_sent = 0;
    ExchangeTimes times;
    bool has_connection =
        false;  // Of this attempt: before, the lease may hold one that has failed.
    failure.reset();
    try {
      const auto queued = now;
      if (held) {
        lease.take(std::exchange(held->slot, nullptr));
        if (!lease || lease.slot().host->key != url.origin()) {
          std::string what =
              lease ? "it is for " + lease.slot().host->key : "it is in use, or spent";
          if (lease) held->slot = lease.detach();
          failure.emplace(Errc::lease_unusable, std::move(what));
        } else if (lease.slot().kept && !pool->is_fit(lease.slot())) {
          lease.detach();
          failure.emplace(Errc::connection_lost, "the server has closed the leased connection");
        }
      } else {
        if (attempt == 1) lease.take(pool->take_idle(url.origin(), now));
        if (!lease || attempt > 1) {
          failure = co_await pool->acquire(url, lease, timeouts, watch, settings.observer);
          now = Clock::now();
        }
      }
      if (failure) {
        phase = phase_of(*failure, watch);
      } else {
        PooledConnection& connection = lease.connection();
        info.facts = connection.facts;
        info.reused = lease.slot().kept;
        info.request_number = ++connection.requests;
        has_connection = true;
        info.idle_for = info.reused ? now - lease.slot().idle_since : Duration();
        timings.queued += now - queued;
        // What went into a connection that was opened before the call is not the call's.
        const bool opened_meanwhile = lease.slot().opened >= begin;
        timings.resolve = opened_meanwhile ? connection.resolved_in : Duration();
        timings.connect = opened_meanwhile ? connection.connected_in : Duration();
        timings.tls = opened_meanwhile ? connection.secured_in : Duration();
        event.connection = info.id();
        if (info.reused) pool->count_reuse();
        if (settings.observer && info.reused) {
          event.kind = Event::Kind::connection_reused;
          event.duration = info.idle_for;
          observe(settings.observer, event);
        }

        ResponseMessage message;
        if (attempt > 1 && request.body().source()) {  // A file may have grown since.
          failure = prepare(request.body(), request, body_size);
          head.body_size = body_size;
        }
        if (!failure) {
          failure =
              co_await connection.h1.exchange(head, request.body(), timeouts, limits, watch,
                                              message, times, settings.observer, event, collect);
        }
        if (!failure) {
          watch.finish();
          timings.send = times.sent - times.begin;
          timings.first_byte = std::max(times.first_byte - times.sent, Duration());
          timings.receive = times.end - times.first_byte;
          timings.total = times.end - begin;
          if (settings.cookies) settings.cookies->take(url, message.headers);
          if (message.status >= 300 && !held &&
              (redirects.follow || max_retries > 0 || auth || proxy)) {
            const auto more = goes_further({pool,
                                            client,
                                            request,
                                            options,
                                            *prepared,
                                            message,
                                            info,
                                            timings,
                                            times.head - times.begin,
                                            lease,
                                            auth,
                                            authorization,
                                            proxy,
                                            proxy_authorization,
                                            proxy_target,
                                            begin,
                                            attempt,
                                            redirects,
                                            max_retries,
                                            event},
                                           trip);
            goes_on = more && *more;
            if (!more) failure = more.error();
          } else if (max_retries > 0) {
            earn_retry(*client);
          }
        }
        if (!failure && !goes_on) {
          if (auth)
            tell_answered(auth, auth_context(request, url, trip.get()), authorization,
                          message.headers);
          if (proxy)
            tell_answered(proxy->auth.get(),
                          proxy_context(request, *proxy, proxy_target, trip.get()),
                          proxy_authorization, message.headers);
          if constexpr (streams) {
            auto body = std::make_unique<OpenBody>(pool, client, after(begin, timeouts.total));
            body->lease.take(lease.detach());
            body->begin = begin;
            body->first_byte = times.first_byte;
            body->attempt = event.attempt;
            body->method = request.method();
            body->read_limit = timeouts.read;
            body->max_collected = max_body_size;
            if (options.max_body_size) body->max_size = max_body_size;
            body->response = Response(std::move(message), std::move(*prepared),
                                      times.head - times.begin, timings, std::move(info));
            if (trip) trip->finish(body->response);
            if (auto error = body->start(options.decode)) co_return fail<Answer>(std::move(*error));
            co_return ResponseStream(std::move(body));
          } else {
            std::pair<std::unique_ptr<Stream>, std::string> detached;
            if (message.status == 101) {
              detached = connection.h1.detach();
              lease.discard(CloseReason::upgraded);
            } else if (watch.ended())  // Time ran out as the last byte came: all the same a
                                       // response.
              lease.discard(CloseReason::failed);
            else
              give_back(lease, held.get(), message, times.end);
            event.body_size = message.body.size();  // As it came.
            if (options.decode && !settings.codings.empty())
              failure = decode(message, settings.codings, max_body_size);
            if (!failure && settings.observer) {
              event.kind = Event::Kind::response_received;
              event.status = message.status;
              event.version = message.version();
              event.duration = timings.total;
              event.timings = &timings;
              event.info = &info;
              observe(settings.observer, event);
            }
            if (!failure) {
              co_return succeed<Answer>(trip.get(), detached, message, *prepared,
                                        times.head - times.begin, timings, info);
            }
          }
        }
        phase = watch.phase();
        if (lease && times.begun()) bytes_sent = connection.h1.bytes_sent();
        if (failure && lease && failure->code() == Errc::body_too_large && !watch.ended() &&
            connection.h1.drain()) {
          watch.leave();
          give_back(lease, held.get(), message, Clock::now());
        }
      }
    } catch (const std::system_error& e) {
      // Asio throws this at whatever a cancelled coroutine awaits next.
      if (e.code() != asio::error::operation_aborted) throw;
      failure.emplace(Errc::cancelled);
      phase = watch.phase();
      if (has_connection && times.begun()) bytes_sent = lease.connection().h1.bytes_sent();
    }

    if (goes_on) break;

    RetryFacts facts;
    facts.allowed = !held && options.retry_stale.value_or(settings.retry_stale);
    facts.attempt = attempt;
    facts.reused = info.reused;
    facts.lost = lease && failure->code() == Errc::connection_lost;
    facts.response_started = lease && lease.connection().h1.response_started();
    facts.bytes_sent = bytes_sent;
    facts.body_is_there = can_repeat(request.body());
    facts.idempotent = request.method().is_idempotent();
    facts.has_idempotency_key = has_idempotency_key(request, settings);
    const RetryVerdict verdict = retry_verdict(facts);
    failure = failure->at(phase, std::string(url.origin()), event.attempt, info.reused, bytes_sent);
    watch.leave();
    PolicyFacts policy;
    policy.retries = trip ? trip->retries : 0;
    policy.max = max_retries;
    policy.any_method = settings.retries.any_method;
    policy.idempotent = facts.idempotent;
    policy.has_idempotency_key = facts.has_idempotency_key;
    policy.bytes_sent = bytes_sent;
    policy.body_is_there = facts.body_is_there;
    goes_on = !is_retry(verdict) && max_retries > 0 && is_transient(failure->code()) &&
              policy_allows(policy) && take_retry(*client);
    const bool untouched =
        lease && has_connection && !times.begun() && lease.connection().h1.stream().is_open();
    if (untouched && failure->code() != Errc::client_closed) {
      --lease.connection().requests;
      if (held)
        held->slot = lease.detach();
      else
        lease.restore();
    }
    // On a retry it is closed when the next place is taken: so there is always one in flight.
    if (!is_retry(verdict)) lease.discard(CloseReason::failed);
    if (settings.observer) {
      event.kind =
          is_retry(verdict) || goes_on ? Event::Kind::request_retried : Event::Kind::request_failed;
      event.error = &*failure;
      event.duration = Clock::now() - begin;
      observe(settings.observer, event);
      event.error = nullptr;
    }
    if (goes_on) {
      if (!trip) trip = std::make_unique<Trip>(pool, client, options, begin);
      trip->attempts += attempt;
      trip->delay = retry_delay(settings.retries, trip->retries);
      trip->retry(std::move(request), url, "the failure may be over by now");
      watch.finish();
      break;
    }
    if (!is_retry(verdict)) co_return fail<Answer>(std::move(*failure));
    info = ConnectionInfo();
    info.retry_reason = to_string(verdict);
    now = Clock::now();
  }
  use.release();
  co_return co_await go_on<Answer>(std::move(trip));
}

/// Finishes what is left of the last exchange, and waits as long as it should.
inline asio::awaitable<std::optional<Error>> get_ready(Trip& trip) {
  const Timeouts timeouts = merged(trip.client->options.timeouts, trip.options);
  PoolCore& pool = *trip.pool;
  Wakeup wakeup;
  Lease lease(pool);  // Both outlive the watch, which may abort them.
  Watch watch(pool.deadlines(), trip.client.get(), &trip.client->closed,
              after(trip.begin, timeouts.total));
  std::optional<Error> failure;
  try {
    if (trip.unread) {
      lease.take(std::exchange(trip.unread, nullptr));
      const bool clean = co_await lease.connection().h1.skip_body(watch, timeouts.read);
      watch.leave();
      if (watch.ended()) failure = watch.error();
      if (clean && !failure)
        give_back(lease, nullptr, trip.answer(), Clock::now());
      else
        lease.discard(CloseReason::unread);
    }
    if (!failure && trip.delay > Duration()) {
      const auto until = after(Clock::now(), std::exchange(trip.delay, Duration()));
      if (watch.enter(Phase::backoff, no_timeout, &wakeup)) co_await wakeup.wait(until);
      if (watch.ended())
        failure = watch.error();
      else if (Clock::now() < until)
        failure.emplace(Errc::cancelled);
    }
  } catch (const std::system_error& e) {
    // Asio throws this at whatever a cancelled coroutine awaits next.
    if (e.code() != asio::error::operation_aborted) throw;
    failure.emplace(Errc::cancelled);
  }
  if (!failure) co_return std::nullopt;
  const auto url = Url::parse(trip.request.url());
  const std::string origin(url ? url->origin() : std::string_view());
  failure = failure->at(watch.phase(), origin, trip.attempts, false, 0);
  if (const Observer& observer = trip.client->options.observer) {
    Event event{Event::Kind::request_failed};
    event.origin = origin;
    event.method = trip.request.method().token();
    if (url) event.target = url->target();
    event.attempt = trip.attempts;
    event.duration = Clock::now() - trip.begin;
    event.error = &*failure;
    observe(observer, event);
  }
  co_return failure;
}

/// The rest of a call that takes another exchange.
template <class Answer>
asio::awaitable<Answer> go_on(std::unique_ptr<Trip> trip) {
  if (auto failure = co_await get_ready(*trip)) co_return fail<Answer>(std::move(*failure));
  const auto pool = trip->pool;
  const auto client = trip->client;
  const RequestOptions options = trip->options;
  Request request = std::move(trip->request);
  co_return co_await send<Answer>(pool, client, std::move(request), options, nullptr,
                                  std::move(trip));
}

// clang-format off
#if defined(FERRY_SEPARATE_COMPILATION)
#define FERRY_SEND(Answer)                                                                   \
  template asio::awaitable<Answer> send<Answer>(                                             \
      std::shared_ptr<PoolCore>, std::shared_ptr<const ClientCore>, Request, RequestOptions, \
      std::shared_ptr<HeldConnection>, std::unique_ptr<Trip>);
FERRY_EXTERN FERRY_SEND(Response)
FERRY_EXTERN FERRY_SEND(Result<Response>)
FERRY_EXTERN FERRY_SEND(ResponseStream)
FERRY_EXTERN FERRY_SEND(Upgraded)
#undef FERRY_SEND
#endif
// clang-format on

}  // namespace ferry::detail
