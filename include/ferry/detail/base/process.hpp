#pragma once

#include <atomic>

#include <ferry/detail/base/visibility.hpp>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace ferry::detail {

/// How many forks this process is away from the one that the program began with. A number that the
/// fork itself changes costs less to compare than the process's id, which takes a system call.
/// One for all shared libraries of the process, each of which may register a handler for forks.
FERRY_VISIBLE inline std::atomic<unsigned> fork_count{0};

/// The process in which it was made. A child that fork(2) makes has copies of all objects, and
/// connections that are its parent's.
///
/// It does not notice children that are made past pthread_atfork(3): vfork(2), clone(2), _Fork(2).
class ProcessMark {
 public:
  ProcessMark() noexcept {
#if !defined(_WIN32)
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++fork_count; });
    static_cast<void>(registered);
#endif
    count_ = fork_count.load(std::memory_order_relaxed);
  }

  /// True in that process, false in its children.
  bool is_current() const noexcept { return count_ == fork_count.load(std::memory_order_relaxed); }

 private:
  unsigned count_;
};

}  // namespace ferry::detail
