// Every transition of a deadline and of its queue, with a clock and a timer that the test moves.
// The header needs Asio, so this is no unit test.

#include <doctest/doctest.h>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <ferry/detail/time/deadline.hpp>

#include "support/run.hpp"

using namespace std::chrono_literals;
using ferry::Errc;
using ferry::no_timeout;
using ferry::Phase;
using ferry::detail::Clock;
using ferry::detail::Deadline;

namespace {

constexpr auto never = Clock::time_point::max();

/// A queue whose timer fires when the test says so.
class FakeQueue final : public ferry::detail::DeadlineQueue {
 public:
  bool waits_uncounted() const noexcept override { return keeps_wait; }

  /// Moves the clock, and lets the timer fire if its time has come.
  void advance(Clock::duration by) {
    now += by;
    if (armed <= now) fire();
  }
  /// Lets the timer fire now, as after its last wait.
  void fire() {
    armed = never;
    on_timer(number, now);
  }
  /// Runs the handler of an earlier wait.
  void fire_old(std::uint64_t old) { on_timer(old, now); }
  /// Runs on the context's thread: a timer that could not be set elsewhere is set.
  void on_context() {
    later = false;
    arm_if_due();
  }

  Clock::time_point now{1h};
  Clock::time_point armed = never;  ///< Time for which the timer is set.
  std::uint64_t number = 0;         ///< Number of the last wait.
  int waits = 0;                    ///< Number of waits so far.
  bool keeps_wait = true;           ///< True if a wait may stay when nothing is due.
  bool later = false;               ///< True if the timer cannot be set on the current thread.
  int asked_later = 0;
  int failures = 0;  ///< Number of waits for which there is no memory.

 private:
  void wait(Clock::time_point until, std::uint64_t wait_number) override {
    if (failures > 0) {
      --failures;
      throw std::bad_alloc();
    }
    armed = until;
    number = wait_number;
    ++waits;
  }
  bool end_wait() noexcept override {
    if (keeps_wait) return false;
    armed = never;
    return true;
  }
  bool arms_later() override {
    if (later) ++asked_later;
    return later;
  }
};

struct Target final : ferry::Abortable {
  void abort() noexcept override { ++aborts; }
  int aborts = 0;
};

struct CountingAlarm final : ferry::detail::Alarm {
  void ring() noexcept override { ++rings; }
  int rings = 0;
};

/// A queue with one deadline, which may take 10 s in all.
struct Fixture {
  explicit Fixture(Clock::duration total = 10s)
      : deadline(queue, this, &closed, queue.now + total, total) {}

  bool begin(Phase phase, ferry::Duration limit) {
    return deadline.begin_phase(phase, limit, &target, queue.now);
  }

  FakeQueue queue;
  std::atomic<bool> closed{false};
  Target target;
  Deadline deadline;
};

}  // namespace

TEST_CASE("deadline: a phase that takes too long ends as that phase's timeout, once") {
  const std::pair<Phase, Errc> cases[] = {{Phase::pool, Errc::pool_timeout},
                                          {Phase::resolve, Errc::resolve_timeout},
                                          {Phase::proxy, Errc::proxy_timeout},
                                          {Phase::connect, Errc::connect_timeout},
                                          {Phase::tls, Errc::tls_timeout},
                                          {Phase::write, Errc::write_timeout},
                                          {Phase::first_byte, Errc::first_byte_timeout},
                                          {Phase::read, Errc::read_timeout}};
  for (const auto& [phase, code] : cases) {
    Fixture f;
    REQUIRE(f.begin(phase, 2s));
    CHECK(f.queue.armed == f.queue.now + 2s);
    f.queue.advance(1999ms);
    CHECK_FALSE(f.deadline.ended());
    CHECK(f.target.aborts == 0);
    f.queue.advance(1ms);
    CHECK(f.deadline.ended());
    CHECK(f.target.aborts == 1);
    CHECK(f.deadline.error().code() == code);
    CHECK(std::string(f.deadline.error().what()).find("more than 2 s") != std::string::npos);
    // The verdict is final: neither a later end nor a further phase changes it.
    f.deadline.give_up();
    f.queue.close_all();
    f.queue.advance(1h);
    CHECK(f.target.aborts == 1);
    CHECK(f.deadline.error().code() == code);
    CHECK_FALSE(f.begin(Phase::read, 1s));
    CHECK_FALSE(f.deadline.begin_phase(Phase::read, 1s, f.queue.now));
    CHECK(f.deadline.phase() == phase);
  }
}

