#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/detail/time/deadline.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The work that one connection may do between two suspensions of its coroutine.
///
/// Operations that need not wait do not suspend a coroutine. If data are always available, a loop
/// of such operations would hold the thread, and with it the timers, the other coroutines and the
/// cancellation that run on it. Therefore each operation is counted here, and a coroutine that has
/// used up its budget lets others run before it goes on.
/// Threads: one at a time.
class WorkBudget {
 public:
  /// Counts an operation that has moved this many bytes without waiting.
  void spend(std::size_t bytes) noexcept { spent_ += std::max(bytes, least_cost); }

  /// Counts an awaited operation. Usually it has suspended the coroutine, which renews the budget.
  /// A stream may also complete an awaited operation at once, so a part of its cost stays.
  void spend_awaited(std::size_t bytes) noexcept {
    spent_ = unproven_ += awaited_cost + bytes / awaited_share;
    since_ = {};
  }

  bool is_used_up() const noexcept { return spent_ >= most; }
  /// Checks the time as well: the caller's own work between two operations may be slow.
  bool is_used_up(Clock::time_point now) noexcept {
    if (since_ == Clock::time_point{}) since_ = now;
    return is_used_up() || now - since_ >= longest;
  }

  /// Lets other work on the executor run, and renews the budget.
  /// Cancellation: as in every awaited operation.
  asio::awaitable<void> renew() {
    co_await asio::post(asio::use_awaitable);
    spent_ = unproven_ = 0;
    since_ = {};
  }

  static constexpr std::size_t most = 1024 * 1024;      ///< Budget in bytes.
  static constexpr std::size_t least_cost = 16 * 1024;  ///< Least cost of an operation in bytes.
  static constexpr std::chrono::milliseconds longest{5};

 private:
  static constexpr std::size_t awaited_cost = 4 * 1024;  // Cost in bytes.
  static constexpr std::size_t awaited_share = 16;

  std::size_t spent_ = 0;
  std::size_t unproven_ = 0;   // Part of `spent_` left by awaited operations, in bytes.
  Clock::time_point since_{};  // Time of the first check after the last suspension.
};

/// Lets other work on the executor run, then checks the time limits and cancellation.
/// @return the failure, or nothing.
inline asio::awaitable<std::optional<Error>> let_others_run(WorkBudget& budget,
                                                            Deadline& deadline) {
  co_await budget.renew();
  if (!deadline.check(Clock::now())) co_return deadline.error();
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(cancellation)) co_return Error(Errc::cancelled);
  co_return std::nullopt;
}

}  // namespace ferry::detail
