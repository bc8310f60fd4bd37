// Every operation fails once, every suspension point is cancelled once; what throws in an exchange.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "support/cancelling.hpp"
#include "support/fail_each.hpp"
#include "support/forwarding_stream.hpp"
#include "support/scripted.hpp"

using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::code_of;
using test::ForwardingStream;
using test::idle;
using test::none;
using test::ok;
using test::script;
using test::Scripted;
using test::WrappingConnector;

namespace {

struct Scenario {
  const char* name;
  bool post;
  bool reused;
  const char* response;
  bool streamed = false;  ///< The response is read as a stream.
  bool chunked = false;   ///< The request's body comes from a source of unknown size.
  bool expects = false;   ///< It waits for leave.
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
    {"GET, streamed", false, false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
    {"GET, reused, chunked, streamed", false, true,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n", true},
    {"POST of chunks, reused", true, true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     false, true},
    {"POST of chunks, with leave, streamed", true, false,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, true,
     true},
};

/// The answer of a scenario, however it is read.
class Reply {
 public:
  Reply() = default;
  explicit Reply(std::string all, std::string_view why = {}) : body(std::move(all)), retried(why) {}
  std::string body;
  std::string retried;
};

/// Sends a scenario's request; what went before is not counted.
struct Trial {
  explicit Trial(const Scenario& what)
      : first(script({})), s({first, script({ok("next"), ok("next")})}), scenario(what) {
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
    if (!scenario.post) return Request::get("http://test/");
    const std::string text(100, 'b');
    auto request = Request::post("http://test/", ferry::Body(text));
    if (scenario.chunked) {
      request.body(ferry::pull([text, given = std::size_t{0}](std::span<char> room) mutable {
        const auto count = std::min({room.size(), text.size() - given, std::size_t{30}});
        std::copy_n(text.data() + given, count, room.data());
        given += count;
        return count;
      }));
    }
    if (scenario.expects) request.header("Expect", "100-continue");
    return request;
  }
  static asio::awaitable<ferry::Result<Reply>> send(Client client, Request request, bool streamed) {
    using Sent = ferry::Result<Reply>;
    if (!streamed) {
      const auto result = co_await client.try_send(std::move(request));
      if (!result) co_return Sent(result.error());
      co_return Sent(Reply(result->body(), result->connection().retry_reason));
    }
    std::optional<ferry::Error> failure;
    try {
      ferry::ResponseStream stream = co_await client.stream(std::move(request));
      const std::string body = co_await stream.read_all();
      co_return Sent(Reply(body, stream.connection().retry_reason));
    } catch (const ferry::Error& error) {
      failure = error;
    }
    co_return Sent(std::move(*failure));
  }
  asio::awaitable<ferry::Result<Reply>> send() const {
    return send(*s.client, request(), scenario.streamed);
  }
  ferry::Result<Reply> sent() {
    ferry::Result<Reply> result;
    test::run(s.context, [&]() -> asio::awaitable<void> {
      auto reply = co_await send();
      result = std::move(reply);
    });
    return result;
  }
  void check_after() { s.check_after(*first); }

  std::shared_ptr<Script> first;
  Scripted s;
  const Scenario& scenario;
};

}  // namespace

TEST_CASE("[31] [33] every operation of an exchange fails once") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(std::string(scenario.name));
    for (const std::error_code failure :
         {std::error_code(asio::error::connection_reset), std::error_code(asio::error::eof)}) {
      test::fail_each_step(1, 100, [&](int n) {
        Trial trial(scenario);
        trial.first->fail_at = n;
        trial.first->failure = failure;
        const auto result = trial.sent();
        const bool succeeded = trial.first->operations < n;
        if (succeeded) {
          CHECK(result->body == "hello");
        } else if (result && result->body == "hello") {
          // The answer came before all was sent: it is worth more than the write that failed.
          CHECK(scenario.expects);
          CHECK(trial.first->closed);
        } else if (result) {
          CHECK(scenario.reused);  // Only a stale connection is replaced.
          CHECK_FALSE(result->retried.empty());
          CHECK(result->body == "next");
        } else {
          CHECK(test::is_broken_off(result.error().code()));
          CHECK(trial.first->closed);
        }
        trial.check_after();
        return succeeded;
      });
    }
  }
}

