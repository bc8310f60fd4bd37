#pragma once

#include <atomic>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/visibility.hpp>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Number of forks between the program's first process and this one. The fork itself changes the
/// number, so comparing it costs less than comparing process ids, which takes a system call. There
/// is one number for all shared libraries of the process; each may register a fork handler.
FERRY_VISIBLE inline std::atomic<unsigned> fork_count{0};

/// The process that made this object. A child process of fork(2) has copies of all objects,
/// including connections that belong to its parent.
///
/// Children of vfork(2), clone(2) and _Fork(2) are not noticed: these bypass pthread_atfork(3).
class ProcessMark {
 public:
  ProcessMark() noexcept {
#if !defined(_WIN32)
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++fork_count; });
    static_cast<void>(registered);
#endif
    count_ = fork_count.load(std::memory_order_relaxed);
  }

  /// True in the process that made the object, false in its children.
  bool is_current() const noexcept { return count_ == fork_count.load(std::memory_order_relaxed); }

 private:
  unsigned count_;
};

}  // namespace ferry::detail
