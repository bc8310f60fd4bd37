// Responses that a client accepts, and those that it refuses.

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using test::code_of;
using test::idle;
using test::none;
using test::ok;
using test::script;
using test::Scripted;

TEST_CASE("one connection carries one request after the other") {
  Scripted s(script({ok("one"), ok("two"), ok("three")}));
  for (const char* body : {"one", "two", "three"}) {
    const auto response = s.get();
    REQUIRE(response);
    CHECK(response->body() == body);
    CHECK(response->connection().reused == (std::string(body) != "one"));
    CHECK(s.pool() == idle);
  }
  CHECK(s.connections() == 1);
  CHECK(s.client->pool().stats().reused == 2);
}

TEST_CASE("[15] [62] one byte at a time, both ways, over all framings") {
  const auto chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: "
      "v\r\n\r\n";
  for (const bool blocking : {false, true}) {
    auto slow =
        script({ok("hello"), chunked, "HTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\n" + ok("x"), "HTTP/1.0 200 OK\r\n\r\nthe end"},
               Script::End::eof);
    slow->read_size = 1;
    slow->write_size = 1;
    slow->writes_block = blocking;
    Scripted s(slow);
    const auto send = [&] {
      return s.send(Request::post("http://test/p", ferry::Body("body!"))).value();
    };
    CHECK(send().body() == "hello");
    const auto second = send();
    CHECK(second.body() == "abcde");
    CHECK(second.trailers().get("t") == "v");
    CHECK(send().status() == 204);
    CHECK(send().body() == "x");
    CHECK(send().body() == "the end");
    CHECK(s.pool() == none);
    CHECK(s.connections() == 1);
    const std::string request =
        "POST /p HTTP/1.1\r\nHost: test\r\nUser-Agent: ferry/0.1.0\r\nAccept: "
        "*/*\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nbody!";
    CHECK(slow->written == request + request + request + request + request);
  }
}

TEST_CASE("[1] [33] a body that is cut is an error, and its connection is closed") {
  for (const std::string& response :
       {ok("hello").substr(0, 40),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")}) {
    auto cut = script({response}, Script::End::eof);
    Scripted s(cut);
    CHECK(code_of(s.get()) == Errc::truncated_body);
    CHECK(s.pool() == none);
    CHECK(cut->closed);
  }
}

TEST_CASE("[3] a head that is cut anywhere is an error") {
  const auto whole = ok("hello");
  for (std::size_t size = 1; size < whole.find("\r\n\r\n") + 4; ++size) {
    Scripted s(script({whole.substr(0, size)}, Script::End::eof));
    CHECK(code_of(s.get()) == Errc::truncated_head);
    CHECK(s.pool() == none);
  }
  Scripted empty(script({}, Script::End::eof));
  CHECK(code_of(empty.get()) == Errc::connection_lost);
}

TEST_CASE("[13] a close-delimited body that ends in a reset is an error") {
  Scripted s(script({"HTTP/1.1 200 OK\r\n\r\nhello"}, Script::End::reset));
  const auto result = s.get();
  CHECK(code_of(result) == Errc::truncated_body);
  CHECK(result.error().cause() == asio::error::connection_reset);
}

TEST_CASE("[13] nor does an end complete it behind a reset that the writing met") {
  auto torn = script({}, Script::End::eof);
  torn->early_response = "HTTP/1.1 200 OK\r\n\r\nthe first half of";
  torn->write_size = 10;
  torn->fail_at = 2;
  torn->failure_lasts = false;
  Scripted s(torn);
  const auto result = s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))));
  CHECK(code_of(result) == Errc::truncated_body);
  CHECK(result.error().cause() == asio::error::connection_reset);
}

TEST_CASE("[67] bytes that come before the request on a new connection are no answer to it") {
  for (const bool is_stream : {false, true}) {
    CAPTURE(is_stream);
    auto eager = script({ok("wrong")});
    eager->readable = ok("false") + std::string(40, ' ') + "and more";
    ClientOptions options;
    options.retries.max = 3;
    Scripted s({eager, script({ok("never")})}, options);
    ferry::Result<ferry::Response> result;
    if (is_stream) {
      test::run(s.context, [&]() -> asio::awaitable<void> {
        try {
          auto call = s.client->stream("http://test/");
          co_await std::move(call);
        } catch (const ferry::Error& error) {
          result = error;
        }
      });
    } else {
      result = s.get();
    }
    REQUIRE(code_of(result) == Errc::unsolicited_response);
    const std::string what = result.error().what();
    CHECK(what.find("HTTP/1.1 200 OK\\x0d\\x0a") != what.npos);
    CHECK(what.find("and more") == what.npos);
    CHECK(result.error().code() == ferry::Condition::protocol_error);
    CHECK(eager->written.empty());
    CHECK(eager->closed);
    CHECK(s.connections() == 1);
    CHECK(s.pool() == none);
  }
}

