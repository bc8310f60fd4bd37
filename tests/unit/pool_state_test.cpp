#include <algorithm>
#include <deque>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/pool_table.hpp"

using namespace std::chrono_literals;
using ferry::CloseReason;
using ferry::Limits;
using test::at_most;
using test::Pool;
using test::Table;

TEST_CASE("a first request dials, a second one reuses") {
  Table t;
  CHECK(t.take("a") == nullptr);
  Pool::Slot* slot = t.open("a");
  REQUIRE(slot);
  CHECK(slot->number == 1);
  CHECK(t.counts() == "1 active 0 idle 0 dialling 0 waiting");
  t.release(slot);
  CHECK(t.counts() == "0 active 1 idle 0 dialling 0 waiting");
  CHECK(t.take("b") == nullptr);
  CHECK(t.take("a") == slot);
  CHECK(slot->connection == 1);
}

TEST_CASE("reuse is last in, first out") {
  Table t;
  auto* one = t.open("a");
  auto* two = t.open("a");
  t.release(one);
  t.release(two);
  CHECK(t.take("a") == two);
  CHECK(t.take("a") == one);
  CHECK(t.take("a") == nullptr);
}

TEST_CASE("[39] idle connections expire at the pool's next event") {
  Table t;
  auto* one = t.open("a");
  auto* two = t.open("b");
  t.release(one);
  t.now += 3s;
  t.release(two);
  t.now += 1s;
  CHECK(t.take("c") == nullptr);
  CHECK(t.closed() == "1 idle for too long;");
  CHECK(t.take("b") == two);
}

TEST_CASE("the idle cap closes the one that would expire first") {
  Limits limits;
  limits.max_idle = 1;
  Table t(limits);
  auto* one = t.open("a");
  auto* two = t.open("a");
  t.release(one);
  t.now += 1s;
  t.release(two);
  CHECK(t.closed() == "1 too many idle;");
  CHECK(t.take("a") == two);

  limits.max_idle = 0;
  Table none(limits);
  none.release(none.open("a"));
  CHECK(none.closed() == "1 too many idle;");
  CHECK(none.counts() == "0 active 0 idle 0 dialling 0 waiting");
}

TEST_CASE("[37] dials count against the limits, and waiters are first in, first out") {
  Table t(at_most(2));
  auto& a = t.wait("k");
  auto& b = t.wait("k");
  auto& c = t.wait("k");
  CHECK(t.counts() == "0 active 0 idle 2 dialling 3 waiting");
  t.dialled(t.dials.back());  // The second dial is done first: the first waiter has it.
  CHECK(t.out.grants == std::vector<int>{a.waiter});
  auto* slot = t.leave(a);
  REQUIRE(slot);
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{b.waiter});
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{c.waiter});
  CHECK(t.counts() == "2 active 0 idle 0 dialling 0 waiting");
}

TEST_CASE("a per-host limit leaves the others their places") {
  Table t(at_most(10, 1));
  t.wait("a");
  t.wait("a");
  t.wait("b");
  CHECK(t.counts() == "0 active 0 idle 2 dialling 3 waiting");
}

TEST_CASE(
    "a waiter takes a freed connection before its own dial, and the dial serves the next or "
    "idles") {
  Table t;
  auto* kept = t.open("k");
  auto& a = t.wait("k");
  t.release(kept);
  CHECK(t.out.grants == std::vector<int>{a.waiter});
  CHECK(t.counts() == "1 active 0 idle 1 dialling 0 waiting");
  auto& b = t.wait("k");
  CHECK(t.out.dials.empty());  // The spare dial is enough for it.
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{b.waiter});

  auto& c = t.wait("k");
  t.release(t.leave(a));
  CHECK(t.out.grants == std::vector<int>{c.waiter});
  t.dialled();
  CHECK(t.counts() == "2 active 1 idle 0 dialling 0 waiting");
}

