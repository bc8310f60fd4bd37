#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/h1/framing_fields.hpp>

using ferry::detail::Framing;
using ferry::detail::FramingFields;

namespace {

FramingFields taken(const std::vector<std::pair<std::string, std::string>>& fields) {
  FramingFields framing;
  for (const auto& [name, value] : fields) CHECK(framing.take(name, value));
  return framing;
}

const std::string length = "Content-Length";
const std::string coding = "Transfer-Encoding";

}  // namespace

TEST_CASE("fields that delimit a body") {
  CHECK(taken({}).framing() == Framing::until_close);
  CHECK(taken({{length, "5"}}).framing() == Framing::length);
  CHECK(taken({{"content-length", "5"}}).length == 5u);
  CHECK(taken({{"TRANSFER-ENCODING", "Chunked"}}).framing() == Framing::chunked);
  CHECK_FALSE(FramingFields().take("Content-Type", "5"));
  CHECK(FramingFields::is_name("content-length"));
  CHECK_FALSE(FramingFields::is_name("Connection"));
}

TEST_CASE("[4] [5] [6] [7] [8] fields that two parsers could read differently") {
  CHECK(taken({}).ambiguity(false, false).empty());
  CHECK(taken({{length, "5"}}).ambiguity(true, false).empty());
  CHECK(taken({{coding, "chunked"}}).ambiguity(false, true).empty());

  CHECK_FALSE(taken({{length, "5"}, {length, "5"}}).ambiguity(false, false).empty());
  CHECK_FALSE(taken({{length, "5, 5"}}).ambiguity(false, false).empty());
  CHECK_FALSE(taken({{length, ""}}).ambiguity(false, false).empty());
  CHECK_FALSE(taken({{coding, "chunked"}, {length, "5"}}).ambiguity(false, true).empty());
  CHECK_FALSE(taken({{coding, "chunked"}, {coding, "chunked"}}).ambiguity(false, true).empty());
  CHECK_FALSE(taken({{coding, "gzip, chunked"}}).ambiguity(false, true).empty());
  CHECK_FALSE(taken({{coding, "chunked"}}).ambiguity(true, true).empty());
  // llhttp does not see what ferry sees.
  CHECK_FALSE(taken({{coding, "chunked"}}).ambiguity(false, false).empty());
}
