#pragma once

#include <atomic>
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

  /// Waits for a connection, freed or new, whichever comes first.
  ///
  /// @param fresh only a new one will do.
  /// @param watch the request's; its phase follows what is being waited for.
  /// Cancellation: gives up the place in the queue; a connection that was just granted goes back.
  asio::awaitable<Result<Slot*>> wait_for_connection(const Url& url, bool fresh,
                                                     const Timeouts& timeouts, Watch& watch,
                                                     const Observer& observer) {
    const auto waiter = std::make_shared<PoolWaiter>();
    waiter->host = url.host();
    waiter->port = url.port();
    waiter->resolve_limit = timeouts.resolve;
    waiter->connect_limit = timeouts.connect;
    waiter->watch = &watch;
    const auto begin = Clock::now();
    QueuePlace place(*this, waiter, fresh);
    if (!watch.enter(Phase::pool, timeouts.pool, waiter.get()))
      co_return Result<Slot*>(watch.error());
    if (!place.enqueue(url.origin())) co_return Result<Slot*>(Error(Errc::client_closed));

    if (!waiter->fired()) co_await waiter->wait(begin + long_wait);
    if (!waiter->fired() && Clock::now() >= begin + long_wait) {
      if (observer) {
        Event event{Event::Kind::waiting_long};
        event.origin = url.origin();
        event.duration = Clock::now() - begin;
        observe(observer, event);
      }
      co_await waiter->wait();
    }
    // What has happened is read from the pool's own state, never from how the wait ended.
    Slot* slot = place.leave();
    if (slot) co_return Result<Slot*>(slot);
    if (waiter->failure) co_return Result<Slot*>(std::move(*waiter->failure));
    if (watch.ended()) co_return Result<Slot*>(watch.error());
    co_return Result<Slot*>(Error(Errc::cancelled));
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
  bool is_closed() const noexcept { return closed_.load(); }

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
    QueuePlace(PoolCore& pool, std::shared_ptr<PoolWaiter> waiter, bool fresh)
        : pool_(pool), ticket_(std::move(waiter), fresh) {}
    ~QueuePlace() {
      if (Slot* slot = leave())
        pool_.change([&](State::Decisions& d) {
          pool_.state_.release(*slot, Clock::now(), slot->expires, d);
        });
    }

    bool enqueue(std::string_view origin) {
      pool_.change([&](State::Decisions& decisions) {
        if (pool_.is_closed()) return;
        queued_ = true;
        pool_.state_.enqueue(ticket_, origin, decisions);
      });
      return queued_;
    }
    Slot* leave() noexcept {
      ticket_.waiter->watch->leave();
      if (!std::exchange(queued_, false)) return nullptr;
      Slot* slot = nullptr;
      pool_.change(
          [&](State::Decisions& decisions) { slot = pool_.state_.leave(ticket_, decisions); });
      return slot;
    }

   private:
    PoolCore& pool_;
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

  // ---- changing the state, and doing what that decided ----

  /// Changes the state under the lock, and does what that decided.
  /// @param error what waiters that fail by it are told.
  template <class Function>
  void change(Function function, const Error* error = nullptr) {
    State::Decisions decisions;
    {
      const std::lock_guard lock(mutex_);
      function(decisions);
      finish_locked(decisions, error);
    }
    carry_out(decisions);
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
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> closed_count_{0};
  std::atomic<std::uint64_t> reused_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace ferry::detail
