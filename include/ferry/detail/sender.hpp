#pragma once

#include <concepts>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include <ferry/detail/client_core.hpp>
#include <ferry/detail/content_decoding.hpp>
#include <ferry/detail/retry_rule.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/upgraded.hpp>

// One coroutine sends a request: a loop around one exchange, which asks pure rules what to do next.
namespace ferry::detail {

/// Checks all that can be checked before anything is sent, and finds out where to send it.
inline Result<Url> prepare(const PoolCore& pool, const ClientCore& client, Request& request,
                           const Timeouts& timeouts) {
  if (auto error = check(timeouts)) return *error;
  if (!request.method().is_valid()) {
    std::string what = in_quotes(request.method().token());
    what += request.method().token() == "CONNECT" ? " is for proxies" : " is not a token";
    return Error(Errc::invalid_method, std::move(what));
  }
  Result<Url> url = request.take_target(client.base, client.options.query, pool.host_to_ascii());
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
  return url;
}

/// Checks a request's body, and brings it to its beginning.
/// @param size how large it is; nothing if that is not known.
inline std::optional<Error> prepare(const Body& body, const Request& request,
                                    const Headers& defaults, std::optional<std::uint64_t>& size) {
  if (auto error = check_field("Content-Type", body.content_type())) return error;
  if (BodySource* const source = body.source().get()) {
    if (auto error = source->rewind()) return error;
    size = source->size();
  } else {
    size = body.bytes().size();
  }
  if (!body.is_present() && expects_continue(request.headers(), defaults))
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

/// Sends a request, and once more if its kept connection turns out to have been closed.
///
/// One coroutine, with either way of reporting failures: a wrapper would be one more frame, to be
/// allocated for every request.
/// @param held the connection to use, and to give back; it is not replaced if it turns out to be
/// stale.
/// @tparam Answer `Response` to throw errors, `Result<Response>` to return them, `ResponseStream`
/// to leave the body to be read, `Upgraded` to let another protocol take the connection over.
/// Cancellation: terminal; the connection is closed, a place in the queue given up.
template <class Answer>
asio::awaitable<Answer> send(std::shared_ptr<PoolCore> pool,
                             std::shared_ptr<const ClientCore> client, Request request,
                             RequestOptions options,
                             std::shared_ptr<HeldConnection> held = nullptr) {
  const ClientOptions& settings = client->options;
  const Timeouts timeouts = merged(settings.timeouts, options);
  const auto begin = Clock::now();

  constexpr bool streams = std::same_as<Answer, ResponseStream>;
  Result<Url> prepared = prepare(*pool, *client, request, timeouts);
  if (!prepared) co_return fail<Answer>(prepared.error());
  const Url& url = *prepared;
  const Body::Use use(request.body());
  if (!use.granted()) {
    co_return fail<Answer>(
        Error(Errc::invalid_body, "its source is being read by another request"));
  }
  std::optional<std::uint64_t> body_size;
  if (auto error = prepare(request.body(), request, settings.headers, body_size))
    co_return fail<Answer>(std::move(*error));
  if (std::same_as<Answer, Upgraded> && !request.headers().contains("Upgrade")) {
    co_return fail<Answer>(
        Error(Errc::invalid_header, "there is no Upgrade field to say which protocol it asks for"));
  }

  const std::uint64_t max_body_size = options.max_body_size.value_or(settings.limits.max_body_size);
  const ParserLimits limits{settings.limits.max_head_size, settings.limits.max_fields,
                            streams ? std::numeric_limits<std::uint64_t>::max() : max_body_size};
  const Proxy* const proxy = pool->forwarding_proxy_for(url);
  const std::string proxy_authorization = proxy ? proxy->authorization() : std::string();
  const RequestHead head{request.method(),
                         url,
                         request.headers(),
                         settings.headers,
                         settings.user_agent,
                         request.body().content_type(),
                         client->accept_encoding,
                         body_size,
                         request.body().is_present(),
                         client->one_off,
                         expects_continue(request.headers(), settings.headers),
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
        if (attempt > 1 && request.body().source()) failure = request.body().source()->rewind();
        if (!failure) {
          failure =
              co_await connection.h1.exchange(head, request.body(), timeouts, limits, watch,
                                              message, times, settings.observer, event, !streams);
        }
        if (!failure) {
          watch.finish();
          timings.send = times.sent - times.begin;
          timings.first_byte = std::max(times.first_byte - times.sent, Duration());
          timings.receive = times.end - times.first_byte;
          timings.total = times.end - begin;
          if constexpr (streams) {
            auto body = std::make_unique<OpenBody>(pool, client, after(begin, timeouts.total));
            body->lease.take(lease.detach());
            body->begin = begin;
            body->first_byte = times.first_byte;
            body->attempt = attempt;
            body->method = request.method();
            body->read_limit = timeouts.read;
            body->max_collected = max_body_size;
            if (options.max_body_size) body->max_size = max_body_size;
            body->response = Response(std::move(message), std::move(*prepared),
                                      times.head - times.begin, timings, std::move(info));
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
              give_back(lease, held.get(), message);
            if (settings.observer) {
              event.kind = Event::Kind::response_received;
              event.status = message.status;
              event.body_size = message.body.size();
              event.duration = timings.total;
              event.timings = &timings;
              event.info = &info;
              observe(settings.observer, event);
            }
            if (options.decode && !settings.codings.empty())
              failure = decode(message, settings.codings, max_body_size);
            if (!failure) {
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
          }
        }
        phase = watch.phase();
        if (lease && times.begun()) bytes_sent = connection.h1.bytes_sent();
        if (lease && failure->code() == Errc::body_too_large && !watch.ended() &&
            connection.h1.drain()) {
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
    facts.body_is_there = !request.body().source() || request.body().source()->can_rewind();
    facts.idempotent = request.method().is_idempotent();
    facts.has_idempotency_key =
        head.headers.contains("Idempotency-Key") || head.defaults.contains("Idempotency-Key");
    const RetryVerdict verdict = retry_verdict(facts);
    failure = failure->at(phase, std::string(url.origin()), attempt, info.reused, bytes_sent);
    watch.leave();
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
