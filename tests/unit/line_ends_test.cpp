#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/h1/line_ends.hpp>

using ferry::detail::LineEnds;

TEST_CASE("[15] a bare LF is found, in pieces of any size") {
  const auto all_good = [](const std::string& bytes) {
    for (std::size_t split = 1; split <= bytes.size() + 1; ++split) {
      LineEnds ends;
      bool is_good = true;
      for (std::size_t at = 0; at < bytes.size() && is_good; at += split)
        is_good = ends.take(std::string_view(bytes).substr(at, split));
      if (!is_good) return false;
    }
    return true;
  };
  const auto one_good = [](const std::string& bytes) { return LineEnds().take(bytes); };
  for (const std::string bytes : {"", "a", "a\r\nb\r\n", "\r\n\r\n", "\r", "\r\r\n", "a\rb"})
    CHECK((all_good(bytes) && one_good(bytes)));
  for (const std::string bytes : {"\n", "a\n", "a\r\n\n", "\r\nb\nc", "\n\r", "\ra\n"})
    CHECK_FALSE((all_good(bytes) || one_good(bytes)));
}

TEST_CASE("no bytes change nothing") {
  LineEnds ends;
  CHECK(ends.take("\r"));
  CHECK(ends.take(""));
  CHECK(ends.take("\n"));
  CHECK_FALSE(ends.take("\n"));
}
