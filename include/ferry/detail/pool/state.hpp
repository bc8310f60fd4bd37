#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ferry/detail/base/indexed_heap.hpp>
#include <ferry/detail/base/intrusive_list.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>

namespace ferry::detail {

class Deadline;

/// The decisions of a connection pool, without I/O, a clock, threads or callbacks.
///
/// Each event is a function call, with the time as an argument. Its answer is what to do: hand this
/// connection to that waiter, dial for that key, close these connections. The class is generic over
/// connections and waiters, so its tests pool integers. No event scans all connections: each costs
/// O(1), or O(log n) where a clock or a fair choice between keys is involved.
///
/// - A `Slot` is a place that counts towards the limits. A slot is dialling, active or idle, and
///   holds its connection.
/// - A `Ticket` is a place in a key's queue, owned by the waiter. Queues are first in, first out.
/// - A waiter takes whichever comes first, a freed connection or a finished dial. If its waiter was
///   served otherwise, a dial serves the next waiter, or its connection becomes idle.
/// - Each ticket starts at most one dial, so a server that cannot be reached is not dialled in a
///   loop.
/// - A dial is spare if no ticket counts on it. A spare dial goes on while there is room for it,
///   and is given up as soon as a waiter of any key needs its place: before an idle connection is
///   closed, because an idle connection is known to work, while a spare dial may never end. The
///   dial that has been spare for the longest time is given up first. A given-up dial no longer
///   counts towards the limits; its slot is kept until the end of the dial is reported.
/// - Only `enqueue` allocates, and if it throws, nothing has changed. `enqueue` reserves the memory
///   that later events need, so returning a connection and giving up a wait cannot fail.
///
/// Each event passes its decisions to `out`, to be carried out after the lock is released. The
/// functions of `out` must not throw:
/// - `granted(waiter)`: the waiter's ticket now holds a connection.
/// - `failed(waiter)`: the waiter's ticket has left the queue without a connection.
/// - `dial(slot, waiter)`: begin this dial on behalf of the waiter.
/// - `closing(connection, reason)`: close this connection.
/// - `abandoned(slot)`: end this given-up dial early. The end of the dial must still be reported.
///
/// The tickets that have a dial are always the first ones of their queue: dials are given out in
/// order, and a ticket that leaves passes its dial on to the first ticket without one.
template <class Connection, class Waiter>
class PoolState {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Host;
  struct Ticket;

  struct Slot {
    enum class State { dialling, active, idle, given_up };
    Connection connection{};
    Host* host = nullptr;  ///< Null once the dial is given up.
    State state = State::dialling;
    bool kept = false;  ///< True if the connection was idle or carried a request: it may be stale.
    std::uint64_t number = 0;  ///< Number of connections opened to this key, including this one.
    std::uint64_t turn = 0;    ///< Place of the holder in the order of arrival.
    Time opened{};
    Time idle_since{};
    Time expires{};
    Ticket* starter = nullptr;  ///< Ticket that counts on this dial; null if the dial is spare.

    // Links to the slots in the same state; spare dials have their own list.
    ListLinks<Slot> in_pool;
    ListLinks<Slot> in_host;  // Links to the key's idle connections or spare dials.
    std::size_t heap_index = static_cast<std::size_t>(-1);

    // Members for the code that carries out decisions: the waiter on whose behalf the slot is
    // dialled, the next slot to dial, and the time limits of a dial that has begun.
    Waiter dialled_for{};
    Slot* next_dial = nullptr;
    Deadline* deadline = nullptr;
  };

  struct Ticket {
    explicit Ticket(Waiter who, bool only_fresh = false, std::uint64_t turn = 0)
        : waiter(std::move(who)), fresh(only_fresh), sequence(turn) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    Waiter waiter;
    bool fresh;               ///< True if only a connection that has carried no request will do.
    Host* host = nullptr;     ///< The key whose queue holds the ticket; null outside a queue.
    Slot* granted = nullptr;  ///< The active slot that the ticket was given.
    Slot* dial = nullptr;     ///< The dial that the ticket counts on.
    std::unique_ptr<Slot> place;  ///< Memory for the ticket's own dial, until that dial begins.
    std::uint64_t sequence;  ///< Place in the order of arrival; kept when the waiter waits again.
    Time since{};            ///< Time of entry into the queue.
    ListLinks<Ticket> in_queue;
  };

