// The pool's decisions about connections that carry more than one exchange at a time.

#include <doctest/doctest.h>
#include <string>
#include <vector>

#include "support/pool_table.hpp"

using namespace std::chrono_literals;
using ferry::CloseReason;
using ferry::Limits;
using test::at_most;
using test::Pool;
using test::Table;

namespace {

/// A pool whose connections carry this many exchanges at a time.
struct Shared : Table {
  explicit Shared(std::size_t each, Limits limits = {}) : Table(limits) { capacity = each; }

  void set_capacity(Pool::Slot* slot, std::size_t exchanges) {
    begin();
    pool.set_capacity(*slot, exchanges, out);
    note_dials();
  }
  void retire(Pool::Slot* slot) {
    begin();
    pool.retire(*slot, CloseReason::closed_by_peer, out);
    note_dials();
  }
  std::string exchanges() const { return std::to_string(pool.counts().exchanges) + " exchanges"; }
};

}  // namespace

TEST_CASE("a connection carries as many exchanges as it has room for, before another is used") {
  Shared t(3);
  auto* idle = t.open("k");
  t.wait("k");  // Served at once: there is room.
  CHECK(t.out.grants.size() == 1);
  t.release(idle);
  t.release(idle);
  CHECK(t.counts() == "0 active 1 idle 0 dialling 0 waiting");
  auto* shared = t.take("k");
  t.wait("k", true);  // Another connection, which idles from here on.
  t.dialled();
  t.release(t.leave(*t.tickets.back()));
  CHECK(t.counts() == "1 active 1 idle 0 dialling 0 waiting");
  CHECK(t.take("k") == shared);
  CHECK(t.take("k") == shared);
  CHECK(t.exchanges() == "3 exchanges");
  CHECK(shared->use == 3);
  CHECK(t.take("k") != shared);  // It is full.
  t.release(shared);
  CHECK(t.take("k") == shared);
  CHECK(t.take("other") == nullptr);
}

TEST_CASE("of two connections in use, the one that got room last is used") {
  Shared t(2);
  auto* one = t.open("k");
  CHECK(t.take("k") == one);
  auto* two = t.open("k");
  CHECK(t.take("k") == two);
  t.release(two);
  t.release(one);
  CHECK(t.take("k") == one);
  CHECK(t.take("k") == two);
}

TEST_CASE("one finished dial serves as many waiters as its connection has room for") {
  Shared t(3);
  for (int i = 0; i < 5; ++i) t.wait("k");
  CHECK(t.counts() == "0 active 0 idle 5 dialling 5 waiting");
  Pool::Slot* const dial = t.dials[2];
  t.dialled(dial);
  CHECK(t.out.grants == std::vector<int>{0, 1, 2});
  CHECK(t.counts() == "1 active 0 idle 4 dialling 2 waiting");  // Two of the dials are spare.
  CHECK(t.pool.room("other") == 97);
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{3, 4});
  CHECK(t.exchanges() == "5 exchanges");
  t.dialled();
  CHECK(t.counts() == "2 active 1 idle 2 dialling 0 waiting");
}

TEST_CASE("dials that one connection has made spare give up their places") {
  Shared t(10, at_most(3));
  for (int i = 0; i < 3; ++i) t.wait("k");
  for (int i = 0; i < 2; ++i) t.wait("other");
  CHECK(t.counts() == "0 active 0 idle 3 dialling 5 waiting");
  t.dialled();
  CHECK(t.out.grants.size() == 3);
  CHECK(t.out.abandonments.size() == 2);
  CHECK(t.out.dials.size() == 2);
  CHECK(t.counts() == "1 active 0 idle 2 dialling 2 waiting");
}

TEST_CASE("the place of an exchange that ends goes to the next waiter") {
  Shared t(2, at_most(1));
  auto* slot = t.open("k");
  t.take("k");
  auto& a = t.wait("k");
  auto& b = t.wait("k");
  CHECK(t.counts() == "1 active 0 idle 0 dialling 2 waiting");
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{a.waiter});
  t.release(slot);
  CHECK(t.out.grants == std::vector<int>{b.waiter});
  t.release(t.leave(a));
  CHECK(t.counts() == "1 active 0 idle 0 dialling 0 waiting");
  t.release(t.leave(b));
  CHECK(t.counts() == "0 active 1 idle 0 dialling 0 waiting");
}

