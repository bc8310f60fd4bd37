// Requests whose body comes from a source, and those that wait for leave to send it.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Body;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using test::code_of;
using test::idle;
using test::none;
using test::ok;
using test::script;
using test::Scripted;

namespace {

/// Gives a text in pieces, and fails where it is told to.
class TestSource final : public ferry::BodySource {
 public:
  explicit TestSource(std::string text, std::size_t piece = 3)
      : text_(std::move(text)), piece_(piece) {}

  std::optional<ferry::Error> rewind() override {
    if (++rewinds == 2) {
      text_ += grows;
      if (declared) *declared += grows.size();
    }
    given_ = 0;
    reads_ = 0;
    return refusal;
  }
  bool can_rewind() const noexcept override { return rewindable; }
  std::optional<std::uint64_t> size() const override { return declared; }
  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (reads_ == 0 && at_first_read) std::exchange(at_first_read, nullptr)();
    if (++reads_ == fail_at && upstream) throw *upstream;
    if (reads_ == fail_at) throw std::runtime_error("the disk is gone");
    const auto count = std::min({piece_, buffer.size(), text_.size() - given_});
    std::memcpy(buffer.data(), text_.data() + given_, count);
    given_ += count;
    co_return count;
  }
  ferry::Headers trailers() override { return behind; }

  std::optional<std::uint64_t> declared;
  std::optional<ferry::Error> refusal;
  std::optional<ferry::Error> upstream;
  ferry::Headers behind;
  std::function<void()> at_first_read;
  std::string grows;  ///< Text that is added when the body is begun for the second time.
  bool rewindable = true;
  int fail_at = 0;
  int rewinds = 0;

 private:
  std::string text_;
  const std::size_t piece_;
  std::size_t given_ = 0;
  int reads_ = 0;
};

Request put(std::shared_ptr<TestSource> source) {
  return Request::put("http://test/", Body(std::move(source), "text/plain"));
}

const std::string head_begin =
    "PUT / HTTP/1.1\r\nHost: test\r\nUser-Agent: ferry/0.1.0\r\nAccept: */*\r\n";
const std::string head_end = "Connection: keep-alive\r\n\r\n";
const std::string chunked_head =
    head_begin + "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n" + head_end;

}  // namespace

TEST_CASE(
    "[15] a source of known size is sent with its length, whatever the pieces and the writes") {
  for (const std::size_t piece : {1, 3, 100}) {
    for (const std::size_t write_size : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      for (const bool blocking : {false, true}) {
        auto slow = script({ok("done")});
        slow->write_size = write_size;
        slow->writes_block = blocking;
        Scripted s(slow);
        auto source = std::make_shared<TestSource>("hello, world", piece);
        source->declared = 12;
        CHECK(s.send(put(source))->body() == "done");
        CHECK(slow->written == head_begin + "Content-Type: text/plain\r\nContent-Length: 12\r\n" +
                                   head_end + "hello, world");
        CHECK(s.pool() == idle);
      }
    }
  }
}

TEST_CASE("[15] one of unknown size is sent in chunks, with its trailers behind") {
  for (const std::size_t write_size : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    for (const bool blocking : {false, true}) {
      auto slow = script({ok("done")});
      slow->write_size = write_size;
      slow->writes_block = blocking;
      Scripted s(slow);
      auto source = std::make_shared<TestSource>("hello, world", 11);
      source->behind.add("X-Checksum", "12");
      CHECK(s.send(put(source))->body() == "done");
      CHECK(slow->written ==
            chunked_head + "b\r\nhello, worl\r\n1\r\nd\r\n0\r\nX-Checksum: 12\r\n\r\n");
      CHECK(s.pool() == idle);
    }
  }
  auto empty = script({ok("done")});
  Scripted s(empty);
  CHECK(s.send(put(std::make_shared<TestSource>("")))->body() == "done");
  CHECK(empty->written == chunked_head + "0\r\n\r\n");
}

TEST_CASE("shared bytes are sent without a copy, in each of the requests that have them") {
  const auto bytes = std::make_shared<const std::string>("hello, world");
  const Body body(bytes, "text/plain");
  auto twice = script({ok("1"), ok("2")});
  Scripted s(twice);
  for (const char* answer : {"1", "2"}) {
    const auto request = Request::put("http://test/", body);
    CHECK(&request.body().bytes() == bytes.get());
    CHECK(s.send(request)->body() == answer);
  }
  const std::string one =
      head_begin + "Content-Type: text/plain\r\nContent-Length: 12\r\n" + head_end + *bytes;
  CHECK(twice->written == one + one);
  CHECK(bytes.use_count() == 2);
}

