#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/pool/dial_queue.hpp>
#include <ferry/detail/pool/host_table.hpp>
#include <ferry/detail/pool/open_slots.hpp>
#include <ferry/detail/pool/slot.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The decisions of a connection pool, without I/O, a clock, threads or callbacks.
///
/// Each event is a function call, with the time as an argument. It reports its decisions to
/// `actions`: hand this connection to that waiter, dial for that key, close these connections.
/// Connections and waiters are of any type; the tests pool integers. An event costs O(1), or
/// O(log n) where a clock or a fair choice between keys is involved, and a step for each connection
/// or waiter that it ends, each fresh ticket that it skips, and each ticket before a kept turn.
///
/// A `Slot` is a place that counts towards the limits, with its connection or the dial for it. The
/// connection may carry `capacity` exchanges at a time and carries `use`. Over HTTP/1.1 the
/// capacity is one. Larger ones are for HTTP/2, which ferry does not speak yet.
///
///     dialling --> active <--> idle --> closed
///        |           +----------------> closed
///        |           +--> retired ----> closed
///        +--> given_up
///
/// - active: the slot carries exchanges. With room, it is used before an idle slot, so that few
///   connections carry many exchanges.
/// - idle: it carries none, and waits for the next one, or to expire.
/// - retired: it carries exchanges, takes no new ones, and is closed after the last.
/// - given_up: a dial without a waiter, ended early. It counts towards no limit.
///
/// | event | from | to |
/// | --- | --- | --- |
/// | `take`, `enqueue` | idle, active with room | active |
/// | `dialled` | dialling | active if a ticket waits, else idle; closed if given up |
/// | `dial_failed` | dialling, given_up | gone |
/// | `release` | active | active while in use or wanted, else idle; closed if its place is due |
/// | `discard` | active, retired | retired while in use, else closed |
/// | `retire` | active; idle | retired; closed |
/// | `set_capacity` | active; idle | the same; active if it had none before and a ticket waits |
/// | `expire`, `close_idle` | idle | closed |
///
/// A `Ticket` is a place in a key's queue, owned by the waiter. A waiter takes whichever comes
/// first, a place on a connection or a finished dial. Each ticket starts at most one dial, so a
/// server that cannot be reached is not dialled in a loop. A dial whose ticket was served otherwise
/// serves the next waiter, or its connection becomes idle. A spare dial, on which no ticket counts,
/// goes on while there is room for it. When a waiter of any key needs its place, it is given up,
/// the longest spare first, and before an idle connection: that one is known to work.
///
/// Invariants, between any two events:
/// 1. The slots that are not given up are within the limits, in all and for each key. Limits count
///    connections, not exchanges.
/// 2. An active or retired slot carries at least one exchange, an idle one none. A slot carries
///    more than its capacity only after the capacity has shrunk.
/// 3. Tickets of a key are served in their order of arrival, except fresh ones: only a new
///    connection serves those, and others pass them until one comes.
/// 4. No ticket waits while a slot of its key is idle or active with room for it. Below the key's
///    limit, none is without a dial while a place is free, or held by a spare dial or an idle slot.
/// 5. A slot that carries an exchange is not closed; each slot is closed once.
/// 6. No waiter starves. If one that needs a dial is overdue, the next connection to become free is
///    closed for it; if none becomes free, one is retired, but no more at a time than keys wait.
/// 7. Only `enqueue` allocates; if it throws, the waiter keeps what it had. It reserves the memory
///    that later events need, so ending an exchange and giving up a wait cannot fail.
///
/// Each event calls the functions of `actions`, which must not throw, under the pool's lock.
/// `PoolActions` ends given-up dials at once, and does the rest after the lock is released:
/// - `granted(waiter)`: the waiter's ticket now holds a connection.
/// - `failed(waiter)`: it has left the queue without one.
/// - `dial(slot, waiter)`: begin this dial on behalf of the waiter.
/// - `closing(connection, reason)`: close this connection.
/// - `abandoned(slot)`: end this given-up dial early. The end of the dial must still be reported.
template <class Connection, class Waiter>
class PoolState {
 public:
  using Types = PoolTypes<Connection, Waiter>;
  using Time = typename Types::Time;
  using Slot = typename Types::Slot;
  using Hold = typename Types::Hold;
  using Ticket = typename Types::Ticket;
  using Host = typename Types::Host;
  using Counts = typename Types::Counts;

