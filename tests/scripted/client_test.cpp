#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/testing/scripted_stream.hpp>

#include "support/run.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::code_of;
using test::ok;

namespace {

/// A client whose connections follow scripts, and what it saw.
struct Scripted {
  explicit Scripted(std::vector<std::shared_ptr<Script>> all,
                    ClientOptions options = ClientOptions())
      : scripts(std::move(all)) {
    connector = std::make_shared<ScriptedConnector>(
        [this](int number) -> ferry::Result<std::shared_ptr<Script>> {
          if (static_cast<std::size_t>(number) > scripts.size())
            return ferry::Error(Errc::connection_refused, "no script left");
          return scripts[static_cast<std::size_t>(number) - 1];
        });
    options.connector = connector;
    client.emplace(context, std::move(options));
  }
  explicit Scripted(std::shared_ptr<Script> script, ClientOptions options = ClientOptions())
      : Scripted(std::vector<std::shared_ptr<Script>>{std::move(script)}, std::move(options)) {}

  ferry::Result<ferry::Response> send(Request request, ferry::RequestOptions options = {}) {
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client->try_send(std::move(request), options);
      result = std::move(sent);
    });
    return result;
  }
  ferry::Result<ferry::Response> get() { return send(Request::get("http://test/")); }
  int connections() const { return connector->connections(); }
  std::string pool() const { return client->pool().describe(); }

  asio::io_context context{1};
  std::vector<std::shared_ptr<Script>> scripts;
  std::shared_ptr<ScriptedConnector> connector;
  std::optional<Client> client;
};

std::shared_ptr<Script> script(std::deque<std::string> responses,
                               Script::End end = Script::End::silence) {
  auto made = std::make_shared<Script>(std::move(responses));
  made->end = end;
  return made;
}

const std::string idle = "http://test: 0 active, 1 idle, 0 waiting";
const std::string none = "http://test: 0 active, 0 idle, 0 waiting";

}  // namespace

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

TEST_CASE("[15] one byte at a time, both ways, over all framings") {
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
  first->idle_look = ferry::Look::closed;
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
  early->readable = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
  early->writes_block = true;
  Scripted s(early);
  CHECK(s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))))->status() == 413);
  CHECK(early->written.size() < 1000);
  CHECK(s.pool() == none);
}

TEST_CASE("an answer is worth more than the write error that follows it") {
  auto early = script({"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"});
  early->write_size = 10;
  early->fail_at = 2;
  early->failure = asio::error::broken_pipe;
  early->failure_lasts = false;
  Scripted s(early);
  CHECK(s.send(Request::put("http://test/", ferry::Body(std::string(1000, 'x'))))->status() == 400);
  CHECK(s.pool() == none);
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
}

TEST_CASE("[56] [57] [60] a silent peer ends in the timeout of its phase") {
  const auto timed_out = [](std::shared_ptr<Script> silent, ferry::RequestOptions options) {
    Scripted s(silent);
    const auto result =
        s.send(Request::post("http://test/", ferry::Body(std::string(100, 'x'))), options);
    CHECK(s.client->pool().stats().active == 0);
    CHECK(s.client->pool().stats().idle == 0);
    CHECK((silent->closed || s.connections() == 0));
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == ferry::Condition::timeout);
    return result.error();
  };
  CHECK(timed_out(script({}), {.first_byte_timeout = 1ms}).code() == Errc::first_byte_timeout);
  const auto read =
      timed_out(script({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"}), {.read_timeout = 1ms});
  CHECK(read.code() == Errc::read_timeout);
  CHECK(read.phase() == ferry::Phase::read);
  CHECK(timed_out(script({"HTTP/1.1 200 O"}), {.read_timeout = 1ms}).code() == Errc::read_timeout);
  const auto total = timed_out(script({}), {.timeout = 1ms});
  CHECK(total.code() == Errc::total_timeout);
  CHECK(total.phase() == ferry::Phase::first_byte);
  const auto spent = timed_out(script({}), {.timeout = 0ms});
  CHECK(spent.code() == Errc::total_timeout);
}

TEST_CASE("bad input is refused before anything is sent") {
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
  CHECK(refused(Request::get("http://user:hunter2@test/")) == Errc::invalid_url);
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

TEST_CASE("a shared pool serves several clients, which may not set what is its") {
  asio::io_context context{1};
  ferry::PoolOptions options;
  options.connector = std::make_shared<ScriptedConnector>(script({ok("one"), ok("two")}));
  ferry::ConnectionPool pool(context.get_executor(), options);
  const Client a(pool);
  const Client b(pool);
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await a.get("http://test/")).body() == "one");
    CHECK((co_await b.get("http://test/")).body() == "two");
  });
  CHECK(pool.stats().opened == 1);
  ClientOptions wrong;
  wrong.limits.max_connections = 5;
  CHECK_THROWS_AS(Client(pool, wrong), ferry::Error);
}

