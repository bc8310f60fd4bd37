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

class Watch;

/// The decisions of a connection pool, without I/O, time, threads or callbacks.
///
/// It takes events, with the time as an argument, and answers with what is to be done: hand this
/// connection to that waiter, dial for that key, close these. It is generic over what it pools and
/// over who waits, so its tests pool integers. Nothing here scans all connections: every event
/// costs O(1), or O(log n) where a clock or a fair choice between keys is involved.
///
/// - A `Slot` is a place among the limits. It is dialling, active or idle; its connection goes with
/// it.
/// - A `Ticket` is a place in a key's queue, kept by whoever waits. Queues are first in, first out.
/// - A waiter takes whichever comes first, a freed connection or a finished dial; a dial whose
/// waiter
///   was served otherwise serves the next one, or becomes idle.
/// - Each ticket causes at most one dial; so a server that cannot be reached is not dialled in a
/// loop.
/// - A dial that no ticket counts on is spare. It goes on while its place is free, and is given up
/// as soon as any key's waiter needs that: before an idle connection is closed for it, as that is
/// known to work, and a spare dial may be one that will never end. The one that has been spare for
/// longest goes first. A dial that is given up counts no more from that moment on; its slot is kept
/// for whoever carries it out, until they report its end.
/// - Only `enqueue` allocates, and it fails without a trace: whatever an event may come to later
///   has its memory by then, so giving a connection back or giving up a wait cannot fail.
///
/// What is to be done goes to the event's `out`, outside the lock to be carried out. Its functions
/// must not throw: `granted(waiter)`, its ticket holds a connection now; `failed(waiter)`, its
/// ticket is out of the queue, with nothing; `dial(slot, waiter)`, begin this on behalf of that;
/// `closing(connection, reason)`, close this; `abandoned(slot)`, a dial that is given up: end it
/// early. Its end is still to be reported.
///
/// The tickets that have a dial are always the first ones of their queue: dials are given out in
/// order, and every way of leaving passes the leaver's dial on to the first ticket without one.
template <class Connection, class Waiter>
class PoolState {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Host;
  struct Ticket;

  struct Slot {
    enum class State { dialling, active, idle, given_up };
    Connection connection{};
    Host* host = nullptr;  ///< Null once it is given up.
    State state = State::dialling;
    bool kept = false;  ///< It has been idle, or has carried a request: it may have gone stale.
    std::uint64_t number = 0;  ///< How many were opened to this key, this one included.
    std::uint64_t turn = 0;    ///< Of whoever has it: the place in the order of arrival.
    Time opened{};
    Time idle_since{};
    Time expires{};
    Ticket* starter = nullptr;  ///< Of a dial: the ticket that counts on it; none if it is spare.

    ListLinks<Slot> in_pool;  // Among all that are in the same state; spare dials by themselves.
    ListLinks<Slot> in_host;  // The key's idle connections, or its spare dials.
    std::size_t heap_index = static_cast<std::size_t>(-1);

    // For whoever carries decisions out: on whose behalf it is dialled, the next such slot, and the
    // time limits of a dial that has begun.
    Waiter dialled_for{};
    Slot* next_dial = nullptr;
    Watch* watch = nullptr;
  };

  struct Ticket {
    explicit Ticket(Waiter who, bool only_fresh = false, std::uint64_t turn = 0)
        : waiter(std::move(who)), fresh(only_fresh), sequence(turn) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    Waiter waiter;
    bool fresh;                   ///< Only a connection that has carried no request yet will do.
    Host* host = nullptr;         ///< While it is in a queue.
    Slot* granted = nullptr;      ///< The active slot that it was given.
    Slot* dial = nullptr;         ///< The dial that it counts on.
    std::unique_ptr<Slot> place;  ///< Memory for a dial of its own, until that begins.
    std::uint64_t sequence;       ///< Its turn, given once; who waits again keeps it.
    Time since{};                 ///< When it was queued.
    ListLinks<Ticket> in_queue;
  };

