#include <doctest/doctest.h>
#include <optional>
#include <string_view>

#include <ferry/detail/http/field_checks.hpp>

using ferry::Errc;
using ferry::Headers;

TEST_CASE("[44] [45] framing fields that the library could not keep true are refused") {
  using ferry::detail::check_framing_fields;
  const auto refused = [](const char* name, const char* value, std::optional<std::uint64_t> size) {
    Headers headers;
    headers.add(name, value);
    const auto error = check_framing_fields(headers, size);
    return error && error->code() == Errc::invalid_header;
  };
  CHECK(refused("Transfer-Encoding", "chunked", 5));
  CHECK(refused("content-length", "6", 5));
  CHECK(refused("Content-Length", "+5", 5));
  CHECK(refused("Content-Length", "5, 5", 5));
  CHECK(refused("Content-Length", "5", 0));
  CHECK_FALSE(refused("CONTENT-LENGTH", "5", 5));
  CHECK(refused("Content-Length", "5", std::nullopt));
  CHECK(refused("Host", "", 0));
  CHECK(refused("Host", "a b", 0));
  CHECK(refused("Host", "user@host", 0));
  CHECK_FALSE(refused("Host", "host:80", 0));

  Headers two_lengths;
  two_lengths.add("Content-Length", "5").add("content-length", "5");
  CHECK(check_framing_fields(two_lengths, 5));
  Headers two_hosts;
  two_hosts.add("Host", "a").add("host", "a");
  CHECK(check_framing_fields(two_hosts, 0));
}

TEST_CASE("fields that frame, route or authenticate a message cannot be trailers") {
  using ferry::detail::forbidden_trailer;
  CHECK(forbidden_trailer("content-length") == "Content-Length");
  CHECK(forbidden_trailer("TE") == "TE");
  CHECK(forbidden_trailer("AUTHORIZATION") == "Authorization");
  CHECK(forbidden_trailer("Digest").empty());
  CHECK(forbidden_trailer("").empty());
}
