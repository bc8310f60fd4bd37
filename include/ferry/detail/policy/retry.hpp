#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include <ferry/error.hpp>

namespace ferry::detail {

/// What decides whether a request that failed may be sent once more.
struct RetryFacts {
  bool allowed = true;            ///< `retry_stale`
  int attempt = 1;                ///< The one that failed.
  bool reused = false;            ///< It was made on a kept connection.
  bool lost = false;              ///< It failed with `Errc::connection_lost`.
  bool response_started = false;  ///< A byte of a response had come.
  std::uint64_t bytes_sent = 0;
  bool body_is_there = true;  ///< It can be sent from its beginning once more.
  bool idempotent = false;    ///< By its method (RFC 9110 9.2.2).
  bool has_idempotency_key = false;
};

/// Why a failed request is, or is not, sent once more.
enum class RetryVerdict {
  retry_unsent,         ///< Nothing of it had been written: the server cannot have seen it.
  retry_idempotent,     ///< Sending it twice is the same as once.
  no_forbidden,         ///< The caller does not want it.
  no_second_time,       ///< It was one already: a new connection was lost, which staleness does not
                        ///< explain.
  no_new_connection,    ///< Likewise: only a kept connection can have gone stale.
  no_other_failure,     ///< The connection was not simply gone.
  no_response_started,  ///< The server was answering.
  no_body_left,         ///< The body's source has been read and cannot begin again.
  no_might_have_happened,  ///< The server may have acted on it, and twice is not once (RFC
                           ///< 9110 9.2.2).
};

constexpr RetryVerdict retry_verdict(const RetryFacts& facts) noexcept {
  if (!facts.allowed) return RetryVerdict::no_forbidden;
  if (facts.attempt > 1) return RetryVerdict::no_second_time;
  if (!facts.reused) return RetryVerdict::no_new_connection;
  if (facts.response_started) return RetryVerdict::no_response_started;
  if (!facts.lost) return RetryVerdict::no_other_failure;
  if (!facts.body_is_there) return RetryVerdict::no_body_left;
  if (facts.bytes_sent == 0) return RetryVerdict::retry_unsent;
  if (facts.idempotent || facts.has_idempotency_key) return RetryVerdict::retry_idempotent;
  return RetryVerdict::no_might_have_happened;
}

constexpr bool is_retry(RetryVerdict verdict) noexcept {
  return verdict == RetryVerdict::retry_unsent || verdict == RetryVerdict::retry_idempotent;
}

constexpr std::string_view to_string(RetryVerdict verdict) noexcept {
  switch (verdict) {
    case RetryVerdict::retry_unsent:
      return "the kept connection had been closed; nothing had been sent";
    case RetryVerdict::retry_idempotent:
      return "the kept connection had been closed; the request is idempotent";
    case RetryVerdict::no_forbidden: return "not retried: retry_stale is off";
    case RetryVerdict::no_second_time: return "not retried: it was a retry already";
    case RetryVerdict::no_new_connection: return "not retried: the connection was new";
    case RetryVerdict::no_other_failure:
      return "not retried: the failure is not a stale connection's";
    case RetryVerdict::no_response_started: return "not retried: the response had begun";
    case RetryVerdict::no_body_left: return "not retried: the body's source cannot begin again";
    case RetryVerdict::no_might_have_happened:
      return "not retried: the server may have acted on it";
  }
  return {};
}

/// What decides whether a request is sent again because the caller's policy says so (`Retries`).
struct PolicyFacts {
  int retries = 0;  ///< Made so far.
  int max = 0;      ///< That may be made.
  bool any_method = false;
  bool idempotent = false;
  bool has_idempotency_key = false;
  std::uint64_t bytes_sent = 0;
  bool body_is_there = true;
};

constexpr bool policy_allows(const PolicyFacts& facts) noexcept {
  if (facts.retries >= facts.max || !facts.body_is_there) return false;
  return facts.any_method || facts.idempotent || facts.has_idempotency_key || facts.bytes_sent == 0;
}

/// True for failures that may be over the next time: no certificate gets better by asking again.
inline bool is_transient(std::error_code code) noexcept {
  return code == Errc::host_not_found || code == Errc::connection_refused ||
         code == Errc::connect_failed || code == Errc::connection_lost ||
         code == Errc::proxy_failed || code == Errc::truncated_head ||
         code == Errc::truncated_body ||
         (code == Condition::timeout && code != Errc::total_timeout && code != Errc::pool_timeout);
}

/// How long to wait before a retry: a random part of what doubles each time.
/// @param part from 0 to 1.
inline std::chrono::nanoseconds backoff(std::chrono::nanoseconds first,
                                        std::chrono::nanoseconds most, int retries, double part) {
  auto limit = std::min(first, most);
  for (int i = 0; i < retries && limit < most; ++i) limit = limit > most / 2 ? most : limit * 2;
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(limit.count()) * part));
}

}  // namespace ferry::detail
