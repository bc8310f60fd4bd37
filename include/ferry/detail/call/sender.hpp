#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/call.hpp>
#include <ferry/detail/call/open_body.hpp>
#include <ferry/detail/http/response_state.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/response_stream.hpp>

// The coroutine that carries out a call. `Call` makes all decisions.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Waits until the next request may be sent.
/// @return the failure, or nothing.
inline asio::awaitable<std::optional<Error>> await_backoff(Call& call) {
  OneShotEvent wakeup;  // Outlives the deadline, which may abort it.
  Deadline deadline(call.pool().deadlines(), call.client.get(), &call.client->closed, call.limit(),
                    call.options.timeouts.total);
  std::optional<Error> failure;
  try {
    const auto before = co_await asio::this_coro::cancellation_state;
    if (!is_cancelled(before) && call.history->delay > Duration()) {
      const auto until = after(Clock::now(), std::exchange(call.history->delay, Duration()));
      if (deadline.begin_phase(Phase::backoff, no_timeout, &wakeup)) co_await wakeup.wait(until);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (is_cancelled(cancellation)) failure.emplace(Errc::cancelled);
  } catch (const std::system_error& e) {
    failure = cancellation_of(e);
  }
  if (deadline.ended()) failure = deadline.error();
  if (failure) failure = call.fail_between(*failure, deadline.phase());
  co_return failure;
}

/// Undoes the codings of a long body in several steps, between which other coroutines run.
inline asio::awaitable<Outcome> decode(Call& call) {
  for (;;) {
    co_await asio::post(asio::use_awaitable);
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    auto outcome = call.go_on_decoding(is_cancelled(cancellation));
    if (!is(outcome, NextStep::decoding)) co_return outcome;
  }
}

/// Turns a failure into the result of `send`: an error in a `Result`, or an exception. The errors
/// of `send` become exceptions here and nowhere else.
template <class Answer>
Answer fail(Error error) {
  if constexpr (std::same_as<Answer, Result<Response>>)
    return error;
  else
    throw error;
}

/// Turns a call's last outcome into the result of `send`.
template <class Answer>
Answer finish(std::unique_ptr<Call> call, Outcome&& outcome) {
  auto* const response = std::get_if<Response>(&outcome);
  auto* const error = response ? nullptr : std::get_if<Error>(&outcome);
  if (error) return fail<Answer>(std::move(*error));
  if constexpr (std::same_as<Answer, ResponseStream>) {
    auto body = std::make_unique<OpenBody>(std::move(call));
    if (auto failure = body->start()) return fail<Answer>(std::move(*failure));
    return access::make<ResponseStream>(std::move(body));
  } else if constexpr (std::same_as<Answer, Upgraded>) {
    if (!response) return std::get<Upgraded>(std::move(outcome));
    Upgraded refused;
    refused.response = std::move(*response);
    return refused;
  } else {
    return std::move(*response);
  }
}

/// Carries out a call: its requests in sequence, with one or two attempts each.
///
/// There is one coroutine for both ways of reporting failures. The coroutine calls no other when it
/// waits only for the answer, because every coroutine frame would be allocated for each request.
/// Cancellation: terminal; the connection is closed, a place in the queue is given up.
template <class Answer>
asio::awaitable<Answer> perform(std::unique_ptr<Call> owned) {
  Call& call = *owned;
  bool has_waited = false;
  for (auto next = NextStep::follow_up;; has_waited = true) {
    auto refused = next == NextStep::follow_up ? call.prepare() : std::nullopt;
    if (refused) co_return fail<Answer>(std::move(*refused));
    try {
      while (Authenticator* const asked = call.ask_for_credentials()) {
        auto error = co_await call.authorize(*asked);
        call.on_credentials(std::move(error));
        has_waited = true;
      }
      // A call that was cancelled while it waited must not begin.
      if (has_waited) {
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) call.attempt().failure.emplace(Errc::cancelled);
      }
      if (!call.attempt().failure && !call.take_connection()) {
        auto error = co_await call.acquire();
        call.on_connection(std::move(error));
      }
      const auto after_waiting = co_await asio::this_coro::cancellation_state;
      Connection* const connection = call.begin_exchange(is_cancelled(after_waiting));
      while (!call.attempt().failure && connection->is_waiting(call.exchange())) {
        std::error_code error;
        const std::size_t count = co_await connection->wait(call.exchange(), error);
        if (auto failure = connection->proceed(call.exchange(), count, error))
          call.attempt().failure = std::move(failure);
      }
    } catch (const std::system_error& e) {
      call.attempt().failure = cancellation_of(e);
    }
    Outcome outcome = call.conclude();
    try {
      if (is(outcome, NextStep::decoding)) {
        auto decoded = co_await decode(call);
        outcome = std::move(decoded);
      } else if (is(outcome, NextStep::follow_up)) {
        auto failure = co_await await_backoff(call);
        if (failure) outcome = std::move(*failure);
      }
    } catch (const std::system_error& e) {
      outcome = call.fail_waiting(outcome, cancellation_of(e));
    }
    const NextStep* const step = std::get_if<NextStep>(&outcome);
    if (!step || *step == NextStep::stream)
      co_return finish<Answer>(std::move(owned), std::move(outcome));
    next = *step;
  }
}

/// Sends a request.
/// @param held, what as for `Call`.
/// @tparam Answer `Response` to throw errors, `Result<Response>` to return them, `ResponseStream`
///   to read the body later, `Upgraded` to let another protocol take over the connection.
template <class Answer, class... What>
asio::awaitable<Answer> send(std::shared_ptr<const ClientCore> client,
                             const RequestOptions& options, std::shared_ptr<LeasedConnection> held,
                             What&&... what) {
  constexpr auto wants = std::same_as<Answer, ResponseStream> ? ResponseKind::stream
                         : std::same_as<Answer, Upgraded>     ? ResponseKind::upgrade
                                                              : ResponseKind::buffered;
  return perform<Answer>(std::make_unique<Call>(std::move(client), options, wants, std::move(held),
                                                std::forward<What>(what)...));
}

/// A GET for the URL of a response, whose parts are moved from.
/// @param earlier may be null.
inline Request repeated(ResponseState* earlier) {
  if (!earlier) return get_again({}, {}, false);
  return get_again(std::move(earlier->url).str(), earlier->userinfo, earlier->left_origin);
}

/// Sends a GET for the URL of a response, and reuses that response's memory.
inline asio::awaitable<Response> send_again(std::shared_ptr<const ClientCore> client,
                                            const RequestOptions& options, Response earlier) {
  auto state = access::take_state(earlier);
  auto call = std::make_unique<Call>(std::move(client), options, ResponseKind::buffered, nullptr,
                                     repeated(state.get()));
  call->answer_into(std::move(state));
  return perform<Response>(std::move(call));
}

}  // namespace ferry::detail