TEST_CASE("[36] a connection serves its own scheme, host and port only") {
  Scripted s(
      {script({ok("one"), ok("wrong")}), script({ok("two"), ok("wrong")}), script({ok("three")})});
  CHECK(s.get()->body() == "one");
  CHECK(s.send(Request::get("http://test:8080/"))->body() == "two");
  CHECK(s.send(Request::get("http://test.example/"))->body() == "three");
  CHECK(s.connections() == 3);
  // Spelt differently, the same.
  s.scripts[0]->responses = {ok("same")};
  CHECK(s.send(Request::get("HTTP://TEST:80/"))->body() == "same");
}

TEST_CASE("[39] a connection that has lived for too long is not kept") {
  ClientOptions options;
  options.limits.max_lifetime = 0ns;
  std::vector<ferry::CloseReason> reasons;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::connection_closed) reasons.push_back(event.reason);
  };
  Scripted s({script({ok("one")}), script({ok("two")})}, options);
  CHECK(s.get()->body() == "one");
  CHECK(s.get()->body() == "two");
  CHECK(reasons == std::vector<ferry::CloseReason>(2, ferry::CloseReason::lifetime_expired));
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

namespace {

struct Scenario {
  const char* name;
  bool post;
  bool reused;
  const char* response;
};

const Scenario scenarios[] = {
    {"GET", false, false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {"GET, reused", false, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {"GET, chunked", false, false,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {"POST", true, false,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {"POST, reused, chunked", true, true,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
};

/// Sends a scenario's request; what went before is not counted.
struct Trial {
  explicit Trial(const Scenario& scenario)
      : first(script({})), s({first, script({ok("next"), ok("next")})}), post(scenario.post) {
    first->read_size = 7;
    first->write_size = 40;
    first->writes_block = true;
    if (scenario.reused) {
      first->responses.push_back(ok("warm-up"));
      REQUIRE(s.get());
    }
    first->responses.push_back(scenario.response);
    first->operations = 0;
  }
  Request request() const {
    return post ? Request::post("http://test/", ferry::Body(std::string(100, 'b')))
                : Request::get("http://test/");
  }
  /// Whatever happened, the books are right and the next request is clean.
  void check_after() {
    const auto stats = s.client->pool().stats();
    CHECK(stats.active == 0);
    CHECK(stats.waiting == 0);
    CHECK(stats.connecting == 0);
    CHECK(stats.opened - stats.closed == stats.idle);
    first->fail_at = 0;
    first->responses.clear();
    if (stats.idle > 0 || s.connections() == 0) first->responses.push_back(ok("next"));
    const auto next = s.get();
    REQUIRE(next);
    CHECK(next->body() == "next");
  }

  std::shared_ptr<Script> first;
  Scripted s;
  bool post;
};

}  // namespace

TEST_CASE("[31] [33] every operation of an exchange fails once") {
  for (const Scenario& scenario : scenarios) {
    for (const std::error_code failure :
         {std::error_code(asio::error::connection_reset), std::error_code(asio::error::eof)}) {
      bool succeeded = false;
      for (int n = 1; !succeeded; ++n) {
        CAPTURE(std::string(scenario.name));
        CAPTURE(n);
        REQUIRE(n < 100);
        Trial trial(scenario);
        trial.first->fail_at = n;
        trial.first->failure = failure;
        const auto result = trial.s.send(trial.request());
        succeeded = trial.first->operations < n;
        if (succeeded) {
          CHECK(result->body() == "hello");
        } else if (result) {
          CHECK(scenario.reused);  // Only a stale connection is replaced.
          CHECK_FALSE(result->connection().retry_reason.empty());
          CHECK(result->body() == "next");
        } else {
          const auto code = result.error().code();
          CHECK((code == Errc::connection_lost || code == Errc::truncated_head ||
                 code == Errc::truncated_body));
          CHECK(trial.first->closed);
        }
        trial.check_after();
      }
    }
  }
}

TEST_CASE("[58] every suspension point is cancelled once") {
  for (const Scenario& scenario : scenarios) {
    bool finished = false;
    for (int steps = 0; !finished; ++steps) {
      CAPTURE(std::string(scenario.name));
      CAPTURE(steps);
      REQUIRE(steps < 1000);
      Trial trial(scenario);
      asio::cancellation_signal signal;
      int completions = 0;
      ferry::Result<ferry::Response> result;
      trial.s.context.restart();
      asio::co_spawn(
          trial.s.context, trial.s.client->try_send(trial.request()),
          asio::bind_cancellation_slot(signal.slot(),
                                       [&](std::exception_ptr e, ferry::Result<ferry::Response> r) {
                                         ++completions;
                                         // Cancelled before it began, the coroutine's own first
                                         // step throws.
                                         if (e) r = ferry::Error(Errc::cancelled);
                                         result = std::move(r);
                                       }));
      for (int i = 0; i < steps; ++i) trial.s.context.poll_one();
      finished = completions == 1;
      signal.emit(asio::cancellation_type::terminal);
      trial.s.context.restart();
      trial.s.context.run();
      REQUIRE(completions == 1);
      if (finished)
        CHECK(result->body() == "hello");
      else if (!result)
        CHECK(code_of(result) == Errc::cancelled);
      trial.check_after();
    }
  }
}

TEST_CASE("[40] a context destroyed at every suspension point leaks nothing") {
  for (int steps = 0; steps < 40; ++steps) {
    auto slow = script({ok("hello")});
    slow->read_size = 3;
    auto connector = std::make_shared<ScriptedConnector>(slow);
    auto context = std::make_unique<asio::io_context>(1);
    ClientOptions options;
    options.connector = connector;
    std::optional<Client> client(std::in_place, *context, options);
    asio::co_spawn(*context, client->get("http://test/"), asio::detached);
    client.reset();
    for (int i = 0; i < steps; ++i) context->poll_one();
    context.reset();
    CHECK(slow.use_count() <= 2);  // This one and the connector's.
  }
}

TEST_CASE("a client's own Host and Connection are sent, and heeded") {
  ClientOptions options;
  options.headers.add("Host", "virtual.example").add("Connection", "close");
  auto seen = script({ok("x")});
  Scripted s(seen, options);
  CHECK(s.get());
  CHECK(seen->written.starts_with("GET / HTTP/1.1\r\nHost: virtual.example\r\n"));
  CHECK(s.pool() == none);
  options.headers.set("Host", "user:secret@h");
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

TEST_CASE("a cancelled request says how much of it was sent") {
  for (const bool before : {true, false}) {
    auto silent = script({});
    Scripted s(silent);
    asio::cancellation_signal signal;
    ferry::Result<ferry::Response> result;
    asio::co_spawn(s.context, s.client->try_send(Request::post("http://test/", ferry::Body("pay"))),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> r) {
                         result = std::move(r);
                       }));
    if (before)
      s.context.poll_one();
    else
      s.context.poll();
    signal.emit(asio::cancellation_type::terminal);
    s.context.restart();
    s.context.run();
    CHECK(code_of(result) == Errc::cancelled);
    CHECK(result.error().bytes_sent() == silent->written.size());
    CHECK(silent->written.empty() == before);
  }
}

TEST_CASE("[37] [60] who gives up as a connection is handed over gives it back unharmed") {
  auto one = script({ok("first"), ok("third")});
  ClientOptions options;
  options.limits.max_connections = 1;
  Scripted s(one, options);
  asio::cancellation_signal signal;
  ferry::Result<ferry::Response> second;
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/1")),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> first) {
                   CHECK(first);
                   // The second has the connection by now, and does not know it yet.
                   CHECK(s.pool() == "http://test: 1 active, 0 idle, 0 waiting");
                   signal.emit(asio::cancellation_type::terminal);
                 });
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/2")),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> r) {
                       second = std::move(r);
                     }));
  s.context.run();
  CHECK(code_of(second) == Errc::cancelled);
  CHECK_FALSE(one->closed);
  CHECK(s.pool() == idle);
  CHECK(s.get()->body() == "third");
}

