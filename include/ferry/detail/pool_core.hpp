#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include <ferry/connector.hpp>
#include <ferry/detail/deadline.hpp>
#include <ferry/detail/h1_connection.hpp>
#include <ferry/detail/pool_state.hpp>
#include <ferry/detail/wakeup.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>
#include <ferry/response.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

namespace ferry::detail {

/// A connection as the pool keeps it.
struct PooledConnection {
  PooledConnection(std::unique_ptr<Stream> stream, Duration resolve, Duration connect)
      : h1(std::move(stream)), resolved_in(resolve), connected_in(connect) {
    static std::atomic<std::uint64_t> last_id{0};
    auto made = std::make_shared<ConnectionFacts>();
    made->id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;
    made->local_endpoint = h1.stream().local_endpoint();
    made->remote_endpoint = h1.stream().remote_endpoint();
    facts = std::move(made);
  }

  H1Connection h1;
  std::shared_ptr<const ConnectionFacts> facts;
  std::uint64_t requests = 0;
  Duration resolved_in;
  Duration connected_in;
};

/// Someone who waits for a connection.
struct PoolWaiter : Wakeup {
  std::string host;
  std::uint16_t port = 0;
  Duration resolve_limit{};
  Duration connect_limit{};
  Watch* watch = nullptr;        // Valid while the ticket is in a queue.
  std::optional<Error> failure;  // Guarded by the pool's mutex.
};

/// What a `ConnectionPool` has counted since it was made.
struct PoolTotals {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t reused = 0;
  std::uint64_t failed = 0;
};

/// The pool: `PoolState` behind one short mutex, and the I/O that its decisions ask for.
///
/// Nothing is called under the mutex but `PoolState`, watches and nothing of the user's. Whoever
/// changes the state carries out what that decided, on its own thread, after unlocking.
class PoolCore : public std::enable_shared_from_this<PoolCore> {
 public:
  using State = PoolState<std::unique_ptr<PooledConnection>, std::shared_ptr<PoolWaiter>>;
  using Slot = State::Slot;

  PoolCore(asio::any_io_executor executor, PoolOptions options)
      : executor_(std::move(executor)),
        options_(std::move(options)),
        deadlines_(std::make_shared<Deadlines>(executor_)),
        state_(options_.limits) {
    if (!options_.connector) options_.connector = std::make_shared<TcpConnector>();
  }

  const asio::any_io_executor& executor() const noexcept { return executor_; }
  Deadlines& deadlines() noexcept { return *deadlines_; }

  /// A kept connection to this origin that a look has found fit; nothing if there is none.
  Slot* take_idle(std::string_view origin) {
    for (;;) {
      Slot* slot = nullptr;
      change([&](State::Decisions& decisions) {
        slot = state_.take(origin, Clock::now(), decisions);
      });
      if (!slot || is_fit(*slot)) return slot;
    }
  }

