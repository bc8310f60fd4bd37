// How connections are handed over, opened ahead, drained and given up.

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/authenticator.hpp>
#include <ferry/detail/time/one_shot_event.hpp>

#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::code_of;
using test::idle;
using test::none;
using test::ok;
using test::script;
using test::Scripted;

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

TEST_CASE("a connection that comes back unused has been idle since its last response") {
  for (const bool used : {false, true}) {
    CAPTURE(used);
    Scripted s(script({ok("one"), ok("two"), ok("three")}));
    REQUIRE(s.get());
    std::chrono::steady_clock::time_point since;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      const ferry::Lease lease = co_await s.client->pool().acquire("http://test");
      if (used) co_await lease.send(Request::get("/"));
      since = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() < since + 2ms) std::this_thread::yield();
    });
    CHECK(s.get()->connection().idle_for >= 2ms);
  }
}

namespace {

/// Opens one connection; then the server is gone, and says so at once.
class OneOnly final : public ferry::Connector {
 public:
  explicit OneOnly(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext&) override {
    using Connected = ferry::Result<std::unique_ptr<ferry::Stream>>;
    const auto executor = co_await asio::this_coro::executor;
    if (!script_) co_return Connected(ferry::Error(Errc::connection_refused));
    co_return Connected(std::make_unique<ferry::testing::ScriptedStream>(
        executor, std::exchange(script_, nullptr)));
  }

 private:
  std::shared_ptr<Script> script_;
};

}  // namespace