TEST_CASE("[45] a source that is shorter or longer than it said is an error, and closes") {
  for (const std::uint64_t declared : {0, 5, 11, 13, 100}) {
    auto peer = script({ok("done")});
    Scripted s(peer);
    auto source = std::make_shared<TestSource>("hello, world");
    source->declared = declared;
    const auto result = s.send(put(source));
    CHECK(code_of(result) == Errc::body_source_failed);
    CHECK(s.pool() == (declared == 0 ? idle : none));  // Nothing was sent of an empty body.
    const std::string what = result.error().what();
    CHECK((what.find("longer than it had said") != what.npos) == (declared < 12));
    CHECK((what.find("it ended after 12 of") != what.npos) == (declared > 12));
  }
}

TEST_CASE("a source that throws ends the request with what it said, at whichever read") {
  for (const bool sized : {false, true}) {
    for (int at = 1; at <= 5; ++at) {
      auto peer = script({ok("done"), ok("next")});
      Scripted s(peer);
      auto source = std::make_shared<TestSource>("hello, world");
      if (sized) source->declared = 12;
      source->fail_at = at;
      const auto result = s.send(put(source));
      CHECK(code_of(result) == Errc::body_source_failed);
      CHECK(std::string(result.error().what()).find("the disk is gone") != std::string::npos);
      CHECK(s.pool() == (at == 1 ? idle : none));  // Nothing had been sent before the first.
      CHECK(peer->written.empty() == (at == 1));
    }
  }
}

TEST_CASE("[31] what a source meets on a connection of its own is no failure of this one") {
  ferry::ClientOptions options;
  options.retries.max = 1;
  for (const int at : {1, 2}) {
    Scripted s({script({ok("one"), ok("two")}), script({ok("three")})}, options);
    CHECK(s.get()->body() == "one");
    auto source = std::make_shared<TestSource>("hello, world");
    source->upstream = ferry::Error(Errc::connection_lost, "upstream");
    source->fail_at = at;
    const auto result = s.send(put(source));
    CHECK(code_of(result) == Errc::body_source_failed);
    CHECK(std::string(result.error().what()).find("upstream") != std::string::npos);
    CHECK(source->rewinds == 1);
    CHECK(s.connections() == 1);
    source->upstream = ferry::Error(Errc::cancelled);  // Both are, if one is in the other.
    CHECK(code_of(s.send(put(source))) == Errc::cancelled);
  }
}

TEST_CASE("one that cannot begin is refused before anything is sent") {
  auto peer = script({ok("done")});
  Scripted s(peer);
  auto source = std::make_shared<TestSource>("x");
  source->refusal = ferry::Error(Errc::invalid_body, "no such file");
  CHECK(code_of(s.send(put(source))) == Errc::invalid_body);
  CHECK(s.connections() == 0);
}

TEST_CASE("trailers that frame, route or authenticate are refused") {
  for (const char* name : {"Content-Length", "transfer-encoding", "Host", "Authorization"}) {
    auto peer = script({ok("done")});
    Scripted s(peer);
    auto source = std::make_shared<TestSource>("x");
    source->behind.add(name, "1");
    const auto result = s.send(put(source));
    CHECK(code_of(result) == Errc::invalid_header);
    CHECK(s.pool() == none);
    CHECK(peer->written.find("\r\n0\r\n") == std::string::npos);
  }
}

TEST_CASE("[31] [32] a request is repeated only if its source can begin again") {
  for (const bool rewindable : {false, true}) {
    auto stale = script({ok("one")}, Script::End::eof);
    auto fresh = script({ok("two")});
    Scripted s({stale, fresh});
    CHECK(s.get()->body() == "one");
    auto source = std::make_shared<TestSource>("hello");
    source->rewindable = rewindable;
    source->declared = 5;
    const auto result = s.send(put(source));
    if (rewindable) {
      CHECK(result->body() == "two");
      CHECK(source->rewinds == 2);
      CHECK(fresh->written.ends_with("\r\n\r\nhello"));
    } else {
      CHECK(code_of(result) == Errc::connection_lost);
      CHECK(s.connections() == 1);
    }
  }
}

TEST_CASE("[45] a source that has another size when it is begun again says so in the new head") {
  Scripted s({script({ok("one")}, Script::End::eof), script({ok("two")})});
  CHECK(s.get()->body() == "one");
  auto source = std::make_shared<TestSource>("hello");
  source->declared = 5;
  source->grows = ", you";
  CHECK(s.send(put(source))->body() == "two");
  const std::string& written = s.scripts[1]->written;
  CHECK(written.find("Content-Length: 10\r\n") != written.npos);
  CHECK(written.ends_with("\r\n\r\nhello, you"));

  // The request's own field says what was: better an error than two readings of where it ends.
  Scripted fixed({script({ok("one")}, Script::End::eof), script({ok("two")})});
  CHECK(fixed.get()->body() == "one");
  auto other = std::make_shared<TestSource>("hello");
  other->declared = 5;
  other->grows = ", you";
  CHECK(code_of(fixed.send(put(other).header("Content-Length", "5"))) == Errc::invalid_header);
  CHECK(fixed.scripts[1]->written.empty());
}

