#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/indexed_heap.hpp>
#include <ferry/detail/base/intrusive_list.hpp>
#include <ferry/detail/pool/slot.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The tickets that wait, and the dials that they count on. A part of `PoolState`.
///
/// A ticket in a queue counts on a dial, or waits for a place to dial. A dial:
///
///     begin --> counted on --> (its ticket leaves: the next one without a dial counts on it)
///                   |
///                   +--> spare --> (a ticket without a dial comes: it counts on the dial)
///                          |
///                          +--> given up --> forget
///
/// and a dial that is not given up ends with `succeed` or `fail`.
///
/// Invariants, between any two calls from outside:
/// 1. The tickets that have a dial are the first ones of their queue. `first_without_dial` is the
///    ticket after them.
/// 2. A dial that no ticket counts on is spare. A key with a spare dial has no ticket without one.
/// 3. A key is in the heap if, and only if, it has a ticket without a dial and is not at its limit.
///    The heap's order is that of arrival of these tickets.
/// 4. Each ticket begins at most one dial: `place` is the memory for it.
template <class Connection, class Waiter>
class DialQueue {
 public:
  using Types = PoolTypes<Connection, Waiter>;
  using Slot = typename Types::Slot;
  using Ticket = typename Types::Ticket;
  using Host = typename Types::Host;
  using Time = typename Types::Time;

  /// @param max_per_host the maximum number of slots of a key.
  explicit DialQueue(std::size_t max_per_host) : max_per_host_(max_per_host) {}
  DialQueue(const DialQueue&) = delete;
  DialQueue& operator=(const DialQueue&) = delete;
  ~DialQueue() {
    for (auto* list : {&dialling_, &spares_, &given_up_}) {
      while (Slot* slot = list->front()) {
        list->remove(*slot);
        delete slot;
      }
    }
  }

  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t dialling() const noexcept { return dialling_.size() + spares_.size(); }
  std::size_t spares() const noexcept { return spares_.size(); }
  /// The dial that has been spare for the longest time; null if there is none.
  Slot* first_spare() const noexcept { return spares_.front(); }
  /// The number of keys with a ticket for which a dial could begin.
  std::size_t keys_awaiting_dial() const noexcept { return keys_awaiting_dial_.size(); }
  /// The first to arrive of the tickets for which a dial could begin; null if there is none.
  const Ticket* first_awaiting_dial() const noexcept {
    return keys_awaiting_dial_.empty() ? nullptr : keys_awaiting_dial_.top().first_without_dial;
  }
  bool at_host_limit(const Host& host) const noexcept { return host.slots >= max_per_host_; }

  /// The next place in the order of arrival.
  std::uint64_t next_turn() noexcept { return ++last_sequence_; }

  /// Makes room for this number of keys. The other functions do not allocate.
  void reserve(std::size_t hosts) { keys_awaiting_dial_.reserve(hosts); }

