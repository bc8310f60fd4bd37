#include <doctest/doctest.h>
#include <limits>

#include <ferry/detail/policy/retry.hpp>

using namespace std::chrono_literals;
using ferry::Errc;
using ferry::Headers;
using ferry::detail::backoff;
using ferry::detail::is_transient;
using ferry::detail::may_retry;
using ferry::detail::retry_after;
using ferry::detail::RetryBudget;
using ferry::detail::RetryFacts;
using ferry::detail::StaleRetry;
using ferry::detail::StaleRetryFacts;

namespace {
StaleRetryFacts stale_get() {
  StaleRetryFacts facts;
  facts.reused = true;
  facts.lost = true;
  facts.bytes_sent = 100;
  facts.idempotent = true;
  return facts;
}
}  // namespace

TEST_CASE("[31] [32] the retry rule, a branch each") {
  CHECK(decide_stale_retry(stale_get()) == StaleRetry::retry_idempotent);
  auto facts = stale_get();
  facts.idempotent = false;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_might_have_happened);
  facts.has_idempotency_key = true;
  CHECK(decide_stale_retry(facts) == StaleRetry::retry_idempotent);
  facts.has_idempotency_key = false;
  facts.bytes_sent = 0;
  CHECK(decide_stale_retry(facts) == StaleRetry::retry_unsent);

  facts = stale_get();
  facts.allowed = false;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_forbidden);
  facts = stale_get();
  facts.attempt = 2;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_second_time);
  facts = stale_get();
  facts.reused = false;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_new_connection);
  facts = stale_get();
  facts.response_started = true;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_response_started);
  facts = stale_get();
  facts.lost = false;
  CHECK(decide_stale_retry(facts) == StaleRetry::no_other_failure);

  for (int i = 0; i <= static_cast<int>(StaleRetry::no_might_have_happened); ++i) {
    const auto verdict = static_cast<StaleRetry>(i);
    CHECK_FALSE(to_string(verdict).empty());
    CHECK(is_retry(verdict) ==
          (verdict == StaleRetry::retry_unsent || verdict == StaleRetry::retry_idempotent));
  }
}

TEST_CASE("the policy's retries: their number, then what may be sent again") {
  RetryFacts facts;
  facts.max = 2;
  facts.bytes_sent = 100;
  facts.idempotent = true;
  CHECK(may_retry(facts));
  facts.retries = 2;
  CHECK_FALSE(may_retry(facts));
  facts.retries = 1;
  facts.body_replayable = false;
  CHECK_FALSE(may_retry(facts));
  facts.body_replayable = true;
  facts.idempotent = false;
  CHECK_FALSE(may_retry(facts));
  facts.has_idempotency_key = true;
  CHECK(may_retry(facts));
  facts.has_idempotency_key = false;
  facts.any_method = true;
  CHECK(may_retry(facts));
  facts.any_method = false;
  facts.bytes_sent = 0;
  CHECK(may_retry(facts));
}

TEST_CASE("failures that may pass, and those that may not") {
  for (const auto code : {Errc::host_not_found, Errc::connection_refused, Errc::connect_failed,
                          Errc::connection_lost, Errc::proxy_failed, Errc::truncated_head,
                          Errc::truncated_body, Errc::connect_timeout, Errc::read_timeout})
    CHECK(is_transient(code));
  for (const auto code : {Errc::total_timeout, Errc::pool_timeout, Errc::tls_failed,
                          Errc::cancelled, Errc::malformed_response, Errc::invalid_url})
    CHECK_FALSE(is_transient(code));
}

TEST_CASE("a budget of retries: ten successes earn one, up to the beginning's number") {
  RetryBudget budget;
  CHECK_FALSE(budget.take());  // Empty until it is filled.
  budget.fill(2);
  budget.earn();  // It is full.
  CHECK(budget.take());
  CHECK(budget.take());
  CHECK_FALSE(budget.take());
  for (int i = 0; i < 9; ++i) budget.earn();
  CHECK_FALSE(budget.take());
  budget.earn();
  CHECK(budget.take());
  CHECK_FALSE(budget.take());
  budget.fill(std::numeric_limits<int>::max());
  CHECK(budget.take());
}

TEST_CASE("the delay doubles up to its limit, without overflow") {
  CHECK(backoff(100ms, 1s, 0, 1) == 100ms);
  CHECK(backoff(100ms, 1s, 0, 0.5) == 50ms);
  CHECK(backoff(100ms, 1s, 2, 1) == 400ms);
  CHECK(backoff(100ms, 1s, 4, 1) == 1s);
  CHECK(backoff(100ms, 1s, 1000, 1) == 1s);
  CHECK(backoff(5s, 1s, 0, 1) == 1s);
  CHECK(backoff(100ms, 1s, 3, 0) == 0s);
  CHECK(backoff(1ns, std::chrono::nanoseconds::max(), 62, 0.25) <= std::chrono::nanoseconds::max());
}

TEST_CASE("the delay that a server asks for: seconds or a date") {
  const auto asked = [](const char* value) {
    Headers headers;
    headers.add("Retry-After", value);
    return retry_after(headers);
  };
  CHECK_FALSE(retry_after(Headers()));
  CHECK(asked("0") == 0s);
  CHECK(asked("120") == 120s);
  CHECK(asked("Sun, 06 Nov 1994 08:49:37 GMT") == 0s);
  CHECK(asked("Fri, 31 Dec 2199 23:59:59 GMT") > 24h);
  for (const char* longest : {"99999999999", "99999999999999999999999"})
    CHECK(asked(longest) == std::chrono::floor<std::chrono::seconds>(ferry::Duration::max()));
  for (const char* garbage : {"", "-1", "1.5", "soon", "5 s"}) CHECK_FALSE(asked(garbage));
}
