#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "support/hostile_cases.hpp"
#include "support/parse.hpp"

using ferry::Errc;
using ferry::detail::Framing;
using ferry::detail::H1Parser;
using ferry::detail::ParserLimits;
using ferry::detail::ParseStep;
using ferry::detail::ResponseMessage;
using test::default_limits;
using namespace std::string_literals;

namespace {

using test::parse;

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
  // After the last chunk, llhttp 8 lets bare line feeds pass.
  for (const char* end : {"0\r\n\n", "0\r\n\nA: b\r\n\r\n", "0\r\nA: b\r\n\n"}) {
    CAPTURE(end);
    CHECK(parse(chunked(end)) == message_of(Errc::malformed_response));
  }
}

TEST_CASE("[11] [27] chunk extensions are bounded, many small chunks are not") {
  std::string body;
  for (int i = 0; i < 2000; ++i) body += "1;" + std::string(100, 'x') + "\r\na\r\n";
  CHECK(parse(chunked(body + "0\r\n\r\n"), 4096) == message_of(Errc::head_too_large));
  CHECK(parse(chunked("1;" + std::string(200'000, 'x') + "\r\na\r\n0\r\n\r\n"), 4096) ==
        message_of(Errc::head_too_large));
  // A small head's limit is not theirs.
  CHECK(parse(chunked("1;" + std::string(10'000, 'x') + "\r\na\r\n0\r\n\r\n"), 4096, false,
              {1000, 10, 1000})
            .starts_with("200 OK"));
  body.clear();
  for (int i = 0; i < 100'000; ++i) body += "1\r\na\r\n";
  CHECK(parse(chunked(body + "0\r\n\r\n"), 4096) ==
        "200 OK|Transfer-Encoding=chunked;|" + std::string(100'000, 'a') + "||rest 0");
}

TEST_CASE("[15] chunk extensions of every allowed form are skipped, at every split") {
  for (const char* extension : {";a",
                                ";a=b",
                                ";a=b;c=d",
                                ";a;b",
                                ";a=b;c",
                                ";a;b=c;d",
                                ";a=\"\"",
                                ";a=\"x\"",
                                ";a=\"x\\\"y\"",
                                ";a=\"\\\\\"",
                                ";a=\"\\;\\ \\\t\"",
                                ";a=\"x;y=z\"",
                                ";a=\"x\";b=\"y\";c",
                                ";a=\"\t \x80\xff\"",
                                ";a=\"\\\xff\"",
                                " ;a",
                                "\t ; \ta",
                                "; a =\tb",
                                ";a = \"b\"",
                                ";a=b ;c = d",
                                ";a=\"b\" ; c",
                                ";a ;b",
                                " ; !#$%&'*+-.^_`|~9 = ~",
                                ";5=5",
                                ";ilovew3=\"abc; def\";ghi"}) {
    CAPTURE(extension);
    const std::string last = "0"s + extension + "\r\nT: v\r\n\r\nrest";
    const std::string bytes = chunked("5"s + extension + "\r\nhello\r\n00001"s + extension +
                                      "\r\n!\r\n1\r\n?\r\n" + last);
    const std::string whole = parse(bytes);
    CHECK(whole == "200 OK|Transfer-Encoding=chunked;|hello!?|T=v;|rest 4");
    for (std::size_t split = 0; split < bytes.size(); ++split)
      CHECK(test::parse_in_pieces(
                bytes,
                [&, first = true]() mutable {
                  return std::exchange(first, false) && split > 0 ? split : bytes.size();
                },
                false, default_limits) == whole);
  }
}

TEST_CASE("[9] [10] [15] chunk extensions that are none, at every split") {
  for (const std::string& extension : {";"s,
                                       ";;a"s,
                                       ";=b"s,
                                       ";a="s,
                                       ";a=;b"s,
                                       ";a=b=c"s,
                                       ";a b"s,
                                       ";a=b c"s,
                                       ";a=\"b"s,
                                       ";a=\"b\\"s,
                                       ";a=\"b\\\""s,
                                       ";a=\"b\"c"s,
                                       ";a=b\"c\""s,
                                       ";a\"b\""s,
                                       " "s,
                                       "\t"s,
                                       ";a "s,
                                       ";a=b "s,
                                       ";a=\"b\" "s,
                                       " 5"s,
                                       ";a;"s,
                                       ";a=b;"s,
                                       "=b"s,
                                       ",a"s,
                                       ";(a)"s,
                                       ";a\0"s,
                                       ";a=\0"s,
                                       ";a=\"\0\""s,
                                       ";a=\"\\\0\""s,
                                       ";a=\"\x7f\""s,
                                       ";a=\"\x01\""s,
                                       ";a\x80"s,
                                       ";a\rb"s,
                                       ";a=b\rc"s,
                                       ";a=\"b\rc\""s,
                                       ";a=\"\\\r\""s,
                                       ";a=\"b\r\nc\""s,
                                       ";a=\"\\\r\n\""s,
                                       " \r;a"s,
                                       ";\ra"s,
                                       ";a\nb"s,
                                       ";a=\"\n\""s,
                                       ";a=b\n"s,
                                       ";a\v"s,
                                       "\f;a"s}) {
    CAPTURE(extension);
    for (const char* size : {"5", "0"}) {
      const std::string bytes = chunked(size + extension + "\r\nhello\r\n0\r\n\r\n");
      CHECK(parse(bytes) == message_of(Errc::malformed_response));
      for (std::size_t split = 1; split < bytes.size(); ++split)
        CHECK(test::parse_in_pieces(
                  bytes,
                  [&, first = true]() mutable {
                    return std::exchange(first, false) ? split : bytes.size();
                  },
                  false, default_limits) == message_of(Errc::malformed_response));
    }
  }
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

TEST_CASE("[73] what has no body is not judged by fields that would frame one") {
  for (const std::string& fields : test::contradictory_framing()) {
    CAPTURE(fields);
    const std::string next = ok("Content-Length: 2\r\n", "ab");
    const auto taken = [&](const std::string& status_line, bool head_request, bool takes_upgrade) {
      for (std::size_t split = 0; split <= fields.size(); ++split) {
        const std::string head = status_line + "\r\n" + fields + "\r\n";
        ResponseMessage message;
        H1Parser parser(message, head_request, default_limits, takes_upgrade);
        std::string_view rest = head;
        auto [used, step] = parser.feed(rest.substr(0, status_line.size() + 2 + split));
        rest.remove_prefix(used);
        if (step == ParseStep::need_more) std::tie(used, step) = parser.feed(rest);
        if (step == ParseStep::interim_done) step = parser.feed(next).second;
        if (step != ParseStep::head_done || !parser.is_ambiguous()) return false;
        const bool is_next = message.status == 200 && !head_request;
        if (parser.framing() != (is_next ? Framing::length : Framing::none)) return false;
      }
      return true;
    };
    CHECK(taken("HTTP/1.1 200 OK", true, false));
    CHECK(taken("HTTP/1.1 204 No Content", false, false));
    CHECK(taken("HTTP/1.1 304 Not Modified", false, false));
    CHECK(taken("HTTP/1.1 103 Early Hints", false, false));
    CHECK(taken("HTTP/1.1 103 Early Hints", true, false));
    CHECK(taken("HTTP/1.1 101 Switching Protocols", false, true));
    CHECK(parse(ok(fields, "hello")) == message_of(Errc::ambiguous_framing));
    CHECK(parse("HTTP/1.1 204 N\r\n" + fields + "A\1: b\r\n\r\n") ==
          message_of(Errc::malformed_response));
  }
}

TEST_CASE("[14] trailers stay trailers, and count toward the limits") {
  CHECK(parse(chunked("0\r\nDigest: z\r\nX: y\r\n\r\n")) ==
        "200 OK|Transfer-Encoding=chunked;||Digest=z;X=y;|rest 0");
  std::string many;
  for (int i = 0; i < 129; ++i) many += "A: b\r\n";
  CHECK(parse(chunked("0\r\n" + many + "\r\n")) == message_of(Errc::head_too_large));
  CHECK(parse(chunked("0\r\nA: " + std::string(100'000, 'x') + "\r\n\r\n"), 4096) ==
        message_of(Errc::head_too_large));
  // The bytes between the chunks do not count as the trailers'.
  CHECK(parse(chunked("1;" + std::string(10'000, 'x') +
                      "\r\na\r\n0\r\nA: " + std::string(60'000, 'x') + "\r\n\r\n"),
              4096)
            .starts_with("200 OK"));
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

TEST_CASE("[15] what is wrong in two ways is refused for the first, however it is split") {
  const auto check = [](const std::string& bytes, Errc expected, ParserLimits limits) {
    CAPTURE(bytes.substr(0, 200));
    for (const std::size_t split : {1, 2, 3, 5, 7, 11, 100'000})
      CHECK(parse(bytes, split, false, limits) == message_of(expected));
  };
  const ParserLimits two_fields{1000, 2, 1000};
  // A third field, and a name that is none behind it, or in it.
  check(ok("A: b\r\nC: d\r\nE: f\r\nG\1: h\r\n"), Errc::head_too_large, two_fields);
  check(ok("A: b\r\nC: d\r\nE\1: f\r\n"), Errc::malformed_response, two_fields);
  // After the largest head, any byte is too many.
  check("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 " + std::string(970, 'x') + "\1", Errc::head_too_large,
        two_fields);
  check("HTTP/1.1 100 " + std::string(980, 'x') + "\r\n\r\nHTTP/9", Errc::head_too_large,
        two_fields);
  // A status line that is too long, though the head is not.
  check("HTTP/1.1 200 " + std::string(9000, 'x') + "\r\nContent-Length: 0\r\n\r\n",
        Errc::head_too_large, default_limits);
  check("HTTP/1.1 200 " + std::string(9000, 'x') + "\1", Errc::head_too_large, default_limits);
  if (LLHTTP_VERSION_MAJOR < 9) {
    check(ok("Transfer-Encoding: a\r\n b\1\r\n"), Errc::malformed_response, default_limits);
    check(ok("Content-Length: 1\r\n 0\r\nA\1: b\r\n"), Errc::ambiguous_framing, default_limits);
  }
  // A bare LF at the end of a head that is complete, or of trailers that are too large.
  check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", Errc::malformed_response, default_limits);
  check(chunked("0\r\nA: " + std::string(1000, 'x') + "\r\n\r\n"), Errc::head_too_large,
        two_fields);
  // A bare LF, or too much of an extension, and then a size that is none.
  check(chunked("1;a=b\r\na\n0x\r\n"), Errc::malformed_response, default_limits);
  check(chunked("0\r\nA: " + std::string(1000, 'x') + "\n"), Errc::head_too_large, two_fields);
  check(chunked("1;" + std::string(100'000, 'x') + "\n"), Errc::head_too_large, default_limits);
  check(chunked("1;" + std::string(70'000, 'x') + "\na\r\n0\r\n\r\n"), Errc::head_too_large,
        default_limits);
  check(chunked("0\r\nA: " + std::string(1000, 'x') + "\nB: c\r\n\r\n"), Errc::head_too_large,
        two_fields);
  check(chunked("5;" + std::string(70'000, 'x') + "\r\na\nbcd\r\n"), Errc::head_too_large,
        default_limits);
  check(chunked("1;" + std::string(100'000, 'x') + "\r\na\r\nz\r\n"), Errc::head_too_large,
        default_limits);
}

TEST_CASE("[11] [15] what chunk framing may cost does not depend on the split") {
  // Ten bytes of data pay for 36 of framing, however they come.
  const auto body = [](std::size_t extension) {
    std::string chunks;
    for (int i = 0; i < 2000; ++i)
      chunks += "a;" + std::string(extension, 'x') + "\r\n" + std::string(10, 'd') + "\r\n";
    return chunked(chunks + "0\r\n\r\n");
  };
  for (const std::size_t split : {1, 7, 10'000'000}) {
    CHECK(parse(body(30), split).substr(0, 6) == "200 OK");
    CHECK(parse(body(70), split) == message_of(Errc::head_too_large));
  }
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

TEST_CASE("[10] a bare LF in chunk framing, without a limit too") {
  constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
  const ParserLimits none{no_limit, no_limit, no_limit};
  CHECK(parse(chunked("5\r\nhello\r\n0\r\n\n"), 100, false, none) ==
        message_of(Errc::malformed_response));
}

TEST_CASE("one parser after the other is made in the same place") {
  std::optional<H1Parser> parser;
  for (int i = 0; i < 3; ++i) {
    ResponseMessage message;
    parser.emplace(message, false, default_limits);
    CHECK(!parser->any_byte());
    const auto bytes = chunked("1\r\na\r\n0\r\n\r\n");
    auto [used, step] = parser->feed(bytes);
    REQUIRE(step == ParseStep::head_done);
    CHECK(parser->any_byte());
    CHECK(parser->in_body());
    step = parser->feed(std::string_view(bytes).substr(used)).second;
    CHECK(step == ParseStep::message_done);
    CHECK(message.body == "a");
    // Nothing is parsed after the end.
    CHECK(parser->feed(bytes) == std::pair(std::size_t(0), ParseStep::message_done));
  }
}

TEST_CASE("nothing is parsed after a failure, which stays the first one") {
  ResponseMessage message;
  H1Parser parser(message, false, default_limits);
  auto [used, step] = parser.feed(chunked(""));
  REQUIRE(step == ParseStep::head_done);
  CHECK(parser.feed("1;=\r\n").second == ParseStep::failed);
  const std::string what = parser.error().what();
  CHECK(parser.feed("1\r\na\r\n0\r\n\r\n") == std::pair(std::size_t(0), ParseStep::failed));
  CHECK(parser.error().what() == what);
  CHECK(parser.in_body());
}

TEST_CASE("an end of the connection, told in every state") {
  const auto end_after = [](const std::string& bytes) {
    ResponseMessage message;
    H1Parser parser(message, false, default_limits);
    for (std::string_view rest = bytes; !rest.empty();) rest.remove_prefix(parser.feed(rest).first);
    return parser.finish() ? std::string("complete") : "error: " + parser.error().code().message();
  };
  CHECK(end_after("") == message_of(Errc::connection_lost));
  CHECK(end_after("HTTP/1.1 2") == message_of(Errc::truncated_head));
  CHECK(end_after("HTTP/1.1 200 OK\r\nA: b") == message_of(Errc::truncated_head));
  CHECK(end_after("HTTP/1.1 103 E\r\n\r\n") == message_of(Errc::truncated_head));
  CHECK(end_after(chunked("5\r\nhe")) == message_of(Errc::truncated_body));
  CHECK(end_after(chunked("0\r\nA: b\r\n")) == message_of(Errc::truncated_body));
  CHECK(end_after(ok("")) == "complete");
  CHECK(end_after(ok("", "hello")) == "complete");
}