TEST_CASE("[67] also where a source, a leased connection or a tunnel takes its time first") {
  auto eager = script({});
  Scripted s(eager);
  const auto give = [&](std::span<char>) -> std::size_t {
    eager->readable = "SSH-2.0-server\r\n";
    return 0;
  };
  const auto result = s.send(Request::post("http://test/", ferry::pull(give)));
  CHECK(code_of(result) == Errc::unsolicited_response);
  CHECK(eager->written.empty());

  auto leased = script({});
  Scripted other(leased);
  test::run(other.context, [&]() -> asio::awaitable<void> {
    auto acquiring = other.client->pool().acquire("http://test");
    const ferry::Lease lease = co_await std::move(acquiring);
    leased->readable = ok("early");
    std::error_code code;
    try {
      auto sending = lease.send(Request::get("/"));
      co_await std::move(sending);
    } catch (const ferry::Error& error) {
      code = error.code();
    }
    CHECK(code == Errc::unsolicited_response);
  });
  CHECK(leased->written.empty());
}

TEST_CASE("[28] bytes behind a response end the connection") {
  Scripted s({script({ok("one") + "HTTP/1.1 200 OK\r\n"}), script({ok("two")})});
  CHECK(s.get()->body() == "one");
  CHECK(s.pool() == none);
  CHECK(s.get()->body() == "two");
}

TEST_CASE("[29] a response pushed while idle is never delivered") {
  auto first = script({ok("one"), ok("wrong")});
  Scripted s({first, script({ok("two")})});
  CHECK(s.get()->body() == "one");
  CHECK(s.pool() == idle);
  first->readable = ok("pushed");
  CHECK(s.get()->body() == "two");
  CHECK(first->closed);
}

TEST_CASE("[30] a connection that closed while idle is noticed before reuse") {
  auto first = script({ok("one"), ok("wrong")});
  Scripted s({first, script({ok("two")})});
  CHECK(s.get()->body() == "one");
  first->idle_look = ferry::IdleState::closed;
  const auto post = s.send(Request::post("http://test/", ferry::Body("x")));
  CHECK(post->body() == "two");
  CHECK(post->connection().retry_reason.empty());  // Nothing had to be retried: not even a POST.
  CHECK(s.connections() == 2);
}

TEST_CASE("[31] a GET on a stale connection is sent once more, on a new one") {
  auto stale = script({ok("one")}, Script::End::eof);
  Scripted s({stale, script({ok("two")})});
  CHECK(s.get()->body() == "one");
  const auto second = s.get();
  REQUIRE(second);
  CHECK(second->body() == "two");
  CHECK_FALSE(second->connection().reused);
  CHECK_FALSE(second->connection().retry_reason.empty());
  CHECK(s.connections() == 2);
}

TEST_CASE("[31] at most once, and never on a new connection") {
  Scripted s(
      {script({ok("one")}, Script::End::eof), script({}, Script::End::eof), script({ok("three")})});
  CHECK(s.get()->body() == "one");
  const auto second = s.get();
  CHECK(code_of(second) == Errc::connection_lost);
  CHECK(second.error().attempt() == 2);
  CHECK(s.connections() == 2);
}

TEST_CASE(
    "[31] a POST is never replayed once a byte was written, unless it carries Idempotency-Key") {
  for (const bool with_key : {false, true}) {
    auto stale = script({ok("one")}, Script::End::eof);
    Scripted s({stale, script({ok("two")})});
    CHECK(s.get()->body() == "one");
    auto request = Request::post("http://test/", ferry::Body("pay"));
    if (with_key) request.header("Idempotency-Key", "1");
    const auto result = s.send(request);
    if (with_key) {
      CHECK(result->body() == "two");
    } else {
      CHECK(code_of(result) == Errc::connection_lost);
      CHECK(result.error().reused());
      CHECK(result.error().bytes_sent() > 0);
      CHECK(s.connections() == 1);
    }
  }
}

TEST_CASE("[31] a POST of which nothing was written is sent once more") {
  auto stale = script({ok("one")}, Script::End::eof);
  Scripted s({stale, script({ok("two")})});
  CHECK(s.get()->body() == "one");
  stale->fail_at = stale->operations + 1;
  CHECK(s.send(Request::post("http://test/", ferry::Body("pay")))->body() == "two");
}

TEST_CASE("the stale retry can be forbidden") {
  ClientOptions options;
  options.retry_stale = false;
  Scripted s({script({ok("one")}, Script::End::eof), script({ok("two")})}, options);
  CHECK(s.get()->body() == "one");
  CHECK(code_of(s.get()) == Errc::connection_lost);

  Scripted call({script({ok("one")}, Script::End::eof), script({ok("two")})});
  CHECK(call.get()->body() == "one");
  CHECK(code_of(call.send(Request::get("http://test/"), {.retry_stale = false})) ==
        Errc::connection_lost);
}

