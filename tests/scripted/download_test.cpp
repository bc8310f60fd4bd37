// A response's body into a file; lines and events of streams; bodies as text.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/download.hpp>
#include <ferry/lines.hpp>
#include <ferry/sse.hpp>
#include <ferry/text.hpp>

#include "support/scripted.hpp"

using ferry::Downloaded;
using ferry::DownloadOptions;
using ferry::Errc;
using ferry::testing::Script;
using test::idle;
using test::ok;
using test::script;
using test::Scripted;
namespace fs = std::filesystem;

namespace {

/// A folder for one test.
struct Folder {
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name = "file") const { return (path / name).string(); }
  std::string content(const char* name = "file") const {
    std::ifstream in(file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  bool has(const char* name) const { return fs::exists(file(name)); }
  void put(const char* name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
  }

  const fs::path path = fs::temp_directory_path() / "ferry-download-test";
};

std::string answer(const std::string& fields, const std::string& body,
                   const char* status = "200 OK") {
  return std::string("HTTP/1.1 ") + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + fields + "\r\n" + body;
}

ferry::Result<Downloaded> download(Scripted& s, const Folder& folder,
                                   DownloadOptions options = DownloadOptions()) {
  ferry::Result<Downloaded> result;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      const auto done = co_await s.client->download("http://test/f", folder.file(), options);
      result = done;
    } catch (const ferry::Error& error) {
      result = error;
    }
  });
  return result;
}

const std::string tag = "ETag: \"v1\"\r\n";
/// Behind a validator: whose it is.
const std::string mark = "\n" + ferry::detail::fingerprint(ferry::Request::get("http://test/f"));

}  // namespace

TEST_CASE("a download appears under its name when it is whole, with progress on the way") {
  const Folder folder;
  auto slow = script({answer("", "hello, world")});
  slow->read_size = 5;
  Scripted s(slow);
  std::vector<std::uint64_t> sizes;
  DownloadOptions options;
  options.progress = [&](std::uint64_t size, std::optional<std::uint64_t> total) {
    sizes.push_back(size);
    CHECK(total == 12);
    CHECK_FALSE(folder.has("file"));
  };
  const auto done = download(s, folder, options);
  REQUIRE(done);
  CHECK(done->size == 12);
  CHECK(done->resumed_from == 0);
  CHECK(sizes.back() == 12);
  CHECK(sizes.size() >= 3);
  CHECK(folder.content() == "hello, world");
  CHECK_FALSE(folder.has("file.part"));
  CHECK_FALSE(folder.has("file.part.validator"));
  CHECK(slow->written.find("Accept-Encoding: identity\r\n") != std::string::npos);
  CHECK(slow->written.find("Range") == std::string::npos);
  CHECK(s.pool() == idle);
}

TEST_CASE("one that was cut goes on where it ended, if the server has the same still") {
  const Folder folder;
  folder.put("file", "old");
  auto cut =
      script({answer(tag, "hello, world").substr(0, answer(tag, "").size() + 6)}, Script::End::eof);
  auto rest =
      script({answer(tag + "Content-Range: bytes 5-11/12\r\n", ", world", "206 Partial Content")});
  Scripted s({cut, rest});
  const auto first = download(s, folder);
  CHECK(test::code_of(first) == Errc::truncated_body);
  CHECK(folder.content() == "old");
  CHECK(folder.content("file.part") == "hello");
  CHECK(folder.content("file.part.validator") == "\"v1\"" + mark);
  const auto second = download(s, folder);
  REQUIRE(second);
  CHECK(second->size == 12);
  CHECK(second->resumed_from == 5);
  CHECK(folder.content() == "hello, world");
  CHECK(rest->written.find("Range: bytes=5-\r\n") != std::string::npos);
  CHECK(rest->written.find("If-Range: \"v1\"\r\n") != std::string::npos);
  CHECK_FALSE(folder.has("file.part"));
  CHECK_FALSE(folder.has("file.part.validator"));
}

TEST_CASE("a server that has something else by now sends it whole") {
  const Folder folder;
  folder.put("file.part", "hello");
  folder.put("file.part.validator", "\"v1\"" + mark);
  Scripted s(script({answer("ETag: \"v2\"\r\n", "new")}));
  const auto done = download(s, folder);
  REQUIRE(done);
  CHECK(done->size == 3);
  CHECK(done->resumed_from == 0);
  CHECK(folder.content() == "new");
}

TEST_CASE("one that was whole already but for its name is not sent again") {
  const Folder folder;
  folder.put("file.part", "hello");
  folder.put("file.part.validator", "\"v1\"" + mark);
  const std::string whole = answer("Content-Range: bytes */5\r\n", "", "416 Range Not Satisfiable");
  Scripted s(script({whole}));
  CHECK(download(s, folder)->size == 5);
  CHECK(folder.content() == "hello");

  folder.put("file.part", "hello, longer");
  folder.put("file.part.validator", "\"v1\"" + mark);
  Scripted shorter(script({whole, answer("", "hello")}));
  CHECK(download(shorter, folder)->resumed_from == 0);
  CHECK(folder.content() == "hello");
}

