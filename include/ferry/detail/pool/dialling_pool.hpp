#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/pool/locked_state.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The pool: `LockedState`, and the coroutines that wait for its decisions.
///
/// A waiter: `QueuePlace` enqueues it. It is granted a connection, or fails, or leaves because its
/// call has ended. A dial:
///
///     start_dial --> Dial::run --> connection --> dialled --> granted, or idle
///                        |
///                        +-------> error -------> dial_failed --> failed, or another dial
///
/// Invariants:
/// 1. User code does not run under the mutex, except `Abortable::abort`: giving up a dial aborts
///    whatever the dial waits for, which may be a stream of the user's connector.
/// 2. A connection is closed, a waiter woken and a dial started after the mutex is released, by the
///    thread whose change of the state decided it: see `PoolActions`.
/// 3. The result of a wait is read from the state, never from the way in which the wait ended: a
///    connection may be granted just as the wait is cancelled or times out.
/// 4. Each dial reports its end to the state exactly once, even if its coroutine is destroyed: see
///    `Dial`.
///
/// The functions that wait or dial are defined in `socket_pool.hpp`.
class DiallingPool final : public PoolCore,
                           public Alarm,
                           public std::enable_shared_from_this<DiallingPool> {
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

  // Declared inline here: else the first of them were the key function, and each file that includes
  // `socket_pool.hpp` would compile the whole pool for the table of virtual functions.
  inline asio::awaitable<std::optional<Error>> acquire(const Url& url, Lease& lease,
                                                       Admission& admission,
                                                       const Timeouts& timeouts, Deadline& deadline,
                                                       const Observer& observer) override;
  inline asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                                   const Timeouts& timeouts,
                                                   Clock::time_point total) override;

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
  LockedState& state() noexcept { return state_; }
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
  using Actions = PoolActions;
  struct WarmPlace;  // In `socket_pool.hpp`.

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
               const Timeouts& timeouts, Clock::time_point total);

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
  LockedState state_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> closed_count_{0};
  std::atomic<std::uint64_t> failed_{0};
  const std::shared_ptr<DnsCache> dns_;
};

inline void PoolActions::perform() noexcept {
  while (closing_) {
    std::unique_ptr<PooledConnection> connection(closing_);
    closing_ = connection->next_closing;
    pool_.close_connection(std::move(connection));
  }
  while (const auto waiter = std::move(woken_)) {
    woken_ = std::move(waiter->next_woken);
    waiter->fire();
  }
  while (Slot* slot = dials_) {
    dials_ = slot->next_dial;
    pool_.start_dial(*slot);
  }
}

inline void LockedState::set_alarm() noexcept {
  const auto next = state_.next_expiry();
  if (next < alarm_time_ && pool_.deadlines().ring_at(next, pool_.weak_from_this()))
    alarm_time_ = next;
}

inline bool LockedState::is_drained() const noexcept {
  return state_.quiet() && !pool_.has_admitted_calls();
}

}  // namespace ferry::detail
