#include <doctest/doctest.h>
#include <initializer_list>
#include <utility>

#include <ferry/detail/http/connection_fields.hpp>
#include <ferry/detail/policy/retry.hpp>
#include <ferry/detail/policy/reuse.hpp>

using namespace std::chrono_literals;
using ferry::CloseReason;
using ferry::detail::ConnectionFields;
using ferry::detail::may_reuse;
using ferry::detail::RetryFacts;
using ferry::detail::RetryVerdict;

namespace {
RetryFacts stale_get() {
  RetryFacts facts;
  facts.reused = true;
  facts.lost = true;
  facts.bytes_sent = 100;
  facts.idempotent = true;
  return facts;
}
}  // namespace

TEST_CASE("[31] [32] the retry rule, a branch each") {
  CHECK(retry_verdict(stale_get()) == RetryVerdict::retry_idempotent);
  auto facts = stale_get();
  facts.idempotent = false;
  CHECK(retry_verdict(facts) == RetryVerdict::no_might_have_happened);
  facts.has_idempotency_key = true;
  CHECK(retry_verdict(facts) == RetryVerdict::retry_idempotent);
  facts.has_idempotency_key = false;
  facts.bytes_sent = 0;
  CHECK(retry_verdict(facts) == RetryVerdict::retry_unsent);

  facts = stale_get();
  facts.allowed = false;
  CHECK(retry_verdict(facts) == RetryVerdict::no_forbidden);
  facts = stale_get();
  facts.attempt = 2;
  CHECK(retry_verdict(facts) == RetryVerdict::no_second_time);
  facts = stale_get();
  facts.reused = false;
  CHECK(retry_verdict(facts) == RetryVerdict::no_new_connection);
  facts = stale_get();
  facts.response_started = true;
  CHECK(retry_verdict(facts) == RetryVerdict::no_response_started);
  facts = stale_get();
  facts.lost = false;
  CHECK(retry_verdict(facts) == RetryVerdict::no_other_failure);

  for (int i = 0; i <= static_cast<int>(RetryVerdict::no_might_have_happened); ++i) {
    const auto verdict = static_cast<RetryVerdict>(i);
    CHECK_FALSE(to_string(verdict).empty());
    CHECK(is_retry(verdict) ==
          (verdict == RetryVerdict::retry_unsent || verdict == RetryVerdict::retry_idempotent));
  }
}

TEST_CASE("[28] [34] [35] [73] the reuse rule, a branch each") {
  CHECK_FALSE(may_reuse({}));
  CHECK(may_reuse({.fully_sent = false}) == CloseReason::not_kept);
  CHECK(may_reuse({.close_announced = true}) == CloseReason::not_kept);
  CHECK(may_reuse({.until_close = true}) == CloseReason::not_kept);
  CHECK(may_reuse({.surplus = true}) == CloseReason::surplus_bytes);
  CHECK(may_reuse({.ambiguous = true}) == CloseReason::ambiguous_framing);
  CHECK(may_reuse({.is_http_1_0 = true}) == CloseReason::not_kept);
  CHECK_FALSE(may_reuse({.keep_alive = true, .is_http_1_0 = true}));
  CHECK(may_reuse({.close_announced = true, .keep_alive = true, .is_http_1_0 = true}) ==
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