TEST_CASE("nothing is gone on with without a strong validator, or against the caller's will") {
  const struct {
    const char* fields;
    const char* validator;
  } cases[] = {
      {"ETag: \"v1\"\r\n", "\"v1\""},
      {"ETag: W/\"v1\"\r\n", ""},
      {"", ""},
      {"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nDate: Tue, 02 Jan 2024 00:00:00 GMT\r\n",
       "Mon, 01 Jan 2024 00:00:00 GMT"},
      {"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
       ""},
      {"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n", ""},
  };
  for (const auto& c : cases) {
    const Folder folder;
    const auto whole = answer(c.fields, "hello");
    auto again = script({answer("", "again")});
    Scripted s({script({whole.substr(0, whole.size() - 1)}, Script::End::eof), again});
    CHECK_FALSE(download(s, folder));
    CHECK(folder.content("file.part.validator") == (*c.validator ? c.validator + mark : ""));
    DownloadOptions options;
    options.resume = false;
    CHECK(download(s, folder, options)->size == 5);
    CHECK(again->written.find("Range") == std::string::npos);
  }
}

TEST_CASE("nor with a part of something else, whatever the server takes If-Range for") {
  const std::string other = "ETag: \"v2\"\r\n";
  for (const std::string& first :
       {answer(other + "Content-Range: bytes 5-11/12\r\n", ", world", "206 Partial Content"),
        answer(other + "Content-Range: bytes */5\r\n", "", "416 Range Not Satisfiable")}) {
    const Folder folder;
    folder.put("file.part", "hello");
    folder.put("file.part.validator", "\"v1\"" + mark);
    auto peer = script({first, answer(other, "HELLO, world")});
    Scripted s(peer);
    const auto done = download(s, folder);
    REQUIRE(done);
    CHECK(done->resumed_from == 0);
    CHECK(folder.content() == "HELLO, world");
    CHECK(peer->written.rfind("Range:") < peer->written.rfind("GET "));
  }
}

TEST_CASE("a server need not name the validator again") {
  for (const char* fields :
       {"",
        "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nDate: Tue, 02 Jan 2024 00:00:00 GMT\r\n",
        "ETag: W/\"v1\"\r\n"}) {
    const Folder folder;
    folder.put("file.part", "hello");
    folder.put("file.part.validator", "\"v1\"" + mark);
    const std::string range = "Content-Range: bytes 5-11/12\r\n";
    Scripted s(script({answer(fields + range, ", world", "206 Partial Content")}));
    CHECK(download(s, folder)->resumed_from == 5);
    CHECK(folder.content() == "hello, world");
  }
}

TEST_CASE("nor with a part of another URL, which may have the same validator") {
  for (const std::string& of :
       {std::string(), "\n" + ferry::detail::fingerprint(ferry::Request::get("http://test/g")),
        "\n" + ferry::detail::fingerprint(ferry::Request::get("http://test/f").query("v", "2"))}) {
    const Folder folder;
    folder.put("file.part", "hello");
    folder.put("file.part.validator", "\"v1\"" + of);
    auto peer = script({answer(tag, "HELLO, world")});
    Scripted s(peer);
    CHECK(download(s, folder)->resumed_from == 0);
    CHECK(folder.content() == "HELLO, world");
    CHECK(peer->written.find("Range") == std::string::npos);
  }
}

TEST_CASE("a part of nobody knows how much is not taken for the rest") {
  const Folder folder;
  folder.put("file.part", "hello");
  folder.put("file.part.validator", "\"v1\"" + mark);
  Scripted s(script({answer("Content-Range: bytes 5-9/*\r\n", ", wor", "206 Partial Content"),
                     answer(tag, "hello, world")}));
  CHECK(download(s, folder)->resumed_from == 0);
  CHECK(folder.content() == "hello, world");
}

TEST_CASE("a name with a NUL is no other file's") {
  const Folder folder;
  folder.put("file", "old");
  Scripted s(script({answer("", "new")}));
  const auto path = folder.file() + std::string("\0x", 2);
  CHECK_THROWS_AS(test::run(s.context,
                            [&]() -> asio::awaitable<void> {
                              co_await s.client->download("http://test/f", path);
                            }),
                  ferry::Error);
  CHECK(folder.content() == "old");
}

