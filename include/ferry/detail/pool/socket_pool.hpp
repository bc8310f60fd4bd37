#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/socket_connector.hpp>
#include <ferry/detail/pool/dial.hpp>
#include <ferry/detail/pool/dialling_pool.hpp>
#include <ferry/detail/pool/queue_place.hpp>

// The functions of `DiallingPool` that wait or dial.
namespace ferry::inline FERRY_CONFIGURATION::detail {

inline DiallingPool::DiallingPool(const asio::any_io_executor& executor, PoolOptions options)
    : PoolCore(std::move(options), std::make_shared<TimedDeadlineQueue>(executor)),
      executor_(executor),
      // If the timer would keep the program running, no alarm is ever set.
      state_(*this, options_.limits, deadlines_->waits_uncounted()),
      dns_(std::make_shared<DnsCache>(options_.tcp)) {
  if (!is_llhttp_strict())
    throw Error(Errc::invalid_option,
                "llhttp was built without its strict mode (LLHTTP_STRICT_MODE=1): it would let "
                "malformed responses pass");
  if (!options_.connector)
    options_.connector = std::make_shared<SocketConnector>(options_.tcp, dns_);
}

// ---- waiting ----

/// Time after which a waiting call reports `Event::Kind::waiting_long`.
inline constexpr std::chrono::seconds waiting_long_after{10};
/// Time left of a pool limit that has passed: enough to take a ready connection or begin a dial.
inline constexpr Duration shortest_wait = std::chrono::milliseconds(1);

/// The rest of the pool limit.
inline Duration remaining_wait(Duration limit, Duration waited) noexcept {
  return limit == no_timeout ? no_timeout : std::max(limit - waited, shortest_wait);
}

inline void report_long_wait(const Observer& observer, const Url& url, Clock::time_point begin) {
  if (!observer) return;
  Event event{Event::Kind::waiting_long};
  event.origin = url.origin();
  event.duration = Clock::now() - begin;
  observe(observer, event);
}

inline asio::awaitable<std::optional<Error>> DiallingPool::acquire(const Url& url, Lease& lease,
                                                                   Admission& admission,
                                                                   const Timeouts& timeouts,
                                                                   Deadline& deadline,
                                                                   const Observer& observer) {
  const bool fresh = static_cast<bool>(lease);
  if (fresh)
    admission.admit();
  else if (!admission.try_admit())
    co_return Error(Errc::client_closed);
  const auto begin = Clock::now();
  auto now = begin;
  CloseReason reason = CloseReason::failed;
  for (std::uint64_t turn = fresh ? lease.turn() : 0;; turn = lease.turn()) {
    QueuePlace place(*this, url, fresh, turn, timeouts, deadline);
    PoolWaiter& waiter = place.waiter();
    const auto limit = remaining_wait(timeouts.pool, now - begin);
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

/// One of the places by which connections are opened in advance.
struct DiallingPool::WarmPlace {
  WarmPlace(DiallingPool& pool, const Url& url, const Timeouts& timeouts, Clock::time_point total)
      : deadline(*pool.deadlines_, &pool, nullptr, total, timeouts.total),
        queue(pool, url, true, 0, timeouts, deadline) {}
  Deadline deadline;
  QueuePlace queue;
};

inline bool DiallingPool::enqueue(std::deque<WarmPlace>& places, std::size_t count, const Url& url,
                                  const Timeouts& timeouts, Clock::time_point total) {
  for (std::size_t i = 0; i < count; ++i) {
    WarmPlace& place = places.emplace_back(*this, url, timeouts, total);
    Lease none(*this);
    if (!place.deadline.begin_phase(Phase::pool, timeouts.pool, &place.queue.waiter())) break;
    if (!place.queue.enqueue(url.origin(), none, CloseReason::failed)) return false;
  }
  return true;
}

inline asio::awaitable<Result<std::size_t>> DiallingPool::warm(const Url& url, std::size_t count,
                                                               const Timeouts& timeouts,
                                                               Clock::time_point total) {
  using Opened = Result<std::size_t>;
  if (auto error = check_warm(count)) co_return Opened(std::move(*error));
  const std::size_t missing = count_missing(url, count);
  Admission admission(*this);
  if (!admission.try_admit()) co_return Opened(Error(Errc::client_closed));
  // Each place is a waiter that only a new connection serves; all are dialled at the same time.
  std::deque<WarmPlace> places;
  if (!enqueue(places, missing, url, timeouts, total)) co_return Opened(Error(Errc::client_closed));
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

// ---- dialling ----

inline void DiallingPool::start_dial(Slot& slot) noexcept {
  static thread_local bool is_starting = false;
  const bool is_nested = std::exchange(is_starting, true);
  try {
    asio::co_spawn(executor_,
                   Dial::run(shared_from_this(), &slot, std::move(slot.dialled_for), is_nested),
                   asio::detached);
  } catch (...) {
    fail_dial(slot, std::make_error_code(std::errc::not_enough_memory));
  }
  is_starting = is_nested;
}

}  // namespace ferry::detail
