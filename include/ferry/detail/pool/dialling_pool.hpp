#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/base/separate.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/socket_connector.hpp>
#include <ferry/detail/pool/dial.hpp>
#include <ferry/detail/pool/queue_place.hpp>

namespace ferry::detail {

/// The pool: `LockedState`, and the coroutines that wait for its decisions.
///
/// A waiter: `QueuePlace` enqueues it; it is granted a connection, or fails, or leaves. A dial:
///
///     start_dial --> Dial::run --> connection --> dialled --> granted, or idle
///                        |
///                        +-------> error -------> dial_failed --> failed, or another dial
///
/// Invariants:
/// 1. No user code runs under the mutex, only `PoolState` and deadlines.
/// 2. A connection is closed, a waiter woken and a dial started outside the mutex, by the thread
///    whose change of the state decided it: `PoolActions`.
/// 3. The result of a wait is read from the state, never from the way in which the wait ended.
/// 4. Each dial reports its end to the state once: `Dial`.
template <class Tcp, class Local>
class DiallingPool final : public PoolCore,
                           public Alarm,
                           public std::enable_shared_from_this<DiallingPool<Tcp, Local>> {
 public:
  DiallingPool(const asio::any_io_executor& executor, PoolOptions options);

  Hold take_idle(std::string_view origin, Clock::time_point now) override {
    for (;;) {
      Hold hold;
      state_.change(
          [&](State& state, Actions& actions) { hold = state.take(origin, now, actions); });
      if (!hold.slot || !discard_if_unfit(*hold.slot)) return hold;
    }
  }

  bool discard_if_unfit(Slot& slot) override {
    const auto reason = unfit_reason(slot);
    if (reason) discard(slot, *reason);
    return reason.has_value();
  }

  asio::awaitable<std::optional<Error>> acquire(const Url& url, Lease& lease, Admission& admission,
                                                const Timeouts& timeouts, Deadline& deadline,
                                                const Observer& observer) override {
    const bool fresh = static_cast<bool>(lease);
    if (fresh)
      admission.admit();
    else if (!admission.try_admit())
      co_return Error(Errc::client_closed);
    const auto begin = Clock::now();
    auto now = begin;
    CloseReason reason = CloseReason::failed;
    for (std::uint64_t turn = fresh ? lease.turn() : 0;; turn = lease.turn()) {
      Place place(*this, url, fresh, turn, timeouts, deadline);
      PoolWaiter& waiter = place.waiter();
      const auto limit = remaining(timeouts.pool, now - begin);
      if (!deadline.begin_phase(Phase::pool, limit, &waiter, now)) co_return deadline.error();
      if (!place.enqueue(url.origin(), lease, reason)) co_return Error(Errc::client_closed);
      const auto long_waited = begin + waiting_long_after;
      if (!waiter.fired()) co_await waiter.wait(long_waited);
      if (!waiter.fired() && Clock::now() >= long_waited) {
        report_long_wait(observer, url, begin);
        co_await waiter.wait();
      }
      const auto outcome = place.outcome();
      if (!outcome) co_return outcome.error();
      lease.take(*outcome);
      const auto unfit = unfit_reason(lease.slot());
      if (!unfit) co_return std::nullopt;
      // The server had closed the connection: the call asks again and keeps its turn.
      reason = *unfit;
      now = Clock::now();
    }
  }

  asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                            const Timeouts& timeouts,
                                            Clock::time_point total) override {
    using Opened = Result<std::size_t>;
    if (auto error = check_warm(count)) co_return Opened(std::move(*error));
    const std::size_t missing = count_missing(url, count);
    Admission admission(*this);
    if (!admission.try_admit()) co_return Opened(Error(Errc::client_closed));
    // Each place is a waiter that only a new connection serves; all are dialled at the same time.
    std::deque<WarmPlace> places;
    if (!enqueue(places, missing, url, timeouts, total))
      co_return Opened(Error(Errc::client_closed));
    std::optional<Error> failure;
    std::size_t opened = 0;
    for (WarmPlace& place : places) {  // Places are served in this order.
      PoolWaiter& waiter = place.queue.waiter();
      if (!place.deadline.ended() && !waiter.fired()) co_await waiter.wait();
      const auto outcome = place.queue.outcome();
      if (outcome) {
        release_unused(*outcome->slot);
        ++opened;
      } else if (!failure) {
        const Error& error = outcome.error();
        failure = error.at(phase_of(error, place.deadline), std::string(url.origin()), 1, false, 0);
      }
    }
    if (failure) co_return Opened(std::move(*failure));
    co_return Opened(opened);
  }

  asio::awaitable<void> drain() override {
    draining_.store(true);
    const auto quiet = std::make_shared<PoolWaiter>();
    if (state_.drain(quiet)) co_await quiet->wait();
  }