  /// Looks at a kept connection before it is used; closes it if it is not fit.
  bool is_fit(Slot& slot) {
    const Look look = slot.connection->h1.stream().look();
    if (look == Look::quiet) {
      reused_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    discard(slot, look == Look::closed ? CloseReason::closed_by_peer : CloseReason::surplus_bytes);
    return false;
  }

  /// A fit connection: a kept one, or else, after waiting, a freed or a new one, whichever comes
  /// first.
  ///
  /// @param fresh only a new one will do.
  /// @param watch the request's; its phase follows what is being waited for.
  /// Cancellation: gives up the place in the queue; a connection that was just granted goes back.
  asio::awaitable<Result<Slot*>> acquire(const Url& url, bool fresh, const Timeouts& timeouts,
                                         Watch& watch, const Observer& observer) {
    for (;;) {
      Slot* slot = fresh ? nullptr : take_idle(url.origin());
      if (slot) co_return Result<Slot*>(slot);
      QueuePlace place(*this, url, fresh, timeouts, watch);
      PoolWaiter& waiter = place.waiter();
      const auto begin = Clock::now();
      if (!watch.enter(Phase::pool, timeouts.pool, &waiter)) co_return Result<Slot*>(watch.error());
      if (!place.enqueue(url.origin())) co_return Result<Slot*>(Error(Errc::client_closed));
      if (!waiter.fired()) co_await waiter.wait(begin + long_wait);
      if (!waiter.fired() && Clock::now() >= begin + long_wait) {
        if (observer) {
          Event event{Event::Kind::waiting_long};
          event.origin = url.origin();
          event.duration = Clock::now() - begin;
          observe(observer, event);
        }
        co_await waiter.wait();
      }
      auto outcome = place.outcome(watch);
      if (!outcome || !(*outcome)->kept || is_fit(**outcome)) co_return outcome;
    }
  }

  /// Opens connections until this many to the origin are idle, or being used, or both.
  /// @return how many were opened.
  asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                            const Timeouts& timeouts, Watch& watch) {
    using Opened = Result<std::size_t>;
    const Limits& limits = options_.limits;
    const auto most =
        std::min({limits.max_connections, limits.max_connections_per_host, limits.max_idle});
    if (count > most) {
      std::string what = "cannot keep " + std::to_string(count) + " warm: the limits allow " +
                         std::to_string(most);
      co_return Opened(Error(Errc::invalid_option, std::move(what)));
    }
    std::size_t there = 0;
    change([&](State::Decisions&) { there = state_.counts(url.origin()).idle; });
    // Each is a waiter that only a new connection serves; they are dialled side by side.
    std::deque<QueuePlace> places;
    for (std::size_t i = there; i < count; ++i) {
      places.emplace_back(*this, url, true, timeouts, watch);
      if (!places.back().enqueue(url.origin())) co_return Opened(Error(Errc::client_closed));
    }
    for (QueuePlace& place : places) {
      PoolWaiter& waiter = place.waiter();
      if (!watch.enter(Phase::connect, no_timeout, &waiter)) break;
      if (!waiter.fired()) co_await waiter.wait();
    }
    // Given back only now: before, one of ours that was still waiting might have had to make room.
    std::optional<Error> failure;
    std::size_t opened = 0;
    for (QueuePlace& place : places) {
      const auto outcome = place.outcome(watch);
      if (outcome) {
        release(**outcome, std::nullopt);
        ++opened;
      } else if (!failure) {
        failure = outcome.error();
      }
    }
    if (failure) co_return Opened(std::move(*failure));
    co_return Opened(opened);
  }

  /// Keeps nothing and takes no new request from now on; returns when the last one in flight is
  /// done.
  asio::awaitable<void> drain() {
    draining_.store(true);
    const auto quiet = std::make_shared<Wakeup>();
    bool waits = false;
    change([&](State::Decisions& decisions) {
      state_.close(false, decisions);
      waits = !state_.quiet();
      if (waits) drainers_.push_back(quiet);
    });
    if (waits) co_await quiet->wait();
  }

  /// Takes a connection back for reuse. @param hint how long the server means to keep it.
  void release(Slot& slot, std::optional<Duration> hint) noexcept {
    const auto now = Clock::now();
    auto expires = after(now, hint.value_or(options_.limits.idle_timeout));
    expires = std::min(expires, after(slot.opened, options_.limits.max_lifetime));
    if (expires <= now)
      return discard(
          slot, hint == Duration::zero() ? CloseReason::not_kept : CloseReason::lifetime_expired);
    change([&](State::Decisions& decisions) { state_.release(slot, now, expires, decisions); });
  }

  /// Takes a connection back that must not be used again.
  void discard(Slot& slot, CloseReason reason) noexcept {
    change([&](State::Decisions& decisions) { state_.discard(slot, reason, decisions); });
  }

  void close_idle() noexcept {
    change([&](State::Decisions& decisions) {
      state_.close_idle(CloseReason::client_closed, decisions);
    });
  }

