#pragma once

/// @file
/// Where a benchmark's threads run.

#if defined(__linux__)
#include <sched.h>
#endif

namespace benchmark {

/// Makes this thread, and those that it starts later, use this core alone.
/// @return false where that cannot be had.
inline bool use_core([[maybe_unused]] int core) {
#if defined(__linux__)
  cpu_set_t one;
  CPU_ZERO(&one);
  if (core < 0) return false;
  CPU_SET(static_cast<unsigned>(core), &one);
  return sched_setaffinity(0, sizeof one, &one) == 0;
#else
  return false;
#endif
}

/// Makes this thread, and those that it starts later, share the core that it is on.
/// @return false where that cannot be had.
inline bool share_one_core() {
#if defined(__linux__)
  return use_core(sched_getcpu());
#else
  return false;
#endif
}

}  // namespace benchmark
