// The pool's decisions against `test::PoolModel`, and what has to hold after every event.

#include "support/pool_model.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/pool_decisions.hpp"

using ferry::CloseReason;
using ferry::Limits;
using test::Pool;
using test::PoolModel;
using Time = Pool::Time;

namespace {

/// Both, side by side, and the books that a pool's owner keeps.
struct Pair {
  Pair(Limits l, std::size_t most) : limits(l), most_exchanges(most), pool(l), model(l) {}

  void check() {
    test::PoolOutcome real;
    real.granted = out.grants;
    real.failed = out.failures;
    for (const auto& [slot, waiter] : out.dials) {
      real.dials.push_back(waiter);
      dials[--last_dial] = slot;
    }
    for (const auto& closing : out.closings)
      real.closing.emplace_back(closing.connection, closing.reason);
    for (auto* slot : out.abandonments) {
      const auto dial =
          std::find_if(dials.begin(), dials.end(), [&](const auto& d) { return d.second == slot; });
      real.abandoned.push_back(dial->first);
    }
    REQUIRE(real == model.out);
    check_closings();
    for (const int waiter : real.granted) check_grant(waiter);
    for (const int waiter : real.granted) tickets.erase(waiter);
    for (const int waiter : real.failed) tickets.erase(waiter);
    check_counts();
    check_connections();
    out = {};
    model.out = {};
  }

  /// Each connection is closed once, and not while it carries an exchange.
  void check_closings() {
    for (const auto& closing : out.closings) {
      const auto slot = slots.find(closing.connection);
      if (slot == slots.end()) continue;  // Given up before it was open: see `finish_dial`.
      for (const Pool::Hold& hold : held) REQUIRE(hold.slot != slot->second);
      slots.erase(slot);
      shrunk.erase(closing.connection);
      ++closed;
    }
    REQUIRE(slots.size() + closed == opened);
  }

  /// First in, first out among those who are content with the same; who needs an unused connection
  /// has the first exchange of one.
  void check_grant(int waiter) {
    Pool::Ticket& ticket = *tickets.at(waiter);
    test::PoolDecisions none;
    Pool::Slot* const slot = pool.leave(ticket, none);
    REQUIRE(slot);
    REQUIRE(slots.at(slot->connection) == slot);
    for (const PoolModel::Waiter& w : model.queue)
      if (w.key == slot->host->key && (ticket.fresh || !w.fresh))
        REQUIRE(static_cast<std::uint64_t>(w.turn) > ticket.sequence);
    if (ticket.fresh) {
      REQUIRE(!slot->kept);
      for (const Pool::Hold& hold : held) REQUIRE(hold.slot != slot);
    }
    held.push_back({slot, ticket.sequence});
  }

  void check_counts() const {
    const auto counts = pool.counts();
    REQUIRE(counts.active == model.count(PoolModel::Connection::active) +
                                 model.count(PoolModel::Connection::retired));
    REQUIRE(counts.idle == model.count(PoolModel::Connection::idle));
    REQUIRE(counts.dialling == model.count(PoolModel::Connection::dialling));
    REQUIRE(counts.waiting == model.queue.size());
    REQUIRE(counts.exchanges == held.size());
    REQUIRE(counts.active + counts.idle + counts.dialling <= limits.max_connections);
    pool.for_each_host([&](const Pool::Host& host) {
      REQUIRE(host.slots <= limits.max_connections_per_host);
      const auto own = std::count_if(held.begin(), held.end(), [&](const Pool::Hold& hold) {
        return hold.slot->host == &host;
      });
      REQUIRE(pool.counts(host).exchanges == static_cast<std::size_t>(own));
    });
  }

  void check_connections() {
    for (const PoolModel::Connection& c : model.connections) {
      if (c.state == PoolModel::Connection::dialling) continue;
      const Pool::Slot& slot = *slots.at(c.id);
      REQUIRE(slot.use == c.use);
      REQUIRE(slot.capacity == c.capacity);
      const auto uses = std::count_if(held.begin(), held.end(),
                                      [&](const Pool::Hold& hold) { return hold.slot == &slot; });
      REQUIRE(slot.use == static_cast<std::size_t>(uses));
      if (slot.use <= slot.capacity)
        shrunk.erase(c.id);
      else
        REQUIRE(shrunk.count(c.id) == 1);
      // No ticket waits while there is a place on a connection.
      const bool has_place =
          c.has_room() || (c.state == PoolModel::Connection::idle && c.capacity > 0);
      if (has_place)
        for (const PoolModel::Waiter& w : model.queue) REQUIRE((w.fresh || w.key != c.key));
    }
  }

  Limits limits;
  std::size_t most_exchanges;  // The largest capacity of a connection.
  Pool pool;
  PoolModel model;
  test::PoolDecisions out;
  std::map<int, Pool::Slot*> dials;  // Keyed by the name that the model gives them.
  int last_dial = 0;
  std::map<int, std::unique_ptr<Pool::Ticket>> tickets;
  std::vector<Pool::Hold> held;      // One for each exchange.
  std::map<int, Pool::Slot*> slots;  // Open connections.
  std::set<int> shrunk;              // Connections that carry more than they may.
  std::size_t opened = 0, closed = 0;
};

template <class Container>
auto any_of(Container& items, std::mt19937& random) {
  return std::next(items.begin(), static_cast<std::ptrdiff_t>(random() % items.size()));
}

/// Random events for both.
class Player {
 public:
  Player(std::mt19937& random, Pair& pair) : random_(random), p(pair) {}

