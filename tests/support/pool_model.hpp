#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ferry/event.hpp>
#include <ferry/options.hpp>

namespace test {

/// The decisions of an event, in numbers: connections and waiters.
struct PoolOutcome {
  std::vector<int> granted, dials, failed, abandoned;
  std::vector<std::pair<int, ferry::CloseReason>> closing;
  friend bool operator==(const PoolOutcome&, const PoolOutcome&) = default;
};

/// A model of the pool's decisions that is too simple to be wrong in the same way: plain vectors,
/// searched from end to end, in the words of the rules.
class PoolModel {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit PoolModel(ferry::Limits limits) : limits_(limits) {}

  struct Connection {
    int id;  // A dial has a negative number: how many were begun before.
    std::string key;
    enum { dialling, active, retired, idle } state;
    int waiter = -1;  // The waiter that counts on the dial.
    int spare_since = 0;
    Time idle_since{}, expires{}, opened{};
    std::size_t capacity = 0, use = 0;
    int room_since = 0;           // Order in which connections in use got room.
    int unusable_since = 0;       // Order in which idle connections got capacity 0.
    ferry::CloseReason reason{};  // Why a retired one is closed.
    bool has_room() const { return state == active && use > 0 && use < capacity; }
  };
  struct Waiter {
    int id;
    std::string key;
    bool fresh;
    int turn;       // The order of service; a waiter that comes again keeps its turn.
    bool may_dial;  // It has not caused a dial yet.
    Time since;
  };
  std::vector<Connection> connections;  // In the order in which they took their state.
  std::vector<Waiter> queue;            // In the order of arrival.
  std::vector<int> given_up;            // Dials that count no more.
  PoolOutcome out;

  int take(const std::string& key, Time now) {
    expire(now);
    return reuse(key, newcomer, now);
  }
  void enqueue(int waiter, int turn, const std::string& key, bool fresh, Time now, int dead = 0,
               bool has_turn = false) {
    if (!fresh) expire(now);
    if (dead > 0 && find(dead)->has_room()) make_retired(find(dead), ferry::CloseReason::failed);
    if (!fresh && reuse(key, has_turn ? turn : newcomer, now) > 0) {
      out.granted.push_back(waiter);
      if (dead > 0) discard(dead, ferry::CloseReason::failed);
      return;
    }
    const auto later =
        std::find_if(queue.begin(), queue.end(), [&](const Waiter& w) { return w.turn > turn; });
    queue.insert(later, {waiter, key, fresh, turn, true, now});
    if (dead > 0) end_exchange(dead, ferry::CloseReason::failed);
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
      end_exchange(id, ferry::CloseReason::failed);
      start_dials();
    } else {
      set_load(id, find(id)->use - 1, find(id)->capacity);
      place(id, false);
    }
    abandon_if_quiet();
  }
  void discard(int id, ferry::CloseReason reason) {
    end_exchange(id, reason);
    start_dials();
    abandon_if_quiet();
  }
  void retire(int id, ferry::CloseReason reason) {
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
      out.closing.emplace_back(id, ferry::CloseReason::evicted);
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
      close(c->id, ferry::CloseReason::client_closed);
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
        make_retired(best, ferry::CloseReason::lifetime_expired);
      } else if (must_make_way(key, turn, now)) {
        make_retired(best, ferry::CloseReason::evicted);
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
  void make_retired(std::vector<Connection>::iterator c, ferry::CloseReason reason) {
    c->reason = reason;
    c->state = Connection::retired;
  }
  /// Ends an exchange of a connection that is not used again.
  void end_exchange(int id, ferry::CloseReason reason) {
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
    if (worst) close(worst->id, ferry::CloseReason::evicted);
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
          close(victim->id, ferry::CloseReason::evicted);
        }
        w = next_to_dial();  // An older waiter may have waited for just that place.
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
        make_retired(find(id), ferry::CloseReason::evicted);
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
        close(id, ferry::CloseReason::evicted);
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
      close(id, ferry::CloseReason::evicted);
    } else if (limits_.max_idle == 0) {
      close(id, ferry::CloseReason::idle_cap);
    } else {
      if (count(Connection::idle) >= limits_.max_idle)
        close(first_to_expire()->id, ferry::CloseReason::idle_cap);
      set_state(find(id), Connection::idle);
      if (find(id)->capacity == 0) find(id)->unusable_since = ++last_change_;
    }
  }
  void close(int id, ferry::CloseReason reason) {
    out.closing.emplace_back(id, reason);
    connections.erase(find(id));
  }
  void expire(Time now) {
    bool any = false;
    for (auto c = first_to_expire(); c != connections.end() && c->expires <= now;
         c = first_to_expire()) {
      close(c->id, is_too_old(*c, now) ? ferry::CloseReason::lifetime_expired
                                       : ferry::CloseReason::idle_expired);
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

  ferry::Limits limits_;
  int last_spare_ = 0;
  int last_dial_ = 0;
  int last_change_ = 0;
};

}  // namespace test