TEST_CASE("[60] time that runs out as a connection is handed over is the pool's") {
  ClientOptions options;
  options.limits.max_connections = 1;
  auto one = script({ok("first"), ok("third")});
  Scripted s(one, options);
  ferry::Result<ferry::Response> second;
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/1")),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> first) {
                   CHECK(first);
                   const auto due = std::chrono::steady_clock::now() + 60ms;
                   while (std::chrono::steady_clock::now() < due) std::this_thread::yield();
                 });
  asio::co_spawn(
      s.context, s.client->try_send(Request::get("http://test/2"), {.pool_timeout = 50ms}),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { second = std::move(r); });
  s.context.run();
  // Both may have happened first; what must not is another phase's error, or a lost connection.
  if (!second) CHECK(code_of(second) == Errc::pool_timeout);
  CHECK_FALSE(one->closed);
  CHECK(s.pool() == idle);
}

TEST_CASE("[31] draining waits for a request that is sent once more") {
  Scripted s({script({ok("one")}, Script::End::eof), script({ok("two")})});
  CHECK(s.get()->body() == "one");
  const ferry::ConnectionPool pool = s.client->pool();
  bool drained = false;
  ferry::Result<ferry::Response> second;
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/")),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> r) {
                   CHECK_FALSE(drained);
                   second = std::move(r);
                 });
  s.context.restart();
  s.context.poll_one();
  asio::co_spawn(s.context, pool.drain(), [&](std::exception_ptr) { drained = true; });
  asio::co_spawn(s.context, pool.warm("http://test", 1), [](std::exception_ptr e, std::size_t) {
    CHECK_THROWS_AS(std::rethrow_exception(e), ferry::Error);  // It is too late for that.
  });
  s.context.run();
  CHECK(drained);
  REQUIRE(second);
  CHECK(second->body() == "two");
  CHECK(code_of(s.get()) == Errc::client_closed);
}

