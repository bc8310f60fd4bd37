#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/dispatch.hpp>
#include <asio/strand.hpp>

#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/wakeup.hpp>

// Coroutines of the user's, an authenticator's or a body source's, that a call waits for: they run
// within the call's limits.
namespace ferry::detail {

/// A coroutine of the user's while it runs, shared with its completion handler.
struct UserCoroutine : Wakeup {
  asio::cancellation_signal signal;  // Used in the coroutine's strand only.
  std::exception_ptr thrown;         // Valid once it has ended.
  std::atomic<bool> ended{false};

  /// Keeps what the coroutine throws. Asio's own copy of the exception would be destroyed on the
  /// coroutine's thread while the call may be rethrowing it on another.
  static asio::awaitable<void> run(asio::awaitable<void> work,
                                   std::shared_ptr<UserCoroutine> self) {
    try {
      co_await std::move(work);
    } catch (...) {
      self->thrown = std::current_exception();
    }
  }
};

/// Takes the watch's target away before that is destroyed.
struct LeaveWatch {
  Watch& watch;
  ~LeaveWatch() { watch.leave(); }
};

/// Runs a coroutine of the user's on the present executor until it has ended.
///
/// It gets a cancellation slot of its own. When the watch ends, or the calling coroutine is
/// cancelled, the user's coroutine is told to end (`terminal`), and is still waited for: it may use
/// what the call owns. A coroutine that ignores its cancellation therefore delays the call's end.
///
/// It runs in a strand on the executor, so that an executor of several threads will do as well: the
/// signal is given in the same strand.
/// @param phase, limit of the watch while it runs; the total limit holds as well.
/// @throws what the coroutine throws. The caller looks at the watch before it looks at that.
template <class = void>
asio::awaitable<void> run_limited(asio::awaitable<void> work, Watch& watch, Phase phase,
                                  Duration limit = no_timeout) {
  const auto state = std::make_shared<UserCoroutine>();
  const LeaveWatch leave{watch};
  if (!watch.enter(phase, limit, state.get())) co_return;
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
  // A caller that was cancelled before is not told again: the first wait returns at once then.
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(cancellation)) state->fire();
  // Once the caller is cancelled, each further `co_await` of its would throw; this one has to wait.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    for (bool is_told = false; !state->ended; state->rearm()) {
      co_await state->wait();
      if (state->ended || std::exchange(is_told, true)) continue;
      asio::dispatch(strand, [state] { state->signal.emit(asio::cancellation_type::terminal); });
    }
  } catch (...) {
    std::terminate();  // There is no memory to wait with, and the coroutine uses this call's.
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (state->thrown) std::rethrow_exception(std::exchange(state->thrown, nullptr));
}

}  // namespace ferry::detail
