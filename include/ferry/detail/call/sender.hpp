#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/base/separate.hpp>
#include <ferry/detail/call/call.hpp>

// The coroutine that carries out a call. `Call` makes all decisions.
namespace ferry::detail {

/// Waits until the next request may be sent. A failure is noted in the call.
template <class = void>
asio::awaitable<void> prepare_follow_up(Call<>& call) {
  CallHistory& trip = *call.trip;
  OneShotEvent wakeup;  // Outlives the deadline, which may abort it.
  Deadline deadline(call.pool().deadlines(), call.client.get(), &call.client->closed, call.limit(),
                    call.timeouts.total);
  bool cancelled = false;
  try {
    const auto before = co_await asio::this_coro::cancellation_state;
    if (!is_cancelled(before) && trip.delay > Duration()) {
      const auto until = after(Clock::now(), std::exchange(trip.delay, Duration()));
      if (deadline.begin_phase(Phase::backoff, no_timeout, &wakeup)) co_await wakeup.wait(until);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    cancelled = is_cancelled(cancellation);
  } catch (const std::system_error& e) {
    // Asio throws this from the next `co_await` of a cancelled coroutine.
    if (e.code() != asio::error::operation_aborted) throw;
    cancelled = true;
  }
  if (deadline.ended())
    call.fail_between(deadline.error(), deadline.phase());
  else if (cancelled)
    call.fail_between(Error(Errc::cancelled), deadline.phase());
}

/// Turns a failure into the result of `send`: an error in a `Result`, or an exception. This is the
/// only place where errors become exceptions.
template <class Answer>
Answer fail(Error error) {
  if constexpr (std::same_as<Answer, Result<Response>>)
    return error;
  else
    throw error;
}

/// Turns a success into the result of `send`.
template <class Answer>
Answer succeed(Call<>& call) {
  if constexpr (std::same_as<Answer, ResponseStream>)
    return call.take_stream();
  else if constexpr (std::same_as<Answer, Upgraded>)
    return call.take_upgraded();
  else
    return call.take_response();
}

/// Carries out a call: its requests in sequence, with one or two attempts each.
///
/// There is one coroutine for both ways of reporting failures. The coroutine calls no other when it
/// waits only for the answer, because every coroutine frame would be allocated for each request.
/// Cancellation: terminal; the connection is closed, a place in the queue is given up.
template <class Answer>
asio::awaitable<Answer> perform(std::unique_ptr<Call<>> owned) {
  Call<>& call = *owned;
  bool has_waited = false;
  for (auto next = Call<>::Next::preparation;; has_waited = true) {
    if (next == Call<>::Next::preparation && !call.prepare()) {
      // A call without an attempt was refused before it began: no event reports it.
      if (call.trip && call.trip->attempts > 0) call.fail_between(*call.failure, Phase::prepare);
      break;
    }
    try {
      while (Authenticator* const asked = call.ask_for_credentials()) {
        const AuthContext context = call.auth_context();
        auto error = co_await authorize(*asked, context, call.credentials(), *call.deadline,
                                        Phase::authorize, no_timeout);
        call.on_credentials(std::move(error));
        has_waited = true;
      }
      // A call that was cancelled while it waited must not begin; Asio reports this only at the
      // next wait.
      if (has_waited) {
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) call.failure.emplace(Errc::cancelled);
      }
      if (!call.failure && !call.take_connection()) {
        auto error = co_await call.pool().acquire(call.url(), call.lease, call.admission,
                                                  call.timeouts, *call.deadline, call.observer());
        call.on_connection(std::move(error));
      }
      const auto after_waiting = co_await asio::this_coro::cancellation_state;
      H1Connection* const h1 = call.begin_exchange(is_cancelled(after_waiting));
      while (!call.failure && h1->is_sending())
        call.failure = co_await h1->go_on_sending(call.exchange());
      while (!call.failure && h1->is_receiving()) {
        if (h1->has_used_up_budget()) {
          call.failure = co_await h1->go_on_receiving(call.exchange());
          continue;
        }
        std::error_code error;
        const auto room = h1->room(call.exchange());
        const std::size_t count = co_await h1->stream().read_some(room, error);
        call.failure = h1->received(call.exchange(), count, error);
      }
    } catch (const std::system_error& e) {
      // Asio throws this from the next `co_await` of a cancelled coroutine.
      if (e.code() != asio::error::operation_aborted) throw;
      call.failure.emplace(Errc::cancelled);
    }
    next = call.conclude();
    while (next == Call<>::Next::decoding) {
      bool cancelled = true;
      try {
        co_await asio::post(asio::use_awaitable);
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        cancelled = is_cancelled(cancellation);
      } catch (const std::system_error& e) {
        if (e.code() != asio::error::operation_aborted) throw;
      }
      next = call.go_on_decoding(cancelled);
    }
    if (next == Call<>::Next::answer) co_return succeed<Answer>(call);
    if (next == Call<>::Next::failure) break;
    if (next == Call<>::Next::preparation) {
      try {
        co_await prepare_follow_up(call);
      } catch (const std::system_error& e) {
        if (e.code() != asio::error::operation_aborted) throw;
        call.fail_between(Error(Errc::cancelled), Phase::prepare);
      }
      if (call.failure) break;
    }
  }
  co_return fail<Answer>(std::move(*call.failure));
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
  return perform<Answer>(std::make_unique<Call<>>(std::move(client), options, wants,
                                                  std::move(held), std::forward<What>(what)...));
}

/// A GET for the URL of a response, whose parts are moved from.
/// @param earlier may be null.
inline Request repeated(ResponseState* earlier) {
  if (!earlier) return get_again({}, {}, false);
  return get_again(std::move(earlier->url).str(), earlier->userinfo, earlier->left_origin);
}

/// Sends a GET for the URL of a response, and reuses that response's memory.
template <class Answer>
asio::awaitable<Answer> send_again(std::shared_ptr<const ClientCore> client,
                                   const RequestOptions& options, Answer earlier) {
  auto state = access::take_state(earlier);
  auto call = std::make_unique<Call<>>(std::move(client), options, ResponseKind::buffered, nullptr,
                                       repeated(state.get()));
  call->answer_into(std::move(state));
  return perform<Answer>(std::move(call));
}

#if defined(FERRY_EXTERN)
FERRY_EXTERN template asio::awaitable<Response> perform<Response>(std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<Result<Response>> perform<Result<Response>>(
    std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<ResponseStream> perform<ResponseStream>(
    std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<Upgraded> perform<Upgraded>(std::unique_ptr<Call<>>);
#endif

}  // namespace ferry::detail
