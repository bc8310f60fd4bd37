#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/indexed_heap.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/error.hpp>
#include <ferry/options.hpp>
#include <ferry/stream.hpp>

// Time limits without a timer per request. Every request and every dial in flight has a `Deadline`.
// All deadlines of a pool share one timer, which is set again only for a deadline earlier than the
// timer's present time. When a deadline is due, its target is aborted. Whether an operation timed
// out, and in which phase, is read from the deadline, never from the operation's error code. The
// same timer rings one alarm, the pool's, for work to do when no request is in flight.
//
// States of a deadline:
//
//     new, finished --begin_phase--> running; or ended, if no time is left or the owner is closed
//     running --begin_phase, suspend_limit, extend--> running
//     new, running --give_up--> ended
//     running --its time, close--> ended
//     running, ended --finish, or the destructor--> finished
//
// A deadline that has ended has a verdict, also after `finish`: it never runs again.
//
// Invariants:
// 1. A verdict is given once, under the mutex, and never changes. The target is aborted in the same
//    step, except by a `begin_phase` for which no time is left: its caller has no operation
//    pending.
// 2. A deadline's target is set, used and removed under the mutex, so a target may be destroyed
//    after `detach` or `finish`.
// 3. A deadline's key in the heap is the time at which the timer checks the deadline, at the latest
//    when it is due. A deadline that is moved to a later time keeps its key; the timer corrects the
//    key when it checks.
// 4. The timer is set for the first check or the alarm, or for an earlier time, unless there was no
//    memory for that. Waits are numbered: the handler of a wait that was replaced does nothing.
//
// Owner: a call, the delay before a retry, a dial or another wait for a connection has its own
// deadline. The deadline refers to its queue, which the pool owns.
//
// Threads: any thread may use a `DeadlineQueue`. A `Deadline` is used by its owner's coroutine; any
// other thread may call `suspend_limit`, `give_up`, `ended` and `phase`.
//
// Locks: the queue's mutex may be locked while the pool's is held (by `ring_at`, `suspend_limit`,
// `give_up` and `follow`), and a target's own mutex while the queue's is held (by `abort`). The
// alarm rings without the queue's mutex, because the pool then locks its own.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// `now + limit`, without overflow.
inline Clock::time_point after(Clock::time_point now, Duration limit) noexcept {
  return limit > Clock::time_point::max() - now ? Clock::time_point::max() : now + limit;
}

/// A function to be called at a given time.
class Alarm {
 public:
  /// Called when the time has come. No lock of ferry's is held.
  virtual void ring() noexcept = 0;

 protected:
  ~Alarm() = default;
};

/// The deadlines of a pool, with its alarm. A derived class has the timer.
class DeadlineQueue {
 public:
  DeadlineQueue() = default;
  DeadlineQueue(const DeadlineQueue&) = delete;
  DeadlineQueue& operator=(const DeadlineQueue&) = delete;

  /// Ends all deadlines of this owner as `closed`. The owner's flag, if any, must already be set: a
  /// deadline that is entered later checks the flag.
  void close(const void* owner) noexcept {
    const std::lock_guard lock(mutex_);
    entries_.for_each([owner](Entry& entry) {
      if (entry.owner == owner) end(entry, Verdict::closed);
    });
  }
  /// Ends all current and future deadlines as `closed`.
  void close_all() noexcept {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    entries_.for_each([](Entry& entry) { end(entry, Verdict::closed); });
  }

  /// True if a wait does not keep the program running; otherwise no alarm may be set.
  virtual bool waits_uncounted() const noexcept = 0;
  /// Rings an alarm once, at this time or soon after it, if the alarm still exists then. This
  /// replaces an earlier alarm.
  /// @return false if there is no memory for the alarm.
  bool ring_at(Clock::time_point time, std::weak_ptr<Alarm> alarm) noexcept {
    const std::lock_guard lock(mutex_);
    alarm_ = std::move(alarm);
    alarm_time_ = time;
    try {
      if (time < armed_ && !arms_later()) arm();
    } catch (...) {
      alarm_time_ = Clock::time_point::max();
      return false;
    }
    return true;
  }

 protected:
  ~DeadlineQueue() = default;

