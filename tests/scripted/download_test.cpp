// A response's body into a file; lines and events of streams; bodies as text.

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/detail/file/output_file.hpp>
#include <ferry/detail/file/part_file.hpp>
#include <ferry/download.hpp>
#include <ferry/lines.hpp>
#include <ferry/sse.hpp>
#include <ferry/text.hpp>

#include "support/folder.hpp"
#include "support/scripted.hpp"

using ferry::Client;
using ferry::Downloaded;
using ferry::DownloadOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using test::idle;
using test::ok;
using test::script;
using test::Scripted;
namespace fs = std::filesystem;

#if defined(__linux__)
namespace {

int flock_failure = 0;               ///< The error with which flock(2) fails; 0 for none.
std::function<void()> after_rename;  ///< Called once, when something has been renamed.

}  // namespace

// In place of the C library's.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (flock_failure == 0) return static_cast<int>(::syscall(SYS_flock, descriptor, operation));
  errno = flock_failure;
  return -1;
}
extern "C" int rename(const char* from, const char* to) noexcept {
  const auto result = ::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (const auto function = std::exchange(after_rename, nullptr)) function();
  return static_cast<int>(result);
}
#endif

namespace {

/// A folder for one test.
struct Folder {
  std::string file(const char* name = "file") const { return folder / name; }
  std::string content(const char* name = "file") const {
    std::ifstream in(file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  bool has(const char* name) const { return fs::exists(file(name)); }
  void put(const char* name, const std::string& text) const { folder.write(name, text); }
  /// A part as an earlier download has left it: five bytes of twelve, as a rule.
  void put_part(const std::string& mark, const std::string& part = "hello") const {
    put("file.part", part);
    put("file.part.validator", mark);
  }

  test::Folder folder;
};

std::string answer(const std::string& fields, const std::string& body,
                   const char* status = "200 OK") {
  return std::string("HTTP/1.1 ") + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + fields + "\r\n" + body;
}

ferry::Result<Downloaded> download(asio::io_context& context, const Client& client,
                                   const Folder& folder,
                                   DownloadOptions options = DownloadOptions(),
                                   Request request = Request::get("http://test/f")) {
  ferry::Result<Downloaded> result;
  test::run(context, [&]() -> asio::awaitable<void> {
    try {
      const auto done = co_await client.download(request, folder.file(), options);
      result = done;
    } catch (const ferry::Error& error) {
      result = error;
    }
  });
  return result;
}
ferry::Result<Downloaded> download(Scripted& s, const Folder& folder,
                                   DownloadOptions options = DownloadOptions()) {
  return download(s.context, *s.client, folder, std::move(options));
}

const std::string tag = "ETag: \"v1\"\r\n";
std::string fingerprint_of(const Request& request) {
  asio::io_context context;
  Client client(context);
  return ferry::detail::fingerprint(*ferry::detail::access::core(client), request);
}
const std::string fingerprint = fingerprint_of(Request::get("http://test/f"));

/// The mark beside a part.
std::string mark_of(const std::string& validator, const char* total = "12",
                    const char* fruitless = "0") {
  return validator + "\n" + fingerprint + "\n" + total + "\n" + fruitless + "\n";
}
const std::string mark = mark_of("\"v1\"");

/// The rest of "hello, world", behind "hello".
std::string rest_of(const std::string& fields, const std::string& range = "5-11/12") {
  return answer(fields + "Content-Range: bytes " + range + "\r\n", ", world",
                "206 Partial Content");
}

/// A server whose answers depend on the request, over as many connections as are asked for. An
/// answer that is empty closes the connection, unless `end` is a silence.
struct Peer {
  using Answer = std::function<std::string(const std::string& request)>;

  explicit Peer(Answer of_request) : answer(std::move(of_request)) {
    options.connector = std::make_shared<ferry::testing::ScriptedConnector>(
        [this](int) -> ferry::Result<std::shared_ptr<Script>> {
          auto made = std::make_shared<Script>();
          made->read_size = read_size;
          made->end = end;
          made->respond = [this](Script& script) {
            requests.push_back(script.written.substr(script.written.rfind("GET ")));
            script.readable += answer(requests.back());
          };
          return made;
        });
  }
  ferry::Result<Downloaded> download(const Folder& folder) {
    Client client(context, options);
    return ::download(context, client, folder);
  }

  asio::io_context context{1};
  ferry::ClientOptions options;
  Answer answer;
  std::vector<std::string> requests;
  std::size_t read_size = 1000;
  Script::End end = Script::End::eof;
};

/// Where the rest begins that a request asks for; 0 if it asks for all.
std::size_t range_of(const std::string& request) {
  const auto at = request.find("Range: bytes=");
  return at == request.npos ? 0 : std::stoul(request.substr(at + 13));
}

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
  CHECK(folder.content("file.part.validator") == mark);
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
  folder.put_part(mark);
  Scripted s(script({answer("ETag: \"v2\"\r\n", "new")}));
  const auto done = download(s, folder);
  REQUIRE(done);
  CHECK(done->size == 3);
  CHECK(done->resumed_from == 0);
  CHECK(folder.content() == "new");
}

TEST_CASE("one that was whole already but for its name is not sent again") {
  const std::string size = "Content-Range: bytes */12\r\n";
  const std::string date = "Mon, 01 Jan 2024 00:00:00 GMT";
  const std::string dated = "Last-Modified: " + date + "\r\nDate: " + date + "\r\n";
  const struct {
    std::string mark;
    std::string fields;
    bool is_whole;
  } cases[] = {
      {mark, size, true},
      {mark, size + tag, true},
      {mark_of("\"v1\"", "*"), size + tag, true},
      {mark_of("\"v1\"", "*"), size, false},  // The total is unknown, so bytes may be missing.
      {mark, "", false},
      {mark, "Content-Range: bytes */11\r\n", false},
      {mark, "Content-Range: bytes */13\r\n", false},
      {mark, size + "Content-Range: bytes */13\r\n", false},
      {mark, size + "ETag: \"v2\"\r\n", false},
      {mark, size + "ETag: W/\"v1\"\r\n", false},
      {mark_of(date), size, true},
      {mark_of(date), size + dated, false},  // It may have changed since.
      {mark_of("\"v1\"", "13"), size + tag, false},
      {mark_of("\"v1\"", "11"), size + tag, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.mark);
    CAPTURE(c.fields);
    const Folder folder;
    folder.put_part(c.mark, "hello, world");
    const std::string none = answer(c.fields, "", "416 Range Not Satisfiable");
    Peer peer([&](const std::string& request) {
      return range_of(request) > 0 ? none : answer(tag, "HELLO, WORLD");
    });
    const auto done = peer.download(folder);
    REQUIRE(done);
    CHECK(done->size == 12);
    CHECK(done->resumed_from == (c.is_whole ? 12 : 0));
    CHECK(folder.content() == (c.is_whole ? "hello, world" : "HELLO, WORLD"));
    CHECK_FALSE(folder.has("file.part"));
    CHECK_FALSE(folder.has("file.part.validator"));
  }
}

TEST_CASE("nothing is gone on with without a strong validator, or against the caller's will") {
  const std::string date = "Mon, 01 Jan 2024 00:00:00 GMT";
  const std::string modified = "Last-Modified: " + date + "\r\n";
  const struct {
    std::string fields;
    std::string validator;
  } cases[] = {
      {tag, "\"v1\""},
      {"ETag: \"\"\r\n", "\"\""},
      {"ETag: W/\"v1\"\r\n", ""},
      {"ETag: v1\r\n", ""},
      {"ETag: \"\r\n", ""},
      {"ETag: \"v1\r\n", ""},
      {tag + "ETag: \"v2\"\r\n", ""},
      {"", ""},
      {modified + "Date: Tue, 02 Jan 2024 00:00:00 GMT\r\n", date},
      {modified + "Date: Mon, 01 Jan 2024 00:00:01 GMT\r\n", date},
      {modified + "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n", ""},
      {modified + "Date: Monday, 01-Jan-24 00:00:00 GMT\r\n", ""},
      {modified + "Date: Sun, 31 Dec 2023 23:59:59 GMT\r\n", ""},
      {modified + "Date: soon\r\n", ""},
      {modified + "Date: Tue, 02 Jan 2024 00:00:00 +0200\r\n", ""},
      {"Last-Modified: yesterday GMT\r\nDate: Tue, 02 Jan 2024 00:00:00 GMT\r\n", ""},
      {modified + modified + "Date: Tue, 02 Jan 2024 00:00:00 GMT\r\n", ""},
      {modified, ""},
      {"ETag: W/\"v1\"\r\n" + modified + "Date: Tue, 02 Jan 2024 00:00:00 GMT\r\n", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.fields);
    const Folder folder;
    const auto whole = answer(c.fields, "hello");
    auto again = script({answer("", "again")});
    Scripted s({script({whole.substr(0, whole.size() - 1)}, Script::End::eof), again});
    CHECK_FALSE(download(s, folder));
    CHECK(folder.content("file.part.validator") ==
          (c.validator.empty() ? "" : mark_of(c.validator, "5")));
    DownloadOptions options;
    options.resume = false;
    CHECK(download(s, folder, options)->size == 5);
    CHECK(again->written.find("Range") == std::string::npos);
  }
}

TEST_CASE("[70] nor with a part of something else, whatever the server takes If-Range for") {
  const std::string date = "Mon, 01 Jan 2024 00:00:00 GMT";
  const std::string modified = "Last-Modified: " + date + "\r\n";
  const std::string later = "Date: Mon, 01 Jan 2024 00:00:01 GMT\r\n";
  const struct {
    std::string mark;
    std::string first;
    bool goes_on = false;
  } cases[] = {
      {mark, rest_of(tag), true},
      {mark_of("\"v1\"", "*"), rest_of(tag), true},
      {mark_of(date), rest_of(modified + later), true},
      {mark, rest_of("ETag: \"v2\"\r\n")},
      {mark, rest_of("ETag: W/\"v1\"\r\n")},
      {mark, rest_of("ETag: \"V1\"\r\n")},
      {mark, rest_of("ETag: v1\r\n")},
      {mark, rest_of(tag + "ETag: \"v2\"\r\n")},
      {mark, rest_of("")},
      {mark, rest_of(modified + later)},
      {mark_of("\"v1\"", "13"), rest_of(tag)},
      {mark_of("\"v1\"", "11"), rest_of(tag)},
      {mark_of(date), rest_of("")},
      {mark_of(date), rest_of(tag + modified + later)},
      {mark_of(date), rest_of("ETag: W/\"v1\"\r\n" + modified + later)},
      {mark_of(date), rest_of(modified)},
      {mark_of(date), rest_of(modified + "Date: " + date + "\r\n")},
      {mark_of(date),
       rest_of("Last-Modified: Mon, 01 Jan 2024 00:00:01 GMT\r\nDate: Mon, 01 Jan 2024 "
               "00:00:01 GMT\r\n")},
      {mark_of(date), rest_of("Last-Modified: Monday, 01-Jan-24 00:00:00 GMT\r\n" + later)},
      {mark,
       answer("ETag: \"v2\"\r\nContent-Range: bytes */5\r\n", "", "416 Range Not Satisfiable")},
  };
  for (const auto& c : cases) {
    CAPTURE(c.mark);
    CAPTURE(c.first);
    const Folder folder;
    folder.put_part(c.mark);
    Peer peer([&](const std::string& request) {
      return range_of(request) == 5 ? c.first : answer("ETag: \"v2\"\r\n", "HELLO, WORLD");
    });
    const auto done = peer.download(folder);
    REQUIRE(done);
    CHECK(done->resumed_from == (c.goes_on ? 5 : 0));
    CHECK(folder.content() == (c.goes_on ? "hello, world" : "HELLO, WORLD"));
    CHECK(range_of(peer.requests.at(0)) == 5);
    CHECK(range_of(peer.requests.back()) == (c.goes_on ? 5 : 0));
  }
}

TEST_CASE("[70] nor with a part of another URL, which may have the same validator") {
  const auto other = [](const Request& request) {
    return "\"v1\"\n" + fingerprint_of(request) + "\n12\n0\n";
  };
  for (const std::string& text : {std::string("\"v1\""), other(Request::get("http://test/g")),
                                  other(Request::get("http://test/f").query("v", "2")),
                                  "\"v1\"\n" + fingerprint,  // Older versions kept no total.
                                  "\"v1\"\n" + fingerprint + "\n", mark.substr(0, mark.size() - 1),
                                  mark_of(""), mark_of("\"v1\"", ""), mark_of("\"v1\"", "twelve"),
                                  mark_of("\"v1\"", "4"), mark_of("\"v1\r\""), std::string()}) {
    CAPTURE(text);
    const Folder folder;
    folder.put_part(text);
    auto peer = script({answer(tag, "HELLO, world")});
    Scripted s(peer);
    CHECK(download(s, folder)->resumed_from == 0);
    CHECK(folder.content() == "HELLO, world");
    CHECK(peer->written.find("Range") == std::string::npos);
  }
}

TEST_CASE("[70] nor with a part of another client's, whose base URL or query are others") {
  const auto client_options = [](const char* base, const char* query) {
    ferry::ClientOptions options;
    options.base_url = base;
    if (*query) options.query.emplace_back("q", query);
    return options;
  };
  const struct {
    const char* url;
    ferry::ClientOptions options;
    bool goes_on;
  } cases[] = {
      {"f", client_options("http://test/a/", "1"), true},
      {"/a/f", client_options("http://test/b/", "1"), true},
      {"http://test/a/f?q=1", client_options("", ""), true},
      {"f", client_options("http://test/b/", "1"), false},
      {"f", client_options("http://tests/a/", "1"), false},
      {"f", client_options("http://test:81/a/", "1"), false},
      {"f", client_options("http://test/a/", "2"), false},
      {"f", client_options("http://test/a/", ""), false},
  };
  const std::string whole = answer(tag, "hello, world");
  for (const auto& c : cases) {
    CAPTURE(std::string(c.url));
    CAPTURE(c.options.base_url);
    const Folder folder;
    Scripted first(script({whole.substr(0, whole.size() - 7)}, Script::End::eof),
                   client_options("http://test/a/", "1"));
    CHECK(test::code_of(download(first.context, *first.client, folder, DownloadOptions(),
                                 Request::get("f"))) == Errc::truncated_body);
    REQUIRE(folder.content("file.part") == "hello");
    Scripted second(script({c.goes_on ? rest_of(tag) : answer(tag, "HELLO, world")}), c.options);
    const auto done =
        download(second.context, *second.client, folder, DownloadOptions(), Request::get(c.url));
    REQUIRE(done);
    CHECK(done->resumed_from == (c.goes_on ? 5 : 0));
    CHECK(folder.content() == (c.goes_on ? "hello, world" : "HELLO, world"));
  }
}

TEST_CASE("[15] [71] a shorter range that begins right is taken, and the rest asked for") {
  const std::string all = "hello, world";
  for (std::size_t size = 1; size <= 7; ++size) {
    for (std::size_t read_size = 1; read_size <= 40; read_size += 13) {
      const Folder folder;
      folder.put_part(mark);
      Peer peer([&](const std::string& request) {
        const auto first = range_of(request);
        const auto piece = all.substr(first, size);
        return answer(tag + "Content-Range: bytes " + std::to_string(first) + "-" +
                          std::to_string(first + piece.size() - 1) + "/12\r\n",
                      piece, "206 Partial Content");
      });
      peer.read_size = read_size;
      const auto done = peer.download(folder);
      REQUIRE(done);
      CHECK(done->resumed_from == 5);
      CHECK(done->size == 12);
      CHECK(folder.content() == all);
      CHECK(peer.requests.size() == (7 + size - 1) / size);
      for (const auto& request : peer.requests)
        CHECK(request.find("If-Range: \"v1\"\r\n") != std::string::npos);
    }
  }
}

TEST_CASE("[71] so is one that nobody has asked for, from the beginning") {
  const std::string all = "hello, world";
  const auto part = [&](std::size_t first, std::size_t last, const std::string& fields) {
    return answer(fields + "Content-Range: bytes " + std::to_string(first) + "-" +
                      std::to_string(last) + "/12\r\n",
                  all.substr(first, last - first + 1), "206 Partial Content");
  };
  const Folder folder;
  Peer always_all([&](const std::string&) { return part(0, 11, ""); });
  folder.put_part(mark);
  CHECK(always_all.download(folder)->resumed_from == 0);
  CHECK(folder.content() == all);
  CHECK(always_all.requests.size() == 2);

  Peer halves([&](const std::string& request) {
    return range_of(request) == 0 ? part(0, 5, tag) : part(6, 11, tag);
  });
  CHECK(halves.download(folder)->size == 12);
  CHECK(folder.content() == all);

  // The rest cannot be asked for.
  for (const std::string& bad : {part(0, 5, ""), part(6, 11, tag)}) {
    Peer peer([&](const std::string&) { return bad; });
    CHECK(test::code_of(peer.download(folder)) == Errc::malformed_response);
    CHECK(folder.content() == all);
    CHECK_FALSE(folder.has("file.part"));
    CHECK(peer.requests.size() == 1);
  }
  // It never comes: an end comes all the same.
  Peer first_half([&](const std::string&) { return part(0, 5, tag); });
  CHECK(test::code_of(first_half.download(folder)) == Errc::malformed_response);
  CHECK(first_half.requests.size() <= 4);
  CHECK(first_half.download(folder).error().code() == Errc::malformed_response);
  CHECK(halves.download(folder)->size == 12);
}

TEST_CASE("[71] whatever comes instead of the rest, a later call succeeds by itself") {
  const auto cut = [](std::string text, std::size_t by) {
    return text.substr(0, text.size() - by);
  };
  const std::string rest = rest_of(tag);
  const std::string chunked = "HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n" +
                              tag + "Content-Range: bytes 5-11/12\r\n\r\n";
  std::vector<std::string> answers = {
      "",  // The connection is closed.
      "H",
      "HTTP/1.1 206 Partial Content\r\n",  // In the head, too.
      cut(rest, 7),                        // And before the first byte.
      cut(rest, 6),
      "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      rest_of(tag, "0-11/12"),
      rest_of(tag, "4-10/12"),
      rest_of(tag, "6-12/13"),
      rest_of(tag, "5-11/13"),
      rest_of(tag, "5-11/*"),
      rest_of(tag, "5-4/12"),
      rest_of(tag, "*/12"),
      rest_of(tag, "5-11/12x"),
      rest_of(tag, "5-10/12"),
      rest_of(tag, "5-12/13"),
      rest_of(tag + "Content-Range: bytes 5-11/12\r\n"),
      rest_of(tag, "18446744073709551615-18446744073709551615/18446744073709551616"),
      answer(tag, ", world", "206 Partial Content"),
      answer(tag + "Content-Range: lines 5-11/12\r\n", ", world", "206 Partial Content"),
      answer(tag + "Content-Type: multipart/byteranges; boundary=b\r\n", "--b",
             "206 Partial Content"),
      chunked + "0\r\n\r\n",
      chunked + "6\r\n, worl\r\n0\r\n\r\n",
      chunked + "8\r\n, world!\r\n0\r\n\r\n",
      chunked + "7\r\n, world\r\n1\r\n!\r\n0\r\n\r\n",
      chunked + "x\r\n",
      answer("Content-Range: bytes */4\r\n", "", "416 Range Not Satisfiable"),
      answer("Location: http://test/f\r\n", "", "302 Found"),
      answer("Location: http://\r\n", "", "302 Found"),
      answer("X: " + std::string(100'000, 'x') + "\r\n", "", "206 Partial Content"),
  };
  for (int status :
       {300, 304, 400, 401, 403, 404, 408, 410, 412, 416, 425, 429, 500, 501, 503, 599})
    answers.push_back(answer("", "no", (std::to_string(status) + " No").c_str()));
  for (const std::string& text : answers) {
    CAPTURE(text.substr(0, 300));
    const Folder folder;
    folder.put_part(mark);
    Peer peer([&](const std::string& request) {
      return range_of(request) > 0 ? text : answer(tag, "HELLO, world");
    });
    int calls = 1;
    auto done = peer.download(folder);
    for (; !done && calls < 3; ++calls) done = peer.download(folder);
    REQUIRE(done);
    CHECK(calls <= 2);
    CHECK(folder.content() == "HELLO, world");
    CHECK_FALSE(folder.has("file.part"));
    CHECK_FALSE(folder.has("file.part.validator"));
  }
}

TEST_CASE("[71] a server that is silent when it is asked for the rest sends the whole later") {
  const Folder folder;
  folder.put_part(mark);
  Peer peer([](const std::string& request) {
    return range_of(request) > 0 ? std::string() : answer(tag, "HELLO, world");
  });
  peer.end = Script::End::silence;
  peer.options.timeouts.first_byte = std::chrono::milliseconds(100);
  CHECK(test::code_of(peer.download(folder)) == Errc::first_byte_timeout);
  CHECK(folder.content("file.part") == "hello");
  CHECK(folder.content("file.part.validator") == mark_of("\"v1\"", "12", "1"));
  const auto done = peer.download(folder);
  REQUIRE(done);
  CHECK(done->resumed_from == 0);
  CHECK(folder.content() == "HELLO, world");
  // One that is silent whatever it is asked for does not cost the part.
  folder.put_part(mark);
  Peer silent([](const std::string&) { return std::string(); });
  silent.end = Script::End::silence;
  silent.options.timeouts.first_byte = std::chrono::milliseconds(10);
  for (int i = 0; i < 3; ++i) {
    CHECK(test::code_of(silent.download(folder)) == Errc::first_byte_timeout);
    CHECK(folder.content("file.part") == "hello");
  }
}

TEST_CASE("[71] nor does a time limit for all requests keep the whole from being asked for") {
  const Folder folder;
  folder.put_part(mark);
  bool is_up = false;
  Peer peer([&](const std::string& request) {
    return is_up && range_of(request) == 0 ? answer(tag, "HELLO, world") : std::string();
  });
  peer.end = Script::End::silence;
  const auto call = [&](std::chrono::milliseconds timeout) {
    DownloadOptions options;
    options.request.timeout = timeout;
    const Client client(peer.context, peer.options);
    return download(peer.context, client, folder, options);
  };
  // It asks for the rest twice, then for the whole, then for the rest again: the part stays.
  const struct {
    std::size_t range;
    const char* state;
  } calls[] = {{5, "1"}, {5, "2"}, {0, "1"}, {5, "2"}};
  for (const auto& [range, state] : calls) {
    CHECK(test::code_of(call(std::chrono::milliseconds(100))) == Errc::total_timeout);
    CHECK(range_of(peer.requests.back()) == range);
    CHECK(folder.content("file.part") == "hello");
    CHECK(folder.content("file.part.validator") == mark_of("\"v1\"", "12", state));
  }
  is_up = true;
  const auto done = call(std::chrono::minutes(1));
  REQUIRE(done);
  CHECK(done->resumed_from == 0);
  CHECK(folder.content() == "HELLO, world");
}

TEST_CASE("[71] a server that is out of order for a while does not cost the part") {
  const Folder folder;
  folder.put_part(mark);
  const std::string busy = answer("", "", "503 Service Unavailable");
  Peer down([&](const std::string&) { return busy; });
  for (int i = 0; i < 3; ++i) {
    CHECK(down.download(folder).error().status() == 503);
    CHECK(folder.content("file.part") == "hello");
    CHECK(folder.content("file.part.validator") == mark_of("\"v1\"", "12", "1"));
    CHECK(range_of(down.requests.at(0)) == 5);
  }
  // A server that cannot be reached does not cost it, either.
  Scripted gone(std::vector<std::shared_ptr<Script>>{});
  for (int i = 0; i < 3; ++i)
    CHECK(test::code_of(download(gone, folder)) == Errc::connection_refused);
  // Bytes that come are no failure, even if they are not all.
  Peer slow([&](const std::string&) { return rest_of(tag).substr(0, rest_of(tag).size() - 3); });
  CHECK(test::code_of(slow.download(folder)) == Errc::truncated_body);
  CHECK(folder.content("file.part") == "hello, wo");
  CHECK(folder.content("file.part.validator") == mark);
  Peer up([&](const std::string&) {
    return answer(tag + "Content-Range: bytes 9-11/12\r\n", "rld", "206 Partial Content");
  });
  CHECK(up.download(folder)->resumed_from == 9);
  CHECK(folder.content() == "hello, world");
}

TEST_CASE(
    "[70] [71] every failure at every place, while the server's file changes: never a mixture") {
  const std::string old_text = "hello, world", new_text = "HELLO, WORLD";
  const std::string date = "Mon, 01 Jan 2024 00:00:0";
  const auto fields = [&](bool is_new, bool is_dated) {
    if (!is_dated) return std::string(is_new ? "ETag: \"v2\"\r\n" : "ETag: \"v1\"\r\n");
    // The new one is not a second old when it is asked for.
    return "Last-Modified: " + date + (is_new ? "5" : "0") + " GMT\r\nDate: " + date + "5 GMT\r\n";
  };
  int resumed = 0, mixed = 0;
  for (int kind = 0; kind < 8; ++kind) {
    const bool is_dated = kind & 1, heeds_if_range = kind & 2, has_lengths = kind & 4;
    for (int change_at = 1; change_at <= 3; ++change_at) {
      for (int fail_at = 1; fail_at <= 24; ++fail_at) {
        const Folder folder;
        std::vector<std::shared_ptr<Script>> scripts;
        int requests = 0;
        for (int i = 0; i < 6; ++i) {
          auto made = script({}, Script::End::eof);
          made->read_size = 9;
          if (i < 3) made->fail_at = fail_at + 9 * i;
          made->respond = [&](Script& it) {
            const bool is_new = ++requests > change_at;
            const auto& text = is_new ? new_text : old_text;
            const auto head = fields(is_new, is_dated);
            const std::string request = it.written.substr(it.written.rfind("GET "));
            const auto first = range_of(request);
            const bool same = !is_new || request.find("If-Range") == std::string::npos;
            if (first == 0 || (heeds_if_range && !same)) {
              it.readable += has_lengths ? answer(head, text)
                                         : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" +
                                               head + "\r\nc\r\n" + text + "\r\n0\r\n\r\n";
            } else {
              it.readable +=
                  answer(head + "Content-Range: bytes " + std::to_string(first) + "-11/12\r\n",
                         text.substr(first), "206 Partial Content");
            }
          };
          scripts.push_back(made);
        }
        Scripted s(scripts);
        ferry::Result<Downloaded> done;
        for (int calls = 0; calls < 6 && folder.content().empty(); ++calls)
          done = download(s, folder);
        CAPTURE(kind);
        CAPTURE(change_at);
        CAPTURE(fail_at);
        REQUIRE(done);
        resumed += done->resumed_from > 0;
        mixed += folder.content() != old_text && folder.content() != new_text;
      }
    }
  }
  CHECK(mixed == 0);
  CHECK(resumed > 20);
}

TEST_CASE("[70] only a GET goes on, and only with ranges of the download's own") {
  const Folder folder;
  const auto post = Request::post("http://test/f", ferry::Body("x"));
  const auto whole = answer(tag, "hello");
  Scripted s({script({whole.substr(0, whole.size() - 2)}, Script::End::eof), script({whole})});
  CHECK_FALSE(download(s.context, *s.client, folder, DownloadOptions(), post));
  CHECK(folder.content("file.part") == "hel");
  CHECK_FALSE(folder.has("file.part.validator"));
  CHECK(download(s.context, *s.client, folder, DownloadOptions(), post)->resumed_from == 0);
  CHECK(folder.content() == "hello");
  for (const char* name : {"Range", "If-Range"}) {
    const auto request = Request::get("http://test/f").header(name, "bytes=1-");
    const auto refused = download(s.context, *s.client, folder, DownloadOptions(), request);
    CHECK(test::code_of(refused) == Errc::invalid_header);
  }
}

TEST_CASE("[70] two downloads into one file: the second is told who has it") {
  const Folder folder;
  auto slow = script({answer(tag, "hello").substr(0, answer(tag, "hello").size() - 3)});
  Scripted s({slow, script({answer(tag, "HELLO")})});
  ferry::Result<Downloaded> first, second;
  asio::cancellation_signal signal;
  DownloadOptions options;
  int second_calls = 0;
  options.progress = [&](std::uint64_t, auto) {
    if (second_calls++ > 0) return;
    asio::co_spawn(s.context, s.client->download("http://test/g", folder.file()),
                   [&](std::exception_ptr e, Downloaded) {
                     try {
                       if (e) std::rethrow_exception(e);
                     } catch (const ferry::Error& error) {
                       second = error;
                     }
                     signal.emit(asio::cancellation_type::terminal);
                   });
  };
  asio::co_spawn(s.context, s.client->download("http://test/f", folder.file(), options),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, Downloaded) {
                   try {
                     if (e) std::rethrow_exception(e);
                   } catch (const ferry::Error& error) {
                     first = error;
                   }
                 }));
  s.context.run();
  CHECK(test::code_of(first) == Errc::cancelled);
  CHECK(test::code_of(second) == Errc::file_failed);
  const std::string what = second.error().what();
  CHECK(what.find("file.part\" is in use by another download") != std::string::npos);
  CHECK(s.connections() == 1);  // It has asked nobody.
  CHECK(folder.content("file.part") == "he");
  CHECK(folder.content("file.part.validator") == mark_of("\"v1\"", "5"));
  CHECK(download(s, folder)->size == 5);  // The lock has gone with the first.
  CHECK(folder.content() == "HELLO");
}

TEST_CASE("[70] the process that has a part is named, if it is another one, too") {
  const Folder folder;
  std::string text;
  {
    const ferry::detail::PartFile part(folder.file(), "x");
    try {
      ferry::detail::PartFile(folder.file(), "x");
    } catch (const ferry::Error& error) {
      text = error.what();
    }
  }
#if defined(F_OFD_GETLK)
  CHECK(text.find("of process " + std::to_string(::getpid())) != std::string::npos);
#endif
  CHECK_FALSE(folder.has("file.part"));

  int ready[2], over[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(over) == 0);
  const auto child = ::fork();
  char byte = 0;
  if (child == 0) {
    const ferry::detail::PartFile part(folder.file(), "x");
    const bool told = ::write(ready[1], "x", 1) == 1;
    ::close(over[1]);
    ::_exit(told && ::read(over[0], &byte, 1) == 0 ? 0 : 1);
  }
  REQUIRE(child > 0);
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  Scripted s(script({answer(tag, "hello")}));
  const auto refused = download(s, folder);
  ::close(over[1]);
  int status = 1;
  ::waitpid(child, &status, 0);
  for (const int end : {ready[0], ready[1], over[0]}) ::close(end);
  CHECK(status == 0);
  CHECK(test::code_of(refused) == Errc::file_failed);
  text = refused.error().what();
  CHECK(text.find("of process " + std::to_string(child)) != std::string::npos);
  CHECK(download(s, folder)->size == 5);  // A process that has died holds nothing.
  CHECK(folder.content() == "hello");
}

TEST_CASE("[70] a part whose size is not known is neither empty nor removed") {
  const Folder folder;
  folder.put_part(mark);
  {
    const ferry::detail::PartFile part(folder.file(), fingerprint);
    std::optional<std::uint64_t> size = part.size();
    CHECK(size.has_value());
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      if (fs::read_symlink(entry.path(), ignored).string() ==
          fs::canonical(folder.file("file.part")).string())
        ::close(std::stoi(entry.path().filename().string()));
    }
    size = part.size();
    CHECK_FALSE(size.has_value());
  }
  CHECK(folder.content("file.part") == "hello");
  CHECK(folder.content("file.part.validator") == mark);
}

TEST_CASE("[70] a child process that ends neither removes its parent's part nor unlocks it") {
  const Folder folder;
  std::optional<ferry::detail::PartFile> part(std::in_place, folder.file(), fingerprint);
  const auto in_child = [](const std::function<void()>& function) {
    const auto child = ::fork();
    if (child == 0) {
      function();
      ::_exit(0);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  };
  in_child([&] { part.reset(); });
  CHECK(folder.has("file.part"));
  CHECK_THROWS_AS(ferry::detail::PartFile(folder.file(), "x"), ferry::Error);

  ferry::detail::PartMark made;
  made.validator = "\"v1\"";
  made.total = 12;
  ferry::detail::OutputFile file = part->begin(made);
  file.write("hello");
  in_child([&] {  // Like a coroutine that goes on there, and is unwound.
    const std::function<void()> uses[] = {
        [&] { part->begin(made); },   [&] { part->go_on(); },   [&] { part->set_mark(made); },
        [&] { part->remove_mark(); }, [&] { part->finish(5); }, [&] { file.write("x"); }};
    for (const auto& use : uses) {
      try {
        use();
        ::_exit(1);
      } catch (const ferry::Error& error) {
        if (error.code() != Errc::file_failed) ::_exit(2);
      }
    }
    file.close();
    part.reset();
  });
  CHECK(folder.content("file.part") == "hello");
  CHECK(folder.content("file.part.validator") == mark);
  CHECK_THROWS_AS(ferry::detail::PartFile(folder.file(), "x"), ferry::Error);
  file.write(", world");
  file.close();
  part->finish(12);
  CHECK(folder.content() == "hello, world");
}

TEST_CASE("[70] a child process that ends during a download adds nothing to the file") {
  const Folder folder;
  auto slow = script({answer(tag, "hello, world")});
  slow->read_size = 5;
  Scripted s(slow);
  DownloadOptions options;
  options.progress = [](std::uint64_t, auto) {
    std::fflush(stdout);  // Otherwise the output of the tests would come twice.
    const auto child = ::fork();
    if (child == 0) {
      std::fflush(nullptr);  // exit(3) does so, too.
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  };
  CHECK(download(s, folder, options)->size == 12);
  CHECK(folder.content() == "hello, world");
}

TEST_CASE("[70] a part that is larger or smaller than what was written does not become the file") {
  for (const std::size_t size : {0, 4, 13}) {
    const Folder folder;
    folder.put("file", "old");
    Scripted s(script({answer(tag, "hello, world"), answer(tag, "HELLO, WORLD")}));
    DownloadOptions options;
    options.progress = [&](std::uint64_t, auto) {
      fs::resize_file(folder.file("file.part"), size);
    };
    CHECK(test::code_of(download(s, folder, options)) == Errc::file_failed);
    CHECK(folder.content() == "old");
    CHECK_FALSE(folder.has("file.part.validator"));  // Nothing is added to it.
    const auto again = download(s, folder);
    REQUIRE(again);
    CHECK(again->resumed_from == 0);
    CHECK(folder.content() == "HELLO, WORLD");
  }
}

#if defined(__linux__)
TEST_CASE("a file system without locks: a download goes on without one") {
  for (const int code : {ENOSYS, EOPNOTSUPP, ENOTSUP, ENOLCK, EIO}) {
    CAPTURE(code);
    const Folder folder;
    folder.put_part(mark);
    Scripted s(script({rest_of(tag)}));
    flock_failure = code;
    const auto done = download(s, folder);
    flock_failure = 0;
    CHECK(done.has_value() == (code != EIO));  // Which is a failure.
    CHECK(folder.content() == (done ? "hello, world" : ""));
  }
  // One that is made anew, as the first was a link.
  const Folder folder;
  folder.put_part(mark);
  fs::create_hard_link(folder.file("file.part"), folder.file("other"));
  Scripted s(script({answer(tag, "hello")}));
  flock_failure = ENOLCK;
  const auto done = download(s, folder);
  flock_failure = 0;
  REQUIRE(done);
  CHECK(folder.content() == "hello");
}

TEST_CASE("[70] a download that ends leaves the mark of the one that begins then alone") {
  const Folder folder;
  std::optional<ferry::detail::PartFile> next;
  after_rename = [&] {
    ferry::detail::PartMark begun;
    begun.validator = "\"v1\"";
    begun.total = 12;
    next.emplace(folder.file(), fingerprint);
    next->begin(begun).write("hello");
  };
  Scripted s(script({answer(tag, "HELLO"), rest_of(tag)}));
  CHECK(download(s, folder)->size == 5);
  CHECK(folder.content() == "HELLO");
  REQUIRE(next);
  next.reset();
  CHECK(folder.content("file.part.validator") == mark);
  CHECK(download(s, folder)->resumed_from == 5);
  CHECK(folder.content() == "hello, world");
}
#endif

TEST_CASE("a part that cannot get its file's name can get it later") {
  const Folder folder;
  fs::create_directories(folder.file() + "/full");
  Scripted s(script({answer(tag, "hello, world"),
                     answer("Content-Range: bytes */12\r\n", "", "416 Range Not Satisfiable")}));
  CHECK(test::code_of(download(s, folder)) == Errc::file_failed);
  CHECK(folder.content("file.part.validator") == mark);
  fs::remove_all(folder.file());
  CHECK(download(s, folder)->resumed_from == 12);
  CHECK(folder.content() == "hello, world");
  CHECK_FALSE(folder.has("file.part.validator"));
}

TEST_CASE("a part that is a link, or somebody else's, is neither followed nor gone on with") {
  struct Planted {
    const char* name;
    std::function<void(const std::string& path, const std::string& precious)> plant;
  };
  const Planted cases[] = {
      {"a link", [](auto& path, auto& precious) { fs::create_symlink(precious, path); }},
      {"a second name", [](auto& path, auto& precious) { fs::create_hard_link(precious, path); }},
      {"a link to nothing",
       [](auto& path, auto& precious) { fs::create_symlink(precious + "x", path); }},
      {"a pipe", [](auto& path, auto&) { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }},
      {"another user's",
       [](auto& path, auto& precious) {
         fs::copy_file(precious, path);
         if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
       }},
  };
  for (const auto& planted : cases) {
    if (planted.name == std::string("another user's") && ::geteuid() != 0) continue;
    for (const char* which : {"file.part", "file.part.validator"}) {
      CAPTURE(std::string(planted.name));
      CAPTURE(std::string(which));
      const Folder folder;
      folder.put_part(mark);
      const std::string before = folder.content(which);
      folder.put("precious", before);
      fs::remove(folder.file(which));
      planted.plant(folder.file(which), folder.file("precious"));
      Peer peer([](const std::string& request) {
        return range_of(request) > 0 ? rest_of(tag) : answer(tag, "HELLO, world");
      });
      const auto done = peer.download(folder);
      REQUIRE(done);
      CHECK(done->resumed_from == 0);
      CHECK(folder.content() == "HELLO, world");
      CHECK(peer.requests.size() == 1);
      CHECK(folder.content("precious") == before);
      CHECK_FALSE(folder.has("preciousx"));
      CHECK(fs::is_regular_file(fs::symlink_status(folder.file())));
      CHECK_FALSE(fs::exists(fs::symlink_status(folder.file("file.part.validator"))));
    }
  }
  // A folder cannot be removed so: that is an error, before anything is sent.
  const Folder folder;
  fs::create_directories(folder.file("file.part") + "/full");
  Peer peer([](const std::string&) { return answer(tag, "hello"); });
  CHECK(test::code_of(peer.download(folder)) == Errc::file_failed);
  CHECK(peer.requests.empty());
}

TEST_CASE("a part that is replaced while it is written does not become the file") {
  const Folder folder;
  folder.put("file", "old");
  Scripted s(script({answer(tag, "hello")}));
  DownloadOptions options;
  options.progress = [&](std::uint64_t, auto) {
    fs::remove(folder.file("file.part"));
    folder.put("file.part", "planted");
  };
  CHECK(test::code_of(download(s, folder, options)) == Errc::file_failed);
  CHECK(folder.content() == "old");
  CHECK(folder.content("file.part") == "planted");
}

TEST_CASE("[58] [72] a download that is cancelled anywhere ends with Errc::cancelled") {
  int cancelled = 0;
  // With a part that fits, in two ranges, and with one that does not fit.
  for (const bool fits : {true, false}) {
    bool ended = false;
    for (int after = 1; !ended; ++after) {  // Before, Asio alone has begun.
      CAPTURE(after);
      const Folder folder;
      folder.put_part(mark);
      int failures = 0;
      Peer peer([&](const std::string& request) {
        const auto first = range_of(request);
        if (first == 0) return answer(tag, "hello, world");
        const auto last = first == 5 ? "7" : "11";
        return answer((fits ? tag : "") + "Content-Range: bytes " + std::to_string(first) + "-" +
                          last + "/12\r\n",
                      first == 5 ? ", w" : "orld", "206 Partial Content");
      });
      peer.read_size = 60;
      peer.options.observer = [&](const ferry::Event& event) {
        failures += event.kind == ferry::Event::Kind::request_failed;
      };
      const Client client(peer.context, peer.options);
      asio::cancellation_signal signal;
      std::exception_ptr thrown;
      int completions = 0;
      asio::co_spawn(
          peer.context, client.download("http://test/f", folder.file()),
          asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, Downloaded) {
            thrown = e;
            ++completions;
          }));
      int turns = 0;
      while (turns < after && completions == 0 && peer.context.poll_one() > 0) ++turns;
      ended = completions > 0;
      signal.emit(asio::cancellation_type::terminal);
      peer.context.restart();
      peer.context.run();
      REQUIRE(completions == 1);
      if (!thrown) {
        CHECK(folder.content() == "hello, world");
        continue;
      }
      ++cancelled;
      CHECK(failures <= (fits ? 1 : 2));  // One of each request.
      try {
        std::rethrow_exception(thrown);
      } catch (const ferry::Error& error) {
        CHECK(error.code() == Errc::cancelled);
      } catch (const std::exception& other) {
        FAIL_CHECK(std::string(other.what()));
      }
      // The next call goes on with the part.
      const auto done = peer.download(folder);
      REQUIRE(done);
      CHECK(folder.content() == "hello, world");
    }
  }
  CHECK(cancelled > 10);
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

TEST_CASE("a status other than 2xx is an error, and writes no file") {
  const Folder folder;
  Scripted s(script({answer("", "gone", "404 Not Found")}));
  const auto gone = download(s, folder);
  CHECK(test::code_of(gone) == Errc::http_status);
  CHECK(gone.error().status() == 404);
  CHECK_FALSE(folder.has("file"));
  CHECK_FALSE(folder.has("file.part"));
  Scripted unchanged(script({answer("", "", "304 Not Modified")}));
  const auto same = download(unchanged, folder);
  CHECK(test::code_of(same) == Errc::http_status);
  CHECK(std::string(same.error().what()).find("nothing has changed") != std::string::npos);
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

TEST_CASE("204 ends a stream of events, and the error says so") {
  Scripted s(script({"HTTP/1.1 204 No Content\r\n\r\n"}));
  std::string what;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      ferry::ServerEvents events(co_await s.client->stream("http://test/"));
    } catch (const ferry::Error& error) {
      what = error.what();
    }
  });
  CHECK(what.starts_with("unexpected status: 204 No Content for http://test/: "));
  CHECK(what.find("not to connect again") != std::string::npos);
}

