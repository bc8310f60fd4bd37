#pragma once

#include <atomic>
#include <concepts>
#include <memory>
#include <optional>
#include <string>

#include <ferry/detail/pool_core.hpp>
#include <ferry/detail/retry_rule.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/upgraded.hpp>

// One coroutine sends a request: a loop around one exchange, which asks pure rules what to do next.
namespace ferry::detail {

/// What all handles of a client, and its requests in flight, share.
struct ClientCore {
  ClientOptions options;
  Url base;
  bool one_off = false;  ///< Its connections carry one request each.
  std::atomic<bool> closed{false};
};

using Lease = PoolCore::Lease;

/// A connection that somebody drives themselves, between their requests.
struct HeldConnection {
  HeldConnection(std::shared_ptr<PoolCore> p, PoolCore::Slot* s,
                 std::shared_ptr<const ClientCore> c)
      : pool(std::move(p)), client(std::move(c)), slot(s) {}
  HeldConnection(const HeldConnection&) = delete;
  HeldConnection& operator=(const HeldConnection&) = delete;
  ~HeldConnection() {
    if (!slot) return;
    if (used)
      pool->release(*slot, hint, slot->idle_since);
    else
      pool->restore(*slot);
  }

  const std::shared_ptr<PoolCore> pool;
  const std::shared_ptr<const ClientCore> client;
  PoolCore::Slot* slot;          ///< None while a request has it, and once it is spent.
  bool used = false;             ///< It has carried a request for its holder.
  std::optional<Duration> hint;  ///< How long the server means to keep it.
};

/// Checks all that can be checked before anything is sent, and finds out where to send it.
inline Result<Url> prepare(const PoolCore& pool, const ClientCore& client, Request& request,
                           const Timeouts& timeouts) {
  if (auto error = check(timeouts)) return *error;
  if (!request.method().is_valid()) {
    std::string what = in_quotes(request.method().token());
    what += request.method().token() == "CONNECT" ? " is for proxies" : " is not a token";
    return Error(Errc::invalid_method, std::move(what));
  }
  Result<Url> url = request.take_target(client.base, pool.host_to_ascii());
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
  if (!url->userinfo().empty()) {
    return Error(Errc::invalid_url,
                 "the URL for " + std::string(url->origin()) +
                     " carries credentials; send them in an Authorization header instead");
  }
  const Body& body = request.body();
  if (auto error = check_field("Content-Type", body.content_type())) return *error;
  if (auto error = check_framing_fields(request.headers(), body.is_present(), body.bytes().size()))
    return *error;
  return url;
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

/// Gives a connection back, to the pool or to its holder, after an exchange that has left it clean;
/// closes it if something else speaks against its reuse.
inline void give_back(Lease& lease, HeldConnection* held, const ResponseMessage& message) {
  const auto reason = lease.connection().h1.reuse_verdict(message);
  const auto hint = keep_alive_hint(message.headers);
  if (reason) {
    lease.discard(*reason);
  } else if (held) {
    lease.slot().kept = true;
    lease.slot().idle_since = Clock::now();
    held->hint = hint;
    held->used = true;
    held->slot = lease.detach();
  } else {
    lease.release(hint);
  }
}

/// Sends a request, and once more if its kept connection turns out to have been closed.
///
/// One coroutine, with either way of reporting failures: a wrapper would be one more frame, to be
/// allocated for every request.
/// @param held the connection to use, and to give back; it is not replaced if it turns out to be
/// stale.
/// @tparam Answer `Response` to throw errors, `Result<Response>` to return them, `Upgraded` to let
/// another protocol take the connection over.
/// Cancellation: terminal; the connection is closed, a place in the queue given up.
template <class Answer>
asio::awaitable<Answer> send(std::shared_ptr<PoolCore> pool,
                             std::shared_ptr<const ClientCore> client, Request request,
                             RequestOptions options,
                             std::shared_ptr<HeldConnection> held = nullptr) {
  const ClientOptions& settings = client->options;
  const Timeouts timeouts = merged(settings.timeouts, options);
  const auto begin = Clock::now();

  Result<Url> prepared = prepare(*pool, *client, request, timeouts);
  if (!prepared) co_return fail<Answer>(prepared.error());
  const Url& url = *prepared;
  if (std::same_as<Answer, Upgraded> && !request.headers().contains("Upgrade")) {
    co_return fail<Answer>(
        Error(Errc::invalid_header, "there is no Upgrade field to say which protocol it asks for"));
  }

  const ParserLimits limits{settings.limits.max_head_size, settings.limits.max_fields,
                            options.max_body_size.value_or(settings.limits.max_body_size)};
  const Proxy* const proxy = pool->forwarding_proxy_for(url);
  const std::string proxy_authorization = proxy ? proxy->authorization() : std::string();
  const RequestHead head{request.method(),
                         url,
                         request.headers(),
                         settings.headers,
                         settings.user_agent,
                         request.body().content_type(),
                         request.body().bytes().size(),
                         request.body().is_present(),
                         client->one_off,
                         std::same_as<Answer, Upgraded>,
                         proxy != nullptr,
                         proxy_authorization};
  Event event{};
  event.origin = url.origin();
  event.method = request.method().token();
  event.target = url.target();

  Lease lease(*pool);  // Outlives the watch, which may abort its stream.
  Watch watch(pool->deadlines(), client.get(), &client->closed, after(begin, timeouts.total));
  ConnectionInfo info;
  Timings timings;
  std::optional<Error> failure;
  for (int attempt = 1;; ++attempt) {
    event.attempt = attempt;
    event.connection = 0;
    Phase phase = Phase::pool;
    std::uint64_t bytes_sent = 0;
    ExchangeTimes times;
    bool has_connection =
        false;  // Of this attempt: before, the lease may hold one that has failed.
    failure.reset();
    try {
      const auto queued = Clock::now();
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
        if (attempt == 1) lease.take(pool->take_idle(url.origin()));
        if (!lease || attempt > 1)
          failure = co_await pool->acquire(url, lease, timeouts, watch, settings.observer);
      }
      if (failure) {
        phase = phase_of(*failure, watch);
      } else {
        PooledConnection& connection = lease.connection();
        const auto start = Clock::now();
        info.facts = connection.facts;
        info.reused = lease.slot().kept;
        info.request_number = ++connection.requests;
        has_connection = true;
        info.idle_for = info.reused ? start - lease.slot().idle_since : Duration();
        timings.queued += start - queued;
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
        failure = co_await connection.h1.exchange(head, request.body().bytes(), timeouts, limits,
                                                  watch, message, times, settings.observer, event);
        if (!failure) {
          watch.finish();
          std::pair<std::unique_ptr<Stream>, std::string> detached;
          if (message.status == 101) {
            detached = connection.h1.detach();
            lease.discard(CloseReason::upgraded);
          } else if (watch.ended())  // Time ran out as the last byte came: a response all the same.
            lease.discard(CloseReason::failed);
          else
            give_back(lease, held.get(), message);
          timings.send = times.sent - times.begin;
          timings.first_byte = std::max(times.first_byte - times.sent, Duration());
          timings.receive = times.end - times.first_byte;
          timings.total = times.end - begin;
          if (settings.observer) {
            event.kind = Event::Kind::response_received;
            event.status = message.status;
            event.body_size = message.body.size();
            event.duration = timings.total;
            event.timings = &timings;
            event.info = &info;
            observe(settings.observer, event);
          }
          Response response(std::move(message), std::move(*prepared), times.head - times.begin,
                            timings, std::move(info));
          if constexpr (std::same_as<Answer, Upgraded>) {
            Upgraded upgraded;
            upgraded.response = std::move(response);
            upgraded.stream = std::move(detached.first);
            upgraded.received = std::move(detached.second);
            co_return upgraded;
          } else {
            co_return response;
          }
        }
        phase = watch.phase();
        if (times.begun()) bytes_sent = connection.h1.bytes_sent();
        if (failure->code() == Errc::body_too_large && !watch.ended() && connection.h1.drain()) {
          watch.leave();
          give_back(lease, held.get(), message);
        }
      }
    } catch (const std::system_error& e) {
      // Asio throws this at whatever a cancelled coroutine awaits next.
      if (e.code() != asio::error::operation_aborted) throw;
      failure.emplace(Errc::cancelled);
      phase = watch.phase();
      if (has_connection && times.begun()) bytes_sent = lease.connection().h1.bytes_sent();
    }

    RetryFacts facts;
    facts.allowed = !held && options.retry_stale.value_or(settings.retry_stale);
    facts.attempt = attempt;
    facts.reused = info.reused;
    facts.lost = lease && failure->code() == Errc::connection_lost;
    facts.response_started = lease && lease.connection().h1.response_started();
    facts.bytes_sent = bytes_sent;
    facts.idempotent = request.method().is_idempotent();
    facts.has_idempotency_key =
        head.headers.contains("Idempotency-Key") || head.defaults.contains("Idempotency-Key");
    const RetryVerdict verdict = retry_verdict(facts);
    failure = failure->at(phase, std::string(url.origin()), attempt, info.reused, bytes_sent);
    watch.leave();
    const bool untouched = has_connection && !times.begun();
    if (lease && untouched && failure->code() != Errc::client_closed) {
      --lease.connection().requests;
      if (held)
        held->slot = lease.detach();
      else
        lease.restore();
    }
    // On a retry it is closed when the next place is taken: so there is always one in flight.
    if (!is_retry(verdict)) lease.discard(CloseReason::failed);
    if (settings.observer) {
      event.kind = is_retry(verdict) ? Event::Kind::request_retried : Event::Kind::request_failed;
      event.error = &*failure;
      observe(settings.observer, event);
      event.error = nullptr;
    }
    if (!is_retry(verdict)) co_return fail<Answer>(std::move(*failure));
    info = ConnectionInfo();
    info.retry_reason = to_string(verdict);
  }
}

}  // namespace ferry::detail