TEST_CASE("[37] a failed dial is its own waiter's answer, and frees its place for the next") {
  Table t(at_most(1));
  auto& a = t.wait("k");
  auto& b = t.wait("k");
  t.dial_failed(t.dials.front());
  CHECK(t.out.failures == std::vector<int>{a.waiter});
  REQUIRE(t.out.dials.size() == 1);
  CHECK(t.out.dials[0].second == b.waiter);
  t.dial_failed(t.dials.front());
  CHECK(t.out.failures == std::vector<int>{b.waiter});
  CHECK(t.out.dials.empty());
  CHECK(t.counts() == "0 active 0 idle 0 dialling 0 waiting");
}

TEST_CASE("a waiter whose dial served another still counts on one") {
  Table t(at_most(2));
  auto& a = t.wait("k");
  auto& b = t.wait("k");
  Pool::Slot* first = t.dials[0];
  t.dialled(t.dials[1]);  // b's dial serves a; b now counts on a's.
  CHECK(t.out.grants == std::vector<int>{a.waiter});
  t.dial_failed(first);
  CHECK(t.out.failures == std::vector<int>{b.waiter});
}

TEST_CASE("[37] a waiter that leaves gives up its place, and a connection just granted") {
  Table t(at_most(1));
  auto* slot = t.open("k");
  auto& a = t.wait("k");
  auto& b = t.wait("k");
  auto& c = t.wait("k");
  CHECK(t.leave(b) == nullptr);
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{a.waiter});
  CHECK(t.leave(a) == slot);
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{c.waiter});
}

TEST_CASE("an idle connection of another origin makes room for a new one") {
  Table t(at_most(2));
  auto* a = t.open("a");
  auto* b = t.open("b");
  t.release(a);
  t.now += 1s;
  t.release(b);
  t.wait("c");
  CHECK(t.closed() == "1 made room for another;");
  CHECK(t.out.dials.size() == 1);
}

TEST_CASE("[38] a busy origin does not keep the others out") {
  Table t(at_most(1));
  auto* a = t.open("a");
  auto& b = t.wait("b");
  t.now += 100ms;
  t.wait("a");
  t.release(a);  // Its own queue is younger than b's.
  CHECK(t.closed() == "1 made room for another;");
  REQUIRE(t.out.dials.size() == 1);
  CHECK(t.out.dials[0].second == b.waiter);
}

TEST_CASE("[31] a retry is served by a new connection only") {
  Table t(at_most(1));
  auto* kept = t.open("k");
  auto& retry = t.wait("k", true);
  t.release(kept);
  CHECK(t.out.grants.empty());
  CHECK(t.closed() == "1 made room for another;");
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{retry.waiter});
}

TEST_CASE("[63] dials that nobody waits for end when nothing is in flight") {
  Table t;
  auto& a = t.wait("k");
  Pool::Slot* const dial = t.dials.front();
  t.leave(a);
  CHECK(t.out.abandonments == std::vector<Pool::Slot*>{dial});
  CHECK(t.counts() == "0 active 0 idle 0 dialling 0 waiting");
  CHECK(t.pool.quiet());
  auto& b = t.wait("k");  // It does not count on a dial that has been told to end.
  CHECK(t.out.dials.size() == 1);
  t.dial_failed(dial);
  CHECK(t.out.failures.empty());
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{b.waiter});
}

namespace {

/// `count` dials to "silent", whose waiters have gone, while a request is in flight to "busy".
struct Silence {
  explicit Silence(Limits limits, int count) : t(limits) {
    active = t.open("busy");
    for (int i = 0; i < count; ++i) t.wait("silent");
    for (int i = 0; i < count; ++i) t.leave(*t.tickets[static_cast<std::size_t>(i) + 1]);
    spares = t.dials;
  }

  Table t;
  Pool::Slot* active = nullptr;
  std::deque<Pool::Slot*> spares;
};

}  // namespace

