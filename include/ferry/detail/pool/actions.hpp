#pragma once

#include <memory>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/pool/core.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

class DiallingPool;

/// The decisions of one change of the pool's state: `PoolState` reports them under the lock, and
/// most are carried out after it.
///
/// Decisions are chained through the objects themselves. Nothing is allocated, so giving a
/// connection back cannot fail. Decisions about tickets and slots, which may be gone after
/// unlocking, are carried out at once; the destructor carries out the others.
class PoolActions {
 public:
  using Waiter = PoolCore::Waiter;
  using Slot = PoolCore::Slot;

  /// @param failure, error the error of waiters that fail; `error` may be null.
  PoolActions(DiallingPool& pool, std::error_code failure, const Error* error) noexcept
      : pool_(pool), failure_(failure), error_(error) {}
  PoolActions(const PoolActions&) = delete;
  PoolActions& operator=(const PoolActions&) = delete;
  ~PoolActions() {
    if (closing_ || woken_ || dials_) perform();
  }

  void granted(const Waiter& waiter) noexcept { wake(waiter); }
  void failed(const Waiter& waiter) noexcept {
    waiter->failed = failure_;
    if (error_) waiter->failure = *error_;
    wake(waiter);
  }
  void dial(Slot& slot, const Waiter& waiter) noexcept {
    waiter->deadline->suspend_limit(Phase::connect);
    slot.dialled_for = waiter;
    *dials_end_ = &slot;
    dials_end_ = &slot.next_dial;
  }
  void closing(std::unique_ptr<PooledConnection> connection, CloseReason reason) noexcept {
    connection->close_reason = reason;
    *closing_end_ = connection.release();
    closing_end_ = &(*closing_end_)->next_closing;
  }
  void abandoned(Slot& slot) noexcept {
    if (slot.deadline) slot.deadline->give_up();
  }

 private:
  void perform() noexcept;  // In `dialling_pool.hpp`.

  void wake(const Waiter& waiter) noexcept {
    *woken_end_ = waiter;
    woken_end_ = &waiter->next_woken;
  }

  DiallingPool& pool_;
  const std::error_code failure_;
  const Error* const error_;
  Waiter woken_;
  Waiter* woken_end_ = &woken_;
  Slot* dials_ = nullptr;
  Slot** dials_end_ = &dials_;
  PooledConnection* closing_ = nullptr;  // Owned: `perform` closes each.
  PooledConnection** closing_end_ = &closing_;
};

}  // namespace ferry::detail
