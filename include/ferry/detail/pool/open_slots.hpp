#pragma once

#include <cstddef>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/indexed_heap.hpp>
#include <ferry/detail/base/intrusive_list.hpp>
#include <ferry/detail/pool/slot.hpp>
#include <ferry/event.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The slots that have a connection: active, retired and idle ones. A part of `PoolState`.
///
/// Invariants, between any two calls from outside:
/// 1. A slot is in the list or heap of its state, and in at most one list of its key: an idle slot
///    is in `Host::idle`, one with room in `Host::with_room`, any other in none.
/// 2. In `Host::idle`, the slots with capacity 0 come before the others: if the last one cannot be
///    used, none can.
/// 3. `extra_` and `Host::extra` are the numbers of exchanges beside the first one of each slot.
template <class Connection, class Waiter>
class OpenSlots {
 public:
  using Types = PoolTypes<Connection, Waiter>;
  using Slot = typename Types::Slot;
  using Host = typename Types::Host;
  using Time = typename Types::Time;
  using State = typename Slot::State;

  OpenSlots() = default;
  OpenSlots(const OpenSlots&) = delete;
  OpenSlots& operator=(const OpenSlots&) = delete;
  ~OpenSlots() {
    by_expiry_.for_each([](Slot& slot) { delete &slot; });
    for (auto* list : {&active_, &retired_}) {
      while (Slot* slot = list->front()) {
        list->remove(*slot);
        delete slot;
      }
    }
  }

  std::size_t in_use() const noexcept { return active_.size() + retired_.size(); }
  std::size_t retired() const noexcept { return retired_.size(); }
  std::size_t idle() const noexcept { return by_expiry_.size(); }
  std::size_t exchanges() const noexcept { return in_use() + extra_; }
  /// The idle slot that expires first, of these the one that has been idle for the longest time;
  /// null if there is none.
  Slot* first_to_expire() const noexcept {
    return by_expiry_.empty() ? nullptr : &by_expiry_.top();
  }
  /// The time at which that slot expires; `Time::max()` if there is none.
  Time next_expiry() const noexcept {
    return by_expiry_.empty() ? Time::max() : by_expiry_.top_key().first;
  }

  /// Makes room for this number of slots. The other functions do not allocate.
  void reserve(std::size_t slots) { by_expiry_.reserve(slots); }

  /// Takes in a slot whose dial has succeeded. It is active, without an exchange.
  void add(Slot& slot) noexcept {
    slot.state = State::active;
    active_.push_back(slot);
  }

  /// Makes an idle slot active.
  void make_active(Slot& slot) noexcept {
    by_expiry_.remove(slot);
    slot.host->idle.remove(slot);
    add(slot);
  }
  /// Makes an active slot without exchanges idle. It counts as the last one that was used.
  void make_idle(Slot& slot) noexcept {
    by_expiry_.push(slot, Expiry(slot.expires, slot.idle_since));
    active_.remove(slot);
    slot.state = State::idle;
    slot.kept = true;
    auto& idle = slot.host->idle;
    idle.insert(slot, slot.capacity > 0 ? nullptr : idle.front());
  }
  /// Retires an active slot that carries exchanges.
  void retire(Slot& slot, CloseReason reason) noexcept {
    if (slot.has_room()) slot.host->with_room.remove(slot);
    active_.remove(slot);
    slot.state = State::retired;
    slot.retired_for = reason;
    retired_.push_back(slot);
    ++slot.host->retired;
  }
  /// Frees a slot without exchanges.
  void remove(Slot& slot) noexcept {
    if (slot.state == State::idle) {
      by_expiry_.remove(slot);
      slot.host->idle.remove(slot);
    } else if (slot.state == State::active) {
      active_.remove(slot);
    } else {
      retired_.remove(slot);
      --slot.host->retired;
    }
    --slot.host->slots;
    delete &slot;
  }

  /// Begins an exchange on an active slot, which may carry one more.
  void begin_exchange(Slot& slot) noexcept {
    if (slot.capacity == 1)
      slot.use = 1;
    else
      set_load(slot, slot.use + 1, slot.capacity);
  }
  /// Ends an exchange on an active or retired slot.
  void end_exchange(Slot& slot) noexcept {
    if (slot.capacity == 1 && slot.use == 1)
      slot.use = 0;
    else
      set_load(slot, slot.use - 1, slot.capacity);
  }
  /// Changes a capacity; that of an idle slot not from or to 0.
  void set_capacity(Slot& slot, std::size_t capacity) noexcept {
    set_load(slot, slot.use, capacity);
  }

 private:
  /// The order in which idle connections are given up: the first to expire, then the oldest.
  using Expiry = std::pair<Time, Time>;

  void set_load(Slot& slot, std::size_t use, std::size_t capacity) noexcept {
    Host& host = *slot.host;
    const bool had_room = slot.has_room();
    const std::size_t before = extra(slot.use);
    extra_ = extra_ + extra(use) - before;
    host.extra = host.extra + extra(use) - before;
    slot.use = use;
    slot.capacity = capacity;
    if (slot.has_room() == had_room) return;
    if (had_room)
      host.with_room.remove(slot);
    else
      host.with_room.push_back(slot);
  }

  static std::size_t extra(std::size_t use) noexcept { return use > 0 ? use - 1 : 0; }

  IntrusiveList<Slot, &Slot::in_pool> active_;
  IntrusiveList<Slot, &Slot::in_pool> retired_;
  IndexedHeap<Slot, Expiry> by_expiry_;
  std::size_t extra_ = 0;
};

}  // namespace ferry::detail