TEST_CASE("[32] no retry after a byte of a response") {
  auto stale = script({ok("one"), "HTTP/1.1 2"}, Script::End::eof);
  Scripted s({stale, script({ok("two")})});
  CHECK(s.get()->body() == "one");
  CHECK(code_of(s.get()) == Errc::truncated_head);
  CHECK(s.connections() == 1);
}

TEST_CASE("[34] Connection: close is honoured, closed and not-close are not") {
  const auto with = [](const char* value) {
    return "HTTP/1.1 200 OK\r\nConnection: " + std::string(value) + "\r\nContent-Length: 0\r\n\r\n";
  };
  for (const char* value : {"close", "Close", "keep-alive, close", "close ,x"}) {
    Scripted s(script({with(value)}));
    CHECK(s.get());
    CHECK(s.pool() == none);
  }
  for (const char* value : {"closed", "not-close", "keep-alive", ""}) {
    Scripted s(script({with(value)}));
    CHECK(s.get());
    CHECK(s.pool() == idle);
  }
  Scripted ours(script({ok("x")}));
  CHECK(ours.send(Request::get("http://test/").header("Connection", "close")));
  CHECK(ours.pool() == none);
}

TEST_CASE("HTTP/1.0 is kept only if it says so") {
  Scripted s(script({"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"}));
  CHECK(s.get()->version() == "HTTP/1.0");
  CHECK(s.pool() == none);
  Scripted kept(
      script({"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"}));
  CHECK(kept.get());
  CHECK(kept.pool() == idle);
}

TEST_CASE("[35] a response to half a request ends the sending, and the connection") {
  auto early = script({});
  early->early_response = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
  early->writes_block = true;
  early->write_size = 100;
  Scripted s(early);
  CHECK(s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))))->status() == 413);
  CHECK(early->written.size() < 1000);
  CHECK(s.pool() == none);
}

TEST_CASE("[35] beside an early success the body goes on being sent, and the connection is kept") {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (const std::string& answer : {ok("hello"), chunked}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      for (const bool has_source : {false, true}) {
        CAPTURE(answer);
        CAPTURE(piece);
        CAPTURE(has_source);
        auto early = script({});
        early->early_response = answer;
        early->writes_block = true;
        early->write_size = 100;
        early->read_size = piece;
        Scripted s(early);
        const std::string text(1000, 'x');
        ferry::Body body(text);
        if (has_source) {
          body = ferry::pull(
              [left = text](std::span<char> room) mutable {
                const auto count = std::min({room.size(), left.size(), std::size_t{30}});
                std::copy_n(left.begin(), count, room.begin());
                left.erase(0, count);
                return count;
              },
              text.size());
        }
        const auto result = s.send(Request::put("http://test/", std::move(body)));
        REQUIRE(result);
        CHECK(result->body() == "hello");
        CHECK(early->written.ends_with("\r\n\r\n" + text));
        CHECK(s.pool() == idle);
      }
    }
  }
}

TEST_CASE(
    "[35] an early success that ends the connection, or comes in place of leave, ends the "
    "sending") {
  auto closing = script({});
  closing->early_response = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
  closing->writes_block = true;
  closing->write_size = 100;
  Scripted s(closing);
  CHECK(s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))))->body() == "ok");
  CHECK(closing->written.size() < 1000);
  CHECK(s.pool() == none);

  auto hasty = script({ok("no need")});
  Scripted other(hasty);
  auto request =
      Request::put("http://test/", ferry::Body("the body")).header("Expect", "100-continue");
  CHECK(other.send(std::move(request))->body() == "no need");
  CHECK(hasty->written.find("the body") == std::string::npos);
  CHECK(other.pool() == none);
}

TEST_CASE("[26] [35] what is kept back of an early answer has a limit, also of a stream") {
  for (const bool is_stream : {false, true}) {
    CAPTURE(is_stream);
    auto chatty = script({});
    chatty->early_response = "HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'x');
    chatty->writes_block = true;
    chatty->write_size = 1000;
    ClientOptions options;
    options.limits.max_body_size = 100'000;
    Scripted s(chatty, options);
    std::error_code code;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      try {
        auto request = Request::put("http://test/", ferry::Body(std::string(100'000, 'x')));
        if (is_stream) {
          auto call = s.client->stream(std::move(request));
          co_await std::move(call);
        } else {
          auto call = s.client->send(std::move(request));
          co_await std::move(call);
        }
      } catch (const ferry::Error& error) {
        code = error.code();
      }
    });
    CHECK(code == Errc::body_too_large);
    CHECK(s.pool() == none);
  }
}

TEST_CASE("[35] such a response may also end with its stream") {
  auto early = script({}, Script::End::eof);
  early->early_response = "HTTP/1.1 413 Content Too Large\r\n\r\ntoo large";
  early->writes_block = true;
  early->write_size = 100;
  Scripted s(early);
  const auto result = s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))));
  CHECK(code_of(result) == std::error_code());
  CHECK(result->body() == "too large");
}

