#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/h1_parser.hpp>

using ferry::Errc;
using ferry::detail::Framing;
using ferry::detail::H1Parser;
using ferry::detail::ParserLimits;
using ferry::detail::ResponseMessage;
using namespace std::string_literals;

namespace {

constexpr ParserLimits default_limits{64 * 1024, 128, 1 << 20};

/// What a response comes to, as text: so that results for different splits can be compared.
std::string parse(const std::string& bytes, std::size_t split, bool head_request = false,
                  ParserLimits limits = default_limits) {
  H1Parser parser;
  ResponseMessage message;
  parser.start(message, head_request, limits);
  const auto failed = [&] { return "error: "s + parser.error().code().message(); };
  const auto done = [&](std::size_t used) {
    std::string text = std::to_string(message.status) + " " + message.reason + "|";
    for (const auto [name, value] : message.headers)
      text.append(name).append("=").append(value).append(";");
    text += "|" + message.body + "|";
    for (const auto [name, value] : message.trailers)
      text.append(name).append("=").append(value).append(";");
    return text + "|rest " + std::to_string(bytes.size() - used);
  };
  std::size_t taken = 0;
  bool own_body = false;
  while (taken < bytes.size()) {
    std::string piece = bytes.substr(taken, split);
    while (!piece.empty()) {
      if (own_body) {
        const auto part =
            std::min<std::size_t>(piece.size(), parser.body_size() - message.body.size());
        message.body += piece.substr(0, part);
        taken += part;
        if (message.body.size() == parser.body_size()) return done(taken);
        piece.erase(0, part);
        continue;
      }
      const auto [used, step] = parser.feed(piece);
      taken += used;
      piece.erase(0, used);
      if (step == H1Parser::Step::failed) return failed();
      if (step == H1Parser::Step::message_done) return done(taken);
      if (step == H1Parser::Step::head_done) {
        own_body = parser.framing() == Framing::length;
        if (parser.framing() == Framing::none || (own_body && parser.body_size() == 0))
          return done(taken);
      } else if (step == H1Parser::Step::need_more) {
        REQUIRE(piece.empty());
      }
    }
  }
  if (own_body) return "error: body cut";
  return parser.finish() ? done(taken) : failed();
}

/// [15]: the result must not depend on the split. Returns the one result.
std::string parse(const std::string& bytes) {
  const auto whole = parse(bytes, bytes.size() + 1);
  for (std::size_t split : {1, 2, 3, 5, 7, 11}) CHECK(parse(bytes, split) == whole);
  return whole;
}

std::string message_of(Errc code) { return "error: " + make_error_code(code).message(); }

std::string ok(const std::string& fields, const std::string& rest = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + rest;
}
std::string chunked(const std::string& body) { return ok("Transfer-Encoding: chunked\r\n", body); }

}  // namespace

TEST_CASE("[15] responses, the same for every split") {
  CHECK(parse(ok("Content-Length: 5\r\n", "helloX")) == "200 OK|Content-Length=5;|hello||rest 1");
  CHECK(parse(chunked("5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: v\r\n\r\nrest")) ==
        "200 OK|Transfer-Encoding=chunked;|hello!|T=v;|rest 4");
  CHECK(parse("HTTP/1.0 200\r\n\r\nuntil the end") == "200 ||until the end||rest 0");
  CHECK(parse("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") ==
        "404 Not Found|Content-Length=0;|||rest 0");
  CHECK(parse(ok("A: \t x y \t\r\nB:\r\nContent-Length: 0\r\n")) ==
        "200 OK|A=x y;B=;Content-Length=0;|||rest 0");
}

TEST_CASE("[2] [3] a cut anywhere is an error") {
  const std::string whole = chunked("5\r\nhello\r\n0\r\n\r\n");
  const auto head_size = whole.find("\r\n\r\n") + 4;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto expected = size == 0          ? Errc::connection_lost
                          : size < head_size ? Errc::truncated_head
                                             : Errc::truncated_body;
    CHECK(parse(whole.substr(0, size), 1000) == message_of(expected));
    CHECK(parse(whole.substr(0, size), 1) == message_of(expected));
  }
}

