#pragma once

/// @file
/// The cores that a benchmark's threads run on.

#if defined(__linux__)
#include <sched.h>
#endif

namespace benchmark {

/// Restricts this thread, and threads that it starts later, to this core.
/// @return false if the system does not support it.
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

/// Restricts this thread, and threads that it starts later, to the present core.
/// @return false if the system does not support it.
inline bool share_one_core() {
#if defined(__linux__)
  return use_core(sched_getcpu());
#else
  return false;
#endif
}

}  // namespace benchmark