TEST_CASE("a capacity changes while the connection is in use") {
  Shared t(1, at_most(1));
  auto* slot = t.open("k");
  for (int i = 0; i < 4; ++i) t.wait("k");
  SUBCASE("it grows: waiters are served in order") {
    t.set_capacity(slot, 3);
    CHECK(t.out.grants == std::vector<int>{1, 2});
    CHECK(t.exchanges() == "3 exchanges");
    t.set_capacity(slot, 9);
    CHECK(t.out.grants == std::vector<int>{3, 4});
    CHECK(t.take("k") == slot);
  }
  SUBCASE("it shrinks below its use: nobody is served before it is below the capacity again") {
    t.set_capacity(slot, 3);
    t.set_capacity(slot, 1);
    CHECK(t.closed().empty());
    CHECK(slot->use == 3);
    t.release(slot);
    t.release(slot);
    CHECK(t.out.grants.empty());
    t.release(slot);
    CHECK(t.out.grants == std::vector<int>{3});
  }
  SUBCASE("it shrinks to 0 and grows again") {
    t.set_capacity(slot, 0);
    CHECK(t.take("k") == nullptr);
    t.set_capacity(slot, 2);
    CHECK(t.out.grants == std::vector<int>{1});
  }
  SUBCASE("without capacity and use, it gives up its place to the waiters of its key") {
    t.set_capacity(slot, 0);
    t.release(slot);
    CHECK(t.closed() == "1 made room for another;");
    CHECK(t.counts() == "0 active 0 idle 1 dialling 4 waiting");
  }
}

TEST_CASE("a capacity changes while the connection is idle") {
  Shared t(2);
  auto* one = t.open("k");
  auto* two = t.open("other");
  t.release(one);
  t.release(two);
  t.set_capacity(one, 0);
  CHECK(t.counts() == "0 active 2 idle 0 dialling 0 waiting");
  CHECK(t.take("k") == nullptr);
  SUBCASE("it serves who waits for a dial") {
    auto& waiter = t.wait("k");
    CHECK(t.out.dials.size() == 1);
    t.set_capacity(one, 1);
    CHECK(t.out.grants == std::vector<int>{waiter.waiter});
    CHECK(t.counts() == "1 active 1 idle 1 dialling 0 waiting");
  }
  SUBCASE("it can be used again") {
    t.set_capacity(one, 1);
    CHECK(t.take("k") == one);
    CHECK(t.take("k") == nullptr);
  }
  SUBCASE("it expires") {
    t.now += 4s;
    CHECK(t.take("other") == nullptr);
    CHECK(t.out.closings.size() == 2);
  }
}

TEST_CASE("among a key's idle connections, one without capacity is in nobody's way") {
  Shared t(1, at_most(8, 2));
  auto* one = t.open("k");
  auto* two = t.open("k");
  t.release(one);
  t.release(two);
  t.set_capacity(two, 0);
  CHECK(t.take("k") == one);
  t.wait("k");  // At the key's limit, it is the one that makes room.
  CHECK(t.closed() == "2 made room for another;");
  CHECK(t.out.dials.size() == 1);
}

TEST_CASE("[33] an exchange that fails closes its connection after the last one") {
  Shared t(3, at_most(1));
  auto* slot = t.open("k");
  t.take("k");
  t.take("k");
  t.discard(slot);
  CHECK(t.closed().empty());
  CHECK(slot->state == Pool::Slot::State::retired);
  CHECK(t.counts() == "1 active 0 idle 0 dialling 0 waiting");
  CHECK(t.take("k") == nullptr);
  auto& waiter = t.wait("k");
  t.release(slot);
  CHECK(t.out.grants.empty());
  t.retire(slot);  // The first reason stays.
  t.set_capacity(slot, 10);
  CHECK(t.out.grants.empty());
  SUBCASE("that ends well") { t.release(slot); }
  SUBCASE("that fails as well") {
    t.begin();
    t.pool.discard(*slot, CloseReason::surplus_bytes, t.out);
    t.note_dials();
  }
  CHECK(t.closed() == "1 its exchange failed;");
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{waiter.waiter});
}

TEST_CASE("a retired connection lets its exchanges finish and takes no new ones") {
  Shared t(3);
  auto* slot = t.open("k");
  SUBCASE("in use") {
    t.take("k");
    t.retire(slot);
    CHECK(t.closed().empty());
    CHECK(t.take("k") == nullptr);
    t.wait("k");
    CHECK(t.out.dials.size() == 1);
    t.release(slot);
    CHECK(t.closed().empty());
    CHECK_FALSE(t.pool.quiet());
    t.release(slot);
    CHECK(t.closed() == "1 closed by the server;");
  }
  SUBCASE("idle") {
    t.release(slot);
    t.retire(slot);
    CHECK(t.closed() == "1 closed by the server;");
    CHECK(t.pool.quiet());
  }
  SUBCASE("when the pool is closed") {
    t.retire(slot);
    t.begin();
    t.pool.close(true, t.out);
    CHECK(t.closed().empty());
    t.release(slot);
    CHECK(t.closed() == "1 closed by the server;");
  }
}