  explicit PoolState(const Limits& limits)
      : limits_(limits), queue_(limits.max_connections_per_host) {}
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;

  // ---- asking for a connection ----

  /// Begins an exchange on a connection of this key: on the one in use that got room last, or else
  /// on the most recently used idle one.
  /// @return a null slot if there is none.
  template <class Actions>
  Hold take(std::string_view key, Time now, Actions& actions) noexcept {
    expire(now, actions);
    Slot* const slot = reuse(hosts_.find(key), newcomer, now);
    if (!slot) return {};
    return {slot, queue_.next_turn()};
  }

  /// Serves a ticket at once if a connection will do; one may have come since `take` found none.
  /// Otherwise puts the ticket into its key's queue, at its turn if it has one, else at the end,
  /// and starts a dial if there is room.
  /// @param dead the slot of the useless connection that the waiter had, if any: its exchange is
  ///   discarded for `reason`, and its place, if that becomes free, is the first to be reused.
  template <class Actions>
  void enqueue(Ticket& ticket, std::string_view key, Time now, Actions& actions,
               Slot* dead = nullptr, CloseReason reason = CloseReason::failed) {
    if (!ticket.fresh) expire(now, actions);
    Host* const found = hosts_.find(key);
    // The ticket must not be served by the connection that it replaces.
    if (dead && dead->has_room()) slots_.retire(*dead, reason);
    const auto turn = ticket.sequence > 0 ? ticket.sequence : newcomer;
    if (Slot* slot = ticket.fresh ? nullptr : reuse(found, turn, now)) {
      if (ticket.sequence == 0) ticket.sequence = queue_.next_turn();
      ticket.granted = slot;
      actions.granted(ticket.waiter);
      if (dead) discard(*dead, reason, actions);
      return;
    }
    ticket.place = std::make_unique<Slot>();
    slots_.reserve(total_ + queue_.waiting() + 1);
    queue_.reserve(hosts_.size() + 1);
    Host& host = found ? *found : hosts_.add(key);
    // Nothing below can fail.
    queue_.insert(ticket, host, now);
    if (dead) end_unfit(*dead, reason, actions);
    queue_.find_dial(ticket);
    // No waiter may dial at the key's limit, so an idle connection that will not do makes room.
    if (!ticket.dial && queue_.at_host_limit(host) && !host.idle.empty())
      close(*host.idle.front(), CloseReason::evicted, actions);
    start_dials(actions);
  }

  /// Removes the ticket of a waiter that gives up.
  /// @return the slot that carries an exchange for the ticket, if any; the caller must release or
  ///   discard it.
  template <class Actions>
  Slot* leave(Ticket& ticket, Actions& actions) noexcept {
    if (ticket.host) {
      Host& host = *ticket.host;
      queue_.remove(ticket);
      hosts_.forget_if_empty(host);
      // The ticket's dial may be spare now, and another key may wait for its place.
      start_dials(actions);
      abandon_if_quiet(actions);
    }
    return std::exchange(ticket.granted, nullptr);
  }

  // ---- ending an exchange, and other news of a connection ----

  /// Ends an exchange of a slot whose connection is unused since `idle_since`, and fit for reuse
  /// until `expires`. The place goes to the next waiter.
  template <class Actions>
  void release(Slot& slot, Time idle_since, Time expires, Time now, Actions& actions) noexcept {
    slot.idle_since = idle_since;
    slot.expires = expires;
    slot.kept = true;
    expire(now, actions);
    if (slot.state == Slot::State::retired) return discard(slot, slot.retired_for, actions);
    slots_.end_exchange(slot);
    place(slot, false, actions);
    abandon_if_quiet(actions);
  }

  /// Ends an exchange of a slot whose connection must not be used again. The connection is closed
  /// after its last exchange, for the reason that was given first.
  template <class Actions>
  void discard(Slot& slot, CloseReason reason, Actions& actions) noexcept {
    end_unfit(slot, reason, actions);
    start_dials(actions);
    abandon_if_quiet(actions);
  }