TEST_CASE("an answer is worth more than the write error that follows it") {
  auto early = script({});
  early->early_response = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
  early->write_size = 10;
  early->fail_at = 2;
  early->failure = asio::error::broken_pipe;
  early->failure_lasts = false;
  Scripted s(early);
  CHECK(s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))))->status() == 400);
  CHECK(s.pool() == none);
}

TEST_CASE("[31] behind a write that fails nothing is waited for") {
  auto failing = script({ok("one")});
  Scripted s({failing, script({ok("two")})});
  REQUIRE(s.get());
  failing->fail_at = failing->operations + 1;
  failing->failure_lasts = false;
  failing->failure = asio::error::no_buffer_space;
  CHECK(s.get()->body() == "two");  // Nothing of it had gone.
  CHECK(s.connections() == 2);
}

TEST_CASE("[23] an unrequested 101 is an error") {
  Scripted s(script({"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"}));
  CHECK(code_of(s.get()) == Errc::unexpected_upgrade);
  CHECK(s.pool() == none);
}

TEST_CASE("[12] the answer to HEAD has no body, and the connection lives") {
  Scripted s(script({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ok("hello")}));
  const auto head = s.send(Request::head("http://test/"));
  CHECK(head->body().empty());
  CHECK(head->headers().get("content-length") == "5");
  CHECK(s.get()->body() == "hello");
  CHECK(s.connections() == 1);
}

TEST_CASE("[21] [26] limits of the response, with their options named") {
  ClientOptions options;
  options.limits.max_head_size = 200;
  options.limits.max_body_size = 10;
  Scripted head(script({"HTTP/1.1 200 OK\r\nA: " + std::string(300, 'x') + "\r\n\r\n"}), options);
  const auto too_large = head.get();
  CHECK(code_of(too_large) == Errc::head_too_large);
  CHECK(std::string(too_large.error().what()).find("limits.max_head_size") != std::string::npos);
  Scripted body(script({ok("0123456789"), ok("0123456789x")}), options);
  CHECK(body.get());
  const auto over = body.get();
  CHECK(over.error().code() == ferry::Condition::too_large);
  CHECK(std::string(over.error().what()).find("max_body_size") != std::string::npos);
  Scripted call(script({ok("0123456789x")}), options);
  CHECK(call.send(Request::get("http://test/"), {.max_body_size = 11}));
}

TEST_CASE(
    "[33] a body that is refused is drained if its rest is short and there, and the connection "
    "lives") {
  ClientOptions options;
  options.limits.max_body_size = 10;
  const auto pool_after = [&](std::size_t size, std::size_t there, const char* fields = "") {
    auto answer = "HTTP/1.1 200 OK\r\n" + std::string(fields) +
                  "Content-Length: " + std::to_string(size) + "\r\n\r\n";
    Scripted s(script({answer + std::string(there, 'x'), ok("next")}), options);
    CHECK(code_of(s.get()) == Errc::body_too_large);
    if (s.pool() == idle) CHECK(s.get()->body() == "next");
    return s.pool();
  };
  CHECK(pool_after(11, 11) == idle);
  CHECK(pool_after(64 * 1024, 64 * 1024) == idle);
  CHECK(pool_after(64 * 1024 + 1, 64 * 1024 + 1) == none);  // too much
  CHECK(pool_after(60'000, 59'999) == none);                // not all there
  CHECK(pool_after(11, 12) == none);                        // more than was announced
  CHECK(pool_after(11, 11, "Connection: close\r\n") == none);

  // The rest of a chunked body is unknown, even if every byte that has come was read.
  auto chunked = script(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n\r\n"});
  chunked->read_size = 1;
  Scripted s(chunked, options);
  CHECK(code_of(s.get()) == Errc::body_too_large);
  CHECK(s.pool() == none);
}

TEST_CASE("[41] [42] [43] [44] [45] [47] bad input is refused before anything is sent") {
  Scripted s(script({ok("x")}));
  const auto refused = [&](Request request, ferry::RequestOptions options = {}) {
    const auto result = s.send(std::move(request), options);
    CHECK(s.connections() == 0);
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == ferry::Condition::invalid_request);
    CHECK(std::string(result.error().what()).find("hunter2") == std::string::npos);
    return result.error().code();
  };
  CHECK(refused(Request::get("")) == Errc::invalid_url);
  CHECK(refused(Request::get("/relative")) == Errc::invalid_url);
  CHECK(refused(Request::get("http://test/\r\nX: y")) == Errc::invalid_url);
  CHECK(refused(Request::get("http://user:hunter2%0Dx@test/")) == Errc::invalid_url);
  CHECK(refused(Request::get("http://te st/")) == Errc::invalid_url);
  CHECK(refused(Request::get("http://test/").query("q", std::string(2'000'000, 'x'))) ==
        Errc::invalid_url);
  CHECK(refused(Request::get("ftp://test/")) == Errc::unsupported_scheme);
  CHECK(refused(Request::get("https://test/?hunter2")) == Errc::tls_unavailable);
  CHECK(refused(Request(ferry::Method("G ET"), "http://test/")) == Errc::invalid_method);
  CHECK(refused(Request(ferry::Method::get(), "http://test/").header("A\r\n", "b")) ==
        Errc::invalid_header);
  CHECK(refused(Request::get("http://test/").header("A", "hunter2\r\nB: c").header("C", "d")) ==
        Errc::invalid_header);
  CHECK(refused(Request::get("http://test/").header("Content-Length", "5")) ==
        Errc::invalid_header);
  CHECK(refused(Request::post("http://test/", ferry::Body("x", "text/plain\r\nX: hunter2"))) ==
        Errc::invalid_header);
  for (const char* host :
       {"user:hunter2@h", "h/hunter2", "h:80:90", "<h>", "h#", "h?hunter2", "a b"})
    CHECK(refused(Request::get("http://test/").header("Host", host)) == Errc::invalid_header);
  CHECK(refused(Request::get("http://test/"), {.read_timeout = -1s}) == Errc::invalid_option);
  ClientOptions options;
  options.limits.max_connections = 0;
  CHECK_THROWS_AS(Client(s.context, options), ferry::Error);
  options = ClientOptions();
  options.base_url = "/relative";
  CHECK_THROWS_AS(Client(s.context, options), ferry::Error);
  options = ClientOptions();
  options.user_agent = "me\r\nX: y";
  CHECK_THROWS_AS(Client(s.context, options), ferry::Error);
}

