#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/base/separate.hpp>
#include <ferry/detail/call/call.hpp>

// The coroutine that carries a call out. What is to be decided, `Call` decides.
namespace ferry::detail {

/// Waits as long as the next request has to.
/// @return the failure, which the call knows of then, or nothing.
template <class = void>
asio::awaitable<void> get_ready(Call<>& call) {
  Trip& trip = *call.trip;
  Wakeup wakeup;  // Outlives the watch, which may abort it.
  Watch watch(call.pool().deadlines(), call.client.get(), &call.client->closed, call.limit(),
              call.timeouts.total);
  bool cancelled = false;
  try {
    const auto before = co_await asio::this_coro::cancellation_state;
    if (!is_cancelled(before) && trip.delay > Duration()) {
      const auto until = after(Clock::now(), std::exchange(trip.delay, Duration()));
      if (watch.enter(Phase::backoff, no_timeout, &wakeup)) co_await wakeup.wait(until);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    cancelled = is_cancelled(cancellation);
  } catch (const std::system_error& e) {
    // Asio throws this at whatever a cancelled coroutine awaits next.
    if (e.code() != asio::error::operation_aborted) throw;
    cancelled = true;
  }
  if (watch.ended())
    call.fail_between(watch.error(), watch.phase());
  else if (cancelled)
    call.fail_between(Error(Errc::cancelled), watch.phase());
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

/// What a caller of `send` gets for a success.
template <class Answer>
Answer succeed(Call<>& call) {
  if constexpr (std::same_as<Answer, ResponseStream>)
    return call.take_stream();
  else if constexpr (std::same_as<Answer, Upgraded>)
    return call.take_upgraded();
  else
    return call.take_response();
}

/// Carries a call out: its requests, one behind the other, with an attempt or two for each.
///
/// One coroutine, with either way of reporting failures, and none below it where nothing but the
/// answer is waited for: each would be one more frame, to be allocated for every request.
/// Cancellation: terminal; the connection is closed, a place in the queue given up.
template <class Answer>
asio::awaitable<Answer> carry_out(std::unique_ptr<Call<>> owned) {
  Call<>& call = *owned;
  bool has_waited = false;
  for (auto next = Call<>::Next::preparation;; has_waited = true) {
    if (next == Call<>::Next::preparation && !call.prepare()) {
      // A call that has sent nothing yet was refused before it began.
      if (call.trip && call.trip->attempts > 0) call.fail_between(*call.failure, Phase::prepare);
      break;
    }
    try {
      while (Authenticator* const asked = call.ask_for_credentials()) {
        const AuthContext context = call.auth_context();
        auto error = co_await authorize(*asked, context, call.credentials(), *call.watch,
                                        Phase::authorize, no_timeout);
        call.has_credentials(std::move(error));
        has_waited = true;
      }
      // A call that was cancelled while it waited must not begin; Asio says so only where it waits
      // again.
      if (has_waited) {
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) call.failure.emplace(Errc::cancelled);
      }
      if (!call.failure && !call.take_connection()) {
        auto error = co_await call.pool().acquire(call.url(), call.lease, call.admission,
                                                  call.timeouts, *call.watch, call.observer());
        call.has_waited(std::move(error));
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
      // Asio throws this at whatever a cancelled coroutine awaits next.
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
        co_await get_ready(call);
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
/// to leave the body to be read, `Upgraded` to let another protocol take the connection over.
template <class Answer, class... What>
asio::awaitable<Answer> send(std::shared_ptr<const ClientCore> client,
                             const RequestOptions& options, std::shared_ptr<HeldConnection> held,
                             What&&... what) {
  constexpr auto wants = std::same_as<Answer, ResponseStream> ? Wants::a_stream
                         : std::same_as<Answer, Upgraded>     ? Wants::an_upgrade
                                                              : Wants::all_of_it;
  return carry_out<Answer>(std::make_unique<Call<>>(std::move(client), options, wants,
                                                    std::move(held), std::forward<What>(what)...));
}

/// A GET for the URL of a response, whose parts it takes.
/// @param earlier may be null.
inline Request repeated(ResponseState* earlier) {
  if (!earlier) return get_again({}, {}, false);
  return get_again(std::move(earlier->url).str(), earlier->userinfo, earlier->left_origin);
}

/// Sends a GET for the URL of a response, and takes that over.
template <class Answer>
asio::awaitable<Answer> send_again(std::shared_ptr<const ClientCore> client,
                                   const RequestOptions& options, Answer earlier) {
  auto state = take_state(earlier);
  auto call = std::make_unique<Call<>>(std::move(client), options, Wants::all_of_it, nullptr,
                                       repeated(state.get()));
  call->answer_into(std::move(state));
  return carry_out<Answer>(std::move(call));
}

#if defined(FERRY_EXTERN)
FERRY_EXTERN template asio::awaitable<Response> carry_out<Response>(std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<Result<Response>> carry_out<Result<Response>>(
    std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<ResponseStream> carry_out<ResponseStream>(
    std::unique_ptr<Call<>>);
FERRY_EXTERN template asio::awaitable<Upgraded> carry_out<Upgraded>(std::unique_ptr<Call<>>);
#endif

}  // namespace ferry::detail