TEST_CASE("deadline: the total limit goes on over phases, and is named as itself") {
  Fixture f(3s);
  REQUIRE(f.begin(Phase::connect, 2s));
  f.queue.advance(1s);
  REQUIRE(f.begin(Phase::write, 60s));
  CHECK(f.deadline.phase() == Phase::write);
  f.queue.advance(1999ms);
  CHECK_FALSE(f.deadline.ended());
  f.queue.advance(1ms);
  CHECK(f.deadline.error().code() == Errc::total_timeout);
  CHECK(std::string(f.deadline.error().what()).find("more than 3 s") != std::string::npos);
  CHECK(f.target.aborts == 1);
}

TEST_CASE("deadline: without any limit no timer is set") {
  FakeQueue queue;
  Target target;
  Deadline deadline(queue, nullptr, nullptr, never, no_timeout);
  REQUIRE(deadline.begin_phase(Phase::read, no_timeout, &target, queue.now));
  CHECK(queue.waits == 0);
  deadline.extend(queue.now);
  CHECK_FALSE(deadline.ended());
  deadline.give_up();  // Even so, the deadline can be ended.
  CHECK(deadline.error().code() == Errc::cancelled);
  CHECK(target.aborts == 1);
}

TEST_CASE("deadline: a limit that has already passed ends at once, without an abort") {
  Fixture none;
  CHECK_FALSE(none.begin(Phase::connect, 0s));
  CHECK(none.deadline.error().code() == Errc::connect_timeout);
  CHECK(none.target.aborts == 0);
  Fixture late;
  late.queue.now += 11s;
  CHECK_FALSE(late.begin(Phase::connect, 1s));
  CHECK(late.deadline.error().code() == Errc::total_timeout);
  CHECK(late.queue.waits == 0);
}

TEST_CASE("deadline: the next phase on the same target moves the time to later without the timer") {
  Fixture f;
  REQUIRE(f.begin(Phase::write, 2s));
  f.queue.advance(1s);
  REQUIRE(f.deadline.begin_phase(Phase::first_byte, 3s, f.queue.now));
  CHECK(f.queue.waits == 1);
  f.queue.advance(1s);  // The timer finds that the deadline was moved, and is set anew.
  CHECK_FALSE(f.deadline.ended());
  CHECK(f.queue.waits == 2);
  CHECK(f.queue.armed == f.queue.now + 2s);
  f.queue.advance(2s);
  CHECK(f.deadline.error().code() == Errc::first_byte_timeout);

  Fixture sooner;  // A phase that ends earlier sets the timer at once.
  REQUIRE(sooner.begin(Phase::write, 5s));
  REQUIRE(sooner.deadline.begin_phase(Phase::first_byte, 1s, sooner.queue.now));
  CHECK(sooner.queue.waits == 2);
  sooner.queue.advance(1s);
  CHECK(sooner.deadline.error().code() == Errc::first_byte_timeout);
}

TEST_CASE("deadline: bytes that move extend the phase, within the total limit") {
  Fixture f(5s);
  REQUIRE(f.begin(Phase::read, 2s));
  for (int i = 0; i < 4; ++i) {
    f.queue.advance(1s);
    f.deadline.extend(f.queue.now);
  }
  CHECK_FALSE(f.deadline.ended());
  f.queue.advance(1s);
  CHECK(f.deadline.error().code() == Errc::total_timeout);
}

TEST_CASE("deadline: a suspended limit leaves only the total one") {
  Fixture f(5s);
  REQUIRE(f.begin(Phase::pool, 1s));
  f.deadline.suspend_limit(Phase::connect);
  CHECK(f.deadline.phase() == Phase::connect);
  f.deadline.extend(f.queue.now);  // No limit is left to begin again.
  f.queue.advance(4999ms);
  CHECK_FALSE(f.deadline.ended());
  f.queue.advance(1ms);
  CHECK(f.deadline.error().code() == Errc::total_timeout);
  CHECK(f.target.aborts == 1);
  f.deadline.suspend_limit(Phase::tls);  // After its end a deadline keeps its phase.
  CHECK(f.deadline.phase() == Phase::connect);
}

TEST_CASE("deadline: the phase of an awaited dial is taken over, unless one's own limit passed") {
  Fixture f;
  REQUIRE(f.begin(Phase::pool, 1s));
  f.deadline.follow(Phase::tls);
  CHECK(f.deadline.phase() == Phase::tls);
  f.queue.advance(2s);
  CHECK_FALSE(f.deadline.ended());
  f.deadline.give_up();
  f.deadline.follow(Phase::connect);  // Also after an end that is no phase's.
  CHECK(f.deadline.phase() == Phase::connect);

  Fixture passed;
  REQUIRE(passed.begin(Phase::pool, 1s));
  passed.queue.advance(1s);
  passed.deadline.follow(Phase::tls);
  CHECK(passed.deadline.phase() == Phase::pool);
  CHECK(passed.deadline.error().code() == Errc::pool_timeout);
}