TEST_CASE("a source is one request's at a time") {
  Scripted s(script({ok("one"), ok("two")}));
  const Request request = put(std::make_shared<TestSource>("x"));
  ferry::Result<ferry::Response> one;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, s.client->try_send(request),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     one = std::move(result);
                   });
    const auto other = co_await s.client->try_send(request);
    CHECK(code_of(other) == Errc::invalid_body);
  });
  REQUIRE(one);
  CHECK(one->body() == "one");
  CHECK(s.send(request));  // Later it can be sent again.
}

TEST_CASE("a function gives a body once, in one go or waiting") {
  const auto send = [](Body body, std::string& written) {
    auto peer = script({ok("done"), ok("again")});
    Scripted s(peer);
    const Request request = Request::post("http://test/", std::move(body));
    CHECK(s.send(request)->body() == "done");
    CHECK(code_of(s.send(request)) == Errc::invalid_body);
    written = peer->written;
  };
  std::string written;
  int left = 2;
  send(ferry::pull([&](std::span<char> room) -> std::size_t {
         if (left-- == 0) return 0;
         std::memcpy(room.data(), "abc", 3);
         return 3;
       }),
       written);
  CHECK(written.ends_with("\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n"));
  CHECK(written.find("Content-Type: application/octet-stream\r\n") != std::string::npos);
  send(ferry::pull(
           [&](std::span<char> room) -> asio::awaitable<std::size_t> {
             co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
             room[0] = '!';
             co_return left++ == -1 ? 1 : 0;
           },
           1),
       written);
  CHECK(written.find("Content-Length: 1\r\n") != std::string::npos);
  CHECK(written.ends_with("\r\n\r\n!"));
}

TEST_CASE("[35] an answer before the source's end ends the sending, and the connection") {
  auto hasty = script({});
  hasty->write_size = 200;
  hasty->writes_block = true;
  int given = 0;
  Scripted s(hasty);
  const auto result =
      s.send(Request::post("http://test/", ferry::pull([&](std::span<char> room) -> std::size_t {
                             if (++given == 3)
                               hasty->readable =
                                   "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
                             std::memset(room.data(), 'x', 100);
                             return 100;
                           })));
  CHECK(result->status() == 413);
  CHECK(result->body() == "no");
  CHECK(given < 10);
  CHECK(s.pool() == none);
  CHECK(hasty->written.find("\r\n0\r\n") == std::string::npos);
}

TEST_CASE("[29] [31] what comes on a kept connection before a source has begun is no answer") {
  for (const bool closes : {false, true}) {
    CAPTURE(closes);
    auto kept = script({ok("one")});
    Scripted s({kept, script({ok("two")})});
    REQUIRE(s.get());
    auto source = std::make_shared<TestSource>("hello");
    source->at_first_read = [&] {
      if (closes)
        kept->idle_look = ferry::IdleState::closed;
      else
        kept->readable = ok("poison");
    };
    const auto before = kept->written.size();
    const auto result = s.send(put(source));
    CHECK(code_of(result) == std::error_code());
    CHECK(result->body() == "two");
    CHECK(kept->written.size() == before);
    CHECK(kept->closed);
  }
}

TEST_CASE("Expect: a client's own is for requests with a body") {
  ferry::ClientOptions options;
  options.headers.add("Expect", "100-continue");
  auto both = script({ok("1"), std::string("HTTP/1.1 100 Continue\r\n\r\n") + ok("2")});
  Scripted s(both, options);
  CHECK(s.get()->body() == "1");
  CHECK(both->written.find("Expect") == std::string::npos);
  CHECK(s.send(Request::put("http://test/", Body("hello")))->body() == "2");
  CHECK(both->written.find("Expect: 100-continue\r\n") != std::string::npos);
}

TEST_CASE("Expect: the body waits for leave") {
  for (const bool source : {false, true}) {
    auto peer = script({});
    std::string before;
    peer->end = Script::End::silence;
    peer->respond = [&](Script& p) {
      if (before.empty()) {
        before = p.written;
        p.readable = "HTTP/1.1 100 Continue\r\n\r\n";
      } else if (p.written.size() >= before.size() + 5) {
        p.readable = ok("done");
      } else {
        p.turn_to_answer = true;
      }
    };
    Scripted s(peer);
    Body body("hello");
    if (source) {
      auto text = std::make_shared<TestSource>("hello", 5);
      text->declared = 5;
      body = Body(text);
    }
    auto request = Request::put("http://test/", body).header("Expect", "100-continue");
    CHECK(s.send(request, {.expect_continue_timeout = ferry::no_timeout})->body() == "done");
    CHECK(before.ends_with("\r\n\r\n"));
    CHECK(before.find("Expect: 100-continue\r\n") != std::string::npos);
    CHECK(peer->written == before + "hello");
    CHECK(s.pool() == idle);
  }
}