TEST_CASE("dials that fail at once, one behind the other, take no stack") {
  ClientOptions options;
  options.limits.max_connections = 1;
  options.connector = std::make_shared<OneOnly>(
      script({"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"}));
  asio::io_context context{1};
  const ferry::Client client(context, options);
  int answered = 0, refused = 0;
  for (int i = 0; i < 20'000; ++i)
    asio::co_spawn(context, client.try_send(Request::get("http://test/")),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     ++(result ? answered : refused);
                   });
  context.run();
  CHECK(answered == 1);
  CHECK(refused == 19'999);
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

TEST_CASE("[31] draining waits for a request that is sent once more") {
  auto stale = script({ok("one")}, Script::End::eof);
  stale->writes_block = true;  // So draining begins before it is found to be stale.
  Scripted s({stale, script({ok("two")})});
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

namespace {

/// Asks for a token, twice if the first one is refused, and waits each time.
class TwoTokens final : public ferry::Authenticator {
 public:
  asio::awaitable<std::string> authorize(ferry::AuthContext context) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return "Bearer " + std::to_string(context.challenges);
  }
  bool challenged(const ferry::AuthContext&) override { return true; }
};

/// A call during whose first exchange, or dial, draining begins.
struct DrainedCall {
  DrainedCall() {
    options.retries.max = 2;
    options.retries.first_delay = 1ms;
    options.auth = std::make_shared<TwoTokens>();
  }

  /// @param first what the first exchange is answered with; empty: nothing, the connection is lost.
  void run(const std::string& first, bool is_first_refused = false) {
    const auto one = script({});
    one->end = Script::End::eof;
    one->read_size = 16;  // So draining has begun when the head is in.
    one->respond = [&](Script& script) {
      if (!drain_begun) {
        begin_drain();
        script.readable = first;
      } else {
        last_hop(script);
      }
    };
    const auto two = script({});
    two->respond = [&](Script& script) { last_hop(script); };
    options.connector = std::make_shared<ScriptedConnector>(
        [=, this](int number) -> ferry::Result<std::shared_ptr<Script>> {
          if (number > 1) return two;
          if (!is_first_refused) return one;
          begin_drain();
          return ferry::Error(Errc::connection_refused);
        });
    client.emplace(context, options);
    call();
    context.run();
    CHECK(drain_begun);
    CHECK(body == "done");
    CHECK(drained);
    CHECK(late == Errc::client_closed);
  }

  virtual void call() {
    asio::co_spawn(context, client->try_send(Request::get("http://test/")),
                   [this](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     CHECK_FALSE(drained);
                     CHECK(code_of(result) == std::error_code());
                     if (result) body = result->body();
                   });
  }
  virtual ~DrainedCall() = default;

  void begin_drain() {
    drain_begun = true;
    asio::co_spawn(context, client->pool().drain(), [this](std::exception_ptr) { drained = true; });
  }
  void last_hop(Script& script) {
    CHECK_FALSE(drained);
    script.readable = ok("done");
    asio::co_spawn(context, client->try_send(Request::get("http://test/")),
                   [this](std::exception_ptr, const ferry::Result<ferry::Response>& result) {
                     late = code_of(result);
                   });
  }

  asio::io_context context{1};
  ClientOptions options;
  std::optional<Client> client;
  bool drain_begun = false;
  bool drained = false;
  std::string body;
  std::error_code late;  // The code of a call that begins while the pool is draining.
};

/// Likewise a stream, which is read to its end.
struct DrainedStream final : DrainedCall {
  void call() override {
    asio::co_spawn(context, read(), [](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
    });
  }
  asio::awaitable<void> read() {
    auto stream = co_await client->stream(Request::get("http://test/"));
    co_await asio::post(context, asio::use_awaitable);
    CHECK_FALSE(drained);
    body = co_await stream.read_all();
  }
};

const std::string elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://other/\r\n";
const std::string empty_body = "Content-Length: 0\r\n\r\n";

}  // namespace

TEST_CASE("draining lets a call finish: what it has still to send is no new request") {
  SUBCASE("a redirect") { DrainedCall().run(elsewhere + empty_body); }
  SUBCASE("a redirect whose body is skipped") {
    DrainedCall().run(elsewhere + "Content-Length: 5\r\n\r\nmoved");
  }
  SUBCASE("a redirect on the same connection") {
    DrainedCall().run("HTTP/1.1 302 Found\r\nLocation: /other\r\n" + empty_body);
  }
  SUBCASE("a redirect after which the connection is closed") {
    DrainedCall().run(elsewhere + "Connection: close\r\n" + empty_body);
  }
  SUBCASE("a challenge") {
    DrainedCall().run("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\n" + empty_body);
  }
  SUBCASE("an answer after which it is sent again, some time later") {
    DrainedCall().run("HTTP/1.1 503 Busy\r\nConnection: close\r\n" + empty_body);
  }
  SUBCASE("a lost connection, after which it is sent again") { DrainedCall().run(""); }
  SUBCASE("a refused connection, after which it is sent again") { DrainedCall().run("", true); }
  SUBCASE("a stream that is redirected") { DrainedStream().run(elsewhere + empty_body); }
  SUBCASE("a stream whose connection is refused") { DrainedStream().run("", true); }
}

TEST_CASE("draining lets a call finish that waits for its credentials, and takes no new one") {
  struct Gate final : ferry::Authenticator {
    asio::awaitable<std::string> authorize(ferry::AuthContext) override {
      const auto executor = co_await asio::this_coro::executor;
      is_asked = true;
      while (!is_open) co_await asio::post(executor, asio::use_awaitable);
      co_return "Bearer token";
    }
    bool is_asked = false;
    bool is_open = false;
  };
  const auto gate = std::make_shared<Gate>();
  ClientOptions options;
  options.auth = gate;
  Scripted s(script({ok("one")}), options);
  ferry::Result<ferry::Response> first;
  ferry::Result<ferry::Response> second;
  const auto into = [](ferry::Result<ferry::Response>& result) {
    return [&](std::exception_ptr, ferry::Result<ferry::Response> r) { result = std::move(r); };
  };
  bool drained = false;
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/")), into(first));
  while (!gate->is_asked) s.context.run_one();
  asio::co_spawn(s.context, s.client->pool().drain(),
                 [&](std::exception_ptr e) { drained = e == nullptr; });
  asio::co_spawn(s.context, s.client->try_send(Request::get("http://test/")), into(second));
  for (int i = 0; i < 20; ++i) s.context.run_one();
  CHECK_FALSE(drained);
  CHECK(code_of(second) == Errc::client_closed);
  gate->is_open = true;
  s.context.run();
  CHECK(drained);
  REQUIRE(first);
  CHECK(first->body() == "one");
}

TEST_CASE("[31] [37] at the limit of its host a retry gets its new connection") {
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
  // Nothing but the dead one had to make room for it.
  CHECK(s.pool() == "http://test: 0 active, 2 idle, 0 waiting");
}

namespace {

/// Never connects.
class SilentConnector final : public ferry::Connector {
 public:
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    using Connected = ferry::Result<std::unique_ptr<ferry::Stream>>;
    ferry::detail::OneShotEvent never;
    const ferry::detail::PhaseGuard phase{context};
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
    // Idle connections of another origin make room.
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

TEST_CASE(
    "[30] [38] a connection that is handed over closed is replaced, and costs nobody a turn") {
  ClientOptions options;
  options.limits.max_connections = 1;
  auto dead = script({ok("one")});
  dead->idle_look = ferry::IdleState::closed;
  Scripted s({dead, script({ok("two"), ok("three")})}, options);
  std::vector<std::string> story;
  for (int i = 1; i <= 3; ++i) {
    asio::co_spawn(s.context, s.client->try_send(Request::post("http://test/", ferry::Body("x"))),
                   [&, i](std::exception_ptr, ferry::Result<ferry::Response> r) {
                     REQUIRE(r);
                     CHECK(r->connection().retry_reason.empty());
                     story.push_back(std::to_string(i) + " " + std::string(r->body()));
                   });
  }
  s.context.run();
  CHECK(story == std::vector<std::string>{"1 one", "2 two", "3 three"});
  CHECK(s.connections() == 2);
}

TEST_CASE("[37] a client that is closed as a connection is handed over gives it back unharmed") {
  asio::io_context context{1};
  auto one = script({ok("first"), ok("third")});
  ferry::PoolOptions options;
  options.limits.max_connections = 1;
  options.connector = std::make_shared<ScriptedConnector>(one);
  const ferry::ConnectionPool pool(context.get_executor(), options);
  const Client a(pool);
  const Client b(pool);
  std::error_code second;
  asio::co_spawn(context, a.try_send(Request::get("http://test/1")),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> first) {
                   CHECK(first);
                   CHECK(pool.stats().waiting == 0);  // The second has the connection by now.
                   b.close();
                 });
  asio::co_spawn(
      context, b.try_send(Request::get("http://test/2")),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { second = code_of(r); });
  context.run();
  CHECK(second == Errc::client_closed);
  CHECK_FALSE(one->closed);
  CHECK(pool.describe() == idle);
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await a.get("http://test/3")).body() == "third");
  });
}