TEST_CASE("base_url, default headers and queries") {
  ClientOptions options;
  options.base_url = "http://test/v1/";
  options.headers.add("X-Client", "yes").add("Accept", "text/html");
  auto seen = script({ok(""), ok("")});
  Scripted s(seen, options);
  CHECK(s.send(Request::get("users?a=1").query("q", "a b&c").header("accept", "application/json")));
  CHECK(seen->written.starts_with("GET /v1/users?a=1&q=a%20b%26c HTTP/1.1\r\nHost: test\r\n"));
  CHECK(seen->written.find("X-Client: yes\r\n") != std::string::npos);
  CHECK(seen->written.find("text/html") == std::string::npos);
  seen->written.clear();
  CHECK(s.send(Request::get("/slow")));
  CHECK(seen->written.starts_with("GET /slow HTTP/1.1\r\n"));
}

TEST_CASE("events carry what the response knows of its connection and its time") {
  ClientOptions options;
  std::string seen;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::response_received) return;
    seen += std::to_string(event.info->request_number) + (event.info->reused ? " kept " : " new ");
    CHECK(event.timings->total == event.duration);
  };
  Scripted s(script({ok("one"), ok("two")}), options);
  CHECK(s.get());
  CHECK(s.get());
  CHECK(seen == "1 new 2 kept ");
}

TEST_CASE("[40] a client that goes lets what is in flight finish; close() ends it") {
  for (const bool close : {false, true}) {
    auto slow = script({ok("done")});
    slow->read_size = 1;
    Scripted s(slow);
    ferry::Result<ferry::Response> result;
    int completions = 0;
    asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/")),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> r) {
                     ++completions;
                     result = std::move(r);
                   });
    for (int i = 0; i < 12; ++i) s.context.run_one();
    REQUIRE(completions == 0);
    if (close) s.client->close();
    s.client.reset();
    s.context.run();
    CHECK(completions == 1);
    CHECK(slow->closed);
    if (close)
      CHECK(code_of(result) == Errc::client_closed);
    else
      CHECK(result->body() == "done");
  }
}

TEST_CASE("a closed client refuses what comes later") {
  Scripted s(script({ok("x")}));
  s.client->close();
  CHECK(code_of(s.get()) == Errc::client_closed);
  s.client->close();
}

TEST_CASE("[34] [44] a client's own Host and Connection are sent, and heeded") {
  ClientOptions options;
  options.headers.add("Host", "virtual.example").add("Connection", "close");
  auto seen = script({ok("x")});
  Scripted s(seen, options);
  CHECK(s.get());
  CHECK(seen->written.starts_with("GET / HTTP/1.1\r\nHost: virtual.example\r\n"));
  CHECK(s.pool() == none);
  options.headers.set("Host", "user:secret@h");
  CHECK_THROWS_AS(Client(s.context, options), ferry::Error);
  options.headers.set("Host", "a").add("host", "a");
  CHECK_THROWS_AS(Client(s.context, options), ferry::Error);
}

TEST_CASE("[14] trailers have a limit of their own") {
  ClientOptions options;
  options.limits.max_head_size = 1024;
  const auto with_trailer = [](std::size_t size) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " +
           std::string(size, 'x') + "\r\n\r\n";
  };
  Scripted s(script({with_trailer(1000), with_trailer(1020)}), options);
  CHECK(s.get());
  CHECK(code_of(s.get()) == Errc::head_too_large);
}