  /// From now on nothing is kept; with `now_too`, what is in flight fails with
  /// `Errc::client_closed`.
  void close(bool now_too) noexcept {
    if (now_too) closed_.store(true);
    change([&](State::Decisions& decisions) { state_.close(now_too, decisions); });
    if (now_too) deadlines_->close_all();
  }
  const Timeouts& timeouts() const noexcept { return options_.timeouts; }

  PoolTotals totals() const noexcept {
    return {opened_.load(), closed_count_.load(), reused_.load(), failed_.load()};
  }

  /// Reads the state under the mutex.
  template <class Function>
  auto inspect(Function function) const {
    const std::lock_guard lock(mutex_);
    return function(state_);
  }

 private:
  static constexpr std::chrono::seconds long_wait{10};

  /// A place in the queue that is left whatever happens to the coroutine that holds it.
  class QueuePlace {
   public:
    QueuePlace(PoolCore& pool, const Url& url, bool fresh, const Timeouts& timeouts, Watch& watch)
        : pool_(pool), watch_(watch), ticket_(std::make_shared<PoolWaiter>(), fresh) {
      PoolWaiter& made = *ticket_.waiter;
      made.host = url.host();
      made.port = url.port();
      made.resolve_limit = timeouts.resolve;
      made.connect_limit = timeouts.connect;
      made.watch = &watch;
    }
    QueuePlace(const QueuePlace&) = delete;
    QueuePlace& operator=(const QueuePlace&) = delete;
    ~QueuePlace() {
      if (Slot* slot = leave()) {
        pool_.change([&](State::Decisions& decisions) {
          pool_.state_.release(*slot, Clock::now(), slot->expires, decisions);
        });
      }
    }

    PoolWaiter& waiter() noexcept { return *ticket_.waiter; }

    bool enqueue(std::string_view origin) {
      pool_.change([&](State::Decisions& decisions) {
        if (pool_.refuses()) return;
        queued_ = true;
        pool_.state_.enqueue(ticket_, origin, Clock::now(), decisions);
      });
      return queued_;
    }

    /// What the wait came to. It is read from the pool's own state, never from how the wait ended.
    Result<Slot*> outcome(const Watch& watch) {
      if (Slot* slot = leave()) return slot;
      if (waiter().failure) return *waiter().failure;
      if (watch.ended()) return watch.error();
      return Error(Errc::cancelled);
    }

   private:
    Slot* leave() noexcept {
      watch_.leave();
      if (!std::exchange(queued_, false)) return nullptr;
      Slot* slot = nullptr;
      pool_.change(
          [&](State::Decisions& decisions) { slot = pool_.state_.leave(ticket_, decisions); });
      return slot;
    }

    PoolCore& pool_;
    Watch& watch_;
    State::Ticket ticket_;
    bool queued_ = false;
  };

  /// Ends a dial's place in the state, also when its coroutine is destroyed.
  struct DialGuard {
    PoolCore& pool;
    Slot* slot;
    std::string origin;
    std::uint64_t number;
    ~DialGuard() {
      if (slot) fail(Error(Errc::cancelled));
    }
    void fail(const Error& error) noexcept {
      pool.failed_.fetch_add(1, std::memory_order_relaxed);
      Event event{Event::Kind::connection_failed};
      event.origin = origin;
      event.number = number;
      event.error = &error;
      if (pool.options_.observer) observe(pool.options_.observer, event);
      Slot& failed = *std::exchange(slot, nullptr);
      pool.change([&](State::Decisions& d) { pool.state_.dial_failed(failed, d); }, &error);
    }
  };