  struct Host {
    explicit Host(std::string_view k) : key(k) {}
    const std::string key;
    std::uint64_t opened = 0;
    std::size_t slots = 0;  // Slots in any state but given up.
    std::size_t dials = 0;
    IntrusiveList<Slot, &Slot::in_host> idle;  // Least recently used first.
    IntrusiveList<Slot, &Slot::in_host> spare_dials;
    IntrusiveList<Ticket, &Ticket::in_queue> queue;
    Ticket* first_without_dial = nullptr;
    std::size_t heap_index = static_cast<std::size_t>(-1);
  };

  struct Counts {
    std::size_t active = 0;
    std::size_t idle = 0;
    std::size_t dialling = 0;
    std::size_t waiting = 0;
  };

  explicit PoolState(const Limits& limits) : limits_(limits) {}
  PoolState(const PoolState&) = delete;
  PoolState& operator=(const PoolState&) = delete;
  ~PoolState() {
    by_expiry_.for_each([](Slot& slot) { delete &slot; });
    for (auto* list : {&dialling_, &spares_, &given_up_, &active_}) {
      while (Slot* slot = list->front()) {
        list->remove(*slot);
        delete slot;
      }
    }
  }

  /// Takes the most recently used idle connection of this key and makes it active.
  /// @return null if there is none.
  template <class PoolActions>
  Slot* take(std::string_view key, Time now, PoolActions& out) noexcept {
    expire(now, out);
    Host* const host = find(key);
    if (!host || host->idle.empty()) return nullptr;
    Slot& slot = *host->idle.back();
    remove_idle(slot);
    make_active(slot);
    slot.turn = ++last_sequence_;
    return &slot;
  }

  /// Serves a ticket at once if an idle connection will do; one may have come since `take` found
  /// none. Otherwise puts the ticket into its key's queue, at its turn if it has one, else at the
  /// end, and starts a dial if there is room.
  /// @param dead the useless active slot that the waiter had, if any: it is closed for `reason`,
  ///   and its place is the first to be reused.
  template <class PoolActions>
  void enqueue(Ticket& ticket, std::string_view key, Time now, PoolActions& out,
               Slot* dead = nullptr, CloseReason reason = CloseReason::failed) {
    if (Slot* slot = ticket.fresh ? nullptr : take(key, now, out)) {
      if (ticket.sequence > 0) slot->turn = ticket.sequence;
      ticket.granted = slot;
      out.granted(ticket.waiter);
      if (dead) discard(*dead, reason, out);
      return;
    }
    Host* found = find(key);
    ticket.place = std::make_unique<Slot>();
    by_expiry_.reserve(total_ + waiting_ + 1);
    keys_awaiting_dial_.reserve(hosts_.size() + 1);
    if (!found) found = &hosts_.try_emplace(std::string(key), key).first->second;
    Host& host = *found;
    // Nothing below can fail.
    ticket.host = &host;
    ticket.since = now;
    Ticket* later = nullptr;
    if (ticket.sequence == 0) {
      ticket.sequence = ++last_sequence_;
    } else {
      later = host.queue.front();
      while (later && later->sequence < ticket.sequence) later = host.queue.next(*later);
    }
    host.queue.insert(ticket, later);
    ++waiting_;
    if (dead) close(*dead, reason, out);
    find_dial(ticket);
    // No waiter may dial at the key's limit, so an idle connection that will not do makes room.
    if (!ticket.dial && at_host_limit(host) && !host.idle.empty())
      close(*host.idle.front(), CloseReason::evicted, out);
    update_hungry(host);
    start_dials(out);
  }

  /// Removes the ticket of a waiter that gives up.
  /// @return the active slot that the ticket was granted, if any; the caller must release or
  ///   discard it.
  template <class PoolActions>
  Slot* leave(Ticket& ticket, PoolActions& out) noexcept {
    if (ticket.host) {
      Host& host = *ticket.host;
      dequeue(ticket);
      update_hungry(host);
      forget_if_empty(host);
      start_dials(
          out);  // The ticket's dial may be spare now, and another key may wait for its place.
      abandon_if_quiet(out);
    }
    return std::exchange(ticket.granted, nullptr);
  }

