#pragma once

namespace test {

/// While one lives, allocations of this thread are counted, and one of them fails: the nth, from 1.
/// What is behind it is defined in unit/allocation_test.cpp.
class FailingNew {
 public:
  explicit FailingNew(int nth) noexcept;
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();

  /// True once it has failed one.
  static bool happened() noexcept;
};

/// While one lives, allocations are neither counted nor failed: for what belongs to the test
/// itself.
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