TEST_CASE("[31] who needs an unused connection has its first exchange, and others may share it") {
  Shared t(3);
  auto* slot = t.open("k");
  auto& fresh = t.wait("k", true);
  CHECK(t.out.grants.empty());  // There is room, but not on an unused connection.
  auto& second = t.wait("k", true);
  CHECK(t.take("k") == slot);
  CHECK(t.take("k") == slot);
  auto& third = t.wait("k");
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{fresh.waiter, third.waiter});
  t.dialled();
  CHECK(t.out.grants == std::vector<int>{second.waiter});
}

TEST_CASE("[38] the dead connection that a waiter comes back with does not serve it again") {
  Shared t(3, at_most(2));
  auto* dead = t.open("k");
  t.take("k");
  Pool::Ticket again(9, false, 1);
  t.begin();
  t.pool.enqueue(again, "k", t.now, t.out, dead, CloseReason::closed_by_peer);
  t.note_dials();
  CHECK(t.out.grants.empty());
  CHECK(t.out.dials.size() == 1);
  CHECK(t.closed().empty());
  t.release(dead);
  CHECK(t.closed() == "1 closed by the server;");
  t.leave(again);
}

TEST_CASE("[38] a connection that is always in use makes way for who waits for its place") {
  SUBCASE("a waiter of another key") {
    Shared t(3, at_most(1));
    auto* slot = t.open("k");
    auto& other = t.wait("other");
    t.now += 99ms;
    CHECK(t.take("k") == slot);
    t.release(slot);
    t.now += 1ms;
    CHECK(t.take("k") == nullptr);
    CHECK(slot->state == Pool::Slot::State::retired);
    CHECK(t.closed().empty());  // Its exchange is not cut off.
    t.wait("k");
    t.release(slot);
    CHECK(t.closed() == "1 made room for another;");
    t.dialled();
    CHECK(t.out.grants == std::vector<int>{other.waiter});
  }
  SUBCASE("a waiter that needs an unused one, at the key's limit") {
    Shared t(3, at_most(8, 1));
    auto* slot = t.open("k");
    auto& fresh = t.wait("k", true);
    CHECK(t.take("k") == slot);
    t.now += 100ms;
    CHECK(t.take("k") == nullptr);
    t.release(slot);
    t.release(slot);
    CHECK(t.closed() == "1 made room for another;");
    t.dialled();
    CHECK(t.out.grants == std::vector<int>{fresh.waiter});
  }
  SUBCASE("no more connections than keys wait") {
    Shared t(3, at_most(2));
    auto* one = t.open("a");
    auto* two = t.open("b");
    t.wait("c");
    t.now += 100ms;
    CHECK(t.take("a") == nullptr);
    CHECK(one->state == Pool::Slot::State::retired);
    CHECK(t.take("b") == two);
  }
  SUBCASE("when a waiter is served by an end, too") {
    Shared t(2, at_most(1));
    auto* slot = t.open("k");
    t.take("k");
    t.wait("other");
    t.now += 100ms;
    t.wait("k");
    t.release(slot);
    CHECK(t.out.grants.empty());
    CHECK(slot->state == Pool::Slot::State::retired);
    t.release(slot);
    CHECK(t.closed() == "1 made room for another;");
    CHECK(t.out.dials.size() == 1);
  }
}

TEST_CASE("a connection in use is not closed to make room") {
  Shared t(3, at_most(1));
  auto* slot = t.open("k");
  t.wait("other");
  CHECK(t.out.dials.empty());
  CHECK(t.closed().empty());
  t.release(slot);
  CHECK(t.closed() == "1 made room for another;");
}

TEST_CASE("[39] a connection in use takes no new exchange after its lifetime") {
  Limits limits;
  limits.max_lifetime = 1h;
  Shared t(3, limits);
  auto* slot = t.open("k");
  t.now += 1h - 1ns;
  CHECK(t.take("k") == slot);
  t.now += 1ns;
  CHECK(t.take("k") == nullptr);
  t.release(slot);
  t.release(slot);
  CHECK(t.closed() == "1 " + std::string(to_string(CloseReason::lifetime_expired)) + ";");
}

TEST_CASE("[38] each of several holders has a turn of its own") {
  Shared t(3);
  t.release(t.open("k"));
  t.begin();
  const auto first = t.pool.take("k", t.now, t.out);
  const auto second = t.pool.take("k", t.now, t.out);
  CHECK(first.slot == second.slot);
  CHECK(first.turn < second.turn);
  CHECK(t.wait("k").sequence > second.turn);
}