  /// Takes back an active connection, unused since `idle_since`, fit for reuse until `expires`.
  template <class PoolActions>
  void release(Slot& slot, Time idle_since, Time expires, Time now, PoolActions& out) noexcept {
    slot.idle_since = idle_since;
    slot.expires = expires;
    slot.kept = true;
    expire(now, out);
    place(slot, false, out);
    abandon_if_quiet(out);
  }

  /// Takes back an active connection that must not be used again.
  template <class PoolActions>
  void discard(Slot& slot, CloseReason reason, PoolActions& out) noexcept {
    close(slot, reason, out);
    start_dials(out);
    abandon_if_quiet(out);
  }

  /// Reports that a dial has succeeded. The connection of a given-up dial is closed.
  template <class PoolActions>
  void dialled(Slot& slot, Connection connection, Time now, Time expires,
               PoolActions& out) noexcept {
    if (slot.state == Slot::State::given_up) {
      out.closing(std::move(connection), CloseReason::evicted);
      forget(slot);
      return;
    }
    slot.connection = std::move(connection);
    slot.opened = slot.idle_since = now;
    slot.expires = expires;
    end_dial(slot);
    make_active(slot);
    place(slot, true, out);
    start_dials(out);
    abandon_if_quiet(out);
  }

  /// Reports that a dial has failed. The waiter that started the dial fails; other waiters go on
  /// waiting, and a waiter that only inherited the dial gets a dial of its own.
  template <class PoolActions>
  void dial_failed(Slot& slot, PoolActions& out) noexcept {
    if (slot.state == Slot::State::given_up) {
      forget(slot);
      return;
    }
    Ticket* starter = slot.starter;
    end_dial(slot);
    Host& host = *slot.host;
    if (starter) {
      starter->dial = nullptr;
      if (starter->place) {
        find_dial(*starter);
      } else {
        dequeue(*starter);
        out.failed(starter->waiter);
      }
    }
    --host.slots;
    --total_;
    delete &slot;
    update_hungry(host);
    forget_if_empty(host);
    start_dials(out);
    abandon_if_quiet(out);
  }

  /// Closes connections that have been idle for too long. Every event with a time does so first.
  template <class PoolActions>
  void expire(Time now, PoolActions& out) noexcept {
    bool freed = false;
    while (!by_expiry_.empty() && by_expiry_.top_key().first <= now) {
      Slot& slot = by_expiry_.top();
      const bool lifetime = now - slot.opened >= limits_.max_lifetime;
      close(slot, lifetime ? CloseReason::lifetime_expired : CloseReason::idle_expired, out);
      freed = true;
    }
    if (freed) start_dials(out);
  }
  /// The time at which the next idle connection expires; `Time::max()` if there is none.
  Time next_expiry() const noexcept {
    return by_expiry_.empty() ? Time::max() : by_expiry_.top_key().first;
  }

  /// Closes all idle connections.
  template <class PoolActions>
  void close_idle(CloseReason reason, PoolActions& out) noexcept {
    while (!by_expiry_.empty()) close(by_expiry_.top(), reason, out);
    start_dials(out);
  }

  /// Stops keeping connections. With `now_too`, also fails all waiters and gives up all dials.
  template <class PoolActions>
  void close(bool now_too, PoolActions& out) noexcept {
    limits_.max_idle = 0;
    closed_ = true;
    close_idle(CloseReason::client_closed, out);
    if (!now_too) return;
    for (auto& [key, host] : hosts_) {
      while (Ticket* ticket = host.queue.front()) {
        dequeue(*ticket);
        out.failed(ticket->waiter);
      }
      update_hungry(host);
    }
    give_up_dials(out);
  }
  bool closed() const noexcept { return closed_; }
  /// True if no request has a connection or waits for one; then no dial is under way, either.
  bool quiet() const noexcept { return active_.empty() && waiting_ == 0; }