TEST_CASE("[58] an operation that says that it was cancelled is the request's last") {
  for (const Scenario& scenario : scenarios) {
    if (scenario.expects) continue;  // It reads without waiting, which nobody can cancel.
    CAPTURE(std::string(scenario.name));
    test::fail_each_step(1, 100, [&](int n) {
      Trial trial(scenario);
      trial.first->fail_at = n;
      trial.first->failure = asio::error::operation_aborted;
      trial.first->failure_lasts = false;
      const auto result = trial.sent();
      const bool succeeded = trial.first->operations < n;
      CHECK(code_of(result) == (succeeded ? std::error_code() : Errc::cancelled));
      CHECK(trial.s.connections() == 1);
      trial.check_after();
      return succeeded;
    });
  }
}

TEST_CASE("[58] every suspension point is cancelled once") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(std::string(scenario.name));
    test::fail_each_step(0, 1000, [&](int steps) {
      Trial trial(scenario);
      test::Cancellable<Reply> sent;
      const bool finished = sent.cancel_after(steps, trial.s.context, trial.send());
      if (finished) CHECK(sent.result->body == "hello");
      trial.check_after();
      return finished;
    });
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

TEST_CASE("[58] a cancelled request says how much of it was sent") {
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

TEST_CASE("[33] a response that is whole as its client is closed: its connection is not kept") {
  asio::io_context context{1};
  auto one = script({ok("one")});
  ferry::PoolOptions pool_options;
  pool_options.connector = std::make_shared<ScriptedConnector>(one);
  const ferry::ConnectionPool pool(context.get_executor(), pool_options);
  std::optional<Client> client;
  ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::head_received) client->close();
  };
  client.emplace(pool, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto response = co_await client->try_send(Request::get("http://test/"));
    CHECK(response);
  });
  CHECK(one->aborted);
  CHECK(one->closed);
  CHECK(pool.describe() == none);
}

TEST_CASE("[33] memory that runs out in an exchange: its connection is closed, not kept") {
  class Exhausted final : public test::ForwardingStream {
   public:
    using ForwardingStream::ForwardingStream;
    asio::awaitable<std::size_t> read_some(asio::mutable_buffer, std::error_code&) override {
      throw std::bad_alloc();
    }
  };
  auto one = script({ok("one")});
  ClientOptions options;
  options.connector = std::make_shared<WrappingConnector>(
      std::make_shared<ScriptedConnector>(one),
      [](auto stream) { return std::make_unique<Exhausted>(std::move(stream)); });
  asio::io_context context{1};
  const Client client(context, options);
  CHECK_THROWS_AS(
      test::run(context,
                [&]() -> asio::awaitable<void> {
                  static_cast<void>(co_await client.try_send(Request::get("http://test/")));
                }),
      std::bad_alloc);
  CHECK(one->closed);
  CHECK(client.pool().describe() == none);
}

TEST_CASE("[58] who gives up as a dead connection is handed over is cancelled, and nothing more") {
  asio::io_context context{1};
  auto dead = script({ok("one")});
  ferry::PoolOptions options;
  options.limits.max_connections = 1;
  options.connector = std::make_shared<ScriptedConnector>(dead);
  const ferry::ConnectionPool pool(context.get_executor(), options);
  const Client client(pool);
  std::error_code code;
  asio::cancellation_signal signal;
  asio::co_spawn(context, client.try_send(Request::get("http://test/")),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> first) {
                   CHECK(first);
                   CHECK(pool.stats().waiting == 0);  // The other has the connection by now.
                   dead->idle_look = ferry::IdleState::closed;
                   signal.emit(asio::cancellation_type::terminal);
                 });
  asio::co_spawn(context, pool.acquire("http://test"),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, auto) {
                   try {
                     if (e) std::rethrow_exception(e);
                   } catch (const ferry::Error& error) {
                     code = error.code();
                   }
                 }));
  context.run();
  CHECK(code == Errc::cancelled);
  const auto stats = pool.stats();
  CHECK(stats.active + stats.connecting + stats.waiting == 0);
}

TEST_CASE("[37] a connector that throws whatever it likes: its waiter gets an answer") {
  class Rude final : public ferry::Connector {
   public:
    asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
        ferry::DialContext&) override {
      if (++dials_ == 1) throw std::runtime_error("no");
      throw dials_;
      co_return std::unique_ptr<ferry::Stream>();
    }

   private:
    int dials_ = 0;
  };
  ClientOptions options;
  options.connector = std::make_shared<Rude>();
  options.limits.max_connections = 1;
  asio::io_context context{1};
  const Client client(context, options);
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(context, client.try_send(Request::get("http://test/")),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     CHECK_FALSE(result);
                     ++answers;
                   });
  }
  context.run();
  CHECK(answers == 3);
  const auto stats = client.pool().stats();
  CHECK(stats.failed == 3);
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
}