  /// Ends the use of a connection for new exchanges, on no holder's behalf. It is closed for this
  /// reason after its last exchange, at once if it is idle. A retired slot keeps its own reason.
  /// @param slot a slot whose dial has succeeded, and which was not closed.
  template <class Actions>
  void retire(Slot& slot, CloseReason reason, Actions& actions) noexcept {
    if (slot.state == Slot::State::active) {
      slots_.retire(slot, reason);
    } else if (slot.state == Slot::State::idle) {
      close(slot, reason, actions);
      start_dials(actions);
    }
  }

  /// Changes the number of exchanges that a connection may carry at a time. It may shrink below the
  /// number that it carries, and to 0: then it takes nothing new until it grows.
  /// @param slot a slot whose dial has succeeded, and which was not closed.
  template <class Actions>
  void set_capacity(Slot& slot, std::size_t capacity, Actions& actions) noexcept {
    const bool usability_changes = (slot.capacity > 0) != (capacity > 0);
    if (slot.state == Slot::State::idle && usability_changes) slots_.make_active(slot);
    slots_.set_capacity(slot, capacity);
    if (slot.state == Slot::State::active) place(slot, false, actions);
  }

  // ---- the ends of dials ----

  /// Reports that a dial has succeeded. The connection of a given-up dial is closed.
  /// @param capacity the number of exchanges that the connection may carry at a time, at least 1.
  template <class Actions>
  void dialled(Slot& slot, Connection connection, Time now, Time expires, std::size_t capacity,
               Actions& actions) noexcept {
    if (slot.state == Slot::State::given_up) {
      actions.closing(std::move(connection), CloseReason::evicted);
      queue_.forget(slot);
      return;
    }
    slot.connection = std::move(connection);
    slot.opened = slot.idle_since = now;
    slot.expires = expires;
    slot.capacity = capacity;
    queue_.succeed(slot);
    slots_.add(slot);
    place(slot, true, actions);
    abandon_if_quiet(actions);
  }

  /// Reports that a dial has failed. The waiter that started the dial fails; other waiters go on
  /// waiting, and a waiter that only inherited the dial gets a dial of its own.
  template <class Actions>
  void dial_failed(Slot& slot, Actions& actions) noexcept {
    if (slot.state == Slot::State::given_up) {
      queue_.forget(slot);
      return;
    }
    Host& host = *slot.host;
    --total_;
    if (Ticket* const ticket = queue_.fail(slot)) actions.failed(ticket->waiter);
    hosts_.forget_if_empty(host);
    start_dials(actions);
    abandon_if_quiet(actions);
  }

  // ---- time, and the end ----

  /// Closes connections that have been idle for too long. Every event with a time does so first.
  template <class Actions>
  void expire(Time now, Actions& actions) noexcept {
    bool freed = false;
    while (slots_.next_expiry() <= now) {
      Slot& slot = *slots_.first_to_expire();
      const bool lifetime = is_past_lifetime(slot, now);
      close(slot, lifetime ? CloseReason::lifetime_expired : CloseReason::idle_expired, actions);
      freed = true;
    }
    if (freed) start_dials(actions);
  }
  /// The time at which the next idle connection expires; `Time::max()` if there is none.
  Time next_expiry() const noexcept { return slots_.next_expiry(); }

  /// Closes all idle connections.
  template <class Actions>
  void close_idle(CloseReason reason, Actions& actions) noexcept {
    while (Slot* const slot = slots_.first_to_expire()) close(*slot, reason, actions);
    start_dials(actions);
  }

  /// Stops keeping connections. With `now_too`, also fails all waiters and gives up all dials.
  template <class Actions>
  void close(bool now_too, Actions& actions) noexcept {
    limits_.max_idle = 0;
    closed_ = true;
    close_idle(CloseReason::client_closed, actions);
    if (!now_too) return;
    hosts_.for_each([&](Host& host) {
      while (Ticket* ticket = host.queue.front()) {
        queue_.remove(*ticket);
        actions.failed(ticket->waiter);
      }
    });
    give_up_spares(actions);  // All dials are spare now.
  }
  /// True if no request has a connection or waits for one; then no dial is under way, either.
  bool quiet() const noexcept { return slots_.in_use() == 0 && queue_.waiting() == 0; }

  // ---- numbers ----

