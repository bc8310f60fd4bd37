#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/pool/state.hpp>

#include "support/heap.hpp"

namespace test {

using Pool = ferry::detail::PoolState<int, int>;  // Connections and waiters are numbers.

/// The decisions of such a pool, recorded for the test.
struct PoolDecisions {
  struct Closing {
    int connection;
    ferry::CloseReason reason;
  };

  void granted(int waiter) { note(grants, waiter); }
  void failed(int waiter) { note(failures, waiter); }
  void dial(Pool::Slot& slot, int waiter) { note(dials, {&slot, waiter}); }
  void closing(int connection, ferry::CloseReason reason) { note(closings, {connection, reason}); }
  void abandoned(Pool::Slot& slot) { note(abandonments, &slot); }

  std::vector<int> grants;
  std::vector<int> failures;
  std::vector<std::pair<Pool::Slot*, int>> dials;
  std::vector<Closing> closings;
  std::vector<Pool::Slot*> abandonments;

 private:
  template <class Item>
  static void note(std::vector<Item>& items, Item item) {
    const SparedFromFailing spared;
    items.push_back(std::move(item));
  }
};

}  // namespace test