  void release(Slot& slot, std::optional<Duration> hint, Clock::time_point idle_since,
               Clock::time_point now) noexcept override {
    const auto lifetime = after(slot.opened, options_.limits.max_lifetime);
    const auto expires = after(idle_since, hint.value_or(options_.limits.idle_timeout));
    if (lifetime <= now) return discard(slot, CloseReason::lifetime_expired);
    if (expires <= now)
      return discard(slot,
                     hint == Duration::zero() ? CloseReason::not_kept : CloseReason::idle_expired);
    make_idle(slot, idle_since, std::min(expires, lifetime), now);
  }

  void release_unused(Slot& slot) noexcept override {
    const auto now = Clock::now();
    if (slot.expires <= now) return discard(slot, CloseReason::idle_expired);
    make_idle(slot, slot.idle_since, slot.expires, now);
  }

  void discard(Slot& slot, CloseReason reason) noexcept override {
    state_.change([&](State& state, Actions& actions) { state.discard(slot, reason, actions); });
  }

  void close_idle() noexcept override {
    state_.change([](State& state, Actions& actions) {
      state.close_idle(CloseReason::client_closed, actions);
    });
  }

  void close(bool fails_calls) noexcept override {
    if (fails_calls) {
      closed_.store(true);
      deadlines_->close_all();
    }
    state_.change([&](State& state, Actions& actions) { state.close(fails_calls, actions); });
  }

  /// Closes connections that have been idle for too long even if no other event comes, so that no
  /// connection that its server has closed stays half open.
  void ring() noexcept override { state_.expire(); }

  PoolTotals totals() const noexcept override {
    return {opened_.load(), closed_count_.load(), reused_.load(), failed_.load()};
  }
  State::Counts counts() const override {
    return state_.read([](const State& state) { return state.counts(); });
  }
  std::vector<std::pair<std::string, State::Counts>> counts_by_origin() const override {
    std::vector<std::pair<std::string, State::Counts>> counts;
    state_.read([&](const State& state) {
      state.for_each_host(
          [&](const auto& host) { counts.emplace_back(host.key, state.counts(host)); });
    });
    return counts;
  }

  // For `LockedState`, `PoolActions`, `QueuePlace` and `Dial`, which are parts of the pool.

  using PoolCore::proxy_for;
  const PoolOptions& options() const noexcept { return options_; }
  const asio::any_io_executor& executor() const noexcept { return executor_; }
  LockedState<DiallingPool>& state() noexcept { return state_; }
  bool is_closed() const noexcept { return closed_; }
  bool has_admitted_calls() const noexcept { return admitted_ != 0; }
  asio::awaitable<Result<Addresses>> lookup(DialContext& context) { return dns_->lookup(context); }
  void count_opened() noexcept { opened_.fetch_add(1, std::memory_order_relaxed); }

  void start_dial(Slot& slot) noexcept;

  /// Reports that a dial has failed.
  /// @param error may be null, because making one may need memory.
  void fail_dial(Slot& slot, std::error_code code, const Error* error = nullptr) noexcept {
    failed_.fetch_add(1, std::memory_order_relaxed);
    state_.change([&](State& state, Actions& actions) { state.dial_failed(slot, actions); }, code,
                  error);
  }

  void close_connection(std::unique_ptr<PooledConnection> connection) noexcept {
    closed_count_.fetch_add(1, std::memory_order_relaxed);
    const std::string origin = std::move(connection->origin);
    Event event{Event::Kind::connection_closed};
    event.origin = origin;
    event.connection = connection->facts->id;
    event.reason = connection->close_reason;
    const auto opened = connection->opened;
    connection.reset();
    if (!options_.observer) return;
    event.duration = Clock::now() - opened;
    observe(options_.observer, event);
  }

 private:
  using Actions = PoolActions<DiallingPool>;
  using Place = QueuePlace<DiallingPool>;
  /// One of the places by which connections are opened in advance.
  struct WarmPlace {
    WarmPlace(DiallingPool& pool, const Url& url, const Timeouts& timeouts, Clock::time_point total)
        : deadline(*pool.deadlines_, &pool, nullptr, total, timeouts.total),
          queue(pool, url, true, 0, timeouts, deadline) {}
    Deadline deadline;
    Place queue;
  };

  /// Time after which a waiting call reports `Event::Kind::waiting_long`.
  static constexpr std::chrono::seconds waiting_long_after{10};
  /// Time left of a pool limit that has passed: enough to take a ready connection or begin a dial.
  static constexpr Duration shortest_wait = std::chrono::milliseconds(1);

  /// The rest of the pool limit.
  static Duration remaining(Duration limit, Duration waited) noexcept {
    return limit == no_timeout ? no_timeout : std::max(limit - waited, shortest_wait);
  }