  Counts counts() const noexcept {
    return {slots_.in_use(), slots_.idle(), queue_.dialling(), queue_.waiting(),
            slots_.exchanges()};
  }
  Counts counts(std::string_view key) const {
    const Host* const host = hosts_.find(key);
    return host ? counts(*host) : Counts();
  }
  Counts counts(const Host& host) const noexcept {
    const std::size_t active = host.slots - host.dials - host.idle.size();
    return {active, host.idle.size(), host.dials, host.queue.size(), active + host.extra};
  }
  /// The number of connections that could be opened to this key now, beside those in use and the
  /// key's own idle ones. Spare dials do not count as taken, because each makes room or becomes
  /// such a connection.
  std::size_t room(std::string_view key) const {
    const Host* const host = hosts_.find(key);
    const Counts own = host ? counts(*host) : Counts();
    const std::size_t spares = host ? host->spare_dials.size() : 0;
    const std::size_t taken = total_ - slots_.idle() - queue_.spares() + own.idle;
    return std::min(
        limits_.max_connections - std::min(limits_.max_connections, taken),
        limits_.max_connections_per_host - std::min(limits_.max_connections_per_host,
                                                    own.active + own.idle + own.dialling - spares));
  }
  template <class Function>
  void for_each_host(Function function) const {
    hosts_.for_each(function);
  }

 private:
  /// Additional time that a waiter must have waited to take the place of another key, or to end the
  /// sharing of a connection.
  static constexpr std::chrono::milliseconds patience{100};
  /// The turn of an exchange that comes after all others.
  static constexpr auto newcomer = std::numeric_limits<std::uint64_t>::max();

  // ---- serving ----

  /// Begins an exchange of this turn on a connection with room or an idle one; else null.
  Slot* reuse(Host* host, std::uint64_t turn, Time now) noexcept {
    if (!host) return nullptr;
    while (Slot* const slot = host->with_room.back()) {
      if (is_past_lifetime(*slot, now)) {
        slots_.retire(*slot, CloseReason::lifetime_expired);
      } else if (must_make_way(*host, turn, now)) {
        slots_.retire(*slot, CloseReason::evicted);
      } else {
        slots_.begin_exchange(*slot);
        return slot;
      }
    }
    Slot* const slot = host->idle.back();
    if (!slot || slot->capacity == 0) return nullptr;
    slots_.make_active(*slot);
    slots_.begin_exchange(*slot);
    return slot;
  }

  /// Serves the key's waiters with an active slot, in order, while it has room, else lets it idle.
  /// Then starts dials, because waiters of any key may have waited for this.
  /// @param fresh true if the connection is new: no other waiter takes its place away.
  template <class Actions>
  void place(Slot& slot, bool fresh, Actions& actions) noexcept {
    Host& host = *slot.host;
    for (Ticket* ticket = host.queue.front(); ticket && slot.use < slot.capacity;) {
      Ticket& candidate = *std::exchange(ticket, host.queue.next(*ticket));
      if (candidate.fresh && !(fresh && slot.use == 0)) continue;
      if (!fresh && slot.use == 0 && is_overdue(candidate)) {
        close(slot, CloseReason::evicted, actions);
        return start_dials(actions);
      }
      if (!fresh && slot.use > 0 && must_make_way(host, candidate.sequence, candidate.since)) {
        slots_.retire(slot, CloseReason::evicted);
        break;
      }
      queue_.remove(candidate);
      slots_.begin_exchange(slot);
      candidate.granted = &slot;
      actions.granted(candidate.waiter);
    }
    if (slot.use == 0) rest(slot, fresh, actions);
    start_dials(actions);
  }

  /// Lets an active slot without exchanges idle, or closes it.
  template <class Actions>
  void rest(Slot& slot, bool fresh, Actions& actions) noexcept {
    Host& host = *slot.host;
    // The waiters without a dial cannot use this connection, and none of them may dial at the key's
    // limit: they would wait for ever, so the connection makes room.
    if (!fresh && host.first_without_dial && queue_.at_host_limit(host))
      return close(slot, CloseReason::evicted, actions);
    if (limits_.max_idle == 0)
      return close(slot, closed_ ? CloseReason::client_closed : CloseReason::idle_cap, actions);
    if (slots_.idle() >= limits_.max_idle)
      close(*slots_.first_to_expire(), CloseReason::idle_cap, actions);
    slots_.make_idle(slot);
  }