  Counts counts() const noexcept {
    return {active_.size(), by_expiry_.size(), dialling_.size() + spares_.size(), waiting_};
  }
  Counts counts(std::string_view key) const {
    const auto found = hosts_.find(key);
    return found == hosts_.end() ? Counts() : counts(found->second);
  }
  Counts counts(const Host& host) const noexcept {
    return {host.slots - host.dials - host.idle.size(), host.idle.size(), host.dials,
            host.queue.size()};
  }
  /// The number of connections that could be opened to this key now, beside those in use and the
  /// key's own idle ones. Spare dials do not count as taken, because each makes room or becomes
  /// such a connection.
  std::size_t room(std::string_view key) const {
    const auto found = hosts_.find(key);
    const Counts own = found == hosts_.end() ? Counts() : counts(found->second);
    const std::size_t spares = found == hosts_.end() ? 0 : found->second.spare_dials.size();
    const std::size_t taken = total_ - by_expiry_.size() - spares_.size() + own.idle;
    return std::min(
        limits_.max_connections - std::min(limits_.max_connections, taken),
        limits_.max_connections_per_host - std::min(limits_.max_connections_per_host,
                                                    own.active + own.idle + own.dialling - spares));
  }
  template <class Function>
  void for_each_host(Function function) const {
    for (const auto& [key, host] : hosts_) function(host);
  }
  const Limits& limits() const noexcept { return limits_; }

 private:
  struct KeyHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  /// The order in which idle connections are given up: the first to expire, then the oldest.
  using Expiry = std::pair<Time, Time>;
  /// Maximum number of keys that are remembered without a connection, for `Host::opened`.
  static constexpr std::size_t max_empty_hosts = 256;
  /// Additional time that a waiter of another key must have waited to take a place away.
  static constexpr std::chrono::milliseconds patience{100};

  /// The state of this key, or null. `last_host_` is tried first, because most clients ask for the
  /// same key again.
  Host* find(std::string_view key) noexcept {
    if (last_host_ && last_host_->key == key) return last_host_;
    const auto found = hosts_.find(key);
    return found == hosts_.end() ? nullptr : last_host_ = &found->second;
  }

  // ---- serving ----

  /// Gives an active slot to the key's first waiter; else lets the slot idle, or closes it.
  template <class PoolActions>
  void place(Slot& slot, bool fresh, PoolActions& out) noexcept {
    Host& host = *slot.host;
    Ticket* ticket = host.queue.front();
    while (ticket && ticket->fresh && !fresh) ticket = host.queue.next(*ticket);
    if (ticket) {
      if (!fresh && is_overdue(*ticket)) {
        close(slot, CloseReason::evicted, out);
        start_dials(out);
        return;
      }
      dequeue(*ticket);
      slot.turn = ticket->sequence;
      ticket->granted = &slot;
      out.granted(ticket->waiter);
      update_hungry(host);
      start_dials(out);  // The ticket's dial may be spare now.
      return;
    }
    // The waiters without a dial cannot use this connection, and none of them may dial at the key's
    // limit: they would wait for ever, so the connection makes room.
    if (!fresh && host.first_without_dial && at_host_limit(host)) {
      close(slot, CloseReason::evicted, out);
      start_dials(out);
      return;
    }
    if (limits_.max_idle == 0) {
      close(slot, closed_ ? CloseReason::client_closed : CloseReason::idle_cap, out);
      start_dials(out);
      return;
    }
    if (by_expiry_.size() >= limits_.max_idle) close(by_expiry_.top(), CloseReason::idle_cap, out);
    by_expiry_.push(slot, Expiry(slot.expires, slot.idle_since));
    active_.remove(slot);
    slot.state = Slot::State::idle;
    slot.kept = true;
    host.idle.push_back(slot);
    start_dials(out);  // Another key may be waiting for this place.
  }

