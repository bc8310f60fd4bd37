// Responses whose body is read piece by piece.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/auth.hpp>

#include "support/scripted.hpp"

using ferry::CloseReason;
using ferry::Errc;
using ferry::Event;
using ferry::Request;
using ferry::ResponseStream;
using ferry::testing::Script;
using test::idle;
using test::none;
using test::ok;
using test::script;
using test::Scripted;

namespace {

using Use = std::function<asio::awaitable<void>(ResponseStream&)>;

/// Streams a GET, and hands the stream to a function. The error that either ends with.
std::error_code with_stream(Scripted& s, Use use, ferry::RequestOptions options = {}) {
  std::error_code code;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      ResponseStream stream = co_await s.client->stream("http://test/", options);
      co_await use(stream);
    } catch (const ferry::Error& error) {
      code = error.code();
    }
  });
  return code;
}

asio::awaitable<void> read_to_end(ResponseStream& stream, std::string& all) {
  while (const auto piece = co_await stream.read()) {
    CHECK_FALSE(piece->empty());
    all += *piece;
  }
  CHECK_FALSE((co_await stream.read()).has_value());
}

const std::string chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: "
    "v\r\n\r\n";
const std::string until_close = "HTTP/1.1 200 OK\r\n\r\nabcde";

}  // namespace

TEST_CASE("[15] a body comes in pieces, whatever its framing and the split") {
  for (const std::string& response : {ok("abcde"), chunked, until_close}) {
    for (std::size_t size = 1; size <= response.size(); ++size) {
      auto slow = script({response}, Script::End::eof);
      slow->read_size = size;
      Scripted s(slow);
      std::string all;
      const auto code = with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
        CHECK(stream.status() == 200);
        CHECK(stream.ok());
        CHECK(stream.url().str() == "http://test/");
        CHECK(s.client->pool().stats().active == 1);
        co_await read_to_end(stream, all);
        CHECK(s.client->pool().stats().active == 0);
        if (response == chunked) CHECK(stream.trailers().get("t") == "v");
        CHECK(stream.timings().total >= stream.timings().receive);
      });
      CHECK(code == std::error_code());
      CHECK(all == "abcde");
      CHECK(s.pool() == (response == until_close ? none : idle));
    }
  }
}

TEST_CASE("the head comes before the body is there") {
  auto slow = script({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"}, Script::End::silence);
  Scripted s(slow);
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          CHECK(slow->readable.empty());
          slow->readable = "hi";
          co_await read_to_end(stream, all);
        }) == std::error_code());
  CHECK(all == "hi");
  CHECK(s.pool() == idle);
}

TEST_CASE("[12] what has no body is at its end at once") {
  for (const char* head :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    Scripted s(script({head, ok("next")}));
    std::string all;
    CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
            co_await read_to_end(stream, all);
          }) == std::error_code());
    CHECK(all.empty());
    CHECK(s.get()->body() == "next");
    CHECK(s.connections() == 1);
  }
  ResponseStream nothing;
  CHECK(nothing.status() == 0);
}

TEST_CASE(
    "[1] [2] [13] [33] a body that is cut is an error, again and again, and nothing is kept") {
  for (const std::string& response : {ok("abcde"), chunked}) {
    const auto begin = response.find("\r\n\r\n") + 4;
    for (std::size_t size = begin; size < response.size(); ++size) {
      for (const auto end : {Script::End::eof, Script::End::reset}) {
        auto cut = script({response.substr(0, size)}, end);
        Scripted s(cut);
        const auto code = with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          std::error_code first;
          try {
            while (co_await stream.read()) {
            }
          } catch (const ferry::Error& error) {
            first = error.code();
            CHECK(error.phase() == ferry::Phase::read);
            CHECK(error.origin() == "http://test");
            CHECK(s.client->pool().stats().active == 0);
          }
          CHECK(first == Errc::truncated_body);
          co_await stream.read();
        });
        CHECK(code == Errc::truncated_body);
        CHECK(s.pool() == none);
        CHECK(cut->closed);
      }
    }
  }
  Scripted torn(script({until_close}, Script::End::reset));
  std::string all;
  CHECK(with_stream(torn, [&](ResponseStream& stream) { return read_to_end(stream, all); }) ==
        Errc::truncated_body);
}

TEST_CASE("[13] behind a write that fails no rest of a body is waited for") {
  auto failing = script({});
  failing->early_response = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  failing->write_size = 10;
  failing->fail_at = 2;
  failing->failure_lasts = false;
  Scripted s(failing);
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) { return read_to_end(stream, all); }) ==
        Errc::truncated_body);
  CHECK(all == "half");
  CHECK(s.pool() == none);
}

