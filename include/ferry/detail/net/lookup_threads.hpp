#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A look-up that blocks its thread and cannot be interrupted.
class BlockingLookup {
 public:
  BlockingLookup() = default;
  BlockingLookup(const BlockingLookup&) = delete;
  BlockingLookup& operator=(const BlockingLookup&) = delete;
  virtual ~BlockingLookup() = default;

  /// Runs the look-up, on one of the threads.
  virtual void run() noexcept = 0;
  /// Delivers the result, on the same thread, after `run`. A fork waits until this has returned.
  virtual void deliver() noexcept = 0;

 private:
  friend class LookupThreads;
  enum class State : std::uint8_t { queued, awaited, abandoned };
  State state_ = State::queued;   // Guarded by the mutex of the threads, like the next one.
  std::uint64_t generation_ = 0;  // Generation in which it got its thread.
};

/// Threads for blocking look-ups, which run at the same time.
///
/// A thread starts when a look-up needs one, and ends when no other look-up is queued. A look-up
/// counts while it has waiters: `most_awaited` of them run at once, the others queue. An abandoned
/// look-up goes on in its thread but no longer counts, so the next one gets a thread.
/// `most_threads` limits all threads, including those of abandoned look-ups; beyond this number,
/// look-ups queue until a thread is done.
///
/// Lifetime: the threads are detached and share the ownership of this object. The threads own no
/// object of a context, and neither the end of a context nor that of the program waits for them.
/// Threads: any number of threads may use this at the same time.
class LookupThreads : public std::enable_shared_from_this<LookupThreads> {
 public:
  static constexpr std::size_t default_awaited = 64;
  static constexpr std::size_t default_threads = 256;

  LookupThreads(std::size_t most_awaited, std::size_t most_threads)
      : most_awaited_(most_awaited), most_threads_(most_threads) {}
  LookupThreads(const LookupThreads&) = delete;
  LookupThreads& operator=(const LookupThreads&) = delete;

  /// The threads of the process. Never destroyed, because a thread may outlive all statics.
  static const std::shared_ptr<LookupThreads>& of_process() {
    static const auto* const threads = make_for_process();
    return *threads;
  }

  /// Runs a look-up as soon as there is a thread for it.
  /// @throws std::system_error if no thread exists and none can be started; std::bad_alloc.
  void start(std::shared_ptr<BlockingLookup> lookup) {
    const std::lock_guard lock(mutex_);
    // Another look-up has answered.
    if (lookup->state_ == BlockingLookup::State::abandoned) return;
    queue_.push_back(std::move(lookup));
    try {
      grow();
    } catch (...) {
      if (threads_ > 0) return;  // The next thread that is done takes the look-up.
      queue_.pop_back();
      throw;
    }
  }

  /// Gives up a look-up that has no waiters.
  /// @return true if the look-up had not begun, and never will.
  bool abandon(BlockingLookup& lookup) noexcept {
    const std::lock_guard lock(mutex_);
    if (lookup.state_ == BlockingLookup::State::queued) {
      lookup.state_ = BlockingLookup::State::abandoned;
      std::erase_if(queue_, [&](const auto& queued) { return queued.get() == &lookup; });
      return true;
    }
    if (lookup.state_ == BlockingLookup::State::abandoned) return false;
    lookup.state_ = BlockingLookup::State::abandoned;
    // The look-up's thread exists only in the parent.
    if (lookup.generation_ != generation()) return false;
    --awaited_;
    try {
      grow();
    } catch (...) {  // The next thread that is done takes the look-up.
    }
    return false;
  }

  /// A number that changes in a child process. Look-ups of another generation have no thread here.
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

 private:
  /// Starts a thread for the first look-up in the queue, if the limits allow it.
  void grow() {
    if (queue_.empty() || awaited_ >= most_awaited_ || threads_ >= most_threads_) return;
    {
      // Signals are left to the program's own threads.
      const asio::detail::signal_blocker blocker;
      std::thread(work, shared_from_this(), queue_.front()).detach();
    }
    ++threads_;
    take_first();
  }

  std::shared_ptr<BlockingLookup> take_first() noexcept {
    auto lookup = std::move(queue_.front());
    queue_.pop_front();
    lookup->state_ = BlockingLookup::State::awaited;
    lookup->generation_ = generation();
    ++awaited_;
    return lookup;
  }

  static void work(const std::shared_ptr<LookupThreads>& self,
                   std::shared_ptr<BlockingLookup> lookup) noexcept {
    while (lookup) {
      lookup->run();
      {
        const std::lock_guard lock(self->delivery_);
        lookup->deliver();
      }
      auto next = self->next_after(*lookup);
      lookup = std::move(next);
    }
  }

  std::shared_ptr<BlockingLookup> next_after(BlockingLookup& done) noexcept {
    const std::lock_guard lock(mutex_);
    if (done.state_ == BlockingLookup::State::awaited) --awaited_;
    done.state_ = BlockingLookup::State::abandoned;
    if (!queue_.empty() && awaited_ < most_awaited_) return take_first();
    --threads_;
    return nullptr;
  }

  // ---- fork ----

  static const std::shared_ptr<LookupThreads>* make_for_process() {
    auto made = std::make_unique<const std::shared_ptr<LookupThreads>>(
        std::make_shared<LookupThreads>(default_awaited, default_threads));
#if !defined(_WIN32)
    // A delivering thread holds locks of pools and contexts; a child must not inherit them locked.
    ::pthread_atfork(
        [] {
          of_process()->delivery_.lock();
          of_process()->mutex_.lock();
        },
        [] { of_process()->unlock_after_fork(); },
        [] {
          LookupThreads& threads = *of_process();
          threads.awaited_ = 0;  // The threads exist only in the parent.
          threads.threads_ = 0;
          threads.generation_.fetch_add(1, std::memory_order_relaxed);
          threads.unlock_after_fork();
        });
#endif
    return made.release();
  }
  void unlock_after_fork() noexcept {
    mutex_.unlock();
    delivery_.unlock();
  }

  const std::size_t most_awaited_;
  const std::size_t most_threads_;
  std::mutex delivery_;  // Locked before `mutex_`.
  std::mutex mutex_;
  std::deque<std::shared_ptr<BlockingLookup>> queue_;  // Guarded by the mutex, like the counts.
  std::size_t awaited_ = 0;  // Number of running look-ups that have waiters.
  std::size_t threads_ = 0;
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace ferry::detail
