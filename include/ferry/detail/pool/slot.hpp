#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/intrusive_list.hpp>
#include <ferry/event.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

class Deadline;

/// The objects that a pool's decisions are about: slots, tickets and the keys that they belong to.
template <class Connection, class Waiter>
struct PoolTypes {
  using Time = std::chrono::steady_clock::time_point;
  struct Host;
  struct Ticket;

  /// A place that counts towards the limits, with its connection or the dial for it.
  struct Slot {
    /// The states, as `PoolState` describes them.
    enum class State { dialling, active, retired, idle, given_up };

    Connection connection{};
    Host* host = nullptr;  ///< Null once the dial is given up.
    State state = State::dialling;
    bool kept = false;  ///< True if the connection was idle or carried a request: it may be stale.
    CloseReason retired_for{};  ///< Why a retired slot is closed after its last exchange.
    std::size_t capacity = 0;   ///< The exchanges that the connection may carry at a time, now.
    std::size_t use = 0;        ///< The exchanges that it carries.
    std::uint64_t number = 0;   ///< Number of connections opened to this key, including this one.
    Time opened{};
    Time idle_since{};
    Time expires{};
    Ticket* starter = nullptr;  ///< Ticket that counts on this dial; null if the dial is spare.

    /// True if the connection is in use, and could carry one exchange more.
    bool has_room() const noexcept { return state == State::active && use > 0 && use < capacity; }

    // Links to the slots in the same state; spare dials have their own list.
    ListLinks<Slot> in_pool;
    // Links to the key's idle connections, connections with room, or spare dials.
    ListLinks<Slot> in_host;
    std::size_t heap_index = static_cast<std::size_t>(-1);

    // Members for the code that carries out decisions: the waiter on whose behalf the slot is
    // dialled, the next slot to dial, and the time limits of a dial that has begun.
    Waiter dialled_for{};
    Slot* next_dial = nullptr;
    Deadline* deadline = nullptr;
  };

  /// A slot that carries an exchange of the holder's.
  struct Hold {
    Slot* slot = nullptr;
    std::uint64_t turn = 0;  ///< The holder's place in the order of arrival.
  };

  /// A place in a key's queue, owned by the waiter.
  struct Ticket {
    explicit Ticket(Waiter who, bool only_fresh = false, std::uint64_t turn = 0)
        : waiter(std::move(who)), fresh(only_fresh), sequence(turn) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    Waiter waiter;
    bool fresh;               ///< True if only a connection that has carried no request will do.
    Host* host = nullptr;     ///< The key whose queue holds the ticket; null outside a queue.
    Slot* granted = nullptr;  ///< The slot that carries an exchange for the ticket.
    Slot* dial = nullptr;     ///< The dial that the ticket counts on.
    std::unique_ptr<Slot> place;  ///< Memory for the ticket's own dial, until that dial begins.
    std::uint64_t sequence;  ///< Place in the order of arrival; kept when the waiter waits again.
    Time since{};            ///< Time of entry into the queue.
    ListLinks<Ticket> in_queue;
  };

  /// The state of one key.
  struct Host {
    explicit Host(std::string_view k) : key(k) {}
    const std::string key;
    std::uint64_t opened = 0;
    std::size_t slots = 0;  // Slots in any state but given up.
    std::size_t dials = 0;
    std::size_t retired = 0;
    std::size_t extra = 0;                     // Exchanges beside the first one of each slot.
    IntrusiveList<Slot, &Slot::in_host> idle;  // Without capacity first, then least recently used.
    IntrusiveList<Slot, &Slot::in_host> with_room;  // The last one to get room last.
    IntrusiveList<Slot, &Slot::in_host> spare_dials;
    IntrusiveList<Ticket, &Ticket::in_queue> queue;
    Ticket* first_without_dial = nullptr;
    std::size_t heap_index = static_cast<std::size_t>(-1);
  };

  /// Numbers of connections and waiters. An active connection carries at least one exchange.
  struct Counts {
    std::size_t active = 0;
    std::size_t idle = 0;
    std::size_t dialling = 0;
    std::size_t waiting = 0;
    std::size_t exchanges = 0;
  };
};

}  // namespace ferry::detail