TEST_CASE("[35] Expect: a final answer in its place, and the body is never sent") {
  for (const std::string& answer :
       {std::string("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"), ok("done")}) {
    auto peer = script({answer});
    Scripted s(peer);
    const auto result =
        s.send(Request::put("http://test/", Body("hello")).header("Expect", "100-continue"));
    REQUIRE(result);
    CHECK(peer->written.ends_with("\r\n\r\n"));
    CHECK(s.pool() == none);  // The server may read what comes next as the body (CVE-2024-24791).
  }
}

TEST_CASE("Expect: after its time the body is sent without leave") {
  auto peer = script({});
  peer->end = Script::End::silence;
  peer->respond = [](Script& p) {
    if (p.written.ends_with("hello")) p.readable = ok("done");
  };
  Scripted s(peer);
  const auto result =
      s.send(Request::put("http://test/", Body("hello")).header("Expect", "100-continue"),
             {.expect_continue_timeout = 1ms});
  CHECK(result->body() == "done");
  CHECK(s.pool() == idle);
}

TEST_CASE("Expect: the total time limit holds meanwhile, and a body has to be there") {
  Scripted s(script({}, Script::End::silence));
  const auto waiting =
      s.send(Request::put("http://test/", Body("hello")).header("Expect", "100-continue"),
             {.timeout = 5ms, .expect_continue_timeout = ferry::no_timeout});
  CHECK(code_of(waiting) == Errc::total_timeout);
  CHECK(s.pool() == none);
  CHECK(code_of(s.send(Request::get("http://test/").header("Expect", "100-continue"))) ==
        Errc::invalid_header);
}

TEST_CASE("interim responses are told of, with their fields") {
  std::string seen;
  ferry::ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::interim_received) return;
    seen += std::to_string(event.status) + " " +
            std::string(event.headers->get("Link").value_or("-")) + ";";
  };
  Scripted s(script({"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 "
                     "Processing\r\n\r\n" +
                     ok("done")}),
             options);
  const auto result = s.get();
  CHECK(result->body() == "done");
  CHECK_FALSE(result->headers().contains("Link"));
  CHECK(seen == "103 </a.css>;102 -;");
}

TEST_CASE("a client's default query and headers, and a request's own") {
  ferry::ClientOptions options;
  options.base_url = "http://test/api/?kept=1";
  options.query = {{"key", "a b"}};
  options.headers.add("X-A", "1").add("X-B", "2");
  auto peer = script({ok("")});
  Scripted s(peer, options);
  REQUIRE(
      s.send(Request::get("users?x=y%20z").query("q", "c&d").header("X-A", "").header("X-B", "3")));
  CHECK(peer->written.starts_with("GET /api/users?x=y%20z&key=a%20b&q=c%26d HTTP/1.1\r\n"));
  CHECK(peer->written.find("X-A") == std::string::npos);
  CHECK(peer->written.find("X-B: 3\r\n") != std::string::npos);
}

TEST_CASE("a default query is in a URL once, however often that is refreshed") {
  for (const bool middle : {false, true}) {
    CAPTURE(middle);
    ferry::ClientOptions options;
    options.query = {{"key", "1"}};
    if (middle)
      options.middleware.push_back(ferry::middleware(
          [](Request request, ferry::Next next) -> asio::awaitable<ferry::Response> {
            co_return co_await next(std::move(request));
          }));
    auto peer = script({ok("1"), ok("2"), ok("3")});
    Scripted s(peer, options);
    test::run(s.context, [&]() -> asio::awaitable<void> {
      ferry::Response page = co_await s.client->get("http://test/p?x=y");
      for (int i = 0; i < 2; ++i) {
        peer->written.clear();
        page = co_await s.client->refresh(std::move(page));
        CHECK(peer->written.starts_with("GET /p?x=y&key=1 HTTP/1.1\r\n"));
      }
      CHECK(page.body() == "3");
    });
  }
}

namespace {
template <class T>
concept made_of_fields = requires {
  T{{"user", "ada"}};
};
}  // namespace

TEST_CASE("fields in braces are no body: they would be the ends of a text") {
  static_assert(!made_of_fields<Body>);
  CHECK_FALSE(Body{}.is_present());
}