  /// Calls `on_timer` with this number at this time, and cancels an earlier wait. Called under the
  /// lock.
  virtual void wait(Clock::time_point until, std::uint64_t number) = 0;
  /// Ends the pending wait, which is no longer needed, if it would keep the program running. Called
  /// under the lock.
  /// @return false if the wait may stay.
  virtual bool end_wait() noexcept = 0;

  /// Makes the context call `arm_if_due` if the timer cannot be set on the current thread, because
  /// an alarm may be set outside the context's threads.
  /// @return false if the timer can be set now.
  virtual bool arms_later() = 0;
  void arm_if_due() noexcept {
    const std::lock_guard lock(mutex_);
    const auto next = entries_.empty() ? alarm_time_ : std::min(entries_.top_key(), alarm_time_);
    try {
      if (next < armed_) arm();
    } catch (...) {  // The next deadline sets the timer.
    }
  }

  /// Ends all deadlines that are due and rings a due alarm, unless the wait has an old number.
  void on_timer(std::uint64_t number, Clock::time_point now) noexcept {
    std::shared_ptr<Alarm> alarm;
    {
      const std::lock_guard lock(mutex_);
      if (number != number_) return;
      armed_ = Clock::time_point::max();
      while (!entries_.empty() && entries_.top_key() <= now) {
        Entry& entry = entries_.top();
        auto due = entry.due.load(std::memory_order_relaxed);
        if (due <= now) {
          end(entry, due >= entry.total ? Verdict::total_timeout : Verdict::phase_timeout);
          due = Clock::time_point::max();
        }
        entries_.update(entry, due);
      }
      if (alarm_time_ <= now) {
        alarm_time_ = Clock::time_point::max();
        alarm = alarm_.lock();
      }
      try {
        arm();
      } catch (...) {  // The next deadline sets the timer.
      }
    }
    if (alarm) alarm->ring();
  }

 private:
  friend class Deadline;
  enum class Verdict : std::uint8_t { none, phase_timeout, total_timeout, closed, given_up };

  struct Entry {
    const void* owner = nullptr;
    Abortable* target = nullptr;         // Guarded by the mutex.
    std::atomic<Clock::time_point> due;  // May be moved to a later time without the mutex.
    std::atomic<Phase> phase{Phase::prepare};
    std::atomic<Verdict> verdict{Verdict::none};
    Clock::time_point total = Clock::time_point::max();
    std::size_t heap_index = static_cast<std::size_t>(-1);
  };
  static void end(Entry& entry, Verdict verdict) noexcept {
    if (entry.verdict.load(std::memory_order_relaxed) != Verdict::none) return;
    entry.verdict.store(verdict, std::memory_order_release);
    if (entry.target) entry.target->abort();
  }

  /// Sets the timer for the first entry or alarm. Call this if one is due before the timer fires.
  void arm() {
    armed_ = entries_.empty() ? alarm_time_ : std::min(entries_.top_key(), alarm_time_);
    if (armed_ == Clock::time_point::max()) return;
    try {
      wait(armed_, ++number_);
    } catch (...) {
      armed_ = Clock::time_point::max();  // No memory: the next deadline tries again.
      throw;
    }
  }

  std::mutex mutex_;
  Clock::time_point armed_ = Clock::time_point::max();
  std::uint64_t number_ = 0;
  bool closed_ = false;
  /// Ordered by the time at which to check an entry, which is never after the time when it is due.
  IndexedHeap<Entry, Clock::time_point> entries_;
  Clock::time_point alarm_time_ = Clock::time_point::max();
  std::weak_ptr<Alarm> alarm_;
};