TEST_CASE("[31] a lease that is lost as its request was written is not replaced") {
  Scripted s({script({ok("one")}, Script::End::eof), script({ok("two")})});
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const ferry::Lease lease = co_await s.client->pool().acquire("http://test");
    CHECK((co_await lease.send(Request::get("/"))).body() == "one");
    std::error_code code;
    try {
      co_await lease.send(Request::get("/"));
    } catch (const ferry::Error& error) {
      code = error.code();
    }
    CHECK(code == Errc::connection_lost);
    CHECK_FALSE(lease.is_usable());
  });
  CHECK(s.connections() == 1);
  CHECK(s.pool() == none);
}

TEST_CASE("[39] a connection whose life ends while it idles is not used") {
  ClientOptions options;
  options.limits.max_lifetime = 20ms;
  Scripted s({script({ok("one"), ok("wrong")}), script({ok("two")})}, options);
  CHECK(s.get()->body() == "one");
  const auto due = std::chrono::steady_clock::now() + 21ms;
  while (std::chrono::steady_clock::now() < due) std::this_thread::yield();
  CHECK(s.get()->body() == "two");
}

TEST_CASE("[39] a connection that has idled for too long is not used") {
  ClientOptions options;
  options.limits.idle_timeout = 1ms;
  Scripted s({script({ok("one"), ok("wrong")}), script({ok("two")})}, options);
  CHECK(s.get()->body() == "one");
  const auto due = std::chrono::steady_clock::now() + 2ms;
  while (std::chrono::steady_clock::now() < due) std::this_thread::yield();
  CHECK(s.get()->body() == "two");
}

namespace {

/// Opens scripted streams after some turns of the context, and notes for whom.
class SlowConnector final : public ferry::Connector {
 public:
  explicit SlowConnector(ScriptedConnector::Source source) : scripted_(std::move(source)) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    hosts.push_back(context.host());
    const auto executor = co_await asio::this_coro::executor;
    for (int i = 0; i < 50; ++i) co_await asio::post(executor, asio::use_awaitable);
    auto stream = co_await scripted_.connect(context);
    co_return stream;
  }
  std::vector<std::string> hosts;

 private:
  ScriptedConnector scripted_;
};

}  // namespace

