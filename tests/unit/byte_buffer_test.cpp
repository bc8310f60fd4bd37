#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <utility>

#include <ferry/detail/base/byte_buffer.hpp>

using ferry::detail::ByteBuffer;

TEST_CASE("a buffer of bytes grows by doubling, and keeps its memory when cleared") {
  ByteBuffer buffer;
  CHECK(buffer.view().empty());
  CHECK(buffer.capacity() == 0);
  buffer.append("").append("ab").append("c");
  CHECK(buffer.view() == "abc");
  buffer.reserve(100);
  CHECK(buffer.capacity() == 100);
  CHECK(buffer.view() == "abc");
  buffer.reserve(10);
  CHECK(buffer.capacity() == 100);
  std::memcpy(buffer.extend(97), std::string(97, 'x').data(), 97);
  CHECK(buffer.capacity() == 100);
  buffer.append("y");
  CHECK(buffer.capacity() == 200);
  CHECK(buffer.view() == "abc" + std::string(97, 'x') + "y");
  const char* const data = buffer.data();
  buffer.clear();
  CHECK(buffer.size() == 0);
  CHECK(buffer.append("z").data() == data);
}

TEST_CASE("bytes are replaced by fewer, as many or more") {
  const auto replaced = [](std::size_t at, std::size_t count, std::string_view piece) {
    ByteBuffer buffer;
    buffer.append("abcdef").replace(at, count, piece);
    return std::string(buffer.view());
  };
  CHECK(replaced(2, 2, "") == "abef");
  CHECK(replaced(2, 2, "x") == "abxef");
  CHECK(replaced(2, 2, "xy") == "abxyef");
  CHECK(replaced(2, 2, "a longer piece") == "aba longer pieceef");
  CHECK(replaced(0, 0, "x") == "xabcdef");
  CHECK(replaced(6, 0, "x") == "abcdefx");
  CHECK(replaced(0, 6, "") == "");
}

TEST_CASE("a buffer of bytes is a value") {
  ByteBuffer buffer;
  buffer.append("abc");
  ByteBuffer copy = buffer;
  copy.append("d");
  CHECK(buffer.view() == "abc");
  CHECK(copy.view() == "abcd");
  ByteBuffer moved = std::move(copy);
  CHECK(moved.view() == "abcd");
  CHECK(copy.view().empty());
  copy.append("again");
  CHECK(copy.view() == "again");
  moved = std::move(copy);
  CHECK(moved.view() == "again");
  copy = moved;
  CHECK(copy.view() == "again");
  copy = *&copy;
  CHECK(copy.view() == "again");
}