  struct Host {
    explicit Host(std::string_view k) : key(k) {}
    const std::string key;
    std::uint64_t opened = 0;
    std::size_t slots = 0;  // In any state.
    std::size_t dials = 0;
    IntrusiveList<Slot, &Slot::in_host> idle;  // The last one is the warmest.
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

  /// The warmest idle connection of this key, now active; nothing if there is none.
  template <class Decisions>
  Slot* take(std::string_view key, Time now, Decisions& out) noexcept {
    expire(now, out);
    Host* const host = find(key);
    if (!host || host->idle.empty()) return nullptr;
    Slot& slot = *host->idle.back();
    remove_idle(slot);
    make_active(slot);
    slot.turn = ++last_sequence_;
    return &slot;
  }

  /// Serves a ticket at once if an idle connection will do, which may have come since `take` found
  /// none; else puts it into its key's queue, at the end or where its turn is if it has one, and
  /// starts what it takes to serve it.
  /// @param dead the active slot that it had, and that turned out to be of no use: it is closed for
  /// this reason, and its place is the first to be taken.
  template <class Decisions>
  void enqueue(Ticket& ticket, std::string_view key, Time now, Decisions& out, Slot* dead = nullptr,
               CloseReason reason = CloseReason::failed) {
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
    hungry_.reserve(hosts_.size() + 1);
    if (!found) found = &hosts_.try_emplace(std::string(key), key).first->second;
    Host& host = *found;
    // From here on nothing can fail.
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
    // At the key's limit nobody dials: an idle connection that will not do gives up its place.
    if (!ticket.dial && at_host_limit(host) && !host.idle.empty())
      close(*host.idle.front(), CloseReason::evicted, out);
    update_hungry(host);
    pump(out);
  }

  /// A waiter gives up. @return the active slot that it had been granted, if it had; that is the
  /// caller's to release or discard.
  template <class Decisions>
  Slot* leave(Ticket& ticket, Decisions& out) noexcept {
    if (ticket.host) {
      Host& host = *ticket.host;
      dequeue(ticket);
      update_hungry(host);
      forget_if_empty(host);
      pump(out);  // Its dial may have become spare, and another key may be waiting for the place.
      abandon_if_quiet(out);
    }
    return std::exchange(ticket.granted, nullptr);
  }

  /// An active connection comes back, unused since then, and fit for reuse until `expires`.
  template <class Decisions>
  void release(Slot& slot, Time idle_since, Time expires, Time now, Decisions& out) noexcept {
    slot.idle_since = idle_since;
    slot.expires = expires;
    slot.kept = true;
    expire(now, out);
    settle(slot, false, out);
    abandon_if_quiet(out);
  }

  /// An active connection comes back and is not to be used again.
  template <class Decisions>
  void discard(Slot& slot, CloseReason reason, Decisions& out) noexcept {
    close(slot, reason, out);
    pump(out);
    abandon_if_quiet(out);
  }

  /// A dial has succeeded. The connection of one that was given up is closed.
  template <class Decisions>
  void dialled(Slot& slot, Connection connection, Time now, Time expires, Decisions& out) noexcept {
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
    settle(slot, true, out);
    pump(out);
    abandon_if_quiet(out);
  }

  /// A dial has failed: that is its own waiter's answer; others go on waiting for theirs, and one
  /// that has only inherited it gets a dial of its own.
  template <class Decisions>
  void dial_failed(Slot& slot, Decisions& out) noexcept {
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
    pump(out);
    abandon_if_quiet(out);
  }