  void step() {
    now_ += std::chrono::milliseconds(10);
    switch (random_() % 14) {
      case 0:
      case 1:
      case 2: ask(); break;
      case 3:
      case 4:
      case 5: finish_dial(); break;
      case 6: fail_dial(); break;
      case 7:
      case 8:
      case 9: release(); break;
      case 10: discard(); break;
      case 11: leave(); break;
      case 12: change_capacity(); break;
      case 13:
        if (random_() % 4 == 0) retire();
        break;
    }
    p.check();
  }

 private:
  Time later() { return now_ + std::chrono::milliseconds(10 * (random_() % 40)); }

  void ask() {
    const std::string key(1, static_cast<char>('a' + random_() % 4));
    if (random_() % 4 > 0) {  // Else it comes straight to the queue, as after a race.
      const Pool::Hold hold = p.pool.take(key, now_, p.out);
      REQUIRE((hold.slot ? hold.slot->connection : 0) == p.model.take(key, now_));
      if (hold.slot) {
        REQUIRE(hold.turn > 0);
        p.held.push_back(hold);
        return;
      }
      p.check();
    }
    const int waiter = next_waiter_++;
    const bool fresh = random_() % 8 == 0;
    p.tickets[waiter] = std::make_unique<Pool::Ticket>(waiter, fresh, 0);
    try {  // A waiter for whom there is no memory leaves no trace.
      const test::FailingNew failing(random_() % 4 == 0 ? 1 + static_cast<int>(random_() % 4) : 0);
      p.pool.enqueue(*p.tickets[waiter], key, now_, p.out);
    } catch (const std::bad_alloc&) {
      p.pool.enqueue(*p.tickets[waiter], key, now_, p.out);
    }
    p.model.enqueue(waiter, static_cast<int>(p.tickets[waiter]->sequence), key, fresh, now_);
  }
  void finish_dial() {
    if (p.dials.empty()) return;
    const auto [dial, slot] = *any_of(p.dials, random_);
    p.dials.erase(dial);
    const int id = ++next_connection_;
    if (slot->host) {
      p.slots[id] = slot;
      ++p.opened;
    }
    const auto expires = later();
    const std::size_t capacity = 1 + random_() % p.most_exchanges;
    p.pool.dialled(*slot, id, now_, expires, capacity, p.out);
    p.model.dialled(dial, id, now_, expires, capacity);
  }
  void fail_dial() {
    if (p.dials.empty()) return;
    const auto [dial, slot] = *any_of(p.dials, random_);
    p.dials.erase(dial);
    p.pool.dial_failed(*slot, p.out);
    p.model.dial_failed(dial);
  }
  Pool::Hold give_back() {
    const auto at = any_of(p.held, random_);
    const Pool::Hold hold = *at;
    p.held.erase(at);
    return hold;
  }
  void release() {
    if (p.held.empty()) return;
    Pool::Slot* const slot = give_back().slot;
    const int id = slot->connection;
    const auto expires = later();
    p.pool.release(*slot, now_, expires, now_, p.out);
    p.model.release(id, now_, expires);
  }
  void discard() {
    if (p.held.empty()) return;
    const Pool::Hold hold = give_back();
    const int id = hold.slot->connection;
    if (random_() % 2 == 0) {
      p.pool.discard(*hold.slot, CloseReason::failed, p.out);
      p.model.discard(id, CloseReason::failed);
      return;
    }
    // It was dead already when it was given: its waiter waits on in its old turn.
    const int waiter = next_waiter_++;
    const std::string key(hold.slot->host->key);
    const bool fresh = random_() % 2 == 0;
    p.tickets[waiter] = std::make_unique<Pool::Ticket>(waiter, fresh, hold.turn);
    p.pool.enqueue(*p.tickets[waiter], key, now_, p.out, hold.slot);
    p.model.enqueue(waiter, static_cast<int>(hold.turn), key, fresh, now_, id, true);
  }
  void leave() {
    if (random_() % 20 == 0) {
      p.pool.close_idle(CloseReason::client_closed, p.out);
      p.model.close_idle();
    } else if (!p.tickets.empty()) {
      const int waiter = any_of(p.tickets, random_)->first;
      REQUIRE(p.pool.leave(*p.tickets[waiter], p.out) == nullptr);
      p.tickets.erase(waiter);
      p.model.leave(waiter);
    }
  }
  void change_capacity() {
    if (p.slots.empty() || p.most_exchanges == 1) return;
    const auto [id, slot] = *any_of(p.slots, random_);
    const std::size_t capacity = random_() % (p.most_exchanges + 1);
    if (capacity < slot->use) p.shrunk.insert(id);
    p.pool.set_capacity(*slot, capacity, p.out);
    p.model.set_capacity(id, capacity);
  }
  void retire() {
    if (p.slots.empty()) return;
    const auto [id, slot] = *any_of(p.slots, random_);
    p.pool.retire(*slot, CloseReason::closed_by_peer, p.out);
    p.model.retire(id, CloseReason::closed_by_peer);
  }

  std::mt19937& random_;
  Pair& p;
  Time now_{};
  int next_waiter_ = 0;
  int next_connection_ = 0;
};

}  // namespace

TEST_CASE("[36] [37] [66] a million random events: the pool decides as the model does") {
  std::mt19937 random(20231);
  for (int round = 0; round < 200; ++round) {
    Limits limits;
    limits.max_connections = 1 + random() % 8;
    limits.max_connections_per_host = random() % 2 == 0 ? ferry::no_limit : 1 + random() % 4;
    limits.max_idle = random() % 3 == 0 ? random() % 4 : ferry::no_limit;
    if (random() % 3 == 0) limits.max_lifetime = std::chrono::seconds(1 + random() % 10);
    Pair pair(limits, random() % 2 == 0 ? 1 : 2 + random() % 5);
    Player player(random, pair);
    for (int step = 0; step < 5000; ++step) player.step();
  }
}