TEST_CASE("[14] [34] what the head says of the connection is not forgotten over trailers") {
  Scripted s(
      script({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
              "0\r\nConnection: keep-alive\r\n\r\n"}));
  CHECK(s.get()->trailers().get("Connection") == "keep-alive");
  CHECK(s.pool() == none);
}

TEST_CASE("an event of a retry that gets no connection names none") {
  ClientOptions options;
  std::uint64_t failed_on = 99;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::request_failed) failed_on = event.connection;
  };
  Scripted s(script({ok("one")}, Script::End::eof), options);
  CHECK(s.get());
  CHECK(code_of(s.get()) == Errc::connection_refused);
  CHECK(failed_on == 0);
}

TEST_CASE("events tell the response's version, and how long calls took and connections were open") {
  std::string version, failed_version = "none";
  ferry::Duration received{}, open{}, failed{};
  ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    using Kind = ferry::Event::Kind;
    if (event.kind == Kind::response_received) {
      version = event.version;
      received = event.duration;
    }
    if (event.kind == Kind::connection_closed) open = event.duration;
    if (event.kind == Kind::request_failed) {
      failed_version = event.version;
      failed = event.duration;
    }
  };
  const std::string kept =
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx";
  Scripted s(script({ok("one"), kept}), options);
  CHECK(s.get());
  CHECK(version == "HTTP/1.1");
  CHECK(s.get());
  CHECK(version == "HTTP/1.0");
  s.client->pool().close_idle();
  CHECK(open > received);  // It was opened before the second call, and closed after it.
  CHECK(code_of(s.get()) == Errc::connection_refused);
  CHECK(failed > ferry::Duration());
  CHECK(failed_version == "");
}

TEST_CASE("[55] a response that is refreshed is another one, with nothing of the old") {
  auto one =
      script({"HTTP/1.1 200 Fine\r\nX: old\r\nTransfer-Encoding: "
              "chunked\r\n\r\n3\r\nold\r\n0\r\nT: 1\r\n\r\n",
              "HTTP/1.1 204 No Content\r\nY: new\r\n\r\n", ok("third")});
  Scripted s(one);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    ferry::Response page = co_await s.client->get("http://test/a?b=c");
    CHECK(page.trailers().get("T") == "1");
    page = co_await s.client->refresh(std::move(page));
    CHECK(page.status() == 204);
    CHECK(page.headers().size() == 1);
    CHECK(page.headers().get("Y") == "new");
    CHECK(page.trailers().empty());
    CHECK(page.body().empty());
    CHECK(page.url().str() == "http://test/a?b=c");
    CHECK(page.connection().request_number == 2);
    page = co_await s.client->refresh(std::move(page));
    CHECK(page.body() == "third");
    const auto nothing = co_await s.client->try_send(Request::get(""));
    CHECK(code_of(nothing) == Errc::invalid_url);
    bool refused = false;
    try {
      co_await s.client->refresh(ferry::Response());
    } catch (const ferry::Error& error) {
      refused = error.code() == Errc::invalid_url;
    }
    CHECK(refused);
  });
  CHECK(s.connections() == 1);
}

TEST_CASE("a client that was moved from is one still") {
  Scripted s(script({ok("one"), ok("two")}));
  const ferry::Client other = std::move(*s.client);
  CHECK(s.get()->body() == "one");
  test::run(s.context, [&]() -> asio::awaitable<void> {
    CHECK((co_await other.get("http://test/")).connection().reused);
  });
}

TEST_CASE("parts of a response that goes away do not dangle") {
  Scripted s(script({ok("one")}));
  test::run(s.context, [&]() -> asio::awaitable<void> {
    std::string lengths;
    for (const auto& [name, value] : (co_await s.client->get("http://me:secret@test/a")).headers())
      if (name == "Content-Length") lengths += value;
    CHECK(lengths == "3");
  });
  static_assert(std::same_as<decltype(std::declval<ferry::Response>().url()), ferry::Url>);
  CHECK(ferry::Response().reason().empty());
  CHECK(ferry::Response().url().empty());
}

TEST_CASE("what is no response is not ok") {
  const ferry::Response none;
  CHECK(none.status() == 0);
  CHECK_FALSE(none.ok());
  CHECK_THROWS_AS(none.raise_for_status(), ferry::Error);
}

TEST_CASE("[47] the URL of a response has no userinfo, whatever was asked for") {
  Scripted s(script({ok("one")}));
  const auto response = s.send(Request::get("http://me:secret@test/"));
  REQUIRE(response);
  CHECK(response->url().userinfo().empty());
  CHECK(s.scripts[0]->written.find("\r\nAuthorization: Basic ") != std::string::npos);
}

