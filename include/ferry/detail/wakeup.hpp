#pragma once

#include <chrono>
#include <mutex>
#include <optional>

#include <ferry/detail/asio.hpp>
#include <ferry/stream.hpp>

namespace ferry::detail {

using Clock = std::chrono::steady_clock;

/// One coroutine waits for it, anyone on any thread gives it, once; it may be given before the
/// wait.
///
/// The wait is a timer's on the waiting coroutine's own executor: so destroying its context frees
/// the coroutine, cancellation slots work, and no thread is hopped to. One mutex covers the flag,
/// the cancel and the initiation, so that no order of the two loses the wake-up.
class Wakeup : public Abortable {
 public:
  virtual ~Wakeup() = default;

  void fire() noexcept {
    const std::lock_guard lock(mutex_);
    fired_ = true;
    try {
      if (timer_) timer_->cancel();
    } catch (...) {  // cancel() throws only by its signature.
    }
  }
  void abort() noexcept override { fire(); }
  /// Takes it back, so that it can be given once more. The waiter's to call, which then looks
  /// whether what it waits for has happened before it waits again.
  void rearm() noexcept {
    const std::lock_guard lock(mutex_);
    fired_ = false;
  }

  bool fired() const noexcept {
    const std::lock_guard lock(mutex_);
    return fired_;
  }

  /// Returns once it has been given, at `until`, or when the coroutine is cancelled. The caller
  /// decides by its own state what has happened.
  asio::awaitable<void> wait(Clock::time_point until = Clock::time_point::max()) {
    const auto executor = co_await asio::this_coro::executor;
    {
      const std::lock_guard lock(mutex_);
      timer_.emplace(executor, until);
    }
    const Reset reset{*this};
    std::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await asio::async_initiate<decltype(token), void(std::error_code)>(Initiate{this}, token);
  }

 private:
  struct Reset {
    Wakeup& self;
    ~Reset() {  // Under the lock: whoever fires later must not meet a timer of a context that is
                // gone.
      const std::lock_guard lock(self.mutex_);
      self.timer_.reset();
    }
  };
  struct Initiate {
    Wakeup* self;
    template <class Handler>
    void operator()(Handler&& handler) const {
      const std::lock_guard lock(self->mutex_);
      if (self->fired_) self->timer_->expires_at(Clock::time_point::min());
      self->timer_->async_wait(std::forward<Handler>(handler));
    }
  };

  mutable std::mutex mutex_;
  std::optional<asio::steady_timer> timer_;
  bool fired_ = false;
};

}  // namespace ferry::detail
