#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/pool/dialling_pool.hpp>
#include <ferry/detail/pool/lease.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A place in the pool's queue. Its destructor leaves the queue, even if the waiting coroutine is
/// destroyed, and gives back a connection that was just granted.
class QueuePlace {
 public:
  using State = PoolCore::State;
  using Slot = PoolCore::Slot;
  using Actions = PoolActions;

  /// @param fresh true if only a new connection will do.
  /// @param turn the turn of an earlier place, to keep it; 0 for a new one.
  /// @param deadline the waiting request's; it follows the phases of the dial.
  QueuePlace(DiallingPool& pool, const Url& url, bool fresh, std::uint64_t turn,
             const Timeouts& timeouts, Deadline& deadline)
      : pool_(pool), deadline_(deadline), ticket_(std::make_shared<PoolWaiter>(), fresh, turn) {
    const std::string& unix_socket = pool.options().unix_socket;
    PoolWaiter& made = *ticket_.waiter;
    made.target.host = url.host();
    made.target.port = url.port();
    made.target.unix_path = unix_socket.empty() ? url.unix_path() : unix_socket;
    made.target.secure = url.scheme() == "https";
    made.proxy = pool.proxy_for(url);
    made.target.resolve_limit = timeouts.resolve;
    made.target.connect_limit = timeouts.connect;
    made.target.tls_limit = timeouts.tls;
    made.deadline = &deadline;
  }
  QueuePlace(const QueuePlace&) = delete;
  QueuePlace& operator=(const QueuePlace&) = delete;
  ~QueuePlace() {
    if (Slot* slot = leave()) pool_.release_unused(*slot);
  }

  PoolWaiter& waiter() noexcept { return *ticket_.waiter; }

  /// Takes the place, and closes the connection that it replaces.
  /// @return false if the pool is closed.
  bool enqueue(std::string_view origin, PoolCore::Lease& replaced, CloseReason reason) {
    pool_.state().change([&](State& state, Actions& actions) {
      if (pool_.is_closed()) return;
      Slot* const dead = replaced ? &replaced.slot() : nullptr;
      state.enqueue(ticket_, origin, Clock::now(), actions, dead, reason);
      queued_ = true;
      replaced.detach();
    });
    return queued_;
  }

  /// The result of the wait, read from the pool's own state, never from how the wait ended.
  Result<PoolCore::Hold> outcome() {
    if (Slot* slot = leave()) {
      if (!deadline_.ended()) return PoolCore::Hold{slot, ticket_.sequence};
      pool_.release_unused(*slot);
    }
    if (waiter().failure) return *waiter().failure;
    if (const std::error_code code = waiter().failed) {
      if (code.category() == errc_category()) return Error(static_cast<Errc>(code.value()));
      return Error(Errc::connect_failed, {}, code);
    }
    if (deadline_.ended()) return deadline_.error();
    return Error(Errc::cancelled);
  }

 private:
  /// @return the connection that was granted, if any.
  Slot* leave() noexcept {
    deadline_.detach();
    if (!std::exchange(queued_, false)) return nullptr;
    Slot* slot = nullptr;
    pool_.state().change([&](State& state, Actions& actions) {
      follow_dial();
      slot = state.leave(ticket_, actions);
    });
    return slot;
  }

  /// Copies the phase of the dial that the ticket counts on to the request's deadline, so that
  /// errors name this phase.
  void follow_dial() noexcept {
    if (!ticket_.dial) return;
    const Deadline* const dial = ticket_.dial->deadline;
    const Phase phase = dial ? dial->phase() : Phase::prepare;
    deadline_.follow(phase == Phase::prepare ? Phase::connect : phase);
  }

  DiallingPool& pool_;
  Deadline& deadline_;
  State::Ticket ticket_;
  bool queued_ = false;
};

}  // namespace ferry::detail