TEST_CASE("[66] the place of a dial that nobody needs is free for whoever needs it") {
  SUBCASE("one place is needed: the dial that has been spare for longest is given up, alone") {
    Silence s(at_most(10), 9);
    Table& t = s.t;
    CHECK(t.counts() == "1 active 0 idle 9 dialling 0 waiting");
    auto& waiter = t.wait("healthy");
    CHECK(t.out.abandonments == std::vector<Pool::Slot*>{s.spares.front()});
    REQUIRE(t.out.dials.size() == 1);
    CHECK(t.counts() == "1 active 0 idle 9 dialling 1 waiting");  // It counts no more, and goes on.
    t.dialled(t.out.dials.front().first);
    CHECK(t.out.grants == std::vector<int>{waiter.waiter});
    // The others were left to finish.
    t.dialled(s.spares[1]);
    CHECK(t.counts() == "2 active 1 idle 7 dialling 0 waiting");
  }
  SUBCASE("it becomes spare while others wait for a place") {
    Table t(at_most(1));
    auto& gone = t.wait("silent");
    auto& waiter = t.wait("healthy");
    Pool::Slot* const dial = t.dials.front();
    CHECK(t.out.dials.empty());
    t.leave(gone);
    CHECK(t.out.abandonments == std::vector<Pool::Slot*>{dial});
    REQUIRE(t.out.dials.size() == 1);
    t.dialled(t.out.dials.front().first);
    CHECK(t.out.grants == std::vector<int>{waiter.waiter});
  }
  SUBCASE("it becomes spare because its waiter was served otherwise") {
    Table t(at_most(2));
    Pool::Slot* const slot = t.open("a");
    t.wait("a");
    t.wait("b");
    CHECK(t.out.dials.empty());
    t.release(slot);
    CHECK(t.out.grants.size() == 1);
    CHECK(t.out.abandonments.size() == 1);
    REQUIRE(t.out.dials.size() == 1);
    CHECK(t.out.dials.front().first->host->key == "b");
    CHECK(t.counts() == "1 active 0 idle 1 dialling 1 waiting");
  }
  SUBCASE("before an idle connection is closed, which is known to work") {
    Silence s(at_most(3), 1);
    Table& t = s.t;
    auto& kept = t.wait("kept");
    t.dialled(t.dials.back());
    t.release(t.leave(kept));
    t.wait("healthy");
    CHECK(t.closed().empty());
    CHECK(t.out.abandonments.size() == 1);
    t.wait("another");
    CHECK(t.closed() == "2 made room for another;");
  }
  SUBCASE("a waiter of its own key takes it over") {
    Silence s(at_most(2), 1);
    Table& t = s.t;
    auto& waiter = t.wait("silent");
    CHECK(t.out.abandonments.empty());
    CHECK(t.out.dials.empty());
    t.dialled(s.spares.front());
    CHECK(t.out.grants == std::vector<int>{waiter.waiter});
  }
  SUBCASE("at the key's limit, too") {
    Table t(at_most(8, 1));
    t.open("busy");
    t.leave(t.wait("silent"));
    auto& waiter = t.wait("silent");
    t.dialled();
    CHECK(t.out.grants == std::vector<int>{waiter.waiter});
  }
}

TEST_CASE("[37] [66] a dial that was given up ends, well or not, and changes nothing any more") {
  Silence s(at_most(2), 1);
  Table& t = s.t;
  auto& waiter = t.wait("healthy");
  Pool::Slot* const dial = t.dials.back();
  const std::string counts = t.counts();
  SUBCASE("it succeeds: what it has opened is closed") {
    t.dialled(s.spares.front());
    CHECK(t.closed() == "2 made room for another;");
  }
  SUBCASE("it fails") {
    t.dial_failed(s.spares.front());
    CHECK(t.out.failures.empty());
  }
  SUBCASE("it never ends") {}
  CHECK(t.counts() == counts);
  t.dialled(dial);
  CHECK(t.out.grants == std::vector<int>{waiter.waiter});
}