TEST_CASE("a read while another is in progress is refused, and the other goes on") {
  Scripted s(script({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"}));
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          s.scripts[0]->turn_to_answer = true;
          std::error_code second;
          asio::co_spawn(s.context, read_to_end(stream, all), asio::detached);
          try {
            co_await stream.read();
          } catch (const ferry::Error& error) {
            second = error.code();
          }
          CHECK(second == Errc::lease_unusable);
          const auto executor = co_await asio::this_coro::executor;
          while (all.empty()) co_await asio::post(executor, asio::use_awaitable);
        }) == std::error_code());
  CHECK(all == "hello");
  CHECK(s.pool() == idle);
}

TEST_CASE("a stream that is dropped ends its call: an observer hears of it") {
  for (const bool read : {false, true}) {
    CAPTURE(read);
    ferry::ClientOptions options;
    std::vector<std::string> ends;
    options.observer = [&](const Event& event) {
      if (event.kind == Event::Kind::response_received) ends.push_back("received");
      if (event.kind == Event::Kind::request_failed) ends.push_back(event.error->what());
    };
    Scripted s(script({ok("hello")}), options);
    std::string all;
    CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
            if (read) co_await read_to_end(stream, all);
          }) == std::error_code());
    REQUIRE(ends.size() == 1);
    CHECK(ends[0] == (read ? "received" : "cancelled: its stream was dropped before its end"));
  }
}

TEST_CASE("[32] a stream that fails is not begun anew") {
  auto stale =
      script({ok("one"), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}, Script::End::eof);
  Scripted s({stale, script({ok("again")})});
  CHECK(s.get()->body() == "one");
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) { return read_to_end(stream, all); }) ==
        Errc::truncated_body);
  CHECK(all == "half");
  CHECK(s.connections() == 1);
}

TEST_CASE("[31] one whose connection turns out to be stale is sent once more") {
  Scripted s({script({ok("one")}, Script::End::eof), script({ok("two")})});
  CHECK(s.get()->body() == "one");
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          CHECK_FALSE(stream.connection().retry_reason.empty());
          co_await read_to_end(stream, all);
        }) == std::error_code());
  CHECK(all == "two");
}

TEST_CASE("[33] one that is dropped is drained if its rest is short and there, else closed") {
  const auto drop = [](ResponseStream&) -> asio::awaitable<void> { co_return; };
  const auto after_drop = [&](const std::string& response) {
    auto one = script({response, ok("next")}, Script::End::silence);
    Scripted s({one, script({ok("next")})});
    CHECK(with_stream(s, drop) == std::error_code());
    const bool kept = s.pool() == idle;
    CHECK(s.get()->body() == "next");
    CHECK(s.connections() == (kept ? 1 : 2));
    return kept;
  };
  CHECK(after_drop(ok("abcde")));
  CHECK(after_drop(chunked));
  CHECK(after_drop(ok(std::string(64 * 1024, 'x'))));
  CHECK_FALSE(after_drop(ok(std::string(64 * 1024 + 1, 'x'))));
  CHECK_FALSE(after_drop(ok(std::string(100, 'x')).substr(0, 60)));
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK_FALSE(after_drop(head + "3\r\nabc\r\n2;x\r\nde\r\n0\r\n"));
  CHECK_FALSE(after_drop(head + "10001\r\n" + std::string(0x10001, 'x') + "\r\n0\r\n\r\n"));
  CHECK_FALSE(after_drop(head + "3\r\nabcx\r\n"));
  CHECK_FALSE(after_drop("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  CHECK_FALSE(after_drop(ok("abc") + "surplus"));
}

TEST_CASE("a dropped stream says why its connection was closed") {
  std::vector<CloseReason> reasons;
  ferry::ClientOptions options;
  options.observer = [&](const Event& event) {
    if (event.kind == Event::Kind::connection_closed) reasons.push_back(event.reason);
  };
  Scripted s(script({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"}, Script::End::silence),
             options);
  with_stream(s, [](ResponseStream&) -> asio::awaitable<void> { co_return; });
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0] == CloseReason::unread);
}

TEST_CASE("events of a stream: its head when that comes, the response at its end") {
  std::vector<Event::Kind> kinds;
  std::uint64_t size = 0;
  ferry::ClientOptions options;
  options.observer = [&](const Event& event) {
    kinds.push_back(event.kind);
    if (event.kind != Event::Kind::response_received) return;
    size = event.body_size;
    CHECK(event.method == "GET");
    CHECK(event.target == "/");
    CHECK(event.origin == "http://test");
    CHECK(event.status == 200);
    REQUIRE(event.timings);
    CHECK(event.duration == event.timings->total);
  };
  Scripted s(script({chunked}), options);
  std::string all;
  with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
    CHECK(kinds.back() == Event::Kind::head_received);
    co_await read_to_end(stream, all);
  });
  CHECK(kinds.back() == Event::Kind::response_received);
  CHECK(size == 5);
}