TEST_CASE("text whose content coding nobody has undone is an error that names the coding") {
  Scripted s(script({answer("Content-Encoding: gzip\r\n", "\x1f\x8b\x08\x01"),
                     answer("Content-Encoding: gzip\r\n", "not coded at all"),
                     answer("Content-Encoding: identity, identity\r\n", "\xff"),
                     answer("Content-Encoding: aws-chunked\r\n", "\xff"),
                     answer("Content-Encoding: gzip\r\n", "\x1f\x8b", "206 Partial Content")}));
  const auto coded = s.get();
  try {
    coded->text();
    FAIL("it is not text");
  } catch (const ferry::Error& error) {
    CHECK(error.code() == Errc::undecodable_body);
    const std::string what = error.what();
    CHECK(what.find("\"gzip\" was not undone: options.codings") != std::string::npos);
  }
  CHECK(s.get()->text() == "not coded at all");
  for (int i = 0; i < 2; ++i) CHECK(s.get()->text() == "\xEF\xBF\xBD");  // No coding at all.
  const auto part = s.get();
  try {
    part->text();
    FAIL("it is not text");
  } catch (const ferry::Error& error) {
    CHECK(std::string(error.what()).find("a part of the coded body (206)") != std::string::npos);
  }
}

TEST_CASE("a body as text") {
  Scripted s(script({answer("Content-Type: text/plain; charset=latin1\r\n", "caf\xe9"),
                     answer("Content-Type: text/plain; charset=nonsense\r\n", "caf\xc3\xa9"),
                     answer("Content-Type: text/plain; charset=nonsense\r\n", "caf\xe9")}));
  CHECK(s.get()->text() == "caf\xc3\xa9");
  CHECK(s.get()->text() == "caf\xc3\xa9");
  const auto unknown = s.get();
  CHECK_THROWS_AS(unknown->text(), ferry::Error);
}
