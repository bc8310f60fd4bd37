// The header includes Asio, so this is no unit test.

#include <cstring>
#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/read_buffer.hpp>

using ferry::detail::ReadBuffer;

namespace {
void receive(ReadBuffer& buffer, const std::string& bytes) {
  const auto room = buffer.room();
  REQUIRE(room.size() >= bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  buffer.fill(bytes.size());
}
}  // namespace

TEST_CASE("a read buffer gives bytes in order, and begins anew once all are taken") {
  ReadBuffer buffer;
  CHECK(buffer.empty());
  const auto usual = buffer.room().size();
  CHECK(usual == 8 * 1024);
  receive(buffer, "abc");
  CHECK(buffer.unread() == "abc");
  buffer.take(1);
  receive(buffer, "d");
  CHECK(buffer.unread() == "bcd");
  CHECK(buffer.room().size() == usual - 4);
  buffer.take(3);
  CHECK(buffer.empty());
  CHECK(buffer.room().size() == usual);
  receive(buffer, "e");
  buffer.clear();
  CHECK(buffer.empty());
  CHECK(buffer.room().size() == usual);
}

TEST_CASE("a read that fills the buffer makes it grow; what is unread stays") {
  ReadBuffer buffer;
  const std::string first(8 * 1024, 'a');
  receive(buffer, first);
  buffer.take(1024);
  const auto room = buffer.room().size();
  CHECK(room >= 64 * 1024);
  CHECK(buffer.unread() == first.substr(1024));
  const std::string second(room, 'b');
  receive(buffer, second);
  buffer.take(7 * 1024);
  CHECK((buffer.unread() == second));
  // The buffer is large enough for another read: its bytes move to the front.
  buffer.take(room - 10);
  CHECK(buffer.room().size() >= 64 * 1024);
  CHECK(buffer.unread() == std::string(10, 'b'));
}

TEST_CASE("a buffer that is put aside gives its memory to the thread's next one") {
  ReadBuffer buffer;
  void* const block = buffer.room().data();
  buffer.put_aside();
  CHECK(buffer.empty());
  CHECK(buffer.unread().empty());
  ReadBuffer other;
  CHECK(other.room().data() == block);
  CHECK(buffer.room().data() != block);
  receive(buffer, std::string(8 * 1024, 'a'));
  CHECK(buffer.room().size() >= 64 * 1024);
  buffer.take(8 * 1024);
  buffer.put_aside();  // Grown memory is freed.
  CHECK(buffer.room().size() == 8 * 1024);
}
