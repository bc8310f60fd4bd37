#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/pool/actions.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// `PoolState` under one short mutex, with what else the mutex guards: the alarm and those who wait
/// for the pool to be drained.
///
/// The thread that changes the state carries out the decisions of that change after unlocking.
class LockedState {
 public:
  using State = PoolCore::State;
  using Waiter = PoolCore::Waiter;
  using Actions = PoolActions;

  /// @param pool the owner; only kept here.
  /// @param has_alarm false if the alarm is never set.
  LockedState(DiallingPool& pool, const Limits& limits, bool has_alarm)
      : pool_(pool),
        state_(limits),
        alarm_time_(has_alarm ? Clock::time_point::max() : Clock::time_point::min()) {}

  /// Changes the state under the lock and carries out the decisions, even if `function` throws.
  /// @param function called with the state and the actions; runs no user code.
  /// @param failure, error the error of waiters that fail by this change.
  template <class Function>
  void change(Function function, std::error_code failure = make_error_code(Errc::client_closed),
              const Error* error = nullptr) {
    Actions actions(pool_, failure, error);
    const std::lock_guard lock(mutex_);
    if (!process_.is_current()) [[unlikely]]
      close_inherited(actions);
    function(state_, actions);
    if (drainers_.empty() || !is_drained()) return;
    for (const Waiter& drainer : drainers_) actions.granted(drainer);
    drainers_.clear();
  }
  /// Calls a function with the state, under the lock.
  template <class Function>
  auto read(Function function) const {
    const std::lock_guard lock(mutex_);
    return function(state_);
  }

  /// Makes a dial known to the state: from now on, giving up the dial ends its deadline.
  /// @param origin receives the dial's origin.
  /// @return false if the dial was already given up.
  bool begin_dial(PoolCore::Slot& slot, Deadline& deadline, std::string& origin) {
    const std::lock_guard lock(mutex_);
    if (!slot.host) return false;
    origin = slot.host->key;
    slot.deadline = &deadline;
    return true;
  }

  /// Wakes those who wait for the pool to be drained, if it is.
  void check_drained() noexcept {
    change([](State&, Actions&) {});
  }
  /// Stops keeping connections. `drainer` is woken once the pool is drained.
  /// @return false if the pool is drained already: then `drainer` is not woken.
  bool drain(const Waiter& drainer) {
    bool waits = false;
    change([&](State& state, Actions& actions) {
      drainers_.reserve(drainers_.size() + 1);
      state.close(false, actions);
      waits = !is_drained();
      if (waits) drainers_.push_back(drainer);
    });
    return waits;
  }

  /// Makes sure that a connection that expires at this time is closed in time. Called by the
  /// function of a `change`.
  void expect_expiry(Clock::time_point expires) noexcept {
    if (expires < alarm_time_) set_alarm();
  }
  /// Closes the connections that have expired, after the alarm has rung.
  void expire() noexcept {
    change([this](State& state, Actions& actions) {
      alarm_time_ = Clock::time_point::max();
      state.expire(Clock::now(), actions);
      set_alarm();
    });
  }

 private:
  /// Closes all idle connections in a child process, because they belong to its parent.
  void close_inherited(Actions& actions) noexcept {
    process_ = ProcessMark();
    state_.close_idle(CloseReason::inherited, actions);
  }

  /// Sets the alarm for the next expiry. An alarm that is set too early is left as it is, and set
  /// again when it rings. In the steady state the timer is therefore set once in `idle_timeout`
  /// instead of with every request.
  void set_alarm() noexcept;  // In `dialling_pool.hpp`.

  /// True if no call is admitted, and no request has a connection or waits for one.
  bool is_drained() const noexcept;  // In `dialling_pool.hpp`.

  DiallingPool& pool_;
  mutable std::mutex mutex_;
  // The mutex guards the following members.
  State state_;
  std::vector<Waiter> drainers_;
  /// The time at which the alarm rings; `max()` if it is not set, `min()` if it is never set.
  Clock::time_point alarm_time_;
  ProcessMark process_;
};

}  // namespace ferry::detail
