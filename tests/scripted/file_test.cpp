#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <ferry/file.hpp>

#include "support/folder.hpp"
#include "support/source.hpp"

using ferry::Errc;
using test::contains;
using test::Folder;
using test::read_all;
using test::refusal;
using namespace std::string_literals;

namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

std::string some_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  return bytes;
}

}  // namespace

TEST_CASE("a file is read as it is, in pieces of any size, as often as it is sent") {
  const Folder folder;
  const std::string content = some_bytes(3000);
  const auto body = ferry::file(folder.write("a", content));
  CHECK(body.is_present());
  CHECK(body.bytes().empty());
  CHECK(body.content_type() == "application/octet-stream");
  for (const std::size_t piece : {1u, 7u, 1000u, 2999u, 3000u, 3001u, 10000u}) {
    CHECK(read_all(body, piece) == content);
    CHECK(body.source()->size() == 3000);
    CHECK(body.source()->can_rewind());
  }
  CHECK(ferry::file("x", "text/csv").content_type() == "text/csv");
}

TEST_CASE("a file that was read halfway begins again") {
  const Folder folder;
  const auto body = ferry::file(folder.write("a", "0123456789"));
  asio::io_context context{1};
  CHECK_FALSE(body.source()->rewind());
  char buffer[4];
  const auto read = [&]() -> asio::awaitable<void> {
    const std::size_t count = co_await body.source()->read(asio::buffer(buffer));
    CHECK(count == 4);
  };
  asio::co_spawn(context, read(), asio::detached);
  context.run();
  CHECK(read_all(body) == "0123456789");
}

TEST_CASE("an empty file has a size of 0; one that only pretends to be empty has none") {
  const Folder folder;
  const auto body = ferry::file(folder.write("empty", ""));
  CHECK(read_all(body).empty());
  CHECK(body.source()->size() == 0);

  if (!std::filesystem::exists("/proc/self/status")) return;
  const auto made_up = ferry::file("/proc/self/status");
  CHECK(contains(read_all(made_up), "Pid:"));
  CHECK_FALSE(made_up.source()->size());
  CHECK(made_up.source()->can_rewind());
  CHECK(contains(read_all(made_up), "Pid:"));
}

TEST_CASE("what cannot be opened is named, with the system's reason") {
  const Folder folder;
  const auto missing = refusal(ferry::file(folder / "missing"));
  CHECK(missing.code() == Errc::invalid_body);
  CHECK(missing.code() == ferry::Condition::invalid_request);
  CHECK(missing.cause() == std::errc::no_such_file_or_directory);
  CHECK(contains(missing.what(), folder / "missing"));

  const auto directory = refusal(ferry::file(folder / "."));
  CHECK(directory.code() == Errc::invalid_body);
  CHECK(directory.cause() == std::errc::is_a_directory);
  CHECK(contains(directory.what(), folder / "."));

  const auto below = refusal(ferry::file(folder.write("plain", "x") + "/y"));
  CHECK(below.cause() == std::errc::not_a_directory);
  CHECK(refusal(ferry::file("")).cause() == std::errc::no_such_file_or_directory);

  // The part before the NUL is a file.
  const auto nul = refusal(ferry::file((folder / "plain") + "\0.txt"s));
  CHECK(nul.code() == Errc::invalid_body);
  CHECK(contains(nul.what(), "plain\\x00.txt"));
}

TEST_CASE("a file is opened when it is sent, not before") {
  const Folder folder;
  const auto body = ferry::file(folder / "later");
  CHECK(refusal(body).cause() == std::errc::no_such_file_or_directory);
  folder.write("later", "first");
  CHECK(read_all(body) == "first");
  folder.write("later", "and then longer");
  CHECK(read_all(body) == "and then longer");
  CHECK(body.source()->size() == 15);
}

TEST_CASE("a pipe has no size and is read once") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const auto body = ferry::file(path);
  std::thread writer([&] { folder.write("pipe", some_bytes(5000)); });
  CHECK(read_all(body) == some_bytes(5000));
  writer.join();
  CHECK_FALSE(body.source()->size());
  CHECK_FALSE(body.source()->can_rewind());
  const auto again = refusal(body);
  CHECK(again.code() == Errc::invalid_body);
  CHECK(contains(again.what(), path));
}

TEST_CASE("no descriptor is left open") {
  if (!std::filesystem::exists("/proc/self/fd")) return;
  const Folder folder;
  const std::string path = folder.write("a", "content");
  const auto before = open_descriptors();
  const auto read = ferry::file(path);
  read_all(read);
  CHECK(open_descriptors() == before);
  {
    const auto begun = ferry::file(path);
    CHECK_FALSE(begun.source()->rewind());
    CHECK_FALSE(begun.source()->rewind());
    CHECK(open_descriptors() == before + 1);
  }
  CHECK(open_descriptors() == before);
  refusal(ferry::file(folder / "."));
  CHECK(open_descriptors() == before);
}
