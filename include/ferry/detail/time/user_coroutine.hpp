#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/dispatch.hpp>
#include <asio/strand.hpp>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/one_shot_event.hpp>

// User coroutines, of an authenticator or a body source, that run within a call's limits.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A running user coroutine, shared with its completion handler.
struct UserCoroutine : OneShotEvent {
  asio::cancellation_signal signal;  // Used in the coroutine's strand only.
  std::exception_ptr thrown;         // Valid once the coroutine has ended.
  std::atomic<bool> ended{false};

  /// Keeps the exception that the coroutine throws. Asio's own copy of the exception would be
  /// destroyed on the coroutine's thread while the call may be rethrowing it on another.
  static asio::awaitable<void> run(asio::awaitable<void> work,
                                   std::shared_ptr<UserCoroutine> self) {
    try {
      co_await std::move(work);
    } catch (...) {
      self->thrown = std::current_exception();
    }
  }
};

/// Removes the deadline's target before the target is destroyed.
struct DetachDeadline {
  Deadline& deadline;
  ~DetachDeadline() { deadline.detach(); }
};

/// Runs a user coroutine on the current executor until it has ended.
///
/// The coroutine gets its own cancellation slot. When the deadline ends, or the calling coroutine
/// is cancelled, the user coroutine is cancelled (`terminal`), and the caller still waits for its
/// end, because it may use memory of the call. A coroutine that ignores its cancellation therefore
/// delays the end of the call.
///
/// The coroutine runs in a strand on the executor, and the cancellation is emitted in the same
/// strand, so an executor with several threads works as well.
/// @param phase, limit the deadline's phase and limit during the run; the total limit holds too.
/// @throws the coroutine's exception. The caller must check the deadline before it handles the
///   exception.
inline asio::awaitable<void> run_limited(asio::awaitable<void> work, Deadline& deadline,
                                         Phase phase, Duration limit = no_timeout) {
  const auto state = std::make_shared<UserCoroutine>();
  const DetachDeadline leave{deadline};
  if (!deadline.begin_phase(phase, limit, state.get())) co_return;
  const auto executor = co_await asio::this_coro::executor;
  const asio::any_io_executor strand = asio::make_strand(executor);
  auto run = UserCoroutine::run(std::move(work), state);
  asio::co_spawn(
      strand, std::move(run),
      asio::bind_cancellation_slot(state->signal.slot(), [state](std::exception_ptr not_begun) {
        if (not_begun) state->thrown = not_begun;
        state->ended = true;
        state->fire();
      }));
  // A caller that was cancelled earlier is not notified again: let the first wait return at once.
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(cancellation)) state->fire();
  // In a cancelled coroutine each further `co_await` would throw; this one must wait.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    for (bool is_told = false; !state->ended; state->rearm()) {
      co_await state->wait();
      if (state->ended || std::exchange(is_told, true)) continue;
      asio::dispatch(strand, [state] { state->signal.emit(asio::cancellation_type::terminal); });
    }
  } catch (...) {
    // There is no memory to wait with, and the coroutine uses this call's memory.
    std::terminate();
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (state->thrown) std::rethrow_exception(std::exchange(state->thrown, nullptr));
}

}  // namespace ferry::detail