/// The deadlines of an executor.
///
/// A context counts a pending wait as work. The library's own timer must not keep `run()` from
/// returning when no request is in flight, so the wait is taken out of that count while it is
/// pending. Executors of other contexts do not allow this: there the wait ends with the last
/// deadline.
class TimedDeadlineQueue final : public DeadlineQueue,
                                 public std::enable_shared_from_this<TimedDeadlineQueue> {
 public:
  explicit TimedDeadlineQueue(const asio::any_io_executor& executor)
      : uncounted_(io_context_executor(executor)),
        timer_(uncounted_ ? asio::any_io_executor(*uncounted_) : executor) {}

  bool waits_uncounted() const noexcept override { return uncounted_.has_value(); }

 private:
  void wait(Clock::time_point until, std::uint64_t number) override {
    timer_.expires_at(until);  // Cancels an earlier wait: its handler finds an old number.
    const auto fired = [weak = weak_from_this(), number](std::error_code) {
      if (const auto self = weak.lock()) self->on_timer(number, Clock::now());
    };
    if (!uncounted_) return timer_.async_wait(fired);
    timer_.async_wait([executor = *uncounted_, fired](std::error_code error) {
      executor.on_work_started();
      fired(error);
    });
    uncounted_->on_work_finished();
  }
  /// Outside the context's threads, the work count of an idle context would return to zero, which
  /// stops the context. So the timer is set on one of its threads.
  bool arms_later() override {
    if (!uncounted_ || uncounted_->running_in_this_thread()) return false;
    asio::post(*uncounted_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->arm_if_due();
    });
    return true;
  }
  bool end_wait() noexcept override {
    if (uncounted_) return false;
    try {
      timer_.cancel();
    } catch (...) {  // Throws only by its signature.
    }
    return true;
  }

  const std::optional<asio::io_context::executor_type> uncounted_;
  asio::steady_timer timer_;
};

