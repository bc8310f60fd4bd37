#pragma once

#include <llhttp.h>
#include <string>
#include <vector>

#include <ferry/error.hpp>

namespace test {

/// A valid or invalid response of a hostile server, and the result that the client must report.
/// Each is sent over scripted streams and over real sockets, cut into pieces in many ways.
struct HostileCase {
  enum class End { open, fin, reset };

  int item;  ///< The item in the list of properties; see tests/README.md.
  std::string name;
  std::string bytes;
  End end = End::open;
  ferry::Errc error{};    ///< The expected error; none: a response.
  std::string body = {};  ///< The body of the expected response.
  bool kept = false;      ///< True if the connection carries the next request.
  bool head = false;      ///< True if the request is HEAD instead of GET.
  std::uint64_t max_body_size = 1 << 20;
};

/// Fields of a head that frame a body in contradictory ways, or in none.
inline std::vector<std::string> contradictory_framing() {
  const std::string length = "Content-Length: ";
  const std::string coding = "Transfer-Encoding: ";
  const std::string five = length + "5\r\n";
  const std::string chunked = coding + "chunked\r\n";
  std::vector<std::string> all{five + five, five + length + "6\r\n", five + chunked, chunked + five,
                               chunked + chunked};
  for (const char* value : {"", "five", "-5", "5, 6", "5 5", "18446744073709551616"})
    all.push_back(length + value + "\r\n");
  for (const char* value : {"", "gzip", "gzip, chunked", "chunked, chunked", "chunked;a=b"})
    all.push_back(coding + value + "\r\n");
  if (LLHTTP_VERSION_MAJOR < 9) {  // Newer versions of llhttp refuse every folded line.
    all.push_back(length + "\r\n 5\r\n");
    all.push_back(coding + "\r\n chunked\r\n");
  }
  return all;
}

inline std::vector<HostileCase> hostile_cases() {
  using ferry::Errc;
  using End = HostileCase::End;
  using namespace std::string_literals;
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string empty = "Content-Length: 0\r\n\r\n";
  const std::string hello = "Content-Length: 5\r\n\r\nhello";
  const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
  constexpr auto malformed = Errc::malformed_response;
  constexpr auto ambiguous = Errc::ambiguous_framing;
  std::vector<HostileCase> cases;
  const auto add = [&cases](HostileCase one) { cases.push_back(std::move(one)); };
  const auto refused = [&](int item, std::string bytes, Errc error) {
    std::string name = bytes.substr(0, 200);
    add({item, std::move(name), std::move(bytes), End::open, error});
  };

  // A. Framing.
  for (const End end : {End::fin, End::reset}) {
    add({1, "a body that is too short", ok + "Content-Length: 50\r\n\r\nhello", end,
         Errc::truncated_body});
    add({1, "a body of which nothing comes", ok + "Content-Length: 5\r\n\r\n", end,
         Errc::truncated_body});
    const std::string whole = chunked + "5\r\nhello\r\n0\r\n\r\n";
    for (std::size_t size = chunked.size(); size < whole.size(); ++size)
      add({2, "chunks that end too early", whole.substr(0, size), end, Errc::truncated_body});
    for (std::size_t size = 1; size < (ok + empty).size(); ++size)
      add({3, "a head that ends too early", (ok + empty).substr(0, size), end,
           Errc::truncated_head});
  }
  add({13, "a close-delimited body that ends", ok + "\r\nhello", End::fin, {}, "hello"});
  add({13, "a close-delimited body that is torn off", ok + "\r\nhello", End::reset,
       Errc::truncated_body});
  refused(4, ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", ambiguous);
  for (const char* length :
       {"5, 6", "5, 5", "+5", "-5", "0x5", "5abc", "5 5", "\"5\"", "", "9223372036854775808",
        "18446744073709551616", "184467440737095516160"})
    refused(5, ok + "Content-Length: " + length + "\r\n\r\nhello", ambiguous);
  refused(6, ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ambiguous);
  refused(6, ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", ambiguous);
  for (const char* coding : {"foo", "chunked, foo", "chunked, chunked", "identity", "chunked;q=1",
                             "xchunked", "chunked,", "chunked\t", ""})
    refused(7, ok + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n", ambiguous);
  refused(7, ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          ambiguous);
  refused(7, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ambiguous);
  refused(8, ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ambiguous);
  refused(8, ok + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          ambiguous);
  for (const char* chunk : {"10000000000000000\r\nx", "fffffffffffffffff\r\nx", "0x5\r\nhello\r\n",
                            " 5\r\nhello\r\n", "5 \r\nhello\r\n", "+5\r\nhello\r\n",
                            "-5\r\nhello\r\n", "5\r\nhelloX\r\n", "g\r\n", "\r\n"})
    refused(9, chunked + chunk + "0\r\n\r\n", malformed);
  for (const char* chunk :
       {"5\nhello\r\n", "5\r\nhello\n", "5;a\nb\r\nhello\r\n", "5;a\n\r\nhello\r\n"})
    refused(10, chunked + chunk + "0\r\n\r\n", malformed);
  for (const char* end : {"0\n\r\n", "0\r\n\n", "0\r\n\nA: b\r\n\r\n", "0\r\nA: b\r\n\n"})
    refused(10, chunked + end, malformed);
  refused(10, chunked + "0\r\nA: b\n\r\n", malformed);
  refused(11, chunked + "5;" + std::string(100'000, 'x') + "\r\nhello\r\n0\r\n\r\n",
          Errc::head_too_large);
  for (const char* extension : {";a=\"x\\\"y;\"", ";a=b;c=d", " ; a = b", ";a ;b"}) {
    const std::string chunks = "5"s + extension + "\r\nhello\r\n0" + extension + "\r\n\r\n";
    add({11, "an extension"s + extension, chunked + chunks, End::open, {}, "hello", true});
  }
  for (const char* extension : {";", " ", ";a b", ";a=\"b", ";a=\"b\r\n\"", ";a=\"\\\n\"", ";a\rb"})
    refused(9, chunked + "5" + extension + "\r\nhello\r\n0\r\n\r\n", malformed);
  {
    std::string chunks;
    for (int i = 0; i < 2000; ++i) chunks += "1;" + std::string(100, 'x') + "\r\na\r\n";
    refused(11, chunked + chunks + "0\r\n\r\n", Errc::head_too_large);
  }
  add({12, "204", "HTTP/1.1 204 No Content\r\n" + empty, End::open, {}, "", true});
  add({12,
       "204 with a length",
       "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
       End::open,
       {},
       "",
       true});
  add({12,
       "304 with a length",
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
       End::open,
       {},
       "",
       true});
  add({12, "204 with a body", "HTTP/1.1 204 No Content\r\n" + hello, End::open, {}, "", false});
  add({12, "HEAD", ok + "Content-Length: 5\r\n\r\n", End::open, {}, "", true, true});
  add({12, "HEAD, chunked", chunked, End::open, {}, "", true, true});
  add({12, "HEAD, with a body all the same", ok + hello, End::open, {}, "", false, true});
  add({12,
       "100 with a length",
       "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + ok + hello,
       End::open,
       {},
       "hello",
       true});
  for (const std::string& fields : contradictory_framing()) {
    refused(6, ok + fields + "\r\nhello", ambiguous);
    for (const char* status : {"204 No Content", "304 Not Modified"})
      add({73, status + ("\n" + fields), "HTTP/1.1 "s + status + "\r\n" + fields + "\r\n"});
    add({73, "HEAD\n" + fields, ok + fields + "\r\n", End::open, {}, "", false, true});
    add({73,
         "103\n" + fields,
         "HTTP/1.1 103 Early Hints\r\n" + fields + "\r\n" + ok + hello,
         End::open,
         {},
         "hello"});
  }
  const std::string coded = "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
  add({73, "304, chunked under HTTP/1.0", "HTTP/1.0 304 Not Modified\r\n" + coded});
  add({73,
       "HEAD, chunked under HTTP/1.0",
       "HTTP/1.0 200 OK\r\n" + coded,
       End::open,
       {},
       "",
       false,
       true});
  const std::string trailed = chunked + "5\r\nhello\r\n0\r\n";
  add({14, "a trailer", trailed + "Set-Cookie: a\r\n\r\n", End::open, {}, "hello", true});
  const std::string length_trailed = trailed + "Content-Length: 9\r\n\r\n";
  if (LLHTTP_VERSION_MAJOR < 9)
    add({14, "a length as a trailer", length_trailed, End::open, {}, "hello", true});
  else
    refused(14, length_trailed, ambiguous);

  // B. Head syntax.
  for (const std::string& line :
       {"A: a\0b"s, "A: a\rb"s, "A\0: b"s, "A"s, ": b"s, "A: a\x01z"s, "A: a\x7fz"s, " A: b"s,
        "A B: c"s, "A\tB: c"s, "(A): b"s, "A: b\n"s})
    refused(16, ok + line + "\r\n" + empty, malformed);
  refused(16, "HTTP/1.1 200 O\0K\r\n"s + empty, malformed);
  refused(16, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", malformed);
  refused(17, "HTTP/1.1 200 OK\n" + empty, malformed);
  refused(17, ok + "Content-Length: 0\r\n\n", malformed);
  refused(17, ok + "Content-Length: 0\n\r\n", malformed);
  if (LLHTTP_VERSION_MAJOR < 9) {
    add({17, "a folded line", ok + "A: a\r\n b\r\n" + empty, End::open, {}, "", true});
    refused(17, ok + "Content-Length: \r\n 5\r\n\r\nhello", ambiguous);
    refused(17, ok + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", ambiguous);
  } else {
    refused(17, ok + "A: a\r\n b\r\n" + empty, malformed);
  }
  refused(18, ok + "A : b\r\n" + empty, malformed);
  refused(18, ok + "Content-Length : 0\r\n\r\n", malformed);
  for (const char* line :
       {"HTTP/0.9 200 OK", "HTTP/1.2 200 OK", "HTTP/2.0 200 OK", "HTTP/1.1 000 OK",
        "HTTP/1.1 099 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 2x0 OK",
        "HTTP/1.1 -20 OK", "HTTP/11 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK",
        "http/1.1 200 OK", "RTSP/1.0 200 OK", "ICE/1.0 200 OK", "ICY 200 OK", "<!doctype html>",
        "220 smtp.example ESMTP"})
    refused(19, line + "\r\n"s + empty, malformed);
  refused(20, "\r\n" + ok + empty, malformed);
  refused(20, std::string(100'000, '\n') + ok + empty, malformed);

  // C. Limits.
  refused(21, ok + "A: " + std::string(70'000, 'x') + "\r\n" + empty, Errc::head_too_large);
  refused(21, "HTTP/1.1 200 " + std::string(9'000, 'x') + "\r\n" + empty, Errc::head_too_large);
  refused(14, trailed + std::string(70'000, 'x') + "\x01: b\r\n\r\n", Errc::head_too_large);
  std::string fields;
  for (int i = 0; i < 129; ++i) fields += "A: b\r\n";
  refused(21, ok + fields + empty, Errc::head_too_large);
  refused(14, chunked + "0\r\n" + fields + "\r\n", Errc::head_too_large);
  std::string interim;
  for (int i = 0; i < 1000; ++i) interim += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  add({22, "1000 interim responses", interim + ok + hello, End::open, {}, "hello", true});
  refused(22, interim + interim + interim + ok + hello, Errc::head_too_large);
  refused(23, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nsecret",
          Errc::unexpected_upgrade);
  add({26, "too long a body, by length", ok + hello, End::open, Errc::body_too_large, "", true,
       false, 4});
  add({26, "too long a body, in chunks", chunked + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", End::open,
       Errc::body_too_large, "", false, false, 4});
  add({26, "too long a body, by its end", ok + "\r\nhello", End::fin, Errc::body_too_large, "",
       false, false, 4});
  {
    std::string chunks;
    for (int i = 0; i < 20'000; ++i) chunks += "1\r\na\r\n";
    add({27,
         "20,000 chunks of one byte",
         chunked + chunks + "0\r\n\r\n",
         End::open,
         {},
         std::string(20'000, 'a'),
         true});
  }

  // D. Pool.
  add({28, "bytes behind a response", ok + hello + "x", End::open, {}, "hello"});
  add({28,
       "a second response",
       ok + hello + ok + "Content-Length: 5\r\n\r\nwrong",
       End::open,
       {},
       "hello"});
  add({28,
       "bytes behind a chunked response",
       chunked + "5\r\nhello\r\n0\r\n\r\nx",
       End::open,
       {},
       "hello"});
  add({30, "closed behind a response", ok + hello, End::fin, {}, "hello"});
  add({30, "torn off behind a response", ok + hello, End::reset, {}, "hello"});
  for (const char* value : {"close", "Close", "keep-alive, close", " close ,x", "x,\tclose"})
    add({34,
         "Connection: "s + value,
         ok + "Connection: " + value + "\r\n" + hello,
         End::open,
         {},
         "hello"});
  add({34,
       "Connection: close in a second line",
       ok + "Connection: x\r\nConnection: close\r\n" + hello,
       End::open,
       {},
       "hello"});
  for (const char* value : {"closed", "not-close", "keep-alive", ""})
    add({34,
         "Connection: "s + value,
         ok + "Connection: " + value + "\r\n" + hello,
         End::open,
         {},
         "hello",
         true});
  add({34, "HTTP/1.0", "HTTP/1.0 200 OK\r\n" + hello, End::open, {}, "hello"});
  add({34,
       "HTTP/1.0 that is kept",
       "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + hello,
       End::open,
       {},
       "hello",
       true});
  for (const char* value : {"timeout=0", "timeout=0, max=5", "max=100, timeout=0"})
    add({39,
         "Keep-Alive: "s + value,
         ok + "Keep-Alive: " + value + "\r\n" + hello,
         End::open,
         {},
         "hello"});
  for (const char* value : {"timeout=99999999999999999999", "timeout=-1", "timeout=x",
                            "timeout=", "timeout", "=5", "timeout=5, max=100"})
    add({39,
         "Keep-Alive: "s + value,
         ok + "Keep-Alive: " + value + "\r\n" + hello,
         End::open,
         {},
         "hello",
         true});
  return cases;
}

/// The ways in which a case is cut into pieces: not at all, byte by byte, and in two at every byte;
/// for long cases, at a sample of the bytes. Each is a list of sizes; the rest is one more piece.
inline std::vector<std::vector<std::size_t>> pieces_of(const HostileCase& one) {
  const std::size_t size = one.bytes.size();
  std::vector<std::vector<std::size_t>> all{{}};
  if (size <= 2000) all.emplace_back(size, 1);
  if (one.item == 2 || one.item == 3) return all;  // These are one response, cut at every byte.
  const std::size_t step = size <= 300 ? 1 : size / 10;
  for (std::size_t at = 1; at < size; at += step) all.push_back({at});
  return all;
}

}  // namespace test
