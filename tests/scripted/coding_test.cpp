// Bodies that come coded: what a client does with them, whole and as streams.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <ferry/text.hpp>

#include "support/codings.hpp"
#include "support/scripted.hpp"

using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using test::code_of;
using test::idle;
using test::none;
using test::script;
using test::Scripted;

namespace {

ferry::ClientOptions with_codings() {
  ferry::ClientOptions options;
  options.codings.assign(test::all_codings.begin(), test::all_codings.end());
  return options;
}

std::string coded(const std::string& coding, const std::string& body,
                  const char* status = "200 OK") {
  return std::string("HTTP/1.1 ") + status + "\r\nContent-Encoding: " + coding +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string in_chunks(const std::string& coding, const std::string& body) {
  std::string response =
      "HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + "\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char c : body) response += std::string("1\r\n") + c + "\r\n";
  return response + "0\r\n\r\n";
}

/// The body of a GET, read as a stream; or the error that it ends with.
ferry::Result<std::string> streamed(Scripted& s, ferry::RequestOptions options = {}) {
  ferry::Result<std::string> result;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      ferry::ResponseStream stream = co_await s.client->stream("http://test/", options);
      std::string all;
      while (const auto piece = co_await stream.read()) {
        CHECK_FALSE(piece->empty());
        all += *piece;
      }
      result = all;
    } catch (const ferry::Error& error) {
      result = error;
    }
  });
  return result;
}

const std::string text = "a text that is a text that is a text that is coded";

}  // namespace

TEST_CASE("[25] coded bodies are decoded, whole and streamed, in any framing and split") {
  for (const ferry::ContentCoding& coding : test::all_codings) {
    const std::string body = test::encoded(coding, text);
    for (const std::string& response :
         {coded(std::string(coding.name), body), in_chunks(std::string(coding.name), body)}) {
      for (const std::size_t size : {1, 3, 1000}) {
        auto slow = script({response, response});
        slow->read_size = size;
        Scripted s(slow, with_codings());
        const auto whole = s.get();
        REQUIRE(whole);
        CHECK(whole->body() == text);
        CHECK(whole->headers().get("Content-Encoding") == coding.name);
        const auto pieces = streamed(s);
        REQUIRE(pieces);
        CHECK(*pieces == text);
        CHECK(s.pool() == idle);
        CHECK(s.connections() == 1);
        CHECK(slow->written.find("Accept-Encoding: gzip, deflate, br, zstd\r\n") !=
              std::string::npos);
      }
    }
  }
}

TEST_CASE("a client without codings asks for none, and gets bodies as they come") {
  const std::string body = test::gzipped(text);
  auto peer = script({coded("gzip", body), coded("gzip", body)});
  Scripted s(peer);
  CHECK(s.get()->body() == body);
  CHECK(*streamed(s) == body);
  CHECK(peer->written.find("Accept-Encoding") == std::string::npos);
}

TEST_CASE("the bytes can be had as they came, call by call") {
  const std::string body = test::gzipped(text);
  Scripted s(script({coded("gzip", body), coded("gzip", body)}), with_codings());
  CHECK(s.send(Request::get("http://test/"), {.decode = false})->body() == body);
  CHECK(*streamed(s, {.decode = false}) == body);
}

TEST_CASE("a coding that is not there leaves the body as it came; parts of one too") {
  const std::string body = test::gzipped(text);
  Scripted s(script({coded("compress, gzip", body), coded("gzip", body, "206 Partial Content"),
                     coded("compress", body), coded("gzip", body, "206 Partial Content")}),
             with_codings());
  CHECK(s.get()->body() == body);
  CHECK(s.get()->body() == body);
  CHECK(*streamed(s) == body);
  CHECK(*streamed(s) == body);
}

TEST_CASE("what has no body has nothing to decode") {
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 50\r\n\r\n";
  Scripted s(script({head, coded("gzip", ""), coded("gzip", ""),
                     "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n"}),
             with_codings());
  CHECK(s.send(Request::head("http://test/"))->body().empty());
  CHECK(s.get()->body().empty());
  CHECK(streamed(s)->empty());
  CHECK(s.get()->status() == 304);
  CHECK(s.pool() == idle);
}

TEST_CASE("[25] data that are broken or cut are an error: never half a body") {
  const std::string body = test::gzipped(text);
  std::string broken = body;
  broken[broken.size() - 6] ^= 1;  // In its checksum.
  for (const std::string& bad : {body.substr(0, body.size() - 1), broken, body + "x"}) {
    Scripted s(script({coded("gzip", bad), coded("gzip", bad)}), with_codings());
    const auto whole = s.get();
    CHECK(code_of(whole) == Errc::undecodable_body);
    CHECK(whole.error().phase() == ferry::Phase::read);
    CHECK(s.pool() == idle);  // Its framing was good.
    const auto pieces = streamed(s);
    CHECK(code_of(pieces) == Errc::undecodable_body);
    CHECK(s.pool() == none);
  }
}

TEST_CASE("a call whose body cannot be decoded has one end: that it failed") {
  std::vector<ferry::Event::Kind> ends;
  auto options = with_codings();
  options.observer = [&](const ferry::Event& event) {
    using Kind = ferry::Event::Kind;
    if (event.kind == Kind::response_received || event.kind == Kind::request_failed)
      ends.push_back(event.kind);
  };
  Scripted s(script({coded("gzip", "not gzip"), coded("gzip", "not gzip")}), options);
  CHECK(code_of(s.get()) == Errc::undecodable_body);
  CHECK(code_of(streamed(s)) == Errc::undecodable_body);
  CHECK(ends == std::vector(2, ferry::Event::Kind::request_failed));
}

TEST_CASE("text that was decoded is read in its charset, not taken for a coded one") {
  for (const ferry::ContentCoding& coding : test::all_codings) {
    Scripted s(script({coded(std::string(coding.name), test::encoded(coding, "caf\xE9"))}),
               with_codings());
    CHECK(s.get()->text() == "caf\xEF\xBF\xBD");
  }
}

TEST_CASE("[24] more than five codings are an error") {
  const std::string many = "gzip, gzip, gzip, gzip, gzip, gzip";
  Scripted s({script({coded(many, "x"), coded(many, "x")})}, with_codings());
  CHECK(code_of(s.get()) == Errc::undecodable_body);
  CHECK(code_of(streamed(s)) == Errc::undecodable_body);
  CHECK(s.pool() == none);
}

TEST_CASE("[25] [26] the limit counts what comes of a body: a bomb is cut") {
  ferry::ClientOptions options = with_codings();
  options.limits.max_body_size = 1'000'000;
  const std::string zeros(1'000'000, '\0');
  for (const ferry::ContentCoding& coding : test::all_codings) {
    const std::string bomb = test::encoded(coding, zeros, 100);
    REQUIRE(bomb.size() < 1'000'000);
    const auto response = coded(std::string(coding.name), bomb);
    Scripted s(script({response, response, response}), options);
    CHECK(code_of(s.get()) == Errc::body_too_large);
    CHECK(code_of(streamed(s, {.max_body_size = 1'000'000})) == Errc::body_too_large);
    Scripted free_of_it(script({response}), options);
    CHECK(streamed(free_of_it)->size() == 100'000'000);  // Streams have no limit of their own.
  }
}