TEST_CASE("an error that is a status tells it") {
  Scripted s(script({"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}));
  try {
    s.get()->raise_for_status();
    FAIL("it is an error");
  } catch (const ferry::Error& error) {
    CHECK(error.code() == Errc::http_status);
    CHECK(error.status() == 404);
    CHECK(error.origin() == "http://test");
    CHECK(std::string(error.what()) == "unexpected status: 404 Not Found for http://test/");
  }
}

TEST_CASE("a response that no call has made has no status to be an error") {
  try {
    ferry::Response().raise_for_status();
    FAIL("it throws");
  } catch (const ferry::Error& error) {
    CHECK(error.code() == Errc::http_status);
    CHECK(std::string(error.what()).find("there is no response") != std::string::npos);
  }
}

TEST_CASE("an answer that is no HTTP is shown, as far as it is text") {
  for (const auto& [bytes, shown] :
       {std::pair<std::string, const char*>{"220 mail.test ESMTP\r\n",
                                            "\"220 mail.test ESMTP\\x0d\\x0a\""},
        {std::string("\x00\xff\"", 3), "\"\\x00\\xff\\\"\""},
        {"HTTP/2 200\r\n", "\"HTTP/2 200\\x0d\\x0a\""}}) {
    Scripted s(script({bytes}));
    const auto result = s.get();
    REQUIRE(code_of(result) == Errc::malformed_response);
    const std::string what = result.error().what();
    CHECK_MESSAGE(what.find(std::string("but with ") + shown) != std::string::npos, what);
  }
  // A part of it, if no more has come.
  const auto slow = script({"HTTP/1.1 two hundred"});
  slow->read_size = 5;
  Scripted s(slow);
  const std::string what = s.get().error().what();
  CHECK_MESSAGE(what.find("but with \"HTTP/1.1 t\"") != std::string::npos, what);
}

TEST_CASE("a new connection that is closed without a byte may be to a port that speaks TLS") {
  Scripted fresh(script({}, Script::End::eof));
  const auto lost = fresh.get();
  REQUIRE(code_of(lost) == Errc::connection_lost);
  CHECK(std::string(lost.error().what()).find("begins with https://") != std::string::npos);

  ClientOptions local;
  local.unix_socket = "/run/app.sock";
  Scripted no_port(script({}, Script::End::eof), local);
  CHECK(std::string(no_port.get().error().what()).find("https://") == std::string::npos);

  const auto kept = script({ok("one")}, Script::End::eof);
  Scripted again(kept);
  CHECK(again.get());
  const auto stale = again.send(Request::post("http://test/", ferry::Body("x")));
  REQUIRE(code_of(stale) == Errc::connection_lost);
  CHECK(std::string(stale.error().what()).find("https://") == std::string::npos);
}

TEST_CASE("counts that are negative are refused") {
  asio::io_context context{1};
  ClientOptions options;
  options.retries.max = -1;
  CHECK_THROWS_AS(ferry::Client(context, options), ferry::Error);
  options = {};
  options.redirects.max = -1;
  CHECK_THROWS_AS(ferry::Client(context, options), ferry::Error);
}

TEST_CASE("[75] an error tells of every attempt that may have reached a server") {
  auto stale = script({ok("one")}, Script::End::eof);
  Scripted s(stale);
  CHECK(s.get()->body() == "one");
  const auto put = [] { return Request::put("http://test/", ferry::Body("the upload")); };
  const auto result = s.send(put());
  REQUIRE(code_of(result) == Errc::connection_refused);
  const ferry::Error& error = result.error();
  CHECK(error.attempt() == 2);
  CHECK(error.bytes_sent() == 0);
  REQUIRE(error.earlier().size() == 1);
  CHECK(error.earlier()[0].code() == Errc::connection_lost);
  CHECK(error.earlier()[0].attempt() == 1);
  CHECK(error.earlier()[0].bytes_sent() > 0);
  const std::string sent = "; attempt 1 had sent " +
                           std::to_string(error.earlier()[0].bytes_sent()) +
                           " bytes: the connection was lost before the response began";
  CHECK(std::string(error.what()).find(sent) != std::string::npos);

  // Also where the server had answered that it could not.
  ClientOptions options;
  options.retries.max = 2;
  options.retries.first_delay = std::chrono::nanoseconds(1);
  Scripted busy(script({"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}),
                options);
  const auto refused = busy.send(put());
  REQUIRE(code_of(refused) == Errc::connection_refused);
  REQUIRE(refused.error().earlier().size() == 1);
  CHECK(refused.error().earlier()[0].code() == Errc::http_status);
  CHECK(refused.error().earlier()[0].bytes_sent() > 0);
}

TEST_CASE("[75] a body that breaks off: the error has the status, and what had come") {
  struct Case {
    const char* head;
    bool is_upload;
  };
  for (const auto& [head, is_upload] :
       {Case{"HTTP/1.1 400 Bad Request\r\n\r\n", true},
        Case{"HTTP/1.1 400 Bad Request\r\n\r\n", false},
        Case{"HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\n", true},
        Case{"HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\n", false}}) {
    CAPTURE(std::string(head));
    CAPTURE(is_upload);
    auto torn = script({}, Script::End::reset);
    torn->early_response = head + std::string("no such thing");
    if (is_upload) torn->write_size = 10;
    Scripted s(torn);
    const auto result =
        s.send(is_upload ? Request::put("http://test/", ferry::Body(std::string(1000, 'x')))
                         : Request::get("http://test/"));
    REQUIRE(code_of(result) == Errc::truncated_body);
    CHECK(result.error().status() == 400);
    CHECK(result.error().body() == "no such thing");
    const std::string what = result.error().what();
    CHECK(what.find("status 400") != what.npos);
    CHECK(what.find("no such thing") == what.npos);
  }
  Scripted silent(script({}, Script::End::eof));
  const auto lost = silent.get();
  CHECK(lost.error().status() == 0);
  CHECK(lost.error().body().empty());
}

TEST_CASE(
    "[13] [35] a stream that ends in a reset while its request is still sent is cut, not whole") {
  auto torn = script({});
  torn->early_response = "HTTP/1.1 200 OK\r\n\r\nthe first half of";
  torn->writes_block = true;
  torn->write_size = 300;
  torn->fail_at = 3;
  torn->failure_lasts = false;
  Scripted s(torn);
  std::error_code code;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      auto request = Request::put("http://test/", ferry::Body(std::string(1000, 'x')));
      auto call = s.client->stream(std::move(request));
      ferry::ResponseStream stream = co_await std::move(call);
      torn->end = Script::End::eof;
      auto reading = stream.read_all();
      co_await std::move(reading);
    } catch (const ferry::Error& error) {
      code = error.code();
    }
  });
  CHECK(code == Errc::truncated_body);
}

TEST_CASE("[15] [35] leave and an early success in one read: the body is sent") {
  const std::string both = "HTTP/1.1 100 Continue\r\n\r\n" + ok("ok");
  for (std::size_t split = 1; split <= both.size(); ++split) {
    CAPTURE(split);
    auto eager = script({});
    eager->early_response = both;
    eager->read_sizes.push_back(split);
    Scripted s(eager);
    auto request =
        Request::put("http://test/", ferry::Body("the body")).header("Expect", "100-continue");
    const auto result = s.send(std::move(request));
    REQUIRE(result);
    CHECK(result->body() == "ok");
    CHECK(eager->written.ends_with("the body"));
    CHECK(s.pool() == idle);
  }
}

TEST_CASE("[75] an error's part of a body is what has come, whatever the failure was") {
  auto early = script({});
  early->early_response = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n0123456789";
  Scripted s(early);
  const auto give = [reads = 0](std::span<char> room) mutable -> std::size_t {
    if (++reads > 3) throw std::runtime_error("broken");
    room[0] = 'x';
    return 1;
  };
  const auto result = s.send(Request::put("http://test/", ferry::pull(give)));
  REQUIRE(code_of(result) == Errc::body_source_failed);
  CHECK(result.error().status() == 200);
  CHECK(result.error().body() == "0123456789");
}

TEST_CASE("[72] a call that fails between two requests ends with one event") {
  int failures = 0;
  ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::request_failed) ++failures;
  };
  Scripted s(script({"HTTP/1.1 302 Found\r\nLocation: https://test/\r\nContent-Length: 0\r\n\r\n"}),
             options);
  const auto result = s.get();
  CHECK(code_of(result) == Errc::tls_unavailable);
  CHECK(result.error().attempt() == 1);
  CHECK(failures == 1);
  CHECK(code_of(s.send(Request::get("https://test/"))) == Errc::tls_unavailable);
  CHECK(failures == 1);  // Refused before it began.
}

TEST_CASE(
    "[73] an answer without a body is taken, and its connection closed where it is ambiguous") {
  std::vector<ferry::CloseReason> reasons;
  ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::connection_closed) reasons.push_back(event.reason);
  };
  const std::string twice = "Content-Length: 5\r\nContent-Length: 6\r\n\r\n";
  Scripted s({script({"HTTP/1.1 200 OK\r\n" + twice}), script({"HTTP/1.1 304 N\r\n" + twice}),
              script({"HTTP/1.1 103 E\r\n" + twice + ok("x")}), script({ok("y")})},
             options);
  const auto head = s.send(Request::head("http://test/"));
  REQUIRE(head);
  CHECK(head->status() == 200);
  CHECK(head->headers().get("Content-Length") == "5");
  CHECK(s.get()->status() == 304);
  CHECK(s.get()->body() == "x");
  CHECK(s.pool() == none);
  CHECK(reasons == std::vector(3, ferry::CloseReason::ambiguous_framing));
  CHECK(s.get()->body() == "y");
  CHECK(s.pool() == idle);
}
