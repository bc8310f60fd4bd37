#pragma once

namespace test {

/// Counts this thread's allocations while an object of this class lives, and makes the nth of them
/// fail, counted from 1. The implementation is in unit/allocation_test.cpp.
class FailingNew {
 public:
  explicit FailingNew(int nth) noexcept;
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();

  /// True once an allocation has failed.
  static bool happened() noexcept;
};

/// While an object of this class lives, allocations are neither counted nor failed. It protects the
/// allocations of the test itself.
class SparedFromFailing {
 public:
  SparedFromFailing() noexcept;
  SparedFromFailing(const SparedFromFailing&) = delete;
  SparedFromFailing& operator=(const SparedFromFailing&) = delete;
  ~SparedFromFailing();

 private:
  int countdown_;
};

}  // namespace test
