#include <doctest/doctest.h>

#include <ferry/detail/retry_rule.hpp>
#include <ferry/detail/reuse_rule.hpp>

using namespace std::chrono_literals;
using ferry::CloseReason;
using ferry::Headers;
using ferry::detail::ResponseMessage;
using ferry::detail::RetryFacts;
using ferry::detail::RetryVerdict;
using ferry::detail::ReuseFacts;

namespace {
RetryFacts stale_get() {
  RetryFacts facts;
  facts.reused = true;
  facts.lost = true;
  facts.bytes_sent = 100;
  facts.idempotent = true;
  return facts;
}
ResponseMessage response(int minor, const char* connection) {
  ResponseMessage message;
  message.status = 200;
  message.minor_version = minor;
  if (connection) message.headers.add("Connection", connection);
  return message;
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

TEST_CASE("[28] [34] [35] the reuse rule, a branch each") {
  const ReuseFacts fine;
  CHECK_FALSE(may_reuse(response(1, nullptr), fine));
  CHECK_FALSE(may_reuse(response(1, "closed, not-close"), fine));
  CHECK(may_reuse(response(1, "x, Close"), fine) == CloseReason::not_kept);
  CHECK(may_reuse(response(0, nullptr), fine) == CloseReason::not_kept);
  CHECK_FALSE(may_reuse(response(0, "Keep-Alive"), fine));
  CHECK(may_reuse(response(0, "keep-alive, close"), fine) == CloseReason::not_kept);
  ReuseFacts facts;
  facts.fully_sent = false;
  CHECK(may_reuse(response(1, nullptr), facts) == CloseReason::not_kept);
  facts = {};
  facts.close_announced = true;
  CHECK(may_reuse(response(1, nullptr), facts) == CloseReason::not_kept);
  facts = {};
  facts.until_close = true;
  CHECK(may_reuse(response(1, nullptr), facts) == CloseReason::not_kept);
  facts = {};
  facts.surplus = true;
  CHECK(may_reuse(response(1, nullptr), facts) == CloseReason::surplus_bytes);
}

TEST_CASE("[39] the Keep-Alive hint, with its margin and its cap") {
  const auto hint = [](const char* value) {
    Headers headers;
    headers.add("Keep-Alive", value);
    return ferry::detail::keep_alive_hint(headers);
  };
  CHECK_FALSE(ferry::detail::keep_alive_hint(Headers()));
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