TEST_CASE("[4] [5] Content-Length that is no single plain number") {
  for (const char* value : {"5, 6", "5, 5", "+5", "-5", "0x5", "5abc", "", "9223372036854775808",
                            "18446744073709551616", "5 5"}) {
    CAPTURE(value);
    CHECK(parse(ok("Content-Length: "s + value + "\r\n", "hello")) ==
          message_of(Errc::ambiguous_framing));
  }
  CHECK(parse(ok("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")) ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse(ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")) ==
        message_of(Errc::ambiguous_framing));
}

TEST_CASE("[6] [7] [8] Transfer-Encoding that two parsers could read differently") {
  CHECK(parse(ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse(ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")) ==
        message_of(Errc::ambiguous_framing));
  for (const char* value : {"gzip, chunked", "chunked, chunked", "chunked, gzip", "gzip",
                            "identity", "xchunked", "chunked;a=b", "\"chunked\""}) {
    CAPTURE(value);
    CHECK(parse(ok("Transfer-Encoding: "s + value + "\r\n", "0\r\n\r\n")) ==
          message_of(Errc::ambiguous_framing));
  }
  CHECK(parse(ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse(ok("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n")) ==
        "200 OK|Transfer-Encoding=CHUNKED;|||rest 0");
}

TEST_CASE("[9] [10] chunk lines that are not a size and CRLF") {
  for (const char* body :
       {"10000000000000000\r\nx", "0x5\r\nhello\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n",
        "+5\r\nhello\r\n", "5\nhello\r\n", "5\r\nhello\n0\r\n", "5\r\nhelloX\r\n",
        "5;a\nb\r\nhello\r\n", "\r\n5\r\nhello\r\n", "g\r\n"}) {
    CAPTURE(body);
    CHECK(parse(chunked(body + "0\r\n\r\n"s)) == message_of(Errc::malformed_response));
  }
}

TEST_CASE("[11] [27] chunk extensions are bounded, many small chunks are not") {
  std::string body;
  for (int i = 0; i < 2000; ++i) body += "1;" + std::string(100, 'x') + "\r\na\r\n";
  CHECK(parse(chunked(body + "0\r\n\r\n"), 4096) == message_of(Errc::head_too_large));
  CHECK(parse(chunked("1;" + std::string(200'000, 'x') + "\r\na\r\n0\r\n\r\n"), 4096) ==
        message_of(Errc::head_too_large));
  body.clear();
  for (int i = 0; i < 20'000; ++i) body += "1\r\na\r\n";
  CHECK(parse(chunked(body + "0\r\n\r\n"), 4096) ==
        "200 OK|Transfer-Encoding=chunked;|" + std::string(20'000, 'a') + "||rest 0");
}

TEST_CASE("[12] what has no body, whatever the head says") {
  CHECK(parse("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello") ==
        "204 No Content|Content-Length=5;|||rest 5");
  CHECK(parse("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n") ==
        "304 Not Modified|Transfer-Encoding=chunked;|||rest 0");
  CHECK(parse(ok("Content-Length: 5\r\n"), 100, true) == "200 OK|Content-Length=5;|||rest 0");
  CHECK(parse(ok("Content-Length: 99999999\r\n"), 1, true) ==
        "200 OK|Content-Length=99999999;|||rest 0");
}

TEST_CASE("[14] trailers stay trailers, and count toward the limits") {
  CHECK(parse(chunked("0\r\nDigest: z\r\nX: y\r\n\r\n")) ==
        "200 OK|Transfer-Encoding=chunked;||Digest=z;X=y;|rest 0");
  std::string many;
  for (int i = 0; i < 129; ++i) many += "A: b\r\n";
  CHECK(parse(chunked("0\r\n" + many + "\r\n")) == message_of(Errc::head_too_large));
  CHECK(parse(chunked("0\r\nA: " + std::string(100'000, 'x') + "\r\n\r\n"), 4096) ==
        message_of(Errc::head_too_large));
}

TEST_CASE("[16] [18] field lines that are none") {
  for (const std::string& line :
       {"X\r\n"s, ": v\r\n"s, "X : v\r\n"s, "X: a\rb\r\n"s, "X: a\0b\r\n"s, "X: a\x01z\r\n"s,
        "X\0Y: v\r\n"s, "X: v\n"s, " X: v\r\n"s, "X Y: v\r\n"s}) {
    CAPTURE(line);
    CHECK(parse(ok(line + "Content-Length: 0\r\n")) == message_of(Errc::malformed_response));
  }
}

TEST_CASE("[17] obs-fold becomes one space, and is refused where it could change the framing") {
  if (LLHTTP_VERSION_MAJOR >= 9) {  // It refuses every fold.
    CHECK(parse(ok("X: a\r\n b\r\nContent-Length: 0\r\n")) == message_of(Errc::malformed_response));
    return;
  }
  CHECK(parse(ok("X: a \r\n \t b\r\n\tc\r\nContent-Length: 0\r\n")) ==
        "200 OK|X=a b c;Content-Length=0;|||rest 0");
  CHECK(parse(ok("X:\r\n b\r\nContent-Length: 0\r\n")) == "200 OK|X=b;Content-Length=0;|||rest 0");
  CHECK(parse(ok("Content-Length: 1\r\n 0\r\n", "0123456789")) ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse(ok("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")) ==
        message_of(Errc::ambiguous_framing));
  CHECK(parse(ok("Transfer-Encoding: gzip,\r\n chunked\r\n", "0\r\n\r\n")) ==
        message_of(Errc::ambiguous_framing));
}

TEST_CASE("[19] [20] status lines that are not HTTP/1.0's or 1.1's") {
  for (const char* line :
       {"HTTP/1.2 200 OK", "HTTP/2 200", "HTTP/0.9 200 OK", "HTTP/1.1 000 OK", "HTTP/1.1 099 OK",
        "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "RTSP/1.0 200 OK",
        "ICE/1.0 200 OK", "http/1.1 200 OK", "\r\nHTTP/1.1 200 OK", " HTTP/1.1 200 OK", "<html>",
        "HTTP/1.1 200OK", "HTTP/1.10 200 OK", "SSH-2.0-OpenSSH"}) {
    CAPTURE(line);
    CHECK(parse(line + "\r\nContent-Length: 0\r\n\r\n"s) == message_of(Errc::malformed_response));
  }
  CHECK(parse("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n") == "200 |Content-Length=0;|||rest 0");
  CHECK(parse("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n") ==
        "999 What|Content-Length=0;|||rest 0");
}

TEST_CASE("[21] the head, its fields and the status line are bounded") {
  const ParserLimits small{100, 3, 1000};
  const std::string fits =
      ok("A: " + std::string(100 - 17 - 2 - 5 - 19, 'x') + "\r\nContent-Length: 0\r\n");
  REQUIRE(fits.size() == 100);
  for (std::size_t split : {1000u, 1u, 99u}) {
    CHECK(parse(fits, split, false, small).substr(0, 6) == "200 OK");
    CHECK(parse(ok("A: " + std::string(58, 'x') + "\r\nContent-Length: 0\r\n"), split, false,
                small) == message_of(Errc::head_too_large));
    CHECK(parse(ok("A:\r\nB:\r\nC:\r\nD:\r\n"), split, false, small) ==
          message_of(Errc::head_too_large));
  }
  CHECK(parse("HTTP/1.1 200 " + std::string(9000, 'x') + "\r\n\r\n", 512) ==
        message_of(Errc::head_too_large));
}

TEST_CASE("[22] interim responses share one budget") {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  CHECK(parse("HTTP/1.1 100 Continue\r\n\r\n" + interim + ok("Content-Length: 2\r\n", "ab")) ==
        "200 OK|Content-Length=2;|ab||rest 0");
  CHECK(parse("HTTP/1.1 103 E\r\nContent-Length: 5\r\n\r\n" + ok("Content-Length: 2\r\n", "ab")) ==
        "200 OK|Content-Length=2;|ab||rest 0");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += interim;
  CHECK(parse(many + ok("Content-Length: 2\r\n", "ab")).substr(0, 6) == "200 OK");
  for (int i = 0; i < 9000; ++i) many += interim;
  CHECK(parse(many + ok("Content-Length: 2\r\n", "ab"), 8192) == message_of(Errc::head_too_large));
}

TEST_CASE("[23] an upgrade that nobody asked for") {
  CHECK(parse("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nstuff") ==
        message_of(Errc::unexpected_upgrade));
  CHECK(parse(ok("Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n", "ab")) ==
        "200 OK|Connection=upgrade;Upgrade=h2c;Content-Length=2;|ab||rest 0");
  CHECK(parse(ok("Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n",
                 "2\r\nab\r\n0\r\n\r\n"))
            .find("|ab|") != std::string::npos);
}

TEST_CASE("[26] the body's limit holds for every framing") {
  const ParserLimits small{1000, 10, 4};
  CHECK(parse(ok("Content-Length: 5\r\n", "hello"), 100, false, small) ==
        message_of(Errc::body_too_large));
  CHECK(parse(chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 100, false, small) ==
        message_of(Errc::body_too_large));
  CHECK(parse(ok("", "hello"), 1, false, small) == message_of(Errc::body_too_large));
  CHECK(parse(ok("", "hell"), 1, false, small) == "200 OK||hell||rest 0");
}

TEST_CASE("a parser serves one response after the other") {
  H1Parser parser;
  for (int i = 0; i < 3; ++i) {
    ResponseMessage message;
    parser.start(message, false, default_limits);
    const auto bytes = chunked("1\r\na\r\n0\r\n\r\n");
    auto [used, step] = parser.feed(bytes);
    REQUIRE(step == H1Parser::Step::head_done);
    step = parser.feed(std::string_view(bytes).substr(used)).second;
    CHECK(step == H1Parser::Step::message_done);
    CHECK(message.body == "a");
  }
}