  /// Opens a connection: the pool's own task, whoever wanted it.
  static asio::awaitable<void> dial(std::shared_ptr<PoolCore> self, Slot* slot,
                                    std::shared_ptr<PoolWaiter> waiter) {
    PoolCore& pool = *self;
    DialGuard guard{pool, slot, slot->host->key, slot->number};
    if (pool.options_.observer) {
      Event event{Event::Kind::connection_opening};
      event.origin = guard.origin;
      event.number = guard.number;
      observe(pool.options_.observer, event);
    }
    Watch watch(*pool.deadlines_, slot, nullptr, Clock::time_point::max());
    DialContext context(watch, waiter->host, waiter->port, waiter->resolve_limit,
                        waiter->connect_limit);
    waiter.reset();
    Result<std::unique_ptr<Stream>> stream;
    std::unique_ptr<PooledConnection> connection;
    try {
      auto connected = co_await pool.options_.connector->connect(context);
      stream = std::move(connected);
      if (stream)
        connection = std::make_unique<PooledConnection>(std::move(*stream), context.resolved_in,
                                                        context.connected_in);
    } catch (const std::exception& e) {
      stream = Error(Errc::connect_failed, e.what());
    }
    watch.finish();
    if (!stream) {
      guard.fail(stream.error());
      co_return;
    }
    pool.opened_.fetch_add(1, std::memory_order_relaxed);
    if (pool.options_.observer) {
      Event event{Event::Kind::connection_opened};
      event.origin = guard.origin;
      event.number = guard.number;
      event.connection = connection->facts->id;
      event.duration = context.resolved_in + context.connected_in;
      observe(pool.options_.observer, event);
    }
    const auto now = Clock::now();
    const Limits& limits = pool.options_.limits;
    const auto expires = after(now, std::min(limits.idle_timeout, limits.max_lifetime));
    guard.slot = nullptr;
    pool.change([&](State::Decisions& d) {
      pool.state_.dialled(*slot, std::move(connection), now, expires, d);
    });
  }

  bool refuses() const noexcept { return closed_.load() || draining_.load(); }

  // ---- changing the state, and doing what that decided ----

  /// Changes the state under the lock, and does what that decided.
  /// @param error what waiters that fail by it are told.
  template <class Function>
  void change(Function function, const Error* error = nullptr) {
    State::Decisions decisions;
    std::vector<std::shared_ptr<Wakeup>> drained;
    {
      const std::lock_guard lock(mutex_);
      function(decisions);
      finish_locked(decisions, error);
      if (!drainers_.empty() && state_.quiet()) drained.swap(drainers_);
    }
    carry_out(decisions);
    for (const auto& drainer : drained) drainer->fire();
  }

  /// What of the decisions concerns tickets and slots, which may be gone once the lock is.
  void finish_locked(State::Decisions& decisions, const Error* error) {
    for (auto& waiter : decisions.failed)
      waiter->failure = error ? *error : Error(Errc::client_closed);
    for (auto& [slot, waiter] : decisions.dials) waiter->watch->enter(Phase::connect, no_timeout);
    for (Slot* slot : decisions.abandoned) deadlines_->close(slot);
  }

  void carry_out(State::Decisions& decisions) {
    for (auto& closing : decisions.closing) {
      closed_count_.fetch_add(1, std::memory_order_relaxed);
      const auto id = closing.connection->facts->id;
      closing.connection.reset();
      if (!options_.observer) continue;
      Event event{Event::Kind::connection_closed};
      event.origin = closing.key;
      event.connection = id;
      event.reason = closing.reason;
      observe(options_.observer, event);
    }
    for (auto& waiter : decisions.granted) waiter->fire();
    for (auto& waiter : decisions.failed) waiter->fire();
    for (auto& [slot, waiter] : decisions.dials)
      asio::co_spawn(executor_, dial(shared_from_this(), slot, waiter), asio::detached);
  }

  const asio::any_io_executor executor_;
  PoolOptions options_;
  const std::shared_ptr<Deadlines> deadlines_;
  mutable std::mutex mutex_;
  State state_;
  std::vector<std::shared_ptr<Wakeup>> drainers_;  // Guarded by the mutex.
  std::atomic<bool> closed_{false};
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> closed_count_{0};
  std::atomic<std::uint64_t> reused_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace ferry::detail
