#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/base64.hpp>

using ferry::detail::base64;
using namespace std::string_literals;

TEST_CASE("base64: the test vectors of RFC 4648 10") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foob") == "Zm9vYg==");
  CHECK(base64("fooba") == "Zm9vYmE=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("base64: every byte counts as eight bits without a sign") {
  CHECK(base64("\0"s) == "AA==");
  CHECK(base64("\xFF") == "/w==");
  CHECK(base64("\xFB\xFF\xBF") == "+/+/");
  CHECK(base64("\xFF\xFF\xFF") == "////");
}