TEST_CASE("[37] who has taken a spare dial over dials anew when that fails") {
  Silence s(at_most(10), 1);
  Table& t = s.t;
  auto& waiter = t.wait("silent");
  CHECK(t.out.dials.empty());
  t.dial_failed(s.spares.front());
  CHECK(t.out.failures.empty());
  REQUIRE(t.out.dials.size() == 1);
  t.dial_failed(t.dials.front());
  CHECK(t.out.failures == std::vector<int>{waiter.waiter});
}

TEST_CASE("[66] spare dials leave room for connections that are opened ahead") {
  Silence s(at_most(10, 9), 9);
  Table& t = s.t;
  CHECK(t.pool.room("healthy") == 9);
  CHECK(t.pool.room("silent") == 9);
  for (int i = 0; i < 2; ++i) t.wait("silent", true);
  CHECK(t.pool.room("healthy") == 7);
  CHECK(t.pool.room("silent") == 7);
}

TEST_CASE("[38] keys that share a connection do not take it from each other with every request") {
  Table t(at_most(1));
  auto* slot = t.open("k");
  auto& older = t.wait("other");
  t.now += 99ms;
  auto& younger = t.wait("k");
  t.now += 1ms;
  auto& youngest = t.wait("k");
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{younger.waiter});
  t.release(t.leave(younger));
  CHECK(t.closed() == "1 made room for another;");
  CHECK(t.out.grants.empty());
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{older.waiter});
  t.release(t.leave(older));
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{youngest.waiter});
}

TEST_CASE("closing lets what is in flight finish, or not") {
  Table t;
  auto* busy = t.open("k");
  t.release(t.open("k"));
  t.begin();
  t.pool.close(false, t.out);
  CHECK(t.closed() == "2 client closed;");
  t.release(busy);
  CHECK(t.closed() == "1 client closed;");

  Table hard(at_most(1));
  hard.open("k");
  auto& waiting = hard.wait("k");
  hard.begin();
  hard.pool.close(true, hard.out);
  CHECK(hard.out.failures == std::vector<int>{waiting.waiter});
  CHECK(hard.counts() == "1 active 0 idle 0 dialling 0 waiting");
}