  /// True if a waiter that only a dial can serve has waited for a place longer than this ticket.
  /// Such a waiter is of the same key at its limit, or of another key, so that a busy key does not
  /// keep the others out. A waiter of another key must have waited longer by `patience`: otherwise
  /// keys that are always busy would close each other's connections with every request.
  bool is_overdue(const Ticket& ticket) const noexcept {
    const Ticket* const dialless = ticket.host->first_without_dial;
    if (dialless && queue_.at_host_limit(*ticket.host) && dialless->sequence < ticket.sequence)
      return true;
    if (total_ < limits_.max_connections) return false;
    const Ticket* const first = queue_.first_awaiting_dial();
    return first && waits_longer(*first, ticket.sequence, ticket.since);
  }
  /// True if a slot in use should not take another exchange of this turn and time, because a waiter
  /// that only a dial can serve has waited longer by `patience`. Retired slots will free their
  /// places anyway: one at a time is enough for a key at its limit, and one for each waiting key.
  bool must_make_way(const Host& host, std::uint64_t turn, Time since) const noexcept {
    const Ticket* const dialless = host.first_without_dial;
    if (dialless && host.retired == 0 && queue_.at_host_limit(host) &&
        waits_longer(*dialless, turn, since))
      return true;
    return total_ >= limits_.max_connections && slots_.retired() < queue_.keys_awaiting_dial() &&
           waits_longer(*queue_.first_awaiting_dial(), turn, since);
  }
  static bool waits_longer(const Ticket& ticket, std::uint64_t turn, Time since) noexcept {
    return ticket.sequence < turn && ticket.since + patience <= since;
  }

  /// Starts dials while there are places and waiters without a dial, longest waiting first. Spare
  /// dials make room first, then idle connections.
  template <class Actions>
  void start_dials(Actions& actions) noexcept {
    while (queue_.keys_awaiting_dial() > 0 && make_room(actions)) {
      const Ticket& ticket = *queue_.first_awaiting_dial();
      ++total_;
      actions.dial(queue_.begin(), ticket.waiter);
    }
  }
  /// @return false if there is no place and none can be freed.
  template <class Actions>
  bool make_room(Actions& actions) noexcept {
    if (total_ < limits_.max_connections) return true;
    if (Slot* const spare = queue_.first_spare())
      give_up(*spare, actions);
    else if (Slot* const idle = slots_.first_to_expire())
      close(*idle, CloseReason::evicted, actions);
    else
      return false;
    return true;
  }

  // ---- closing ----

  /// Ends an exchange of a slot that must not be used again.
  template <class Actions>
  void end_unfit(Slot& slot, CloseReason reason, Actions& actions) noexcept {
    slots_.end_exchange(slot);
    const bool retired = slot.state == Slot::State::retired;
    if (slot.use == 0)
      close(slot, retired ? slot.retired_for : reason, actions);
    else if (!retired)
      slots_.retire(slot, reason);
  }

  /// Closes the connection of a slot without exchanges and frees its place.
  template <class Actions>
  void close(Slot& slot, CloseReason reason, Actions& actions) noexcept {
    Host& host = *slot.host;
    actions.closing(std::move(slot.connection), reason);
    slots_.remove(slot);
    --total_;
    queue_.update(host);
    hosts_.forget_if_empty(host);
  }

  bool is_past_lifetime(const Slot& slot, Time now) const noexcept {
    return now - slot.opened >= limits_.max_lifetime;
  }

  /// Gives up all dials if no request is in flight: they would serve no one, and would keep the
  /// program running.
  template <class Actions>
  void abandon_if_quiet(Actions& actions) noexcept {
    if (queue_.spares() > 0 && quiet()) give_up_spares(actions);
  }
  template <class Actions>
  void give_up_spares(Actions& actions) noexcept {
    while (Slot* const spare = queue_.first_spare()) give_up(*spare, actions);
  }
  template <class Actions>
  void give_up(Slot& dial, Actions& actions) noexcept {
    Host& host = *dial.host;
    queue_.give_up(dial);
    --total_;
    actions.abandoned(dial);
    hosts_.forget_if_empty(host);
  }

  Limits limits_;
  HostTable<Host> hosts_;
  DialQueue<Connection, Waiter> queue_;
  OpenSlots<Connection, Waiter> slots_;
  std::size_t total_ = 0;  // Slots that are not given up.
  bool closed_ = false;
};

}  // namespace ferry::detail
