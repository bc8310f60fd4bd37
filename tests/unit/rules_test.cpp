#include <doctest/doctest.h>
#include <initializer_list>
#include <utility>

#include <ferry/detail/http/connection_fields.hpp>
#include <ferry/detail/policy/retry.hpp>
#include <ferry/detail/policy/reuse.hpp>

using namespace std::chrono_literals;
using ferry::CloseReason;
using ferry::detail::ConnectionFields;
using ferry::detail::reuse_obstacle;
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

TEST_CASE("[28] [34] [35] [73] the reuse rule, a branch each") {
  CHECK_FALSE(reuse_obstacle({}));
  CHECK(reuse_obstacle({.fully_sent = false}) == CloseReason::not_kept);
  CHECK(reuse_obstacle({.close_announced = true}) == CloseReason::not_kept);
  CHECK(reuse_obstacle({.until_close = true}) == CloseReason::not_kept);
  CHECK(reuse_obstacle({.surplus = true}) == CloseReason::surplus_bytes);
  CHECK(reuse_obstacle({.ambiguous = true}) == CloseReason::ambiguous_framing);
  CHECK(reuse_obstacle({.is_http_1_0 = true}) == CloseReason::not_kept);
  CHECK_FALSE(reuse_obstacle({.keep_alive = true, .is_http_1_0 = true}));
  CHECK(reuse_obstacle({.close_announced = true, .keep_alive = true, .is_http_1_0 = true}) ==
        CloseReason::not_kept);
}

TEST_CASE("[34] what the fields Connection say, in all their lines") {
  const auto said = [](std::initializer_list<const char*> lines) {
    ConnectionFields fields;
    for (const char* line : lines) fields.take("connection", line);
    return std::pair(fields.close, fields.keep_alive);
  };
  CHECK(said({}) == std::pair(false, false));
  CHECK(said({"keep-alive"}) == std::pair(false, true));
  CHECK(said({"Keep-Alive"}) == std::pair(false, true));
  CHECK(said({"closed, not-close"}) == std::pair(false, false));
  CHECK(said({"x, Close"}) == std::pair(true, false));
  CHECK(said({"keep-alive, close"}) == std::pair(true, true));
  CHECK(said({"keep-alive", "x", "close"}) == std::pair(true, true));
}

TEST_CASE("[39] the Keep-Alive hint, with its margin and its cap") {
  const auto hint = [](const char* value) {
    ConnectionFields fields;
    fields.take("Keep-Alive", value);
    return fields.hint;
  };
  CHECK_FALSE(ConnectionFields().hint);
  CHECK(hint("timeout=5") == 4s);
  CHECK(hint("max=100, Timeout=15") == 14s);
  CHECK(hint("timeout=1") == 0s);
  CHECK(hint("timeout=0") == 0s);
  CHECK(hint("timeout=86400") == 599s);
  CHECK(hint("timeout=99999999999999999999999") == 599s);
  for (const char* garbage :
       {"", "timeout", "timeout=", "timeout=-5", "timeout=5s", "timeout=0x5", "max=5", ",,,"})
    CHECK_FALSE(hint(garbage));
}
