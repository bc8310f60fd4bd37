#pragma once

#include <cstddef>

namespace test {

/// The memory that a thread takes with `operator new`, in a program with support/heap.cpp.
struct Heap {
  long allocations = 0;     ///< Number of allocations.
  long alive = 0;           ///< Number of allocations, less those that were freed.
  std::size_t in_use = 0;   ///< Size of these in bytes.
  std::size_t peak = 0;     ///< Largest `in_use` in bytes; a test may reset it.
  int countdown = 0;        ///< Number of the allocation that fails, counted from 1; 0 for none.
  bool has_failed = false;  ///< True once an allocation has failed.
};
inline constinit thread_local Heap heap;

/// Makes the nth of this thread's allocations fail, counted from 1, while an object of this class
/// lives.
class FailingNew {
 public:
  explicit FailingNew(int nth) noexcept {
    heap.has_failed = false;
    heap.countdown = nth;
  }
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew() { heap.countdown = 0; }

  /// True once an allocation has failed.
  static bool happened() noexcept { return heap.has_failed; }
};

/// While an object of this class lives, allocations do not fail and are not counted down. It
/// protects the allocations of the test itself.
class SparedFromFailing {
 public:
  SparedFromFailing() noexcept : countdown_(heap.countdown) { heap.countdown = 0; }
  SparedFromFailing(const SparedFromFailing&) = delete;
  SparedFromFailing& operator=(const SparedFromFailing&) = delete;
  ~SparedFromFailing() { heap.countdown = countdown_; }

 private:
  int countdown_;
};

}  // namespace test
