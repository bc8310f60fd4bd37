// The pool's decisions against a model that is too simple to be wrong in the same way: plain
// vectors, searched from end to end, in the words of the rules.

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "support/pool_decisions.hpp"

using ferry::CloseReason;
using ferry::Limits;
using test::Pool;
using Time = Pool::Time;

namespace {

/// What an event came to, in numbers: connections and waiters.
struct Outcome {
  std::vector<int> granted, dials, failed, abandoned;
  std::vector<std::pair<int, CloseReason>> closing;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

class Model {
 public:
  explicit Model(Limits limits) : limits_(limits) {}

  struct Connection {
    int id;  // Of a dial: how many were begun before, negative.
    std::string key;
    enum { dialling, active, idle } state;
    int waiter = -1;  // Of a dial: who counts on it.
    int spare_since = 0;
    Time idle_since{}, expires{};
  };
  struct Waiter {
    int id;
    std::string key;
    bool fresh;
    int turn;       // What it is served in the order of: one that comes again keeps its own.
    bool may_dial;  // It has not caused a dial yet.
    Time since;
  };
  std::vector<Connection> connections;  // In the order in which they took their state.
  std::vector<Waiter> queue;            // In the order of arrival.
  std::vector<int> given_up;            // Dials that count no more.
  Outcome out;

  int take(const std::string& key, Time now) {
    expire(now);
    for (auto c = connections.rbegin(); c != connections.rend(); ++c) {
      if (c->key == key && c->state == Connection::idle) {
        const int id = c->id;
        set_state(find(id), Connection::active);
        return id;
      }
    }
    return 0;
  }
  void enqueue(int waiter, int turn, const std::string& key, bool fresh, Time now, int dead = 0) {
    if (!fresh && take(key, now) > 0) {
      out.granted.push_back(waiter);
      if (dead > 0) discard(dead, CloseReason::failed);
      return;
    }
    const auto later =
        std::find_if(queue.begin(), queue.end(), [&](const Waiter& w) { return w.turn > turn; });
    queue.insert(later, {waiter, key, fresh, turn, true, now});
    if (dead > 0) close(dead, CloseReason::failed);
    find_dial(waiter);
    if (dial_of(waiter) == connections.end() && at_host_limit(key)) close_oldest_idle(key);
    pump();
  }
  void leave(int waiter) {
    remove(waiter);
    pump();
    abandon_if_quiet();
  }
  void release(int id, Time now, Time expires) {
    find(id)->idle_since = now;
    find(id)->expires = expires;
    expire(now);
    settle(id, false);
    abandon_if_quiet();
  }
  void discard(int id, CloseReason reason) {
    close(id, reason);
    pump();
    abandon_if_quiet();
  }
  void dialled(int dial, int id, Time now, Time expires) {
    if (std::erase(given_up, dial) > 0) {
      out.closing.emplace_back(id, CloseReason::evicted);
      return;
    }
    auto c = find(dial);
    c->id = id;
    c->idle_since = now;
    c->expires = expires;
    const int starter = std::exchange(c->waiter, -1);
    set_state(c, Connection::active);
    if (starter >= 0) {
      const auto first = std::find_if(queue.begin(), queue.end(),
                                      [&](const Waiter& w) { return w.key == find(id)->key; });
      if (first->id != starter) dial_of(first->id)->waiter = starter;
    }
    settle(id, true);
    pump();
    abandon_if_quiet();
  }
  void dial_failed(int dial) {
    if (std::erase(given_up, dial) > 0) return;
    const int starter = find(dial)->waiter;
    connections.erase(find(dial));
    if (starter >= 0 && get(starter).may_dial) {
      find_dial(starter);
    } else if (starter >= 0) {
      out.failed.push_back(starter);
      remove(starter);
    }
    pump();
    abandon_if_quiet();
  }
  void close_idle() {
    for (auto c = first_to_expire(); c != connections.end(); c = first_to_expire())
      close(c->id, CloseReason::client_closed);
    pump();
  }