TEST_CASE("[37] [38] whatever happens, the limits hold, queues are fair and nothing is lost") {
  std::mt19937 random(20231);
  for (int round = 0; round < 40; ++round) {
    const std::size_t total = 1 + random() % 5;
    const std::size_t per_host = 1 + random() % 3;
    Table t(at_most(total, per_host));
    std::vector<Pool::Slot*> held;
    std::map<std::string, std::deque<int>> queues;  // The waiters of each key, in order.
    std::map<int, std::string> key_of;
    const auto served = [&](int waiter) {
      auto& queue = queues[key_of[waiter]];
      REQUIRE(!queue.empty());
      CHECK(queue.front() == waiter);  // First in, first out.
      queue.pop_front();
      held.push_back(t.leave(*t.tickets[static_cast<std::size_t>(waiter)]));
      REQUIRE(held.back());
    };
    const auto settle = [&] {
      // Serving changes the decisions; take them first.
      const auto granted = t.out.grants;
      const auto failed = t.out.failures;
      for (const int waiter : failed) std::erase(queues[key_of[waiter]], waiter);
      for (const int waiter : granted) served(waiter);
    };
    for (int step = 0; step < 1500; ++step) {
      const std::string key(1, static_cast<char>('a' + random() % 3));
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          if (auto* slot = t.take(key)) {
            held.push_back(slot);
          } else {
            const int waiter = static_cast<int>(t.tickets.size());
            key_of[waiter] = key;
            queues[key].push_back(waiter);
            t.wait(key);
            settle();
          }
          break;
        case 3:
          if (!t.dials.empty()) {
            t.dialled(t.dials[random() % t.dials.size()]);
            settle();
          }
          break;
        case 4:
          if (!t.dials.empty()) {
            t.dial_failed(t.dials[random() % t.dials.size()]);
            settle();
          }
          break;
        case 5:
        case 6:
          if (!held.empty()) {
            const auto at = random() % held.size();
            auto* slot = held[at];
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
            if (random() % 3 == 0)
              t.discard(slot);
            else
              t.release(slot);
            settle();
          }
          break;
        case 7:
          if (!queues[key].empty()) {
            auto& queue = queues[key];
            const auto at = random() % queue.size();
            const int waiter = queue[at];
            queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
            CHECK(t.leave(*t.tickets[static_cast<std::size_t>(waiter)]) == nullptr);
            settle();
          }
          break;
      }
      t.now += 100ms;
      const auto counts = t.pool.counts();
      REQUIRE(counts.active == held.size());
      REQUIRE(counts.dialling == t.dials.size());
      if (!t.given_up.empty() && random() % 4 == 0) {  // It ends when it likes.
        Pool::Slot* const dial = t.given_up.front();
        if (random() % 2 == 0)
          t.dialled(dial);
        else
          t.dial_failed(dial);
        REQUIRE(t.out.grants.empty());
        REQUIRE(t.out.dials.empty());
      }
      REQUIRE(counts.active + counts.idle + counts.dialling <= total);
      std::size_t waiting = 0;
      for (const auto& [k, queue] : queues) waiting += queue.size();
      REQUIRE(counts.waiting == waiting);
      t.pool.for_each_host([&](const Pool::Host& host) { REQUIRE(host.slots <= per_host); });
      // No ticket waits while there is a place for them.
      bool has_spares = false;
      t.pool.for_each_host(
          [&](const Pool::Host& host) { has_spares = has_spares || !host.spare_dials.empty(); });
      if (counts.active + counts.idle + counts.dialling < total || counts.idle > 0 || has_spares) {
        t.pool.for_each_host([&](const Pool::Host& host) {
          if (host.slots < per_host)
            REQUIRE(host.dials >= std::min(host.queue.size(), host.dials + 1));
        });
      }
    }
    // In the end everybody is served.
    while (t.pool.counts().waiting > 0) {
      if (!held.empty()) {
        auto* slot = held.back();
        held.pop_back();
        t.release(slot);
      } else {
        REQUIRE(!t.dials.empty());
        t.dialled();
      }
      settle();
    }
  }
}

namespace {

/// A pool of at most two connections in one of its states, and the objects that events need.
struct Setting {
  explicit Setting(const std::string& state) : t(at_most(2)) {
    const auto has = [&](const char* word) { return state.find(word) != std::string::npos; };
    if (has("busy")) busy = t.open("k");
    if (has("active")) active = t.open("k");
    if (has("idle")) t.release(t.open("k"));
    if (has("dialling")) ticket = &t.wait("k");
    if (has("spare")) t.leave(t.wait("k"));
    if (has("full")) ticket = &t.wait("k");
  }

  /// Lets the event happen, if it can in this state. @return what came of it.
  std::string happen(const std::string& event) {
    t.begin();
    if (event == "take") {
      if (t.take("k")) note = "taken";
    } else if (event == "wait") {
      t.wait("k");
    } else if (event == "wait for another key") {
      t.wait("other");
    } else if (event == "leave") {
      if (!ticket) return "-";
      t.leave(*ticket);
    } else if (event == "dialled") {
      if (t.dials.empty()) return "-";
      t.dialled();
    } else if (event == "dial fails") {
      if (t.dials.empty()) return "-";
      t.dial_failed(t.dials.front());
    } else if (event == "release") {
      if (!active) return "-";
      t.release(active);
    } else if (event == "discard") {
      if (!active) return "-";
      t.discard(active);
    } else if (event == "expire") {
      t.now += 1h;
      t.take("nobody");
    } else if (event == "close idle") {
      t.pool.close_idle(CloseReason::client_closed, t.out);
    } else if (event == "drain") {
      t.pool.close(false, t.out);
    } else if (event == "close") {
      t.pool.close(true, t.out);
    }
    const auto c = t.pool.counts();
    std::string text = std::to_string(c.active) + std::to_string(c.idle) +
                       std::to_string(c.dialling) + std::to_string(c.waiting);
    if (!note.empty()) text += " " + note;
    if (!t.out.grants.empty()) text += " granted " + std::to_string(t.out.grants.size());
    if (!t.out.dials.empty()) text += " dial " + std::to_string(t.out.dials.size());
    if (!t.out.failures.empty()) text += " failed " + std::to_string(t.out.failures.size());
    if (!t.out.abandonments.empty())
      text += " abandoned " + std::to_string(t.out.abandonments.size());
    for (const auto& closing : t.out.closings)
      text += " closed: " + std::string(to_string(closing.reason));
    return text;
  }