TEST_CASE("an open stream keeps nothing of the caller's but the method") {
  Scripted s(script({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"}));
  const auto open = [&](Request request, Use use) {
    test::run(s.context, [&]() -> asio::awaitable<void> {
      ResponseStream stream = co_await s.client->stream(std::move(request));
      co_await use(stream);
    });
  };
  auto body = std::make_shared<const std::string>("sent");
  auto auth = ferry::bearer("token");
  const std::weak_ptr<const std::string> sent = body;
  const std::weak_ptr<ferry::Authenticator> asked = auth;
  Request request = Request::post("http://test/").auth(std::move(auth));
  request.body(ferry::Body(std::move(body)));
  CHECK_FALSE(sent.expired());
  CHECK_FALSE(asked.expired());
  open(std::move(request), [&](ResponseStream& stream) -> asio::awaitable<void> {
    CHECK(stream.status() == 200);
    CHECK(sent.expired());
    CHECK(asked.expired());
    const auto piece = co_await stream.read();
    CHECK(piece == "ab");
  });
  CHECK(s.scripts[0]->written.find("Authorization: Bearer token") != std::string::npos);
}

TEST_CASE("[26] there is no limit on a stream but the call's own") {
  ferry::ClientOptions options;
  options.limits.max_body_size = 3;
  for (const std::string& response : {ok("abcde"), chunked, until_close}) {
    for (const bool limited : {false, true}) {
      Scripted s(script({response}, Script::End::eof), options);
      ferry::RequestOptions call;
      if (limited) call.max_body_size = 4;
      std::string all;
      const auto code = with_stream(
          s, [&](ResponseStream& stream) { return read_to_end(stream, all); }, call);
      CHECK(code == (limited ? make_error_code(Errc::body_too_large) : std::error_code()));
      CHECK(all.size() <= (limited ? 4 : 5));
      if (limited) CHECK(s.pool() == none);
    }
    Scripted whole(script({response}, Script::End::eof), options);
    CHECK(with_stream(whole, [&](ResponseStream& stream) -> asio::awaitable<void> {
            co_await stream.read_all();
          }) == Errc::body_too_large);
    CHECK(whole.pool() == none);
  }
}

TEST_CASE("what is left can be read whole, or into a file") {
  auto both = script({ok("abcde"), chunked});
  both->read_sizes = {ok("abcde").size() - 1, 1};
  Scripted s(both);
  const std::string path = (std::filesystem::temp_directory_path() / "ferry-stream-test").string();
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          const auto first = co_await stream.read();
          CHECK(*first == "abcd");
          const std::string rest = co_await stream.read_all();
          CHECK(rest == "e");
        }) == std::error_code());
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          const auto written = co_await stream.read_to(path);
          CHECK(written == 5);
        }) == std::error_code());
  std::ifstream file(path, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "abcde");
  std::remove(path.c_str());
  CHECK(s.pool() == idle);
}

TEST_CASE("a file that cannot be written is an error that names it") {
  Scripted s(script({chunked}));
  std::string what;
  std::error_code cause;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    ResponseStream stream = co_await s.client->stream("http://test/");
    try {
      co_await stream.read_to("/nowhere/at/all");
    } catch (const ferry::Error& error) {
      what = error.what();
      cause = error.cause();
      CHECK(error.code() == Errc::file_failed);
    }
  });
  CHECK(what.find("/nowhere/at/all") != std::string::npos);
  CHECK(cause == std::errc::no_such_file_or_directory);
}

TEST_CASE("a status of 400 or more is a stream like any other, unless asked") {
  Scripted s(script({"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"}));
  CHECK(with_stream(s, [&](ResponseStream& stream) -> asio::awaitable<void> {
          CHECK_FALSE(stream.ok());
          stream.raise_for_status();
          co_return;
        }) == Errc::http_status);
  CHECK(s.pool() == idle);
}

TEST_CASE("[27] many small chunks are read in linear time") {
  std::string response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) response += "1\r\nx\r\n";
  response += "0\r\n\r\n";
  Scripted s(script({response}));
  std::string all;
  CHECK(with_stream(s, [&](ResponseStream& stream) { return read_to_end(stream, all); }) ==
        std::error_code());
  CHECK(all == std::string(20'000, 'x'));
}
