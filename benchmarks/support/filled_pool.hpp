#pragma once

/// @file
/// `FilledPool`: the pool's decisions alone, for measuring. There is no I/O: connections are
/// numbers.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <ferry/detail/pool/state.hpp>

namespace pool_benchmark {

using Pool = ferry::detail::PoolState<int, int>;

/// Records only the decisions that measuring needs.
struct PoolActions {
  void granted(int waiter) { served = waiter; }
  void failed(int) {}
  void dial(Pool::Slot& slot, int) { dialling = &slot; }
  void closing(int, ferry::CloseReason) {}
  void abandoned(Pool::Slot&) {}

  int served = -1;
  Pool::Slot* dialling = nullptr;
};

inline ferry::Limits unlimited() {
  ferry::Limits limits;
  limits.max_connections = ferry::no_limit;
  return limits;
}

/// A pool with `each` idle connections to each of `origins` origins. They never expire.
struct FilledPool {
  FilledPool(std::size_t origins, std::size_t each, ferry::Limits limits = unlimited())
      : pool(limits) {
    std::vector<Pool::Slot*> all;
    for (std::size_t i = 0; i < origins; ++i) {
      keys.push_back("http://host-" + std::to_string(i) + ".example:8080");
      for (std::size_t n = 0; n < each; ++n) {
        PoolActions out;
        Pool::Ticket ticket(0, true);
        pool.enqueue(ticket, keys.back(), now, out);
        pool.dialled(*out.dialling, 1, now, Pool::Time::max(), 1, out);
        all.push_back(pool.leave(ticket, out));
      }
    }
    PoolActions out;
    for (Pool::Slot* slot : all) pool.release(*slot, now, Pool::Time::max(), now, out);
  }

  /// Takes a connection to this origin and gives it back.
  void take_and_release(const std::string& key) {
    PoolActions out;
    now += std::chrono::nanoseconds(1);
    Pool::Slot* slot = pool.take(key, now, out).slot;
    pool.release(*slot, now, Pool::Time::max(), now, out);
  }

  Pool pool;
  std::vector<std::string> keys;
  Pool::Time now{};
};

/// One connection in use, and a queue of waiters for it.
class QueuedPool {
 public:
  explicit QueuedPool(std::size_t waiters) : filled_(1, 1, one()) {
    PoolActions none;
    slot_ = filled_.pool.take(filled_.keys[0], filled_.now, none).slot;
    for (std::size_t i = 0; i < waiters; ++i) {
      tickets_.push_back(std::make_unique<Pool::Ticket>(static_cast<int>(i)));
      filled_.pool.enqueue(*tickets_.back(), filled_.keys[0], filled_.now, none);
    }
  }
  QueuedPool(const QueuedPool&) = delete;
  QueuedPool& operator=(const QueuedPool&) = delete;
  ~QueuedPool() {
    PoolActions none;
    for (auto& ticket : tickets_) filled_.pool.leave(*ticket, none);
    filled_.pool.release(*slot_, filled_.now, Pool::Time::max(), filled_.now, none);
  }

  /// Gives the connection back, so that the first waiter gets it, and adds a waiter.
  void serve_one() {
    PoolActions out;
    filled_.pool.release(*slot_, filled_.now, Pool::Time::max(), filled_.now, out);
    Pool::Ticket& served = *tickets_[static_cast<std::size_t>(out.served)];
    slot_ = filled_.pool.leave(served, out);
    filled_.pool.enqueue(served, filled_.keys[0], filled_.now, out);
  }

 private:
  static ferry::Limits one() {
    ferry::Limits limits;
    limits.max_connections = 1;
    return limits;
  }

  FilledPool filled_;
  Pool::Slot* slot_;
  std::vector<std::unique_ptr<Pool::Ticket>> tickets_;
};

}  // namespace pool_benchmark