TEST_CASE("deadline: a phase that is only noted keeps the limit of the one before") {
  Fixture f;
  REQUIRE(f.begin(Phase::first_byte, 1s));
  f.deadline.set_phase(Phase::read);
  CHECK(f.deadline.phase() == Phase::read);
  f.queue.advance(1s);
  CHECK(f.deadline.error().code() == Errc::read_timeout);
}

TEST_CASE("deadline: a check sees the total limit before the timer does") {
  Fixture f(3s);
  REQUIRE(f.begin(Phase::read, 1h));
  CHECK(f.deadline.check(f.queue.now + 2999ms));
  CHECK_FALSE(f.deadline.check(f.queue.now + 3s));
  CHECK(f.target.aborts == 1);
  CHECK(f.deadline.error().code() == Errc::total_timeout);
}

TEST_CASE("deadline: a target that was detached is not aborted") {
  Fixture f;
  REQUIRE(f.begin(Phase::read, 1s));
  f.deadline.detach();
  f.queue.advance(1s);
  CHECK(f.deadline.error().code() == Errc::read_timeout);
  CHECK(f.target.aborts == 0);
}

TEST_CASE("deadline: one that is given up is cancelled") {
  Fixture f;
  f.deadline.give_up();  // Also before its first phase.
  CHECK_FALSE(f.begin(Phase::read, 1s));
  CHECK(f.deadline.error().code() == Errc::cancelled);
  CHECK(f.target.aborts == 0);
  CHECK(f.queue.waits == 0);
}

TEST_CASE("deadline: a finished one is forgotten by the timer") {
  for (const bool keeps_wait : {true, false}) {
    Fixture f;
    f.queue.keeps_wait = keeps_wait;
    REQUIRE(f.begin(Phase::read, 1s));
    const auto number = f.queue.number;
    f.deadline.finish();
    f.deadline.finish();
    CHECK((f.queue.armed == never) != keeps_wait);
    f.queue.now += 1h;
    f.queue.fire_old(number);
    CHECK_FALSE(f.deadline.ended());
    CHECK(f.target.aborts == 0);
  }
  FakeQueue queue;  // The destructor finishes as well, and leaves the others alone.
  Target gone, stays;
  Deadline other(queue, nullptr, nullptr, never, no_timeout);
  {
    Deadline deadline(queue, nullptr, nullptr, never, no_timeout);
    REQUIRE(deadline.begin_phase(Phase::read, 1s, &gone, queue.now));
    REQUIRE(other.begin_phase(Phase::read, 2s, &stays, queue.now));
  }
  queue.advance(1s);
  CHECK(queue.armed == queue.now + 1s);
  queue.advance(1s);
  CHECK(gone.aborts == 0);
  CHECK(stays.aborts == 1);
}

TEST_CASE("deadline: an owner closes its own, present and later") {
  FakeQueue queue;
  Target target, other_target;
  std::atomic<bool> closed{false};
  int owner = 0, other_owner = 0;
  Deadline deadline(queue, &owner, &closed, never, no_timeout);
  Deadline other(queue, &other_owner, nullptr, never, no_timeout);
  REQUIRE(deadline.begin_phase(Phase::read, 1s, &target, queue.now));
  REQUIRE(other.begin_phase(Phase::read, 1s, &other_target, queue.now));
  closed = true;
  queue.close(&owner);
  CHECK(target.aborts == 1);
  CHECK(other_target.aborts == 0);
  CHECK(deadline.error().code() == Errc::client_closed);
  Deadline late(queue, &owner, &closed, never, no_timeout);
  CHECK_FALSE(late.begin_phase(Phase::read, 1s, &target, queue.now));
  CHECK(late.error().code() == Errc::client_closed);
  queue.advance(1s);
  CHECK(other.error().code() == Errc::read_timeout);
  CHECK(target.aborts >= 1);
}

TEST_CASE("deadline: a queue that is closed ends all, present and later") {
  Fixture f;
  REQUIRE(f.begin(Phase::read, 1s));
  f.queue.close_all();
  CHECK(f.target.aborts == 1);
  CHECK(f.deadline.error().code() == Errc::client_closed);
  Deadline late(f.queue, nullptr, nullptr, never, no_timeout);
  CHECK_FALSE(late.begin_phase(Phase::read, 1s, &f.target, f.queue.now));
  CHECK(late.error().code() == Errc::client_closed);
}