  /// True if a waiter that only a dial can serve has waited for a place longer than this ticket.
  /// Such a waiter is of the same key at its limit, or of another key, so that a busy key does not
  /// keep the others out. A waiter of another key must have waited longer by `patience`: otherwise
  /// keys that are always busy would close each other's connections with every request.
  bool is_overdue(const Ticket& ticket) const noexcept {
    const Ticket* const dialless = ticket.host->first_without_dial;
    if (dialless && at_host_limit(*ticket.host) && dialless->sequence < ticket.sequence)
      return true;
    return total_ >= limits_.max_connections && !keys_awaiting_dial_.empty() &&
           keys_awaiting_dial_.top_key() < ticket.sequence &&
           keys_awaiting_dial_.top().first_without_dial->since + patience <= ticket.since;
  }

  /// Starts dials while there are places and waiters without a dial, longest waiting first. Spare
  /// dials make room first, then idle connections.
  template <class PoolActions>
  void start_dials(PoolActions& out) noexcept {
    while (!keys_awaiting_dial_.empty() && make_room(out)) start_dial(out);
  }
  /// @return false if there is no place and none can be freed.
  template <class PoolActions>
  bool make_room(PoolActions& out) noexcept {
    if (total_ < limits_.max_connections) return true;
    if (!spares_.empty())
      give_up(*spares_.front(), out);
    else if (!by_expiry_.empty())
      close(by_expiry_.top(), CloseReason::evicted, out);
    else
      return false;
    return true;
  }
  template <class PoolActions>
  void start_dial(PoolActions& out) noexcept {
    Host& host = keys_awaiting_dial_.top();
    Ticket& ticket = *host.first_without_dial;
    Slot& slot = *ticket.place.release();
    slot.host = &host;
    slot.number = ++host.opened;
    dialling_.push_back(slot);
    ++host.slots;
    ++host.dials;
    ++total_;
    bind(ticket, slot);
    out.dial(slot, ticket.waiter);
    host.first_without_dial = host.queue.next(ticket);
    update_hungry(host);
  }

  static void bind(Ticket& ticket, Slot& dial) noexcept {
    ticket.dial = &dial;
    dial.starter = &ticket;
  }

  bool at_host_limit(const Host& host) const noexcept {
    return host.slots >= limits_.max_connections_per_host;
  }

  /// Finds a dial for a queued ticket without one: a spare dial, if there is one. Otherwise, if the
  /// next ticket has a dial, this ticket takes the dial of the last ticket that has one, so that
  /// the tickets with dials stay the first ones; the last ticket gets the memory for its own dial.
  void find_dial(Ticket& ticket) noexcept {
    Host& host = *ticket.host;
    if (Slot* const spare = host.spare_dials.front()) {
      remove_spare(*spare);
      dialling_.push_back(*spare);
      bind(ticket, *spare);
      return;
    }
    Ticket* const next = host.queue.next(ticket);
    if (!next || !next->dial) {
      if (!host.first_without_dial || host.first_without_dial == next)
        host.first_without_dial = &ticket;
      return;
    }
    Ticket* const without = host.first_without_dial;
    Ticket* const last = without ? host.queue.previous(*without) : host.queue.back();
    bind(ticket, *std::exchange(last->dial, nullptr));
    if (!last->place) last->place = std::move(ticket.place);
    host.first_without_dial = last;
  }

  /// Takes a ticket out of its queue; its dial, if any, goes to the first ticket without one.
  void dequeue(Ticket& ticket) noexcept {
    Host& host = *ticket.host;
    if (host.first_without_dial == &ticket) host.first_without_dial = host.queue.next(ticket);
    host.queue.remove(ticket);
    --waiting_;
    ticket.host = nullptr;
    if (Slot* dial = std::exchange(ticket.dial, nullptr)) hand_on(*dial);
  }

  void hand_on(Slot& dial) noexcept {
    Host& host = *dial.host;
    dial.starter = nullptr;
    if (Ticket* next = host.first_without_dial) {
      bind(*next, dial);
      host.first_without_dial = host.queue.next(*next);
    } else {
      dialling_.remove(dial);
      spares_.push_back(dial);
      host.spare_dials.push_back(dial);
    }
  }

  void remove_spare(Slot& dial) noexcept {
    spares_.remove(dial);
    dial.host->spare_dials.remove(dial);
  }

  /// Removes a dial from the count and the list of dials.
  void end_dial(Slot& slot) noexcept {
    --slot.host->dials;
    if (slot.starter)
      dialling_.remove(slot);
    else
      remove_spare(slot);
  }

