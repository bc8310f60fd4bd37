#pragma once

#include <optional>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/pool/core.hpp>

// The objects by which a call holds something of a pool's: a connection, and its admission.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A connection held by a call. The destructor discards the connection unless it was given back.
class PoolCore::Lease {
 public:
  explicit Lease(PoolCore& pool) : pool_(pool) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { discard(CloseReason::failed); }

  void take(Hold hold) noexcept {
    slot_ = hold.slot;
    turn_ = hold.turn;
  }
  void take(Slot* slot) noexcept { take(Hold{slot}); }
  explicit operator bool() const noexcept { return slot_ != nullptr; }
  Slot& slot() const noexcept { return *slot_; }
  /// The place of the connection's holder in the order of arrival.
  std::uint64_t turn() const noexcept { return turn_; }
  PooledConnection& connection() const noexcept { return *slot_->connection; }

  Slot* detach() noexcept { return std::exchange(slot_, nullptr); }
  void release(std::optional<Duration> hint, Clock::time_point now) noexcept {
    pool_.release(*detach(), hint, now, now);
  }
  /// Gives back a connection on which nothing was sent.
  void release_unused() noexcept { pool_.release_unused(*detach()); }
  void discard(CloseReason reason) noexcept {
    if (slot_) pool_.discard(*detach(), reason);
  }

 private:
  PoolCore& pool_;
  Slot* slot_ = nullptr;
  std::uint64_t turn_ = 0;
};

/// A call's permission to use the pool until the call ends. Draining waits for an admitted call,
/// and lets it send everything that it still has to send. A call that got a kept connection at
/// once asks only when it needs another one; until then, draining waits for its connection.
class PoolCore::Admission {
 public:
  explicit Admission(PoolCore& pool) noexcept : pool_(pool) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() { end(); }

  /// Asks for permission.
  /// @return false if the pool is draining and the call has not been admitted before.
  bool try_admit() noexcept {
    if (admitted_) return true;
    admit();
    if (!pool_.draining_) return true;
    end();
    return false;
  }
  /// Admits a call that has a connection and may need another one after it.
  void admit() noexcept {
    if (!std::exchange(admitted_, true)) ++pool_.admitted_;
  }
  /// Gives back the permission: draining does not wait for the call any longer.
  void end() noexcept {
    if (!std::exchange(admitted_, false)) return;
    if (--pool_.admitted_ == 0 && pool_.draining_) pool_.check_drained();
  }

 private:
  PoolCore& pool_;
  bool admitted_ = false;
};

}  // namespace ferry::detail