  /// Puts a ticket into a key's queue: at its turn if it has one, else at the end. It has no dial
  /// yet: `find_dial` must be called next.
  void insert(Ticket& ticket, Host& host, Time now) noexcept {
    ticket.host = &host;
    ticket.since = now;
    Ticket* later = nullptr;
    if (ticket.sequence == 0) {
      ticket.sequence = next_turn();
    } else {
      later = host.queue.front();
      while (later && later->sequence < ticket.sequence) later = host.queue.next(*later);
    }
    host.queue.insert(ticket, later);
    ++waiting_;
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
    } else {
      Ticket* const without = host.first_without_dial;
      Ticket* const last = without ? host.queue.previous(*without) : host.queue.back();
      bind(ticket, *std::exchange(last->dial, nullptr));
      if (!last->place) last->place = std::move(ticket.place);
      host.first_without_dial = last;
    }
    update(host);
  }

  /// Takes a ticket out of its queue; its dial, if any, goes to the first ticket without one.
  void remove(Ticket& ticket) noexcept {
    Host& host = *ticket.host;
    if (host.first_without_dial == &ticket) host.first_without_dial = host.queue.next(ticket);
    host.queue.remove(ticket);
    --waiting_;
    ticket.host = nullptr;
    if (Slot* dial = std::exchange(ticket.dial, nullptr)) hand_on(*dial);
    update(host);
  }

  /// Begins the dial of `first_awaiting_dial()`.
  Slot& begin() noexcept {
    Host& host = keys_awaiting_dial_.top();
    Ticket& ticket = *host.first_without_dial;
    Slot& dial = *ticket.place.release();
    dial.host = &host;
    dial.number = ++host.opened;
    dialling_.push_back(dial);
    ++host.slots;
    ++host.dials;
    bind(ticket, dial);
    host.first_without_dial = host.queue.next(ticket);
    update(host);
    return dial;
  }

  /// Takes a dial that has succeeded out of the dials. The caller must serve the first ticket of
  /// the queue with its connection, if there is one, before anything else: a starter that is not
  /// the first has taken that ticket's dial over.
  void succeed(Slot& dial) noexcept {
    end(dial);
    Ticket* const starter = std::exchange(dial.starter, nullptr);
    if (!starter) return;
    starter->dial = nullptr;
    Ticket* const first = dial.host->queue.front();
    if (starter != first) bind(*starter, *std::exchange(first->dial, nullptr));  // Invariant 1.
  }

  /// Takes a dial that has failed out of the dials and frees its slot.
  /// @return the ticket that fails with it, now outside the queue; null if there is none.
  Ticket* fail(Slot& dial) noexcept {
    Ticket* ticket = dial.starter;
    Host& host = *dial.host;
    end(dial);
    --host.slots;
    delete &dial;
    if (!ticket) {
      update(host);
      return nullptr;
    }
    ticket->dial = nullptr;
    if (!ticket->place) {
      remove(*ticket);
      return ticket;
    }
    find_dial(*ticket);
    update(host);
    return nullptr;
  }

  /// Gives up a spare dial: its place is free now, even if the dial ends later.
  void give_up(Slot& dial) noexcept {
    Host& host = *dial.host;
    end(dial);
    dial.state = Slot::State::given_up;
    dial.host = nullptr;
    given_up_.push_back(dial);
    --host.slots;
    update(host);
  }
  /// Frees the slot of a given-up dial that has ended.
  void forget(Slot& dial) noexcept {
    given_up_.remove(dial);
    delete &dial;
  }

  /// Updates the place of a key in the heap of keys whose tickets need a new dial. Must be called
  /// after a change of `Host::slots`.
  void update(Host& host) noexcept {
    const bool awaits = host.first_without_dial && !at_host_limit(host);
    if (keys_awaiting_dial_.contains(host)) {
      if (awaits)
        keys_awaiting_dial_.update(host, host.first_without_dial->sequence);
      else
        keys_awaiting_dial_.remove(host);
    } else if (awaits) {
      keys_awaiting_dial_.push(host, host.first_without_dial->sequence);
    }
  }

 private:
  static void bind(Ticket& ticket, Slot& dial) noexcept {
    ticket.dial = &dial;
    dial.starter = &ticket;
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
  void end(Slot& dial) noexcept {
    --dial.host->dials;
    if (dial.starter)
      dialling_.remove(dial);
    else
      remove_spare(dial);
  }

  const std::size_t max_per_host_;
  IntrusiveList<Slot, &Slot::in_pool> dialling_;  // Dials that a ticket counts on.
  IntrusiveList<Slot, &Slot::in_pool> spares_;    // Other dials, spare for longest first.
  IntrusiveList<Slot, &Slot::in_pool> given_up_;  // Given-up dials that have not ended yet.
  // Keyed by the turn of the first ticket without a dial.
  IndexedHeap<Host, std::uint64_t> keys_awaiting_dial_;
  std::uint64_t last_sequence_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace ferry::detail