TEST_CASE("[31] [38] retries that come out of turn: each of their dials is for their host") {
  std::vector<std::size_t> write_sizes{5, 20, 1000};  // The smaller, the later it is found stale.
  do {
    const auto connector =
        std::make_shared<SlowConnector>([&](int number) -> ferry::Result<std::shared_ptr<Script>> {
          auto one = script({ok("new")});
          if (number <= 3) {
            one = script({ok("old")}, Script::End::eof);
            one->write_size = write_sizes[static_cast<std::size_t>(number) - 1];
            one->writes_block = true;
          }
          return one;
        });
    ClientOptions options;
    options.connector = connector;
    asio::io_context context{1};
    const Client client(context, options);
    for (const char* expected : {"old", "new"}) {
      int done = 0;
      for (int i = 0; i < 3; ++i) {
        asio::co_spawn(context, client.get("http://ferry.test/"),
                       [&](std::exception_ptr e, ferry::Response response) {
                         CHECK_FALSE(e);
                         CHECK(response.body() == expected);
                         ++done;
                       });
      }
      context.restart();
      context.run();
      CHECK(done == 3);
    }
    CHECK(connector->hosts.size() >= 6);
    for (const std::string& host : connector->hosts) CHECK(host == "ferry.test");
  } while (std::next_permutation(write_sizes.begin(), write_sizes.end()));
}

namespace {

/// Connects at once, but not to the host "silent": there a dial goes on until it is ended, or for
/// ever.
class PartlySilent final : public ferry::Connector {
 public:
  explicit PartlySilent(bool ends) : ends_(ends) {}

  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    using Connected = ferry::Result<std::unique_ptr<ferry::Stream>>;
    const auto executor = co_await asio::this_coro::executor;
    if (context.host() != "silent") {
      auto answers = script({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"});
      if (context.host() == "healthy") answers = script({ok("well"), ok("well")});
      co_return Connected(std::make_unique<ferry::testing::ScriptedStream>(executor, answers));
    }
    ++begun;
    ferry::detail::OneShotEvent told;
    ferry::detail::OneShotEvent never;
    const ferry::detail::PhaseGuard phase{context};
    ferry::detail::OneShotEvent& awaited = ends_ ? told : never;
    if (context.enter(ferry::Phase::connect, ferry::no_timeout, told)) co_await awaited.wait();
    ++ended;
    late = context.error().code();
    co_return Connected(context.error());
  }

  int begun = 0;
  int ended = 0;
  std::error_code late;

 private:
  const bool ends_;
};

}  // namespace

TEST_CASE("[66] dials whose requests have gone give their places up, one for each that is needed") {
  for (const bool ends : {true, false}) {
    CAPTURE(ends);
    const auto connector = std::make_shared<PartlySilent>(ends);
    ClientOptions options;
    options.limits.max_connections = 10;
    options.connector = connector;
    asio::io_context context{1};
    const Client client(context, options);
    bool over = false;
    const auto body = [&]() -> asio::awaitable<void> {
      const auto executor = co_await asio::this_coro::executor;
      auto stream = co_await client.stream(Request::get("http://busy/"));
      int failed = 0;
      for (int i = 0; i < 9; ++i)
        asio::co_spawn(executor, client.try_send(Request::get("http://silent/"), {.timeout = 1ms}),
                       [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                         CHECK(code_of(result) == Errc::total_timeout);
                         ++failed;
                       });
      while (failed < 9) co_await asio::post(executor, asio::use_awaitable);
      CHECK(client.pool().stats().connecting == 9);  // The next one might need them.
      CHECK(connector->ended == 0);
      // The limit is there only so that a failure is one.
      const auto healthy =
          co_await client.try_send(Request::get("http://healthy/"), {.timeout = 10s});
      REQUIRE(healthy);
      CHECK(healthy->body() == "well");
      // One dial has ended, or is still about to; the others were left alone.
      CHECK(connector->ended == (ends ? 1 : 0));
      CHECK(client.pool().stats().connecting == 8);
      CHECK(client.pool().describe().find(
                "http://silent: 0 active, 0 idle, 8 connecting, 0 wait") != std::string::npos);
      stream = {};
      CHECK(client.pool().stats().connecting == 0);  // With nothing in flight all are given up.
      co_await client.pool().drain();
      over = true;
    };
    asio::co_spawn(context, body(), [](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
    });
    while (!over) REQUIRE(context.run_one() == 1);
    CHECK(connector->begun == 9);
    if (!ends) continue;
    context.run();
    CHECK(connector->ended == 9);
    CHECK(connector->late == Errc::cancelled);
  }
}