TEST_CASE("[37] at the limit of its host a retry gets its new connection") {
  ClientOptions options;
  options.limits.max_connections_per_host = 2;
  auto stale = script({ok("one")}, Script::End::eof);
  Scripted s({stale, script({ok("busy"), ok("wrong")}), script({ok("new")})}, options);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const auto warmed = co_await s.client->pool().warm("http://test", 2);
    CHECK(warmed == 2);
  });
  // The last one that was opened is the first to be used.
  CHECK(s.get()->body() == "busy");
  s.scripts[1]->end = Script::End::eof;
  s.scripts[1]->responses.clear();
  CHECK(s.get()->body() == "new");
  CHECK(s.connections() == 3);
}

namespace {

/// Never connects.
class SilentConnector final : public ferry::Connector {
 public:
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    using Connected = ferry::Result<std::unique_ptr<ferry::Stream>>;
    ferry::detail::Wakeup never;
    const ferry::detail::LeavePhase leave{context};
    if (context.enter(ferry::Phase::connect, context.connect_limit(), never)) co_await never.wait();
    co_return Connected(context.error());
  }
};

}  // namespace

TEST_CASE("[57] [60] warming keeps its time limits, and its cancellation is one") {
  asio::io_context context{1};
  ferry::PoolOptions options;
  options.connector = std::make_shared<SilentConnector>();
  const ferry::ConnectionPool pool(context.get_executor(), options);
  const auto code_of_warming = [&](ferry::RequestOptions limits, bool cancel) {
    std::error_code code;
    asio::cancellation_signal signal;
    asio::co_spawn(
        context, pool.warm("http://test", 3, limits),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, std::size_t) {
          try {
            if (e) std::rethrow_exception(e);
          } catch (const ferry::Error& error) {
            code = error.code();
          }
        }));
    context.restart();
    if (cancel) {
      context.poll();
      signal.emit(asio::cancellation_type::terminal);
    }
    context.restart();
    context.run();
    const auto stats = pool.stats();
    CHECK(stats.waiting + stats.connecting + stats.active == 0);
    return code;
  };
  CHECK(code_of_warming({.connect_timeout = 1ms}, false) == Errc::connect_timeout);
  CHECK(code_of_warming({.timeout = 1ms}, false) == Errc::total_timeout);
  CHECK(code_of_warming({}, true) == Errc::cancelled);
}

TEST_CASE("[37] warming takes no place from those in use, and waits for none") {
  ClientOptions options;
  options.limits.max_connections = 3;
  Scripted s({script({}), script({}), script({}), script({})}, options);
  const ferry::ConnectionPool pool = s.client->pool();
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const ferry::Lease lease = co_await pool.acquire("http://test");
    CHECK(co_await pool.warm("http://test", 3) == 2);
    CHECK(co_await pool.warm("http://test", 3) == 0);
    CHECK(s.pool() == "http://test: 1 active, 2 idle, 0 waiting");
    // Those that idle for another origin make room.
    CHECK(co_await pool.warm("http://other", 1) == 1);
    CHECK(pool.stats().idle == 2);
  });
}

TEST_CASE("[39] what idles in a lease grows old as well") {
  ClientOptions options;
  options.limits.idle_timeout = 20ms;
  for (const bool used : {false, true}) {
    Scripted s({script({ok("one"), ok("two"), ok("wrong")}), script({ok("new")})}, options);
    test::run(s.context, [&]() -> asio::awaitable<void> {
      const ferry::Lease lease = co_await s.client->pool().acquire("http://test");
      if (used) co_await lease.send(Request::get("/"));
      const auto old = std::chrono::steady_clock::now() + 30ms;
      while (std::chrono::steady_clock::now() < old) std::this_thread::yield();
    });
    CHECK(s.pool() == none);
    CHECK(s.get()->body() == "new");
    CHECK(s.client->pool().stats().reused == 0);
  }
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