TEST_CASE("deadline queue: one timer for all, set anew only for a time that is earlier") {
  FakeQueue queue;
  Target targets[3];
  std::vector<std::unique_ptr<Deadline>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(std::make_unique<Deadline>(queue, nullptr, nullptr, never, no_timeout));
  REQUIRE(all[0]->begin_phase(Phase::read, 2s, &targets[0], queue.now));
  const auto old = queue.number;
  REQUIRE(all[1]->begin_phase(Phase::read, 3s, &targets[1], queue.now));
  CHECK(queue.waits == 1);
  REQUIRE(all[2]->begin_phase(Phase::read, 1s, &targets[2], queue.now));
  CHECK(queue.waits == 2);
  // The handler of the first wait comes after all; its number is old.
  queue.now += 2s;
  queue.fire_old(old);
  CHECK(targets[0].aborts + targets[2].aborts == 0);
  queue.fire();  // Both that are due end in one go.
  CHECK(targets[0].aborts == 1);
  CHECK(targets[2].aborts == 1);
  CHECK(targets[1].aborts == 0);
  CHECK(queue.armed == queue.now + 1s);
  queue.advance(1s);
  CHECK(targets[1].aborts == 1);
  CHECK(queue.armed == never);
}

TEST_CASE("deadline queue: no memory for a wait fails its phase; the next one sets the timer") {
  Fixture f;
  f.queue.failures = 1;
  CHECK_THROWS_AS(f.begin(Phase::read, 1s), std::bad_alloc);
  CHECK(f.queue.armed == never);
  REQUIRE(f.begin(Phase::read, 1s));
  CHECK(f.queue.armed == f.queue.now + 1s);
  f.deadline.extend(f.queue.now + 1s);
  f.queue.failures = 1;  // In the timer's own handler nothing can be thrown.
  f.queue.advance(1s);
  CHECK(f.queue.armed == never);
  CHECK_FALSE(f.deadline.ended());
  f.queue.on_context();
  CHECK(f.queue.armed == f.queue.now + 1s);
}

TEST_CASE("deadline queue: an alarm rings once, at its time, among the deadlines") {
  FakeQueue queue;
  const auto alarm = std::make_shared<CountingAlarm>();
  CHECK(queue.ring_at(queue.now + 2s, alarm));
  CHECK(queue.armed == queue.now + 2s);
  queue.advance(1s);
  CHECK(queue.ring_at(queue.now + 3s, alarm));  // This replaces the earlier alarm,
  queue.advance(1s);                            // whose wait goes on.
  CHECK(alarm->rings == 0);
  CHECK(queue.armed == queue.now + 2s);
  Target target;
  Deadline deadline(queue, nullptr, nullptr, never, no_timeout);
  REQUIRE(deadline.begin_phase(Phase::read, 1s, &target, queue.now));
  CHECK(queue.armed == queue.now + 1s);
  queue.advance(1s);
  CHECK(target.aborts == 1);
  CHECK(alarm->rings == 0);
  CHECK(queue.armed == queue.now + 1s);
  queue.advance(1s);
  CHECK(alarm->rings == 1);
  queue.advance(1h);
  CHECK(alarm->rings == 1);
  CHECK(queue.armed == never);
}

TEST_CASE("deadline queue: an alarm that is gone, or for which there is no memory") {
  FakeQueue queue;
  auto alarm = std::make_shared<CountingAlarm>();
  CHECK(queue.ring_at(queue.now + 1s, alarm));
  alarm.reset();
  queue.advance(1s);
  CHECK(queue.armed == never);
  alarm = std::make_shared<CountingAlarm>();
  queue.failures = 1;
  CHECK_FALSE(queue.ring_at(queue.now + 1s, alarm));
  queue.advance(1s);
  CHECK(alarm->rings == 0);
}

TEST_CASE("deadline queue: away from the context's threads the timer is set later") {
  FakeQueue queue;
  queue.later = true;
  const auto alarm = std::make_shared<CountingAlarm>();
  CHECK(queue.ring_at(queue.now + 1s, alarm));
  CHECK(queue.asked_later == 1);
  CHECK(queue.armed == never);
  queue.on_context();
  CHECK(queue.armed == queue.now + 1s);
  queue.on_context();  // A timer that is set in time stays.
  CHECK(queue.waits == 1);
  queue.later = true;
  CHECK(queue.ring_at(queue.now + 2s, alarm));  // So does one for a time that is later.
  CHECK(queue.asked_later == 1);
  queue.advance(1s);
  CHECK(alarm->rings == 0);
  queue.advance(1s);
  CHECK(alarm->rings == 1);
}

TEST_CASE("after: a time never wraps around") {
  using ferry::detail::after;
  CHECK(after(Clock::time_point(5s), 2s) == Clock::time_point(7s));
  CHECK(after(Clock::time_point(5s), no_timeout) == never);
  CHECK(after(never, 1ns) == never);
  CHECK(after(never - 1ns, 1ns) == never);
}
