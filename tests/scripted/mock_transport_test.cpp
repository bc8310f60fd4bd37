// A function in the place of the network; code around `send`.

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/blocking.hpp>
#include <ferry/testing/mock_transport.hpp>

#include "support/run.hpp"

using ferry::Body;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Next;
using ferry::Request;
using ferry::Response;
using ferry::testing::MockRequest;
using ferry::testing::MockResponse;
using ferry::testing::MockTransport;

namespace {

struct Mocked {
  explicit Mocked(MockTransport::Handler handler, ClientOptions options = ClientOptions())
      : network(std::make_shared<MockTransport>(std::move(handler))) {
    network->serve(options);
    client.emplace(context, std::move(options));
  }
  ferry::Result<Response> send(Request request) {
    ferry::Result<Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client->try_send(std::move(request));
      result = std::move(sent);
    });
    return result;
  }

  asio::io_context context{1};
  std::shared_ptr<MockTransport> network;
  std::optional<ferry::Client> client;
};

MockResponse echo(const MockRequest& request) {
  return MockResponse(200, request.method + " " + request.url + " " + request.body, "text/plain");
}

}  // namespace

TEST_CASE("a function answers, over kept connections, for https too") {
  Mocked m(echo);
  CHECK(m.send(Request::get("http://a.test/x").query("q", "1"))->body() ==
        "GET http://a.test/x?q=1 ");
  const auto post = m.send(Request::post("http://a.test/", Body("hello")));
  CHECK(post->body() == "POST http://a.test/ hello");
  CHECK(post->headers().get("Content-Type") == "text/plain");
  CHECK(post->connection().reused);
  CHECK(m.send(Request::get("https://a.test:8443/"))->body() == "GET https://a.test:8443/ ");
  CHECK(m.network->connections() == 2);
  REQUIRE(m.network->requests().size() == 3);
  CHECK(m.network->requests()[1].headers.get("Content-Length") == "5");
}

TEST_CASE("sources, leave to send, HEAD, and statuses without a body") {
  Mocked m([](const MockRequest& request) {
    return request.method == "PUT" ? MockResponse(204) : echo(request);
  });
  const auto give = [left = 2](std::span<char> room) mutable {
    if (left-- <= 0) return std::size_t{0};
    room[0] = 'x';
    return std::size_t{1};
  };
  CHECK(m.send(Request::post("http://a.test/", ferry::pull(give)))->body().ends_with(" xx"));
  CHECK(m.send(Request::post("http://a.test/", Body("y")).header("Expect", "100-continue"))
            ->body()
            .ends_with(" y"));
  const auto head = m.send(Request::head("http://a.test/"));
  CHECK(head->body().empty());
  CHECK(head->headers().get("Content-Length") != "0");
  CHECK(m.send(Request::put("http://a.test/", Body("z")))->status() == 204);
  CHECK(m.network->connections() == 1);
}

TEST_CASE("what goes wrong: lost connections, handlers that throw, retries and redirects") {
  int calls = 0;
  ClientOptions options;
  options.retries.max = 1;
  options.retries.first_delay = ferry::Duration();
  Mocked m(
      [&](const MockRequest& request) {
        if (request.url.ends_with("/lost")) return MockResponse::lost();
        if (request.url.ends_with("/flaky") && ++calls == 1) return MockResponse::lost();
        if (request.url.ends_with("/throws")) throw std::runtime_error("oh no");
        MockResponse response(302);
        response.headers.set("Location", "/flaky");
        return request.url.ends_with("/moved") ? response : echo(request);
      },
      options);
  CHECK(test::code_of(m.send(Request::get("http://a.test/lost"))) == Errc::connection_lost);
  const auto moved = m.send(Request::get("http://a.test/moved"));
  CHECK(moved->body() == "GET http://a.test/flaky ");
  CHECK(moved->history().size() == 1);
  const auto thrown = m.send(Request::get("http://a.test/throws"));
  CHECK(thrown->status() == 500);
  CHECK(thrown->body() == "the handler threw: oh no");
}

TEST_CASE("a function may look at what has come, and send on") {
  std::shared_ptr<MockTransport> network;
  const auto handler = [&network](const MockRequest& request) {
    const std::string number = std::to_string(network->requests().size());
    if (request.url.ends_with("/inner")) return MockResponse(200, number);
    ClientOptions options;
    network->serve(options);
    const auto inner = ferry::blocking::get("http://a.test/inner", {}, options);
    return MockResponse(200, number + " " + inner.body());
  };
  network = std::make_shared<MockTransport>(handler);
  ClientOptions options;
  network->serve(options);
  CHECK(ferry::blocking::get("http://a.test/", {}, options).body() == "1 2");
  CHECK(network->connections() == 2);
}

