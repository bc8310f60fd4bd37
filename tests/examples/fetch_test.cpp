// Runs the program, as a user does, against a server on loopback.

#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <vector>

#include "support/folder.hpp"
#include "support/server.hpp"
#include "support/tls_front.hpp"

using namespace std::string_literals;
using test::Folder;
using test::Server;

namespace {

const std::string big = [] {
  std::string bytes(1'000'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  return bytes;
}();

/// Answers with what it was asked, as it came, but for a few targets.
asio::awaitable<void> serve(std::shared_ptr<test::Peer> peer) {
  for (;;) {
    std::string request = co_await peer->read_request();
    if (request.empty()) co_return;
    const auto begin = request.find(' ') + 1;
    const std::string target = request.substr(begin, request.find(' ', begin) - begin);
    std::string answer;
    if (target == "/big") {
      answer = test::response(big);
    } else if (target == "/gzip") {
      answer = test::response(
          "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\xaf\xca\x2c\0\0\x4a\x9b"
          "\xb1"
          "\x5c\x0b\0\0\0"s,
          "Content-Encoding: gzip\r\n");
    } else if (target == "/moved") {
      answer = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nmoved";
    } else if (target == "/missing") {
      answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
    } else if (target == "/silent") {
      co_await peer->wait_closed();
    } else {
      answer = test::response(request);
    }
    co_await peer->write(std::move(answer));
  }
}

class Ran {
 public:
  Ran() = default;
  int status = -1;
  std::string out, err;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Runs the program with these arguments, none of which has a single quote.
Ran fetch(const std::vector<std::string>& arguments) {
  const Folder folder;
  std::string command = FETCH;
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  command += " >" + folder / "out" + " 2>" + folder / "err";
  const int status = std::system(command.c_str());
  Ran ran;
  REQUIRE(WIFEXITED(status));
  ran.status = WEXITSTATUS(status);
  ran.out = content_of(folder / "out");
  ran.err = content_of(folder / "err");
  return ran;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("fetch prints the body, and nothing else") {
  Server server(serve);
  Ran ran = fetch({server.url("/a?b=c")});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK(ran.err == "");

  ran = fetch({server.url("/missing")});  // A status is an answer.
  CHECK(ran.status == 0);
  CHECK(ran.out == "none");

  ran = fetch({"-i", server.url("/missing")});
  CHECK(ran.out == "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
}

TEST_CASE("fetch writes files, byte for byte") {
  Server server(serve);
  const Folder folder;
  Ran ran = fetch({"-o", folder / "big", server.url("/big")});
  CHECK(ran.status == 0);
  CHECK(ran.out == "");
  CHECK(ran.err == "");  // It is no terminal.
  CHECK(content_of(folder / "big") == big);

  ran = fetch({"--progress", "-o", folder / "big", server.url("/big")});
  CHECK(ran.err.starts_with("\r"));
  CHECK(ran.err.ends_with("1000000 bytes 100% [" + std::string(50, '#') + "]\n"));

  ran = fetch({"--progress", "-o", "/dev/full", server.url("/big")});
  CHECK(ran.status == 1);
  CHECK(contains(ran.err, "fetch: the body cannot be written\n"));
}

TEST_CASE("fetch sends methods, headers and bodies") {
  Server server(serve);
  const Folder folder;
  const std::string notes = folder.write("notes.txt", "some\nnotes");

  Ran ran =
      fetch({"-X", "PURGE", "-H", "X-One: 1", "-H", "X-One: 2", "-H", "User-Agent:", server.url()});
  CHECK(ran.out.starts_with("PURGE / HTTP/1.1\r\n"));
  CHECK(contains(ran.out, "\r\nX-One: 1\r\nX-One: 2\r\n"));
  CHECK_FALSE(contains(ran.out, "User-Agent"));

  ran = fetch({"-d", "a=b&c", server.url()});
  CHECK(ran.out.starts_with("POST / HTTP/1.1\r\n"));
  CHECK(contains(ran.out, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
  CHECK(ran.out.ends_with("\r\n\r\na=b&c"));

  ran = fetch({"-X", "PATCH", "-H", "Content-Type: text/plain", "-d", "@" + notes, server.url()});
  CHECK(ran.out.starts_with("PATCH / HTTP/1.1\r\n"));
  CHECK(contains(ran.out, "\r\nContent-Type: text/plain\r\n"));
  CHECK_FALSE(contains(ran.out, "urlencoded"));
  CHECK(ran.out.ends_with("\r\n\r\nsome\nnotes"));

  ran = fetch({"-T", notes, server.url()});
  CHECK(ran.out.starts_with("PUT / HTTP/1.1\r\n"));
  CHECK(ran.out.ends_with("\r\n\r\nsome\nnotes"));

  ran = fetch({"-F", "title=a=b", "-F", "file=@" + notes, server.url()});
  CHECK(ran.out.starts_with("POST / HTTP/1.1\r\n"));
  CHECK(contains(ran.out, "\r\nContent-Type: multipart/form-data; boundary="));
  CHECK(contains(ran.out, "\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na=b\r\n--"));
  CHECK(contains(ran.out,
                 "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\n"));
  CHECK(contains(ran.out, "\r\n\r\nsome\nnotes\r\n--"));

  ran = fetch({"-u", "ada:pass:word", server.url()});
  CHECK(contains(ran.out, "\r\nAuthorization: Basic YWRhOnBhc3M6d29yZA==\r\n"));
}

TEST_CASE("fetch sends several requests over one connection") {
  Server server(serve);
  const Folder folder;
  const Ran ran = fetch(
      {"-v", "--timings", "-d", "x=1", "-o", folder / "first", server.url("/1"), server.url("/2")});
  CHECK(ran.status == 0);
  CHECK(content_of(folder / "first").starts_with("POST /1 HTTP/1.1\r\n"));
  CHECK(ran.out.starts_with("POST /2 HTTP/1.1\r\n"));
  CHECK(ran.out.ends_with("\r\n\r\nx=1"));
  CHECK(server.accepted() == 1);

  CHECK(contains(ran.err, "Starting new HTTP connection (1): 127.0.0.1:"));
  CHECK(contains(ran.err, "Reusing connection #1"));
  CHECK(contains(ran.err, "\"POST /2 HTTP/1.1\" 200 "));
  CHECK(contains(ran.err, server.url("/1") + ": connection 1, request 1\n    queued "));
  CHECK(contains(ran.err, server.url("/2") + ": connection 1, request 2\n    queued "));
  CHECK(contains(ran.err, "\n   connect       0.000 ms\n"));
}

TEST_CASE("fetch follows redirects, unless it is told not to") {
  Server server(serve);
  CHECK(fetch({"-L", server.url("/moved")}).out.starts_with("GET /there "));
  CHECK(fetch({server.url("/moved")}).out.starts_with("GET /there "));
  CHECK(fetch({"--no-location", server.url("/moved")}).out == "moved");
}

TEST_CASE("fetch goes through a proxy") {
  Server proxy(serve);
  const Ran ran = fetch({"-x", proxy.url(), "http://ferry.test/page"});
  CHECK(ran.out.starts_with("GET http://ferry.test/page HTTP/1.1\r\nHost: ferry.test\r\n"));
}

TEST_CASE("fetch trusts whom it is told to") {
  Server server(serve);
  const test::TlsFront front(server.port());
  const Ran ran = fetch({front.url()});
  CHECK(ran.status == 1);
  CHECK(ran.err.starts_with("fetch: the server's certificate was rejected"));
  CHECK(server.accepted() == 0);
  CHECK(fetch({"--cacert", test::certificates::ca, front.url()})
            .out.starts_with("GET / HTTP/1.1\r\n"));
  CHECK(fetch({"-k", front.url()}).out.starts_with("GET / HTTP/1.1\r\n"));
}

#ifdef FETCH_WITH_GZIP
TEST_CASE("fetch undoes gzip if it has asked for it") {
  Server server(serve);
  CHECK(contains(fetch({"--compressed", server.url()}).out,
                 "\r\nAccept-Encoding: gzip, deflate\r\n"));
  const Folder folder;
  const Ran ran = fetch({"--compressed", "--progress", "-o", folder / "text", server.url("/gzip")});
  CHECK(content_of(folder / "text") == "hello, gzip");
  CHECK(ran.err == "\r         11 bytes\n");
  CHECK(fetch({server.url("/gzip")}).out.starts_with("\x1f\x8b"));
}
#endif

TEST_CASE("fetch says what went wrong") {
  Server server(serve);
  Ran ran = fetch({"nowhere", server.url()});  // The first failure ends it.
  CHECK(ran.status == 1);
  CHECK(ran.err.starts_with("fetch: invalid URL: "));
  CHECK(server.accepted() == 0);

  ran = fetch({"--max-time", "0.01", server.url("/silent")});
  CHECK(ran.status == 1);
  CHECK(ran.err.starts_with("fetch: the call timed out: more than 0.01 s "));

  ran = fetch({"-T", "/no/such/file", server.url()});
  CHECK(ran.status == 1);
  CHECK(ran.err.starts_with("fetch: invalid body: "));

  const std::vector<std::vector<std::string>> misused = {{},
                                                         {"--frobnicate", "http://localhost/"},
                                                         {"http://localhost/", "-o"},
                                                         {"-H", "none", "http://localhost/"},
                                                         {"-F", "none", "http://localhost/"},
                                                         {"-u", "none", "http://localhost/"},
                                                         {"--max-time", "1s", "http://localhost/"},
                                                         {"--max-time", "0", "http://localhost/"}};
  for (const auto& arguments : misused) {
    ran = fetch(arguments);
    CHECK(ran.status == 2);
    CHECK(ran.out == "");
    CHECK(contains(ran.err, "\nusage: fetch [OPTION]... URL...\n"));
  }
}