  std::size_t count(int state, const std::string& key = "") const {
    return static_cast<std::size_t>(std::count_if(
        connections.begin(), connections.end(),
        [&](const auto& c) { return c.state == state && (key.empty() || c.key == key); }));
  }
  std::vector<Connection>::iterator find(int id) {
    return std::find_if(connections.begin(), connections.end(),
                        [&](const auto& c) { return c.id == id; });
  }

 private:
  static bool is_spare(const Connection& c) {
    return c.state == Connection::dialling && c.waiter < 0;
  }
  /// The dial that has been spare for longest, of this key or of any.
  std::vector<Connection>::iterator spare_of(const std::string& key = "") {
    auto spare = connections.end();
    for (auto c = connections.begin(); c != connections.end(); ++c)
      if ((key.empty() || c->key == key) && is_spare(*c) &&
          (spare == connections.end() || c->spare_since < spare->spare_since))
        spare = c;
    return spare;
  }
  std::vector<Connection>::iterator dial_of(int waiter) {
    return std::find_if(connections.begin(), connections.end(),
                        [&](const auto& c) { return c.waiter == waiter; });
  }
  void set_state(std::vector<Connection>::iterator c, decltype(Connection::dialling) state) {
    c->state = state;
    std::rotate(c, c + 1, connections.end());
  }
  Waiter& get(int id) {
    return *std::find_if(queue.begin(), queue.end(), [&](const Waiter& w) { return w.id == id; });
  }
  bool at_host_limit(const std::string& key) const {
    return count(Connection::active, key) + count(Connection::idle, key) +
               count(Connection::dialling, key) >=
           limits_.max_connections_per_host;
  }
  void close_oldest_idle(const std::string& key) {
    for (const auto& c : connections) {
      if (c.key != key || c.state != Connection::idle) continue;
      close(c.id, CloseReason::evicted);
      return;
    }
  }
  /// A waiter without a dial gets that of the last one of its key that has one, if that is behind
  /// it.
  void find_dial(int id) {
    Waiter& waiter = get(id);
    if (const auto spare = spare_of(waiter.key); spare != connections.end()) {
      spare->waiter = id;
      return;
    }
    Waiter* last = nullptr;
    for (Waiter& w : queue)
      if (w.key == waiter.key && dial_of(w.id) != connections.end()) last = &w;
    if (!last || last->turn < waiter.turn) return;
    dial_of(last->id)->waiter = id;
    if (last->may_dial) return;
    last->may_dial = waiter.may_dial;
    waiter.may_dial = false;
  }
  /// Takes a waiter out; a dial that it counted on goes to the first of its key without one.
  void remove(int waiter) {
    const auto w =
        std::find_if(queue.begin(), queue.end(), [&](const Waiter& x) { return x.id == waiter; });
    const std::string key = w->key;
    queue.erase(w);
    const auto dial = dial_of(waiter);
    if (dial == connections.end()) return;
    dial->waiter = -1;
    dial->spare_since = ++last_spare_;
    for (const Waiter& other : queue) {
      if (other.key == key && dial_of(other.id) == connections.end()) {
        dial->waiter = other.id;
        break;
      }
    }
  }
  /// The waiter that has waited longest of those that a new dial would serve; none: the end.
  std::vector<Waiter>::iterator next_to_dial() {
    return std::find_if(queue.begin(), queue.end(), [&](const Waiter& w) {
      return dial_of(w.id) == connections.end() && !at_host_limit(w.key);
    });
  }
  std::vector<Connection>::iterator first_to_expire() {
    auto best = connections.end();
    for (auto c = connections.begin(); c != connections.end(); ++c) {
      if (c->state != Connection::idle) continue;
      if (best == connections.end() ||
          std::tie(c->expires, c->idle_since) < std::tie(best->expires, best->idle_since))
        best = c;
    }
    return best;
  }
  void pump() {
    for (auto w = next_to_dial(); w != queue.end(); w = next_to_dial()) {
      if (connections.size() >= limits_.max_connections) {
        if (spare_of() != connections.end()) {
          give_up(spare_of());
        } else {
          const auto victim = first_to_expire();
          if (victim == connections.end()) return;
          close(victim->id, CloseReason::evicted);
        }
        w = next_to_dial();  // That place may be just what somebody older was waiting for.
      }
      w->may_dial = false;
      out.dials.push_back(w->id);
      connections.push_back({--last_dial_, w->key, Connection::dialling, w->id});
    }
  }
  void settle(int id, bool fresh) {
    const std::string key = find(id)->key;
    for (const Waiter& w : queue) {
      if (w.key != key || (w.fresh && !fresh)) continue;
      const auto older = next_to_dial();
      const bool older_here =
          at_host_limit(key) && std::any_of(queue.begin(), queue.end(), [&](const Waiter& x) {
            return x.key == key && x.turn < w.turn && dial_of(x.id) == connections.end();
          });
      const bool overdue =
          !fresh && (older_here || (connections.size() >= limits_.max_connections &&
                                    older != queue.end() && older->turn < w.turn &&
                                    older->since + std::chrono::milliseconds(100) <= w.since));
      if (overdue) {
        close(id, CloseReason::evicted);
        pump();
      } else {
        out.granted.push_back(w.id);
        remove(w.id);
        pump();
      }
      return;
    }
    const bool unserved = std::any_of(queue.begin(), queue.end(), [&](const Waiter& w) {
      return w.key == key && dial_of(w.id) == connections.end();
    });
    if (!fresh && unserved && at_host_limit(key)) {
      close(id, CloseReason::evicted);
    } else if (limits_.max_idle == 0) {
      close(id, CloseReason::idle_cap);
    } else {
      if (count(Connection::idle) >= limits_.max_idle)
        close(first_to_expire()->id, CloseReason::idle_cap);
      set_state(find(id), Connection::idle);
    }
    pump();
  }
  void close(int id, CloseReason reason) {
    out.closing.emplace_back(id, reason);
    connections.erase(find(id));
  }
  void expire(Time now) {
    bool any = false;
    for (auto c = first_to_expire(); c != connections.end() && c->expires <= now;
         c = first_to_expire()) {
      close(c->id, CloseReason::idle_expired);
      any = true;
    }
    if (any) pump();
  }
  void abandon_if_quiet() {
    if (count(Connection::active) > 0 || !queue.empty()) return;
    while (spare_of() != connections.end()) give_up(spare_of());
  }
  void give_up(std::vector<Connection>::iterator dial) {
    out.abandoned.push_back(dial->id);
    given_up.push_back(dial->id);
    connections.erase(dial);
  }