/// Time limits of one request or one dial, from its first `begin_phase` to its end.
class Deadline {
 public:
  /// @param owner the owner of this deadline, for `DeadlineQueue::close`.
  /// @param owner_closed set before the owner calls `DeadlineQueue::close`; may be null.
  /// @param total the time by which everything must be done.
  /// @param limit the same as a duration, for error messages.
  Deadline(DeadlineQueue& deadlines, const void* owner, const std::atomic<bool>* owner_closed,
           Clock::time_point total, Duration limit)
      : deadlines_(deadlines), owner_closed_(owner_closed), total_(limit) {
    entry_.owner = owner;
    entry_.total = total;
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { finish(); }

  /// Begins a phase that may take `limit`; `target` is aborted when the time is up.
  /// @return false if the time is already up, or the owner closed.
  bool begin_phase(Phase phase, Duration limit, Abortable* target,
                   Clock::time_point now = Clock::now()) {
    const auto due = std::min(after(now, limit), entry_.total);
    known_ = true;
    const std::lock_guard lock(deadlines_.mutex_);
    if (ended()) return false;  // Ended in the previous phase.
    limit_ = limit;
    entry_.phase.store(phase, std::memory_order_relaxed);
    entry_.target = target;
    if (deadlines_.closed_ || (owner_closed_ && *owner_closed_))
      DeadlineQueue::end(entry_, DeadlineQueue::Verdict::closed);
    if (ended()) return false;
    entry_.due.store(due, std::memory_order_relaxed);
    if (due <= now) {
      entry_.verdict.store(entry_.total <= now ? DeadlineQueue::Verdict::total_timeout
                                               : DeadlineQueue::Verdict::phase_timeout,
                           std::memory_order_release);
      return false;
    }
    schedule(due);
    return true;
  }

  /// Begins the next phase on the same target.
  bool begin_phase(Phase phase, Duration limit, Clock::time_point now = Clock::now()) {
    const auto due = std::min(after(now, limit), entry_.total);
    if (due < entry_.due.load(std::memory_order_relaxed) || due <= now)
      return begin_phase(phase, limit, entry_.target, now);
    if (ended()) return false;  // Ended in the previous phase.
    limit_ = limit;
    entry_.phase.store(phase, std::memory_order_relaxed);
    entry_.due.store(due, std::memory_order_relaxed);
    return true;
  }

  /// Turns the phase into one whose limit another deadline keeps, with the same target. Only the
  /// total limit remains. Threads: any thread may call this, unlike most other functions.
  void suspend_limit(Phase phase) noexcept {
    const std::lock_guard lock(deadlines_.mutex_);
    if (ended()) return;  // Ended in the previous phase.
    limit_ = no_timeout;
    entry_.phase.store(phase, std::memory_order_relaxed);
    entry_.due.store(entry_.total, std::memory_order_relaxed);
  }

  /// Takes over the phase of the awaited dial. If a phase's own limit has passed, that phase stays.
  void follow(Phase phase) noexcept {
    const std::lock_guard lock(deadlines_.mutex_);
    if (entry_.verdict.load(std::memory_order_relaxed) == DeadlineQueue::Verdict::phase_timeout)
      return;
    entry_.phase.store(phase, std::memory_order_relaxed);
    limit_ = no_timeout;  // Nothing is left to wait for.
    entry_.due.store(entry_.total, std::memory_order_relaxed);
  }

  /// Notes that the next phase has begun, within the limits of the previous one, while bytes that
  /// have already come are processed.
  void set_phase(Phase phase) noexcept { entry_.phase.store(phase, std::memory_order_relaxed); }

  /// Checks the total limit against this time, in case no timer has had a chance to run.
  /// @return false if the deadline has ended.
  bool check(Clock::time_point now) noexcept {
    if (entry_.total <= now) {
      const std::lock_guard lock(deadlines_.mutex_);
      DeadlineQueue::end(entry_, DeadlineQueue::Verdict::total_timeout);
    }
    return !ended();
  }

  /// Restarts the phase's limit, because bytes have moved.
  void extend() noexcept {
    if (limit_ != no_timeout) extend(Clock::now());
  }
  void extend(Clock::time_point now) noexcept {
    if (limit_ != no_timeout)
      entry_.due.store(std::min(after(now, limit_), entry_.total), std::memory_order_relaxed);
  }

  /// Forgets the target, which may then be destroyed.
  void detach() noexcept {
    const std::lock_guard lock(deadlines_.mutex_);
    entry_.target = nullptr;
  }

  /// Ends the watched operation, because no request needs it.
  /// Threads: any thread may call this.
  void give_up() noexcept {
    const std::lock_guard lock(deadlines_.mutex_);
    DeadlineQueue::end(entry_, DeadlineQueue::Verdict::given_up);
  }

  /// Ends the deadline.
  void finish() noexcept {
    if (!std::exchange(known_, false)) return;
    const std::lock_guard lock(deadlines_.mutex_);
    entry_.target = nullptr;
    if (!deadlines_.entries_.contains(entry_)) return;
    deadlines_.entries_.remove(entry_);
    if (deadlines_.entries_.empty() && deadlines_.armed_ != Clock::time_point::max() &&
        deadlines_.end_wait()) {
      deadlines_.armed_ = Clock::time_point::max();
      ++deadlines_.number_;
    }
  }

  /// True once the time is up, or the owner is closed, or the operation is given up.
  bool ended() const noexcept {
    return entry_.verdict.load(std::memory_order_acquire) != DeadlineQueue::Verdict::none;
  }
  Phase phase() const noexcept { return entry_.phase.load(std::memory_order_relaxed); }

  /// The reason why the deadline ended; call this only if it has.
  Error error() const {
    switch (entry_.verdict.load(std::memory_order_acquire)) {
      case DeadlineQueue::Verdict::closed: return Error(Errc::client_closed);
      case DeadlineQueue::Verdict::given_up: return Error(Errc::cancelled, "no request needs it");
      case DeadlineQueue::Verdict::total_timeout:
        return Error(Errc::total_timeout, more_than(total_));
      default: break;
    }
    switch (phase()) {
      case Phase::pool: return Error(Errc::pool_timeout, more_than(limit_));
      case Phase::resolve: return Error(Errc::resolve_timeout, more_than(limit_));
      case Phase::proxy: return Error(Errc::proxy_timeout, more_than(limit_));
      case Phase::connect: return Error(Errc::connect_timeout, more_than(limit_));
      case Phase::tls: return Error(Errc::tls_timeout, more_than(limit_));
      case Phase::write: return Error(Errc::write_timeout, more_than(limit_));
      case Phase::first_byte: return Error(Errc::first_byte_timeout, more_than(limit_));
      default: return Error(Errc::read_timeout, more_than(limit_));
    }
  }

 private:
  static std::string more_than(Duration limit) {
    char text[48];
    std::snprintf(text, sizeof text, "more than %.6g s",
                  std::chrono::duration<double>(limit).count());
    return text;
  }

  void schedule(Clock::time_point due) {
    auto& entries = deadlines_.entries_;
    if (!entries.contains(entry_))
      entries.push(entry_, due);
    else if (due < entries.key(entry_))
      entries.update(entry_, due);
    if (due < deadlines_.armed_) deadlines_.arm();
  }

  DeadlineQueue& deadlines_;
  const std::atomic<bool>* const owner_closed_;
  DeadlineQueue::Entry entry_;
  Duration limit_ = no_timeout;
  const Duration total_;
  // True if other threads may know the entry, so that the mutex is needed to remove it.
  bool known_ = false;
};

}  // namespace ferry::detail
