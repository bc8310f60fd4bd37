#include <doctest/doctest.h>
#include <limits>
#include <string>

#include <ferry/detail/h1/head_budget.hpp>

using ferry::Errc;
using ferry::detail::HeadBudget;

TEST_CASE("[21] [22] a head and the interim ones before it share one budget") {
  HeadBudget budget(100);
  CHECK(budget.room(0, false) == 100);
  CHECK(budget.room(30, true) == 70);
  CHECK(budget.allows(100, true));
  CHECK_FALSE(budget.allows(101, false));
  budget.spend(60);
  CHECK(budget.room(30, false) == 10);
  CHECK(budget.room(50, false) == 0);
  CHECK(budget.allows(40, false));
  CHECK_FALSE(budget.allows(41, false));
  CHECK(budget.error(41).code() == Errc::head_too_large);
  CHECK(std::string(budget.error(41).what()).find("max_head_size") != std::string::npos);
}

TEST_CASE("[21] a status line has a limit of its own") {
  HeadBudget budget(std::numeric_limits<std::size_t>::max());
  CHECK(budget.room(0, true) == 8192);
  CHECK(budget.room(8192, true) == 0);
  CHECK(budget.room(10'000, false) > 1'000'000);
  CHECK(budget.allows(8192, true));
  CHECK_FALSE(budget.allows(8193, true));
  CHECK(budget.allows(8193, false));
  CHECK(std::string(budget.error(8193).what()).find("status line") != std::string::npos);
}
