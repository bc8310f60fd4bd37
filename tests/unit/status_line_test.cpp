#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/h1/status_line.hpp>

using ferry::detail::StatusLineStart;

namespace {

/// The number of bytes that a status line may begin with.
std::size_t good_bytes(const std::string& line) {
  StatusLineStart start;
  std::size_t count = 0;
  while (count < line.size() && start.take(line.substr(count, 1))) ++count;
  CHECK(StatusLineStart().take(line) == (count == line.size()));
  return count;
}

}  // namespace

TEST_CASE("[19] [20] a status line's start, in one piece and byte by byte") {
  for (const std::string line : {"HTTP/1.1 200 OK\r\n", "HTTP/1.0 999", "HTTP/1.1 100",
                                 "HTTP/1.1 200", "HTTP/1.", "H", "", "HTTP/1.1 200anything\1"})
    CHECK(good_bytes(line) == line.size());
  CHECK(good_bytes("\r\nHTTP/1.1 200") == 0);
  CHECK(good_bytes("http/1.1 200") == 0);
  CHECK(good_bytes("HTTP/2 200") == 5);
  CHECK(good_bytes("HTTP/1.2 200") == 7);
  CHECK(good_bytes("HTTP/1.10 200") == 8);
  CHECK(good_bytes("HTTP/1.1 099 OK") == 9);
  CHECK(good_bytes("HTTP/1.1 20 OK") == 11);
}

TEST_CASE("the reason says what came instead, or that it is TLS") {
  CHECK(StatusLineStart::problem("<html>").ends_with("but with \"<html>\""));
  CHECK(StatusLineStart::problem(std::string(100, 'x')).ends_with(std::string(40, 'x') + "\""));
  CHECK(StatusLineStart::problem("\x15\x03\x01").find("TLS") != std::string::npos);
}