  Table t;
  Pool::Slot* busy = nullptr;
  Pool::Slot* active = nullptr;
  Pool::Ticket* ticket = nullptr;
  std::string note;
};

}  // namespace

TEST_CASE(
    "[33] [37] every event in every state: active, idle, dialling, waiting, and what is to be "
    "done") {
  const std::vector<std::string> events = {
      "take",    "wait",   "wait for another key", "leave", "dialled", "dial fails", "release",
      "discard", "expire", "close idle",           "drain", "close"};
  const std::map<std::string, std::vector<std::string>> expected = {
      {"nothing",
       {"0000", "0011 dial 1", "0011 dial 1", "-", "-", "-", "-", "-", "0000", "0000", "0000",
        "0000"}},
      {"idle",
       {"1000 taken", "1000 granted 1", "0111 dial 1", "-", "-", "-", "-", "-",
        "0000 closed: idle for too long", "0000 closed: client closed",
        "0000 closed: client closed", "0000 closed: client closed"}},
      {"active",
       {"1000", "1011 dial 1", "1011 dial 1", "-", "-", "-", "0100",
        "0000 closed: its exchange failed", "1000", "1000", "1000", "1000"}},
      {"active, idle",
       {"2000 taken", "2000 granted 1", "1011 dial 1 closed: made room for another", "-", "-", "-",
        "0200", "0100 closed: its exchange failed", "1000 closed: idle for too long",
        "1000 closed: client closed", "1000 closed: client closed", "1000 closed: client closed"}},
      {"dialling",
       {"0011", "0022 dial 1", "0022 dial 1", "0000 abandoned 1", "1000 granted 1", "0000 failed 1",
        "-", "-", "0011", "0011", "0011", "0000 failed 1 abandoned 1"}},
      {"busy, dialling",
       {"1011", "1012", "1012", "1010", "2000 granted 1", "1000 failed 1", "-", "-", "1011", "1011",
        "1011", "1000 failed 1 abandoned 1"}},
      {"busy, spare dial",
       {"1010", "1011", "1011 dial 1 abandoned 1", "-", "1100", "1000", "-", "-", "1010", "1010",
        "1010", "1000 abandoned 1"}},
      {"busy, active: full",
       {"2001", "2002", "2002", "2000", "-", "-", "2000 granted 1",
        "1011 dial 1 closed: its exchange failed", "2001", "2001", "2001", "2000 failed 1"}},
      {"busy, idle",
       {"2000 taken", "2000 granted 1", "1011 dial 1 closed: made room for another", "-", "-", "-",
        "-", "-", "1000 closed: idle for too long", "1000 closed: client closed",
        "1000 closed: client closed", "1000 closed: client closed"}},
  };
  for (const auto& [state, outcomes] : expected) {
    REQUIRE(outcomes.size() == events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      CAPTURE(state);
      CAPTURE(events[i]);
      Setting setting(state);
      CHECK(setting.happen(events[i]) == outcomes[i]);
    }
  }
}

