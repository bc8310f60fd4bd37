#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/http_date.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The facts that decide whether a failed request may be sent again.
struct StaleRetryFacts {
  bool allowed = true;            ///< The option `retry_stale`.
  int attempt = 1;                ///< Number of the failed attempt, from 1.
  bool reused = false;            ///< True if it used a kept connection.
  bool lost = false;              ///< True if it failed with `Errc::connection_lost`.
  bool response_started = false;  ///< True if a byte of a response had come.
  std::uint64_t bytes_sent = 0;
  bool body_replayable = true;  ///< True if the body can be sent again from its beginning.
  bool idempotent = false;      ///< True if the method is idempotent (RFC 9110 9.2.2).
  bool has_idempotency_key = false;
};

/// The reason why a failed request is, or is not, sent again.
enum class StaleRetry {
  retry_unsent,         ///< Nothing had been written: the server cannot have seen the request.
  retry_idempotent,     ///< Sending it twice has the same effect as once.
  no_forbidden,         ///< The caller does not allow it.
  no_second_time,       ///< The failed attempt was a retry: its connection was new, so it was not
                        ///< stale.
  no_new_connection,    ///< The connection was new, so it was not stale.
  no_other_failure,     ///< The failure is not that of a stale connection.
  no_response_started,  ///< The server had begun to answer.
  no_body_left,         ///< The body's source has been read and cannot begin again.
  no_might_have_happened,  ///< The server may have acted on it, and the request is not
                           ///< idempotent (RFC 9110 9.2.2).
};

constexpr StaleRetry decide_stale_retry(const StaleRetryFacts& facts) noexcept {
  if (!facts.allowed) return StaleRetry::no_forbidden;
  if (facts.attempt > 1) return StaleRetry::no_second_time;
  if (!facts.reused) return StaleRetry::no_new_connection;
  if (facts.response_started) return StaleRetry::no_response_started;
  if (!facts.lost) return StaleRetry::no_other_failure;
  if (!facts.body_replayable) return StaleRetry::no_body_left;
  if (facts.bytes_sent == 0) return StaleRetry::retry_unsent;
  if (facts.idempotent || facts.has_idempotency_key) return StaleRetry::retry_idempotent;
  return StaleRetry::no_might_have_happened;
}

constexpr bool is_retry(StaleRetry verdict) noexcept {
  return verdict == StaleRetry::retry_unsent || verdict == StaleRetry::retry_idempotent;
}

constexpr std::string_view to_string(StaleRetry verdict) noexcept {
  switch (verdict) {
    case StaleRetry::retry_unsent:
      return "the kept connection had been closed; nothing had been sent";
    case StaleRetry::retry_idempotent:
      return "the kept connection had been closed; the request is idempotent";
    case StaleRetry::no_forbidden: return "not retried: retry_stale is off";
    case StaleRetry::no_second_time: return "not retried: it was a retry already";
    case StaleRetry::no_new_connection: return "not retried: the connection was new";
    case StaleRetry::no_other_failure:
      return "not retried: the failure is not a stale connection's";
    case StaleRetry::no_response_started: return "not retried: the response had begun";
    case StaleRetry::no_body_left: return "not retried: the body's source cannot begin again";
    case StaleRetry::no_might_have_happened: return "not retried: the server may have acted on it";
  }
  return {};
}

/// The facts that decide whether the caller's policy (`Retries`) sends a request again.
struct RetryFacts {
  int retries = 0;  ///< Number of retries so far.
  int max = 0;      ///< Maximum number of retries.
  bool any_method = false;
  bool idempotent = false;
  bool has_idempotency_key = false;
  std::uint64_t bytes_sent = 0;
  bool body_replayable = true;
};

constexpr bool may_retry(const RetryFacts& facts) noexcept {
  if (facts.retries >= facts.max || !facts.body_replayable) return false;
  return facts.any_method || facts.idempotent || facts.has_idempotency_key || facts.bytes_sent == 0;
}

/// True for failures that may not happen again. A rejected certificate is not transient.
inline bool is_transient(std::error_code code) noexcept {
  return code == Errc::host_not_found || code == Errc::connection_refused ||
         code == Errc::connect_failed || code == Errc::connection_lost ||
         code == Errc::proxy_failed || code == Errc::truncated_head ||
         code == Errc::truncated_body ||
         (code == Condition::timeout && code != Errc::total_timeout && code != Errc::pool_timeout);
}

/// The retries that a client may still make (`Retries::budget`).
/// Threads: any number of threads may use the budget at the same time.
class RetryBudget {
 public:
  /// Begins with a full budget.
  void fill(int budget) noexcept {
    most_ = std::int64_t{budget} * tenths;
    left_.store(most_, std::memory_order_relaxed);
  }
  /// Takes a retry.
  /// @return false if there is none left.
  bool take() noexcept {
    auto left = left_.load(std::memory_order_relaxed);
    while (left >= tenths)
      if (left_.compare_exchange_weak(left, left - tenths, std::memory_order_relaxed)) return true;
    return false;
  }
  /// Adds a tenth of a retry, for a request that has succeeded.
  void earn() noexcept {
    auto left = left_.load(std::memory_order_relaxed);
    while (left < most_)
      if (left_.compare_exchange_weak(left, left + 1, std::memory_order_relaxed)) return;
  }

 private:
  static constexpr std::int64_t tenths = 10;
  std::int64_t most_ = 0;
  std::atomic<std::int64_t> left_{0};  // Tenths of retries.
};

/// The delay before a retry: a random part of a limit that doubles each time.
/// @param part from 0 to 1.
inline std::chrono::nanoseconds backoff(std::chrono::nanoseconds first,
                                        std::chrono::nanoseconds most, int retries, double part) {
  auto limit = std::min(first, most);
  for (int i = 0; i < retries && limit < most; ++i) limit = limit > most / 2 ? most : limit * 2;
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(limit.count()) * part));
}

/// The delay before this retry.
inline Duration retry_delay(const Retries& options, int retries) {
  // The clock's last digits are random enough to keep clients apart; splitmix64 spreads them.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto bits = static_cast<std::uint64_t>(now.count());
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  bits ^= bits >> 31;
  return backoff(options.first_delay, options.max_delay, retries,
                 static_cast<double>(bits >> 11) / static_cast<double>(std::uint64_t{1} << 53));
}

/// The delay that the server asks for (RFC 9110 10.2.3); nothing if it asks for none. A delay that
/// is too long for `Duration` becomes the longest one.
inline std::optional<Duration> retry_after(const Headers& headers) {
  using std::chrono::seconds;
  const auto value = headers.get("Retry-After");
  if (!value || value->empty()) return std::nullopt;
  seconds asked{};
  if (std::all_of(value->begin(), value->end(), is_digit)) {
    asked = seconds(parse_decimal(*value).value_or(INT64_MAX));
  } else {
    const auto date = parse_date(*value);
    if (!date) return std::nullopt;
    asked = *date - std::chrono::floor<seconds>(std::chrono::system_clock::now());
  }
  return std::clamp(asked, seconds(0), std::chrono::floor<seconds>(Duration::max()));
}

}  // namespace ferry::detail
