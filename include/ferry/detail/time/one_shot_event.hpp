#pragma once

#include <chrono>
#include <mutex>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

using Clock = std::chrono::steady_clock;

/// A one-time signal. One coroutine waits for the signal; any thread fires it, also before the
/// wait.
///
/// The wait is a timer's on the waiting coroutine's own executor, so destroying the context frees
/// the coroutine, cancellation slots work, and the coroutine stays on its executor's threads. One
/// mutex covers the flag, the cancellation and the start of the wait, so no order of these loses
/// the signal.
class OneShotEvent : public Abortable {
 public:
  virtual ~OneShotEvent() = default;

  void fire() noexcept {
    const std::lock_guard lock(mutex_);
    fired_ = true;
    if (timer_) timer_->cancel();
  }
  void abort() noexcept override { fire(); }
  /// Resets the signal, so that it can be fired again. Only the waiter may call this, and must then
  /// check its condition before it waits again.
  void rearm() noexcept {
    const std::lock_guard lock(mutex_);
    fired_ = false;
  }

  bool fired() const noexcept {
    const std::lock_guard lock(mutex_);
    return fired_;
  }

  /// Returns once the signal is fired, at `until`, or when the coroutine is cancelled. The caller
  /// decides by its own state what has happened.
  asio::awaitable<void> wait(Clock::time_point until = Clock::time_point::max()) {
    const auto executor = co_await asio::this_coro::executor;
    Timer timer(*this, executor, until);
    std::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await asio::async_initiate<decltype(token), void(std::error_code)>(Initiate{&timer}, token);
  }

 private:
  /// The waiter's timer during the wait.
  class Timer {
   public:
    Timer(OneShotEvent& event, const asio::any_io_executor& executor, Clock::time_point until)
        : event_(event), timer_(executor, until) {
      const std::lock_guard lock(event_.mutex_);
      event_.timer_ = this;
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() {  // A later `fire` must not use the timer of a destroyed context.
      const std::lock_guard lock(event_.mutex_);
      event_.timer_ = nullptr;
    }

    void cancel() noexcept {
      try {
        timer_.cancel();
      } catch (...) {  // Throws only by its signature.
      }
    }
    template <class Handler>
    void wait(Handler&& handler) {
      const std::lock_guard lock(event_.mutex_);
      if (event_.fired_) timer_.expires_at(Clock::time_point::min());
      timer_.async_wait(std::forward<Handler>(handler));
    }

   private:
    OneShotEvent& event_;
    asio::steady_timer timer_;
  };
  struct Initiate {
    Timer* timer;
    template <class Handler>
    void operator()(Handler&& handler) const {
      timer->wait(std::forward<Handler>(handler));
    }
  };

  mutable std::mutex mutex_;
  Timer* timer_ = nullptr;
  bool fired_ = false;
};

}  // namespace ferry::detail