TEST_CASE("[37] at the key's limit, a connection that will not do gives up its place") {
  SUBCASE("one that comes back") {
    Table t(at_most(8, 1));
    Pool::Slot* slot = t.open("a");
    t.wait("a", true);
    CHECK(t.counts() == "1 active 0 idle 0 dialling 1 waiting");
    t.release(slot);
    CHECK(t.closed() == "1 made room for another;");
    CHECK(t.counts() == "0 active 0 idle 1 dialling 1 waiting");
  }
  SUBCASE("one that idles, the oldest") {
    Table t(at_most(8, 2));
    Pool::Slot* first = t.open("a");
    Pool::Slot* second = t.open("a");
    t.release(first);
    t.release(second);
    t.wait("a", true);
    CHECK(t.closed() == "1 made room for another;");
    CHECK(t.counts() == "0 active 1 idle 1 dialling 1 waiting");
  }
}

TEST_CASE("[38] who was given a dead connection waits on in the old turn") {
  Table t(at_most(1));
  Pool::Slot* slot = t.open("a");
  Pool::Ticket& first = t.wait("a");
  t.wait("a");
  t.wait("b");
  t.release(slot);
  REQUIRE(t.leave(first) == slot);
  Pool::Ticket again(9, false, first.sequence);
  t.begin();
  t.pool.enqueue(again, "a", t.now, t.out, slot, CloseReason::closed_by_peer);
  t.note_dials();
  REQUIRE(t.dials.size() == 1);
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{9});
  t.leave(again);
}

TEST_CASE("[38] a turn among those whose dials are under way") {
  // Three dials for three waiters; an older one comes again, and takes the last one's.
  Table t(at_most(4));
  Pool::Slot* slot = t.open("a");
  Pool::Ticket& oldest = t.wait("a");
  REQUIRE(t.leave(oldest) == nullptr);
  t.dialled();  // No ticket waits for its dial any more.
  t.take("a");
  for (int i = 0; i < 3; ++i) t.wait("a");
  REQUIRE(t.dials.size() == 2);
  Pool::Ticket again(9, false, oldest.sequence);
  t.begin();
  t.pool.enqueue(again, "a", t.now, t.out);
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{9});
  t.leave(again);
  t.dialled();
  CHECK(t.counts() == "4 active 0 idle 0 dialling 2 waiting");
  t.discard(slot);  // The one that lost its dial gets one of its own.
  CHECK(t.dials.size() == 1);
}

TEST_CASE("[37] a dial that was begun for another fails: its heir dials for itself") {
  Table t(at_most(1));
  Pool::Ticket& first = t.wait("a");
  Pool::Ticket& second = t.wait("a");
  Pool::Slot* dial = t.dials.front();
  t.leave(first);
  t.dial_failed(dial);
  CHECK(t.out.failures.empty());
  REQUIRE(t.dials.size() == 1);
  t.dial_failed(t.dials.front());
  CHECK(t.out.failures == std::vector<int>{second.waiter});
  CHECK(t.dials.empty());
}

TEST_CASE("[39] a lifetime of any length") {
  Limits limits;
  limits.max_lifetime = ferry::no_timeout - 1ns;
  Table t(limits);
  t.now = Pool::Time(std::chrono::hours(1000));
  t.release(t.open("a"));
  t.now += 1h;
  CHECK(t.take("a") == nullptr);
  CHECK(t.closed() == "1 idle for too long;");
}

TEST_CASE("[37] the place of a dead connection goes to whoever had it, before another's is taken") {
  Table t(at_most(2));
  t.release(t.open("b"));
  Pool::Slot* dead = t.open("a");
  Pool::Ticket again(9, true, t.tickets.back()->sequence);
  t.begin();
  t.pool.enqueue(again, "a", t.now, t.out, dead, CloseReason::failed);
  CHECK(t.closed() == "2 its exchange failed;");
  CHECK(t.counts() == "0 active 1 idle 1 dialling 1 waiting");
  t.leave(again);
}

TEST_CASE("[38] who needs a new connection at the key's limit is not passed over for ever") {
  Table t(at_most(8, 1));
  Pool::Slot* slot = t.open("a");
  t.wait("a", true);
  t.wait("a");
  t.release(slot);
  CHECK(t.closed() == "1 made room for another;");
  CHECK(t.counts() == "0 active 0 idle 1 dialling 2 waiting");
}
