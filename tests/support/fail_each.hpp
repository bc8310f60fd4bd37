#pragma once

#include <doctest/doctest.h>
#include <new>

#include "support/heap.hpp"

namespace test {

/// Calls `trial(n)` for each n from `first` on, in which the nth step of something fails, until a
/// trial returns true because it has come through without an nth step.
/// @param most the number of steps that it must not reach.
/// @return the number of trials before that.
template <class Trial>
int fail_each_step(int first, int most, Trial trial) {
  for (int n = first;; ++n) {
    CAPTURE(n);
    REQUIRE(n < most);
    if (trial(n)) return n - first;
  }
}

/// Calls `action` with its first allocation failing, then with its second, until none is left. This
/// needs support/heap.cpp.
/// @param check is called after each failure, and looks at its traces.
/// @return the number of failures.
template <class Action, class Check>
int fail_each_allocation(Action action, Check check) {
  return fail_each_step(1, 1000, [&](int n) {
    bool threw = false;
    try {
      const FailingNew failing(n);
      action();
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    CHECK(threw == FailingNew::happened());
    if (threw) check();
    return !threw;
  });
}
template <class Action>
int fail_each_allocation(Action action) {
  return fail_each_allocation(action, [] {});
}

}  // namespace test