  /// Closes what has idled for too long. Every event that has a time does so first.
  template <class Decisions>
  void expire(Time now, Decisions& out) noexcept {
    bool freed = false;
    while (!by_expiry_.empty() && by_expiry_.top_key().first <= now) {
      Slot& slot = by_expiry_.top();
      const bool lifetime = now - slot.opened >= limits_.max_lifetime;
      close(slot, lifetime ? CloseReason::lifetime_expired : CloseReason::idle_expired, out);
      freed = true;
    }
    if (freed) pump(out);
  }
  /// When the next idle connection will have idled for too long; the end of time if none will.
  Time next_expiry() const noexcept {
    return by_expiry_.empty() ? Time::max() : by_expiry_.top_key().first;
  }

  /// Closes what is idle.
  template <class Decisions>
  void close_idle(CloseReason reason, Decisions& out) noexcept {
    while (!by_expiry_.empty()) close(by_expiry_.top(), reason, out);
    pump(out);
  }

  /// From now on nothing is kept. With `now_too`, what waits fails and dials are abandoned.
  template <class Decisions>
  void close(bool now_too, Decisions& out) noexcept {
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
  /// How many connections could be opened to this key now, beside those in use and its own idle
  /// ones; spare dials make room, or become such connections.
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
  /// Idle connections in the order in which they are given up: the first to expire, then the
  /// oldest.
  using Expiry = std::pair<Time, Time>;
  /// Keys without any connection are remembered up to this many, for the count of those opened.
  static constexpr std::size_t max_empty_hosts = 256;
  /// How much longer a waiter of another key has to have waited to take a place away.
  static constexpr std::chrono::milliseconds patience{100};

  /// What is known of this key. Most clients ask for the one that they asked for before.
  Host* find(std::string_view key) noexcept {
    if (last_host_ && last_host_->key == key) return last_host_;
    const auto found = hosts_.find(key);
    return found == hosts_.end() ? nullptr : last_host_ = &found->second;
  }

  // ---- serving ----

  /// Gives an active slot to the key's first waiter, or lets it idle, or closes it.
  template <class Decisions>
  void settle(Slot& slot, bool fresh, Decisions& out) noexcept {
    Host& host = *slot.host;
    Ticket* ticket = host.queue.front();
    while (ticket && ticket->fresh && !fresh) ticket = host.queue.next(*ticket);
    if (ticket) {
      if (!fresh && is_overdue(*ticket)) {
        close(slot, CloseReason::evicted, out);
        pump(out);
        return;
      }
      dequeue(*ticket);
      slot.turn = ticket->sequence;
      ticket->granted = &slot;
      out.granted(ticket->waiter);
      update_hungry(host);
      pump(out);  // Its dial may have become spare.
      return;
    }
    // A waiter that it will not do for would wait for ever: at the key's limit nobody dials.
    if (!fresh && host.first_without_dial && at_host_limit(host)) {
      close(slot, CloseReason::evicted, out);
      pump(out);
      return;
    }
    if (limits_.max_idle == 0) {
      close(slot, closed_ ? CloseReason::client_closed : CloseReason::idle_cap, out);
      pump(out);
      return;
    }
    if (by_expiry_.size() >= limits_.max_idle) close(by_expiry_.top(), CloseReason::idle_cap, out);
    by_expiry_.push(slot, Expiry(slot.expires, slot.idle_since));
    active_.remove(slot);
    slot.state = Slot::State::idle;
    slot.kept = true;
    host.idle.push_back(slot);
    pump(out);  // Another key may be waiting for just this place.
  }

  /// True if a waiter that only a dial would serve has waited for a place for longer than this one:
  /// of this key, at its limit, or of another one, as a busy one must not keep the others out; but
  /// then for longer by so much that it is not by chance, or keys that are busy all the time would
  /// close each other's connections with every request.
  bool is_overdue(const Ticket& ticket) const noexcept {
    const Ticket* const dialless = ticket.host->first_without_dial;
    if (dialless && at_host_limit(*ticket.host) && dialless->sequence < ticket.sequence)
      return true;
    return total_ >= limits_.max_connections && !hungry_.empty() &&
           hungry_.top_key() < ticket.sequence &&
           hungry_.top().first_without_dial->since + patience <= ticket.since;
  }

  /// Starts dials while there are waiters without one and places for them, longest waiting first.
  /// Spare dials make room, then idle connections.
  template <class Decisions>
  void pump(Decisions& out) noexcept {
    while (!hungry_.empty() && make_room(out)) start_dial(out);
  }
  /// @return false if there is no place, and none to be had.
  template <class Decisions>
  bool make_room(Decisions& out) noexcept {
    if (total_ < limits_.max_connections) return true;
    if (!spares_.empty())
      give_up(*spares_.front(), out);
    else if (!by_expiry_.empty())
      close(by_expiry_.top(), CloseReason::evicted, out);
    else
      return false;
    return true;
  }
  template <class Decisions>
  void start_dial(Decisions& out) noexcept {
    Host& host = hungry_.top();
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

  /// A ticket of the queue has no dial: it gets a spare one. Else, if one behind it has a dial, it
  /// gets that of the last one, so that those with dials stay the first; and that one its place for
  /// another.
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

  /// Takes a ticket out of its queue; its dial, if it has one, goes to the first ticket without.
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

  /// Takes a dial out of the books of dials.
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
      if (starter != first) {  // The first has a dial as well: see the class's comment.
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

  /// Takes an active or idle slot out of the pool.
  template <class Decisions>
  void close(Slot& slot, CloseReason reason, Decisions& out) noexcept {
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

  /// With nothing in flight nobody would be served by the dials under way, and they would keep the
  /// program running: they end.
  template <class Decisions>
  void abandon_if_quiet(Decisions& out) noexcept {
    if (!spares_.empty() && quiet()) give_up_dials(out);
  }
  /// Gives all dials up. No ticket counts on any.
  template <class Decisions>
  void give_up_dials(Decisions& out) noexcept {
    while (!spares_.empty()) give_up(*spares_.front(), out);
  }
  /// Gives a spare dial up: its place is free, whenever it ends.
  template <class Decisions>
  void give_up(Slot& dial, Decisions& out) noexcept {
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
  /// A dial that was given up has ended.
  void forget(Slot& slot) noexcept {
    given_up_.remove(slot);
    delete &slot;
  }

  /// Keeps `hungry_` what it is: the keys with waiters that a new dial would serve.
  void update_hungry(Host& host) noexcept {
    const bool hungry = host.first_without_dial && !at_host_limit(host);
    if (hungry_.contains(host)) {
      if (hungry)
        hungry_.update(host, host.first_without_dial->sequence);
      else
        hungry_.remove(host);
    } else if (hungry) {
      hungry_.push(host, host.first_without_dial->sequence);
    }
  }

  void forget_if_empty(Host& host) noexcept {
    if (host.slots > 0 || !host.queue.empty() || hosts_.size() <= max_empty_hosts) return;
    if (last_host_ == &host) last_host_ = nullptr;
    hosts_.erase(hosts_.find(host.key));
  }

  Limits limits_;
  std::unordered_map<std::string, Host, KeyHash, std::equal_to<>> hosts_;
  Host* last_host_ = nullptr;                     // That was found last; null or one of them.
  IntrusiveList<Slot, &Slot::in_pool> dialling_;  // That a ticket counts on.
  IntrusiveList<Slot, &Slot::in_pool> spares_;    // Other dials, spare for longest first.
  IntrusiveList<Slot, &Slot::in_pool> given_up_;  // That count no more, and have not ended yet.
  IntrusiveList<Slot, &Slot::in_pool> active_;
  IndexedHeap<Slot, Expiry> by_expiry_;
  IndexedHeap<Host, std::uint64_t> hungry_;  // By how long their first waiter without a dial waits.
  std::uint64_t last_sequence_ = 0;
  std::size_t total_ = 0;
  std::size_t waiting_ = 0;
  bool closed_ = false;
};

}  // namespace ferry::detail