namespace {

/// Gives as many streams as it is told, and then a success without one.
class Sparse final : public ferry::Connector {
 public:
  Sparse(std::shared_ptr<Script> script, int streams) : below_(std::move(script)), left_(streams) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    if (left_-- > 0) return below_.connect(context);
    return nothing();
  }
  static asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> nothing() {
    co_return ferry::Result<std::unique_ptr<ferry::Stream>>();
  }

 private:
  ScriptedConnector below_;
  int left_;
};

/// Likewise, for TLS.
class SparseTls final : public ferry::TlsContext {
 public:
  explicit SparseTls(int streams) : left_(streams) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> handshake(
      std::unique_ptr<ferry::Stream> stream, ferry::DialContext&) const override {
    if (left_-- <= 0) co_return ferry::Result<std::unique_ptr<ferry::Stream>>();
    co_return ferry::Result<std::unique_ptr<ferry::Stream>>(std::move(stream));
  }

 private:
  mutable int left_;
};

}  // namespace

TEST_CASE("a connector or a TLS context whose success has no stream is an error") {
  struct Case {
    const char* what;
    const char* proxy;
    const char* url;
    int streams;
    int secured;
    Errc code;
    ferry::Phase phase;
  };
  const Case cases[] = {
      {"no stream", "", "http://test/", 0, 0, Errc::connect_failed, ferry::Phase::connect},
      {"none for https", "", "https://test/", 0, 0, Errc::connect_failed, ferry::Phase::connect},
      {"none that is secure", "", "https://test/", 1, 0, Errc::tls_failed, ferry::Phase::tls},
      {"none to a proxy", "http://proxy", "http://test/", 0, 0, Errc::connect_failed,
       ferry::Phase::connect},
      {"none to a proxy, for a tunnel", "http://proxy", "https://test/", 0, 0, Errc::connect_failed,
       ferry::Phase::connect},
      {"none that is secure to a proxy", "https://proxy", "http://test/", 1, 0, Errc::tls_failed,
       ferry::Phase::tls},
      {"none that is secure through a tunnel", "https://proxy", "https://test/", 1, 1,
       Errc::tls_failed, ferry::Phase::tls},
  };
  for (const Case& c : cases) {
    CAPTURE(std::string(c.what));
    asio::io_context context{1};
    ClientOptions options;
    options.connector = std::make_shared<Sparse>(script({"HTTP/1.1 200 Yes\r\n\r\n"}), c.streams);
    options.tls = std::make_shared<SparseTls>(c.secured);
    options.proxy = ferry::ProxyOptions(c.proxy);
    const Client client(context, options);
    test::run(context, [&]() -> asio::awaitable<void> {
      const auto result = co_await client.try_send(Request::get(c.url));
      REQUIRE(code_of(result) == c.code);
      CHECK(result.error().phase() == c.phase);
      CHECK(std::string(result.error().what()).find("gave no stream") != std::string::npos);
      bool failed = false;
      try {
        co_await client.pool().warm(c.url, 1);
      } catch (const ferry::Error& error) {
        failed = error.code() == ferry::Condition::connection_failed;
      }
      CHECK(failed);
    });
    CHECK(client.pool().stats().connecting == 0);
    CHECK(client.pool().stats().active == 0);
  }
}

TEST_CASE("other code of the user's that gives nothing is an error, too") {
  // A script that is none.
  Scripted s(std::vector<std::shared_ptr<Script>>{nullptr});
  CHECK(code_of(s.get()) == Errc::connect_failed);
  // A coding without a decoder.
  ClientOptions options;
  options.codings.push_back(
      {"none", "", []() -> std::unique_ptr<ferry::ContentDecoder> { return nullptr; }});
  Scripted coded(
      script({"HTTP/1.1 200 OK\r\nContent-Encoding: none\r\nContent-Length: 1\r\n\r\nx"}), options);
  CHECK(code_of(coded.get()) == Errc::undecodable_body);
  // A middleware that is none.
  options = {};
  options.middleware.push_back(nullptr);
  asio::io_context context{1};
  CHECK_THROWS_AS(Client(context, options), ferry::Error);
}