TEST_CASE("an answer that does not continue what is there is an error, and nothing is lost") {
  for (const char* range :
       {"", "Content-Range: bytes 4-10/11\r\n", "Content-Range: bytes 6-12/13\r\n",
        "Content-Range: bytes 5-11/13\r\n", "Content-Range: bytes 5-4/12\r\n",
        "Content-Range: bytes */12\r\n", "Content-Range: bytes 5-11/12x\r\n",
        "Content-Range: lines 5-11/12\r\n"}) {
    const Folder folder;
    folder.put("file.part", "hello");
    folder.put("file.part.validator", "\"v1\"" + mark);
    Scripted s(script({answer(range, ", world", "206 Partial Content")}));
    CHECK(test::code_of(download(s, folder)) == Errc::malformed_response);
    CHECK(folder.content("file.part") == "hello");
  }
}

TEST_CASE("a part that is shorter or longer than its range is an error, and nothing is whole") {
  for (const char* body : {"", ", worl", ", world!"}) {
    const Folder folder;
    folder.put("file", "old");
    folder.put("file.part", "hello");
    folder.put("file.part.validator", "\"v1\"" + mark);
    Scripted s(script({answer("Content-Range: bytes 5-11/12\r\n", body, "206 Partial Content")}));
    CHECK(test::code_of(download(s, folder)) == Errc::malformed_response);
    CHECK(folder.content() == "old");
    CHECK_FALSE(folder.has("file.part.validator"));
  }
}

TEST_CASE("a status other than 2xx is an error, and writes no file") {
  const Folder folder;
  Scripted s(script({answer("", "gone", "404 Not Found")}));
  const auto gone = download(s, folder);
  CHECK(test::code_of(gone) == Errc::http_status);
  CHECK(gone.error().status() == 404);
  CHECK_FALSE(folder.has("file"));
  CHECK_FALSE(folder.has("file.part"));
  Scripted unsuited(script({ok("hello")}));
  ferry::Result<Downloaded> result;
  test::run(unsuited.context, [&]() -> asio::awaitable<void> {
    try {
      co_await unsuited.client->download("http://test/", "/nowhere/at/all");
    } catch (const ferry::Error& error) {
      result = error;
    }
  });
  CHECK(test::code_of(result) == Errc::file_failed);
}

TEST_CASE("[15] lines come as they are complete, whatever the split") {
  const std::string text = "one\ntwo\r\n\rfour\nlast";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    auto slow = script({ok(text)});
    slow->read_size = size;
    Scripted s(slow);
    std::vector<std::string> lines;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      ferry::Lines all(co_await s.client->stream("http://test/"));
      while (const auto line = co_await all.next()) lines.emplace_back(*line);
      CHECK_FALSE((co_await all.next()).has_value());
      CHECK(all.response().status() == 200);
    });
    CHECK(lines == std::vector<std::string>{"one", "two", "", "four", "last"});
    CHECK(s.pool() == idle);
  }
}

TEST_CASE("a line that is too long is an error") {
  Scripted s(script({ok(std::string(100, 'x'))}));
  std::error_code code;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    ferry::Lines all(co_await s.client->stream("http://test/"), 99);
    try {
      co_await all.next();
    } catch (const ferry::Error& error) {
      code = error.code();
    }
  });
  CHECK(code == Errc::body_too_large);
}

TEST_CASE("server-sent events") {
  const std::string text =
      "id: 7\nevent: add\ndata: 1\ndata: 2\n\n: nothing\ndata: x\n\nretry: 50\n\ndata: cut";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    auto slow = script({answer("Content-Type: text/event-stream; charset=utf-8\r\n", text)});
    slow->read_size = size;
    Scripted s(slow);
    std::string seen;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      ferry::ServerEvents events(co_await s.client->stream("http://test/"));
      while (const auto event = co_await events.next())
        seen += event->type + "|" + event->data + "|" + event->id + ";";
      CHECK(events.last_event_id() == "7");
      CHECK(events.retry() == std::chrono::milliseconds(50));
    });
    CHECK(seen == "add|1\n2|7;message|x|7;");
  }
}

TEST_CASE("what is no stream of events is an error") {
  for (const auto& [response, code] :
       {std::pair(answer("Content-Type: text/event-stream\r\n", "", "404 Not Found"),
                  Errc::http_status),
        std::pair(answer("Content-Type: text/html\r\n", "x"), Errc::malformed_response)}) {
    Scripted s(script({response}));
    std::error_code seen;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      try {
        ferry::ServerEvents events(co_await s.client->stream("http://test/"));
      } catch (const ferry::Error& error) {
        seen = error.code();
      }
    });
    CHECK(seen == code);
  }
}

TEST_CASE("a body as text") {
  Scripted s(script({answer("Content-Type: text/plain; charset=latin1\r\n", "caf\xe9"),
                     answer("Content-Type: text/plain; charset=nonsense\r\n", "x")}));
  CHECK(s.get()->text() == "caf\xc3\xa9");
  const auto unknown = s.get();
  CHECK_THROWS_AS(unknown->text(), ferry::Error);
}
