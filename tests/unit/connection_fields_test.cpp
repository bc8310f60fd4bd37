#include <doctest/doctest.h>
#include <initializer_list>
#include <utility>

#include <ferry/detail/http/connection_fields.hpp>

using namespace std::chrono_literals;
using ferry::detail::ConnectionFields;

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
