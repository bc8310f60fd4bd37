// The pool's decisions against a model that is too simple to be wrong in the same way: plain
// vectors, searched from end to end, in the words of the rules.

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
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
    enum { dialling, active, retired, idle } state;
    int waiter = -1;  // Of a dial: who counts on it.
    int spare_since = 0;
    Time idle_since{}, expires{}, opened{};
    std::size_t capacity = 0, use = 0;
    int room_since = 0;      // Order in which connections in use got room.
    int unusable_since = 0;  // Order in which idle connections got capacity 0.
    CloseReason reason{};    // Of a retired one.
    bool has_room() const { return state == active && use > 0 && use < capacity; }
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
    return reuse(key, newcomer, now);
  }
  void enqueue(int waiter, int turn, const std::string& key, bool fresh, Time now, int dead = 0,
               bool has_turn = false) {
    if (!fresh) expire(now);
    if (dead > 0 && find(dead)->has_room()) make_retired(find(dead), CloseReason::failed);
    if (!fresh && reuse(key, has_turn ? turn : newcomer, now) > 0) {
      out.granted.push_back(waiter);
      if (dead > 0) discard(dead, CloseReason::failed);
      return;
    }
    const auto later =
        std::find_if(queue.begin(), queue.end(), [&](const Waiter& w) { return w.turn > turn; });
    queue.insert(later, {waiter, key, fresh, turn, true, now});
    if (dead > 0) end_exchange(dead, CloseReason::failed);
    find_dial(waiter);
    if (dial_of(waiter) == connections.end() && at_host_limit(key)) close_oldest_idle(key);
    start_dials();
  }
  void leave(int waiter) {
    remove(waiter);
    start_dials();
    abandon_if_quiet();
  }
  void release(int id, Time now, Time expires) {
    find(id)->idle_since = now;
    find(id)->expires = expires;
    expire(now);
    if (find(id)->state == Connection::retired) {
      end_exchange(id, CloseReason::failed);
      start_dials();
    } else {
      set_load(id, find(id)->use - 1, find(id)->capacity);
      place(id, false);
    }
    abandon_if_quiet();
  }
  void discard(int id, CloseReason reason) {
    end_exchange(id, reason);
    start_dials();
    abandon_if_quiet();
  }
  void retire(int id, CloseReason reason) {
    const auto c = find(id);
    if (c->state == Connection::active) make_retired(c, reason);
    if (c->state == Connection::idle) close(id, reason);
    start_dials();
  }
  void set_capacity(int id, std::size_t capacity) {
    const auto c = find(id);
    if (c->state == Connection::idle && (c->capacity > 0) != (capacity > 0))
      set_state(c, Connection::active);
    set_load(id, find(id)->use, capacity);
    if (find(id)->state == Connection::active) place(id, false);
  }
  void dialled(int dial, int id, Time now, Time expires, std::size_t capacity) {
    if (std::erase(given_up, dial) > 0) {
      out.closing.emplace_back(id, CloseReason::evicted);
      return;
    }
    auto c = find(dial);
    c->id = id;
    c->opened = c->idle_since = now;
    c->expires = expires;
    c->capacity = capacity;
    const int starter = std::exchange(c->waiter, -1);
    set_state(c, Connection::active);
    if (starter >= 0) {
      const auto first = std::find_if(queue.begin(), queue.end(),
                                      [&](const Waiter& w) { return w.key == find(id)->key; });
      if (first->id != starter) dial_of(first->id)->waiter = starter;
    }
    place(id, true);
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
    start_dials();
    abandon_if_quiet();
  }
  void close_idle() {
    for (auto c = first_to_expire(); c != connections.end(); c = first_to_expire())
      close(c->id, CloseReason::client_closed);
    start_dials();
  }

  std::size_t count(int state, const std::string& key = "") const {
    return static_cast<std::size_t>(std::count_if(
        connections.begin(), connections.end(),
        [&](const auto& c) { return c.state == state && (key.empty() || c.key == key); }));
  }
  std::size_t exchanges() const {
    std::size_t sum = 0;
    for (const auto& c : connections) sum += c.use;
    return sum;
  }
  std::vector<Connection>::iterator find(int id) {
    return std::find_if(connections.begin(), connections.end(),
                        [&](const auto& c) { return c.id == id; });
  }

 private:
  static constexpr int newcomer = std::numeric_limits<int>::max();
  static constexpr std::chrono::milliseconds patience{100};

  /// Puts one exchange more on a connection that is there. @return its number; 0 if none will do.
  int reuse(const std::string& key, int turn, Time now) {
    for (;;) {
      auto best = connections.end();
      for (auto c = connections.begin(); c != connections.end(); ++c)
        if (c->key == key && c->has_room() &&
            (best == connections.end() || c->room_since > best->room_since))
          best = c;
      if (best == connections.end()) break;
      if (is_too_old(*best, now)) {
        make_retired(best, CloseReason::lifetime_expired);
      } else if (must_make_way(key, turn, now)) {
        make_retired(best, CloseReason::evicted);
      } else {
        const int id = best->id;
        set_load(id, best->use + 1, best->capacity);
        return id;
      }
    }
    for (auto c = connections.rbegin(); c != connections.rend(); ++c) {
      if (c->key != key || c->state != Connection::idle || c->capacity == 0) continue;
      const int id = c->id;
      set_state(find(id), Connection::active);
      set_load(id, 1, find(id)->capacity);
      return id;
    }
    return 0;
  }
  bool is_too_old(const Connection& c, Time now) const {
    return now - c.opened >= limits_.max_lifetime;
  }
  /// True if somebody needs a dial for whom no retired connection makes room yet, and has waited
  /// longer than an exchange that comes at `since` in this turn.
  bool must_make_way(const std::string& key, int turn, Time since) {
    const auto is_older = [&](const Waiter& w) {
      return w.turn < turn && w.since + patience <= since;
    };
    if (at_host_limit(key) && count(Connection::retired, key) == 0) {
      const auto w = std::find_if(queue.begin(), queue.end(), [&](const Waiter& x) {
        return x.key == key && dial_of(x.id) == connections.end();
      });
      if (w != queue.end() && is_older(*w)) return true;
    }
    const auto first = next_to_dial();
    if (connections.size() < limits_.max_connections || first == queue.end()) return false;
    std::set<std::string> waiting_keys;
    for (const Waiter& w : queue)
      if (dial_of(w.id) == connections.end() && !at_host_limit(w.key)) waiting_keys.insert(w.key);
    return count(Connection::retired) < waiting_keys.size() && is_older(*first);
  }
  void set_load(int id, std::size_t use, std::size_t capacity) {
    const auto c = find(id);
    const bool had_room = c->has_room();
    c->use = use;
    c->capacity = capacity;
    if (!had_room && c->has_room()) c->room_since = ++last_change_;
  }
  void make_retired(std::vector<Connection>::iterator c, CloseReason reason) {
    c->reason = reason;
    c->state = Connection::retired;
  }
  /// Ends an exchange of a connection that is not used again.
  void end_exchange(int id, CloseReason reason) {
    const auto c = find(id);
    if (c->state == Connection::active) make_retired(c, reason);
    if (--c->use == 0) close(id, c->reason);
  }
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
    const auto slots = std::count_if(connections.begin(), connections.end(),
                                     [&](const Connection& c) { return c.key == key; });
    return static_cast<std::size_t>(slots) >= limits_.max_connections_per_host;
  }
  /// Closes the key's idle connection that was last used the longest ago; one without capacity
  /// before the others, the last of them.
  void close_oldest_idle(const std::string& key) {
    const Connection* worst = nullptr;
    for (const auto& c : connections) {
      if (c.key != key || c.state != Connection::idle) continue;
      if (!worst ||
          (c.capacity == 0 && (worst->capacity > 0 || c.unusable_since > worst->unusable_since)))
        worst = &c;
    }
    if (worst) close(worst->id, CloseReason::evicted);
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
  void start_dials() {
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
  /// Serves waiters with a connection while it has room for them; without any, it idles.
  void place(int id, bool fresh) {
    const std::string key = find(id)->key;
    while (find(id)->use < find(id)->capacity) {
      const bool unused = fresh && find(id)->use == 0;
      const auto found = std::find_if(queue.begin(), queue.end(), [&](const Waiter& x) {
        return x.key == key && (!x.fresh || unused);
      });
      if (found == queue.end()) break;
      const Waiter w = *found;
      if (!fresh && find(id)->use > 0 && must_make_way(key, w.turn, w.since)) {
        make_retired(find(id), CloseReason::evicted);
        break;
      }
      const auto older = next_to_dial();
      const bool older_here =
          at_host_limit(key) && std::any_of(queue.begin(), queue.end(), [&](const Waiter& x) {
            return x.key == key && x.turn < w.turn && dial_of(x.id) == connections.end();
          });
      const bool overdue =
          older_here || (connections.size() >= limits_.max_connections && older != queue.end() &&
                         older->turn < w.turn && older->since + patience <= w.since);
      if (!fresh && find(id)->use == 0 && overdue) {
        close(id, CloseReason::evicted);
        return start_dials();
      }
      out.granted.push_back(w.id);
      remove(w.id);
      set_load(id, find(id)->use + 1, find(id)->capacity);
    }
    if (find(id)->use == 0) rest(id, fresh);
    start_dials();
  }
  void rest(int id, bool fresh) {
    const std::string key = find(id)->key;
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
      if (find(id)->capacity == 0) find(id)->unusable_since = ++last_change_;
    }
  }
  void close(int id, CloseReason reason) {
    out.closing.emplace_back(id, reason);
    connections.erase(find(id));
  }
  void expire(Time now) {
    bool any = false;
    for (auto c = first_to_expire(); c != connections.end() && c->expires <= now;
         c = first_to_expire()) {
      close(c->id, is_too_old(*c, now) ? CloseReason::lifetime_expired : CloseReason::idle_expired);
      any = true;
    }
    if (any) start_dials();
  }
  void abandon_if_quiet() {
    if (exchanges() > 0 || !queue.empty()) return;
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
  int last_change_ = 0;
};

/// Both, side by side, and the books that a pool's owner keeps.
struct Pair {
  Pair(Limits l, std::size_t most) : limits(l), most_exchanges(most), pool(l), model(l) {}

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
    for (const Model::Waiter& w : model.queue)
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
    REQUIRE(counts.active ==
            model.count(Model::Connection::active) + model.count(Model::Connection::retired));
    REQUIRE(counts.idle == model.count(Model::Connection::idle));
    REQUIRE(counts.dialling == model.count(Model::Connection::dialling));
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
    for (const Model::Connection& c : model.connections) {
      if (c.state == Model::Connection::dialling) continue;
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
      // Nobody waits while there is a place on a connection.
      const bool has_place = c.has_room() || (c.state == Model::Connection::idle && c.capacity > 0);
      if (has_place)
        for (const Model::Waiter& w : model.queue) REQUIRE((w.fresh || w.key != c.key));
    }
  }

  Limits limits;
  std::size_t most_exchanges;  // The largest capacity of a connection.
  Pool pool;
  Model model;
  test::PoolDecisions out;
  std::map<int, Pool::Slot*> dials;  // By what the model calls them.
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
