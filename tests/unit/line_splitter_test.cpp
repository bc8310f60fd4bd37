#include <doctest/doctest.h>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/base/line_splitter.hpp>

using ferry::Errc;
using ferry::detail::LineSplitter;
using namespace std::string_literals;

namespace {

using Lines = std::vector<std::string>;

// Feeds the text in pieces that end at these positions; an error ends it as a line "!".
Lines split(std::string_view text, const std::vector<std::size_t>& ends, std::size_t limit = 1000) {
  LineSplitter splitter(limit);
  Lines lines;
  const auto take = [&](std::string_view piece) {
    const std::string copy(piece);  // Memory that goes away.
    splitter.feed(copy);
    for (;;) {
      const auto line = splitter.next();
      if (!line) {
        CHECK(line.error().code() == Errc::body_too_large);
        lines.push_back("!");
        return false;
      }
      if (!*line) return true;
      lines.emplace_back(**line);
    }
  };
  std::size_t begin = 0;
  for (const auto end : ends) {
    if (!take(text.substr(begin, end - begin))) return lines;
    begin = end;
  }
  if (!take(text.substr(begin))) return lines;
  if (const auto last = splitter.last()) lines.push_back("+" + std::string(*last));
  return lines;
}

// The lines, which have to be the same for every split into two and three, byte by byte, and with
// empty pieces.
Lines lines(std::string_view text, std::size_t limit = 1000) {
  const Lines whole = split(text, {}, limit);
  std::vector<std::size_t> every, twice;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    every.push_back(i);
    twice.insert(twice.end(), {i, i});
    CHECK(split(text, {i}, limit) == whole);
    for (std::size_t j = i; j <= text.size(); ++j) CHECK(split(text, {i, j}, limit) == whole);
  }
  CHECK(split(text, every, limit) == whole);
  CHECK(split(text, twice, limit) == whole);
  return whole;
}

}  // namespace

TEST_CASE("lines end with LF, CR LF or CR") {
  CHECK(lines("") == Lines{});
  CHECK(lines("a\nb\n") == Lines{"a", "b"});
  CHECK(lines("a\r\nb\r\n") == Lines{"a", "b"});
  CHECK(lines("a\rb\r") == Lines{"a", "b"});
  CHECK(lines("\n\r\n\r\r\n\n") == Lines{"", "", "", "", ""});
  CHECK(lines("a\n\rb") == Lines{"a", "", "+b"});
  CHECK(lines("\r\r\n\n\r") == Lines{"", "", "", ""});
  CHECK(lines("a\0b\r\nc\0"s) == Lines{"a\0b"s, "+c\0"s});
  CHECK(lines("one\ntwo\r\nthree\rfour") == Lines{"one", "two", "three", "+four"});
}

TEST_CASE("a line that ends with CR does not wait for what follows") {
  LineSplitter splitter(10);
  splitter.feed("a\r");
  CHECK(splitter.next().value() == "a");
  CHECK_FALSE(splitter.next().value());
  splitter.feed("\n");
  CHECK_FALSE(splitter.next().value());
  CHECK_FALSE(splitter.last());
  splitter.feed("\n");
  CHECK(splitter.next().value() == "");
}

TEST_CASE("a line that is too long is an error, for good") {
  CHECK(lines("12345\n12345\r\n12345", 5) == Lines{"12345", "12345", "+12345"});
  CHECK(lines("1234\n123456\n1\n", 5) == Lines{"1234", "!"});
  CHECK(lines("123456", 5) == Lines{"!"});
  CHECK(lines("\n\n", 0) == Lines{"", ""});
  CHECK(lines("\na", 0) == Lines{"", "!"});

  LineSplitter splitter(5);
  splitter.feed("123456");
  const auto error = splitter.next();
  REQUIRE_FALSE(error);
  CHECK(std::string(error.error().what()).find("longer than 5 bytes") != std::string::npos);
  splitter.feed("\n1\n");
  CHECK_FALSE(splitter.next());
  CHECK_FALSE(splitter.last());
}

TEST_CASE("a line that lies in a piece is not copied") {
  const std::string piece = "first\nsecond\n";
  LineSplitter splitter(100);
  splitter.feed(piece);
  CHECK(splitter.next().value()->data() == piece.data());
  CHECK(splitter.next().value()->data() == piece.data() + 6);
}

TEST_CASE("megabytes of anything take linear time") {
  const std::string long_line(4'000'000, 'x');
  LineSplitter splitter(long_line.size());
  std::size_t early = 0;
  for (const char& c : long_line) {
    splitter.feed({&c, 1});
    if (*splitter.next()) ++early;
  }
  CHECK(early == 0);
  splitter.feed("\r\n");
  CHECK((**splitter.next() == long_line));
  CHECK_FALSE(*splitter.next());
  const std::string ends(1'000'000, '\n');
  splitter.feed(ends);
  std::size_t count = 0;
  while (*splitter.next()) ++count;
  CHECK(count == ends.size());
}