TEST_CASE("a transport on the stack: its clients may outlive it") {
  ClientOptions options;
  {
    MockTransport network(echo);
    network.serve(options);
    MockTransport copy = std::move(network);
    CHECK(network.requests().empty());  // Moving copies.
    CHECK(ferry::blocking::get("https://a.test/", {}, options).body() == "GET https://a.test/ ");
    CHECK(copy.requests().size() == 1);
    CHECK(copy.connections() == 1);
  }
  CHECK(ferry::blocking::get("http://a.test/", {}, options).body() == "GET http://a.test/ ");
}

TEST_CASE("a stream, and an upgrade that is refused") {
  Mocked m(echo);
  test::run(m.context, [&]() -> asio::awaitable<void> {
    ferry::ResponseStream stream = co_await m.client->stream("http://a.test/");
    const std::string body = co_await stream.read_all();
    CHECK(body == "GET http://a.test/ ");
    const auto upgraded =
        co_await m.client->upgrade(Request::get("http://a.test/").header("Upgrade", "x"));
    CHECK_FALSE(upgraded);
    CHECK(upgraded.response.status() == 200);
  });
}

// ---- middleware ----

TEST_CASE("middleware sees calls from the outside in, and answers from the inside out") {
  std::string seen;
  const auto tell = [&seen](std::string name) {
    return ferry::middleware(
        [&seen, name](Request request, Next next) -> asio::awaitable<Response> {
          seen += ">" + name;
          request.header("X-" + name, "1");
          Response response = co_await next(std::move(request));
          seen += "<" + name;
          co_return response;
        });
  };
  ClientOptions options;
  options.middleware.push_back(tell("a"));
  options.middleware.push_back(tell("b"));
  Mocked m(echo, options);
  CHECK(m.send(Request::get("http://a.test/")));
  CHECK(seen == ">a>b<b<a");
  CHECK(m.network->requests()[0].headers.contains("X-a"));
  CHECK(m.network->requests()[0].headers.contains("X-b"));
  test::run(m.context, [&]() -> asio::awaitable<void> {
    const Response response = co_await m.client->get("http://a.test/");
    CHECK(response.ok());
  });
  CHECK(seen == ">a>b<b<a>a>b<b<a");
}

TEST_CASE("it may answer by itself, ask twice, and throw") {
  ClientOptions options;
  options.middleware.push_back(
      ferry::middleware([](Request request, Next next) -> asio::awaitable<Response> {
        const std::string url = request.url();
        if (url.ends_with("/own")) co_return Response();
        if (url.ends_with("/throw")) throw ferry::Error(Errc::invalid_header, "not signed");
        if (url.ends_with("/other")) throw std::runtime_error("no");
        Response first = co_await next(request);
        if (first.status() != 401) co_return first;
        CHECK(next.options().max_redirects == 3);
        request.header("Authorization", "Bearer fresh");
        co_return co_await next(std::move(request));
      }));
  Mocked m(
      [](const MockRequest& request) {
        return MockResponse(request.headers.contains("Authorization") ? 200 : 401);
      },
      options);
  CHECK(m.send(Request::get("http://a.test/own"))->status() == 0);
  CHECK(m.network->requests().empty());
  CHECK(test::code_of(m.send(Request::get("http://a.test/throw"))) == Errc::invalid_header);
  CHECK_THROWS_AS(static_cast<void>(m.send(Request::get("http://a.test/other"))),
                  std::runtime_error);
  test::run(m.context, [&]() -> asio::awaitable<void> {
    const Response response =
        co_await m.client->send(Request::get("http://a.test/"), {.max_redirects = 3});
    CHECK(response.status() == 200);
  });
  CHECK(m.network->requests().size() == 2);
}

TEST_CASE("[58] try_send, cancelled while a middleware waits") {
  ClientOptions options;
  options.middleware.push_back(
      ferry::middleware([](Request request, Next next) -> asio::awaitable<Response> {
        asio::steady_timer never(co_await asio::this_coro::executor,
                                 asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
        co_return co_await next(std::move(request));
      }));
  Mocked m(echo, options);
  ferry::Result<Response> result;
  const auto call = [&]() -> asio::awaitable<void> {
    auto sent = co_await m.client->try_send(Request::get("http://a.test/"));
    result = std::move(sent);
  };
  asio::cancellation_signal signal;
  std::exception_ptr thrown;
  asio::co_spawn(
      m.context, call(),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { thrown = e; }));
  m.context.poll();
  signal.emit(asio::cancellation_type::terminal);
  m.context.run();
  CHECK_FALSE(thrown);
  CHECK(test::code_of(result) == Errc::cancelled);
}