  Limits limits_;
  int last_spare_ = 0;
  int last_dial_ = 0;
};

/// Both, side by side, and the books that a pool's owner keeps.
struct Pair {
  explicit Pair(Limits limits) : pool(limits), model(limits) {}

  void check() {
    Outcome real;
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
    const auto counts = pool.counts();
    REQUIRE(counts.active == model.count(Model::Connection::active));
    REQUIRE(counts.idle == model.count(Model::Connection::idle));
    REQUIRE(counts.dialling == model.count(Model::Connection::dialling));
    REQUIRE(counts.waiting == model.queue.size());
    for (const int waiter : real.granted) {
      test::PoolDecisions none;
      held.push_back(pool.leave(*tickets.at(waiter), none));
      REQUIRE(held.back());
      turns[held.back()->connection] = tickets.at(waiter)->sequence;
      tickets.erase(waiter);
    }
    for (const int waiter : real.failed) tickets.erase(waiter);
    out = {};
    model.out = {};
  }

  Pool pool;
  Model model;
  test::PoolDecisions out;
  std::map<int, Pool::Slot*> dials;  // By what the model calls them.
  int last_dial = 0;
  std::map<int, std::unique_ptr<Pool::Ticket>> tickets;
  std::vector<Pool::Slot*> held;
  std::map<int, std::uint64_t> turns;  // Of those who waited for what is held, by connection.
};

template <class Container>
auto any_of(Container& items, std::mt19937& random) {
  return std::next(items.begin(), static_cast<std::ptrdiff_t>(random() % items.size()));
}

}  // namespace

TEST_CASE("[36] [37] [66] a million random events: the pool decides as the model does") {
  std::mt19937 random(20231);
  int next_waiter = 0;
  int next_connection = 0;
  Time now{};
  for (int round = 0; round < 200; ++round) {
    Limits limits;
    limits.max_connections = 1 + random() % 8;
    limits.max_connections_per_host = random() % 2 == 0 ? ferry::no_limit : 1 + random() % 4;
    limits.max_idle = random() % 3 == 0 ? random() % 4 : ferry::no_limit;
    Pair p(limits);
    for (int step = 0; step < 5000; ++step) {
      now += std::chrono::milliseconds(10);
      const std::string key(1, static_cast<char>('a' + random() % 4));
      const auto expires = now + std::chrono::milliseconds(10 * (random() % 40));
      switch (random() % 12) {
        case 0:
        case 1:
        case 2: {
          if (random() % 4 > 0) {  // Else it comes straight to the queue, as after a race.
            Pool::Slot* slot = p.pool.take(key, now, p.out);
            REQUIRE((slot ? slot->connection : 0) == p.model.take(key, now));
            p.check();
            if (slot) {
              p.held.push_back(slot);
              break;
            }
          }
          const int waiter = next_waiter++;
          const bool fresh = random() % 8 == 0;
          p.tickets[waiter] = std::make_unique<Pool::Ticket>(waiter, fresh, 0);
          try {  // A waiter for whom there is no memory leaves no trace.
            const test::FailingNew failing(random() % 4 == 0 ? 1 + static_cast<int>(random() % 4)
                                                             : 0);
            p.pool.enqueue(*p.tickets[waiter], key, now, p.out);
          } catch (const std::bad_alloc&) {
            p.pool.enqueue(*p.tickets[waiter], key, now, p.out);
          }
          // One that was served at once has no turn; the model gives it one that it never uses.
          p.model.enqueue(waiter, static_cast<int>(p.tickets[waiter]->sequence), key, fresh, now);
          break;
        }
        case 3:
        case 4:
        case 5:
          if (!p.dials.empty()) {
            const auto [dial, slot] = *any_of(p.dials, random);
            p.dials.erase(dial);
            const int id = ++next_connection;
            p.pool.dialled(*slot, id, now, expires, p.out);
            p.model.dialled(dial, id, now, expires);
          }
          break;
        case 6:
          if (!p.dials.empty()) {
            const auto [dial, slot] = *any_of(p.dials, random);
            p.dials.erase(dial);
            p.pool.dial_failed(*slot, p.out);
            p.model.dial_failed(dial);
          }
          break;
        case 7:
        case 8:
        case 9:
          if (!p.held.empty()) {
            const auto at = any_of(p.held, random);
            Pool::Slot* slot = *at;
            p.held.erase(at);
            const int id = slot->connection;
            p.pool.release(*slot, now, expires, now, p.out);
            p.model.release(id, now, expires);
          }
          break;
        case 10:
          if (!p.held.empty()) {
            const auto at = any_of(p.held, random);
            Pool::Slot* slot = *at;
            p.held.erase(at);
            const int id = slot->connection;
            if (const auto turn = p.turns[id]; turn > 0 && random() % 2 == 0) {
              // It was dead already when it was given: its waiter waits on in its old turn.
              const int waiter = next_waiter++;
              const std::string own(slot->host->key);
              const bool fresh = random() % 2 == 0;
              p.tickets[waiter] = std::make_unique<Pool::Ticket>(waiter, fresh, turn);
              p.pool.enqueue(*p.tickets[waiter], own, now, p.out, slot);
              p.model.enqueue(waiter, static_cast<int>(turn), own, fresh, now, id);
              break;
            }
            p.pool.discard(*slot, CloseReason::failed, p.out);
            p.model.discard(id, CloseReason::failed);
          }
          break;
        case 11:
          if (random() % 20 == 0) {
            p.pool.close_idle(CloseReason::client_closed, p.out);
            p.model.close_idle();
          } else if (!p.tickets.empty()) {
            const int waiter = any_of(p.tickets, random)->first;
            REQUIRE(p.pool.leave(*p.tickets[waiter], p.out) == nullptr);
            p.tickets.erase(waiter);
            p.model.leave(waiter);
          }
          break;
      }
      p.check();
    }
  }
}
