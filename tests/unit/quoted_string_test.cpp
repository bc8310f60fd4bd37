#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/quoted_string.hpp>

using namespace ferry::detail;
using namespace std::string_literals;

namespace {
/// The value that is taken, and the text that is left.
std::pair<std::string, std::string> taken(std::string_view text, std::string_view last = {}) {
  std::string value = take_quoted_string(text, last);
  return {std::move(value), std::string(text)};
}
}  // namespace

TEST_CASE("a quoted string ends at its quote; a backslash escapes any character") {
  CHECK(taken("\"\"") == std::pair(""s, ""s));
  CHECK(taken("\"a b\", c") == std::pair("a b"s, ", c"s));
  CHECK(taken("\"a\\\"b\\\\\"c\"") == std::pair("a\"b\\"s, "c\""s));
  CHECK(taken("\"\\a\\,\"") == std::pair("a,"s, ""s));
}

TEST_CASE("an unclosed quoted string ends with the text") {
  CHECK(taken("\"") == std::pair(""s, ""s));
  CHECK(taken("\"abc") == std::pair("abc"s, ""s));
  CHECK(taken("\"abc\\") == std::pair("abc"s, ""s));
  CHECK(taken("\"abc\\", "\\") == std::pair("abc\\"s, ""s));
  CHECK(taken("\"abc\\\"") == std::pair("abc\""s, ""s));
}

TEST_CASE("text that is quoted reads back as itself") {
  for (const auto& text : {""s, "a"s, "\""s, "\\"s, "a\"b\\c\\\""s, "\0\xFF"s}) {
    std::string out = "x=";
    append_quoted(out, text);
    CHECK(taken(std::string_view(out).substr(2)) == std::pair(text, ""s));
  }
}
