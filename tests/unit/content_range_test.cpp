#include <doctest/doctest.h>

#include <ferry/detail/http/content_range.hpp>

using ferry::detail::parse_content_range;

TEST_CASE("the part of a representation, with its size or without") {
  const auto whole = parse_content_range("bytes 0-9/10");
  REQUIRE(whole);
  CHECK(whole->first == 0);
  CHECK(whole->last == 9);
  CHECK(whole->size == 10);
  const auto part = parse_content_range("BYTES  5-5/*");
  REQUIRE(part);
  CHECK(part->first == 5);
  CHECK(part->last == 5);
  CHECK_FALSE(part->size);
  CHECK(parse_content_range("bytes 0-9223372036854775806/9223372036854775807"));
}

TEST_CASE("a part that makes no sense is none") {
  for (const char* value :
       {"", "bytes", "bytes ", "bytes=0-9/10", "items 0-9/10", "bytes 0-9", "bytes -9/10",
        "bytes 0-/10", "bytes 0-9/", "bytes 9-0/10", "bytes 0-10/10", "bytes 0-9/9", "bytes */10",
        "bytes 0/9-10", "bytes 0-9/10, 1-2/10", "bytes 0 - 9/10", "bytes 0-9/+10",
        "bytes 0-9223372036854775808/*"})
    CHECK_FALSE(parse_content_range(value));
}
