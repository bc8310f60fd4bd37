// Time limits: of each phase, on silence, and in all.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "support/forwarding_stream.hpp"
#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::code_of;
using test::ForwardingStream;
using test::idle;
using test::ok;
using test::script;
using test::Scripted;
using test::WrappingConnector;

namespace {

/// A stream whose every operation takes `each` of the clock, and which notes the longest silence
/// between two.
struct Pace {
  std::chrono::nanoseconds each;
  std::chrono::nanoseconds longest{};
  std::chrono::steady_clock::time_point last{};

  void step() {
    const auto begin = std::chrono::steady_clock::now();
    auto now = begin;
    while (now < begin + each) now = std::chrono::steady_clock::now();
    longest = std::max(longest, now - (last == decltype(last){} ? begin : last));
    last = now;
  }
};
class PacedStream final : public test::ForwardingStream {
 public:
  PacedStream(std::unique_ptr<Stream> stream, Pace& pace)
      : ForwardingStream(std::move(stream)), pace_(pace) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    pace_.step();
    return ForwardingStream::read_some(buffer, error);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    pace_.step();
    return ForwardingStream::write_some(buffers, error);
  }
  asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override {
    return write_some(buffers, error);
  }
  std::size_t try_read_some(asio::mutable_buffer, std::error_code& error) noexcept override {
    error = asio::error::would_block;
    return 0;
  }
  std::size_t try_write_some(std::span<const asio::const_buffer>,
                             std::error_code& error) noexcept override {
    error = asio::error::would_block;
    return 0;
  }

 private:
  Pace& pace_;
};

}  // namespace

TEST_CASE("[57] the limits on silence begin anew with each byte that moves") {
  constexpr auto limit = 40ms;
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, Errc> answers[] = {
      {head + "12\r\n\r\nxxxxxxxxxxxx", Errc{}},
      {chunked + "c\r\nxxxxxxxxxxxx\r\n0\r\n\r\n", Errc{}},
      {head + "13\r\n\r\nxxxxxxxxxxxx", Errc::read_timeout},
  };
  for (const auto& [answer, expected] : answers) {
    CAPTURE(answer);
    bool in_time = false;  // Where the machine itself was silent for long, it proves nothing.
    for (int attempt = 0; attempt < 20 && !in_time; ++attempt) {
      auto slow = script({answer});
      slow->write_size = 20;
      slow->read_sizes.push_back(answer.find("\r\n\r\n") + 4);
      slow->read_size = 1;
      Pace pace{5ms};
      ClientOptions options;
      options.timeouts.write = options.timeouts.read = limit;
      options.connector = std::make_shared<WrappingConnector>(
          std::make_shared<ScriptedConnector>(slow),
          [&](auto stream) { return std::make_unique<PacedStream>(std::move(stream), pace); });
      asio::io_context context{1};
      const Client client(context, options);
      std::error_code code;
      test::run(context, [&]() -> asio::awaitable<void> {
        const ferry::Body body(std::string(200, 'x'));
        code = code_of(co_await client.try_send(Request::post("http://test/", body)));
      });
      if (expected == Errc{}) pace.step();
      in_time = pace.longest < limit / 2;
      if (in_time) CHECK(code == (expected == Errc{} ? std::error_code() : expected));
    }
    WARN(in_time);
  }
}

TEST_CASE("[57] who will not wait for a place still gets one that is free") {
  ClientOptions options;
  options.timeouts.pool = 0ms;
  options.limits.max_connections = 1;
  Scripted s(script({ok("one")}), options);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const ferry::Lease lease = co_await s.client->pool().acquire("http://test");
    const auto refused = co_await s.client->try_send(Request::get("http://test/"));
    CHECK(code_of(refused) == Errc::pool_timeout);
  });
  CHECK(s.get()->body() == "one");
}

TEST_CASE("[57] once a connection is being opened, the limit on waiting for a place is over") {
  auto one = script({ok("one")});
  ClientOptions options;
  options.timeouts.pool = 2ms;
  class SlowConnector final : public ferry::Connector {
   public:
    explicit SlowConnector(std::shared_ptr<Script> script) : scripted_(std::move(script)) {}
    asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
        ferry::DialContext& context) override {
      const auto due = std::chrono::steady_clock::now() + 5ms;
      while (std::chrono::steady_clock::now() < due) std::this_thread::yield();
      for (int i = 0; i < 10; ++i)  // A timer that is due gets its turn.
        co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
      co_return co_await scripted_.connect(context);
    }

   private:
    ScriptedConnector scripted_;
  };
  options.connector = std::make_shared<SlowConnector>(one);
  asio::io_context context{1};
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::get("http://test/"));
    CHECK(code_of(result) == std::error_code());
  });
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
  // An interim response came while the request was still being sent, and nothing after it.
  auto interim = script({});
  interim->early_response = "HTTP/1.1 100 Continue\r\n\r\n";
  interim->writes_block = true;
  interim->write_size = 10;
  CHECK(timed_out(interim, {.read_timeout = 1ms}).code() == Errc::read_timeout);
  const auto total = timed_out(script({}), {.timeout = 1ms});
  CHECK(total.code() == Errc::total_timeout);
  CHECK(total.phase() == ferry::Phase::first_byte);
  const auto spent = timed_out(script({}), {.timeout = 0ms});
  CHECK(spent.code() == Errc::total_timeout);
}

TEST_CASE("[60] what ends between two phases has ended in the first") {
  for (const auto first_byte : {1s, 3s}) {  // Due before the writing was, or later.
    asio::io_context context{1};
    std::optional<Client> client;
    ClientOptions options;
    options.timeouts.write = 2s;
    options.timeouts.first_byte = first_byte;
    options.connector = std::make_shared<ScriptedConnector>(script({ok("one")}));
    options.observer = [&](const ferry::Event& event) {
      if (event.kind == ferry::Event::Kind::request_sent) client->close();
    };
    client.emplace(context, options);
    test::run(context, [&]() -> asio::awaitable<void> {
      const auto result = co_await client->try_send(Request::get("http://test/"));
      CHECK(code_of(result) == Errc::client_closed);
      CHECK(result.error().phase() == ferry::Phase::write);
    });
  }
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