  static void report_long_wait(const Observer& observer, const Url& url, Clock::time_point begin) {
    if (!observer) return;
    Event event{Event::Kind::waiting_long};
    event.origin = url.origin();
    event.duration = Clock::now() - begin;
    observe(observer, event);
  }

  /// @return the error if the limits do not allow so many idle connections to one origin.
  std::optional<Error> check_warm(std::size_t count) const {
    const Limits& limits = options_.limits;
    const auto most =
        std::min({limits.max_connections, limits.max_connections_per_host, limits.max_idle});
    if (count <= most) return std::nullopt;
    return Error(Errc::invalid_option, "cannot keep " + std::to_string(count) +
                                           " warm: the limits allow " + std::to_string(most));
  }
  /// The number of connections to open until `count` are idle, as far as there is room.
  std::size_t count_missing(const Url& url, std::size_t count) {
    std::size_t missing = 0;
    state_.change([&](State& state, Actions&) {
      const std::size_t idle = state.counts(url.origin()).idle;
      missing = std::min(count - std::min(count, idle), state.room(url.origin()));
    });
    return missing;
  }
  /// @return false if the pool is closed.
  bool enqueue(std::deque<WarmPlace>& places, std::size_t count, const Url& url,
               const Timeouts& timeouts, Clock::time_point total) {
    for (std::size_t i = 0; i < count; ++i) {
      WarmPlace& place = places.emplace_back(*this, url, timeouts, total);
      Lease none(*this);
      if (!place.deadline.begin_phase(Phase::pool, timeouts.pool, &place.queue.waiter())) break;
      if (!place.queue.enqueue(url.origin(), none, CloseReason::failed)) return false;
    }
    return true;
  }

  void make_idle(Slot& slot, Clock::time_point idle_since, Clock::time_point expires,
                 Clock::time_point now) noexcept {
    if (!slot.connection->process.is_current()) return discard(slot, CloseReason::inherited);
    state_.change([&](State& state, Actions& actions) {
      state.release(slot, idle_since, expires, now, actions);
      state_.expect_expiry(expires);
    });
  }

  /// The reason why a connection must not be used, or nothing.
  std::optional<CloseReason> unfit_reason(Slot& slot) noexcept {
    if (!slot.connection->process.is_current()) return CloseReason::inherited;
    if (!slot.kept) return std::nullopt;
    switch (slot.connection->http->check_idle()) {
      case IdleState::closed: return CloseReason::closed_by_peer;
      case IdleState::unexpected_data: return CloseReason::surplus_bytes;
      case IdleState::quiet: break;
    }
    return std::nullopt;
  }

  void check_drained() noexcept override { state_.check_drained(); }

  const asio::any_io_executor executor_;
  LockedState<DiallingPool> state_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> closed_count_{0};
  std::atomic<std::uint64_t> failed_{0};
  const std::shared_ptr<DnsCache> dns_;
};

// Defined outside the class: functions defined inside are inline, and every user of an explicitly
// instantiated pool would compile them.

template <class Tcp, class Local>
DiallingPool<Tcp, Local>::DiallingPool(const asio::any_io_executor& executor, PoolOptions options)
    : PoolCore(std::move(options), std::make_shared<TimedDeadlineQueue>(executor)),
      executor_(executor),
      // If the timer would keep the program running, no alarm is ever set.
      state_(*this, options_.limits, deadlines_->waits_uncounted()),
      dns_(std::make_shared<DnsCache>(options_.tcp)) {
  if (!H1Parser::is_strict())
    throw Error(Errc::invalid_option,
                "llhttp was built without its strict mode (LLHTTP_STRICT_MODE=1): it would let "
                "malformed responses pass");
  if (!options_.connector)
    options_.connector = std::make_shared<SocketConnector>(options_.tcp, dns_);
}

template <class Tcp, class Local>
void DiallingPool<Tcp, Local>::start_dial(Slot& slot) noexcept {
  static thread_local bool is_starting = false;
  const bool is_nested = std::exchange(is_starting, true);
  try {
    asio::co_spawn(executor_,
                   Dial<DiallingPool>::run(this->shared_from_this(), &slot,
                                           std::move(slot.dialled_for), is_nested),
                   asio::detached);
  } catch (...) {
    fail_dial(slot, std::make_error_code(std::errc::not_enough_memory));
  }
  is_starting = is_nested;
}

/// The pool over the system's sockets.
using SocketPool = DiallingPool<asio::ip::tcp, asio::local::stream_protocol>;

#if defined(FERRY_EXTERN)
FERRY_EXTERN template class DiallingPool<asio::ip::tcp, asio::local::stream_protocol>;
#endif

}  // namespace ferry::detail
