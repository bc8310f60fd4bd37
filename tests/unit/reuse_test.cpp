#include <doctest/doctest.h>

#include <ferry/detail/policy/reuse.hpp>

using ferry::CloseReason;
using ferry::detail::reuse_obstacle;

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