  void make_active(Slot& slot) noexcept {
    if (Ticket* starter = std::exchange(slot.starter, nullptr)) {
      Ticket* first = slot.host->queue.front();
      starter->dial = nullptr;
      if (starter != first) {  // The first ticket has a dial too: see the class's comment.
        Slot* dial = std::exchange(first->dial, nullptr);
        bind(*starter, *dial);
      }
    }
    slot.state = Slot::State::active;
    active_.push_back(slot);
  }

  // ---- closing ----

  void remove_idle(Slot& slot) noexcept {
    by_expiry_.remove(slot);
    slot.host->idle.remove(slot);
  }

  /// Closes an active or idle slot and frees its place.
  template <class PoolActions>
  void close(Slot& slot, CloseReason reason, PoolActions& out) noexcept {
    Host& host = *slot.host;
    out.closing(std::move(slot.connection), reason);
    if (slot.state == Slot::State::idle)
      remove_idle(slot);
    else
      active_.remove(slot);
    --host.slots;
    --total_;
    delete &slot;
    update_hungry(host);
    forget_if_empty(host);
  }

  /// Gives up all dials if no request is in flight: they would serve no one, and would keep the
  /// program running.
  template <class PoolActions>
  void abandon_if_quiet(PoolActions& out) noexcept {
    if (!spares_.empty() && quiet()) give_up_dials(out);
  }
  /// Gives up all dials. The caller makes sure that all of them are spare.
  template <class PoolActions>
  void give_up_dials(PoolActions& out) noexcept {
    while (!spares_.empty()) give_up(*spares_.front(), out);
  }
  /// Gives up a spare dial: its place is free now, even if the dial ends later.
  template <class PoolActions>
  void give_up(Slot& dial, PoolActions& out) noexcept {
    Host& host = *dial.host;
    end_dial(dial);
    dial.state = Slot::State::given_up;
    dial.host = nullptr;
    given_up_.push_back(dial);
    --host.slots;
    --total_;
    out.abandoned(dial);
    update_hungry(host);
    forget_if_empty(host);
  }
  /// Frees the slot of a given-up dial that has ended.
  void forget(Slot& slot) noexcept {
    given_up_.remove(slot);
    delete &slot;
  }

  /// Updates the place of a key in `keys_awaiting_dial_`, the heap of keys whose waiters need a new
  /// dial.
  void update_hungry(Host& host) noexcept {
    const bool hungry = host.first_without_dial && !at_host_limit(host);
    if (keys_awaiting_dial_.contains(host)) {
      if (hungry)
        keys_awaiting_dial_.update(host, host.first_without_dial->sequence);
      else
        keys_awaiting_dial_.remove(host);
    } else if (hungry) {
      keys_awaiting_dial_.push(host, host.first_without_dial->sequence);
    }
  }

  void forget_if_empty(Host& host) noexcept {
    if (host.slots > 0 || !host.queue.empty() || hosts_.size() <= max_empty_hosts) return;
    if (last_host_ == &host) last_host_ = nullptr;
    hosts_.erase(hosts_.find(host.key));
  }

  Limits limits_;
  std::unordered_map<std::string, Host, KeyHash, std::equal_to<>> hosts_;
  Host* last_host_ = nullptr;  // The host found last; null or an element of `hosts_`.
  IntrusiveList<Slot, &Slot::in_pool> dialling_;  // Dials that a ticket counts on.
  IntrusiveList<Slot, &Slot::in_pool> spares_;    // Other dials, spare for longest first.
  IntrusiveList<Slot, &Slot::in_pool> given_up_;  // Given-up dials that have not ended yet.
  IntrusiveList<Slot, &Slot::in_pool> active_;
  IndexedHeap<Slot, Expiry> by_expiry_;
  // Keyed by the turn of the first waiter without a dial.
  IndexedHeap<Host, std::uint64_t> keys_awaiting_dial_;
  std::uint64_t last_sequence_ = 0;
  std::size_t total_ = 0;
  std::size_t waiting_ = 0;
  bool closed_ = false;
};

}  // namespace ferry::detail
