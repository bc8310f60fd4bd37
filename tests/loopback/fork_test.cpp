// fork(2): a child never uses its parent's connections.

#include "support/fork.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/testing/scripted_stream.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using ferry::Client;
using ferry::ClientOptions;
using ferry::ConnectionPool;
using ferry::Errc;
using ferry::Request;
using test::child_says;
using test::code_of;
using test::Server;

namespace {

/// Answers every request with the connection's number.
Server::Handler numbered() {
  return [](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    while (!(co_await peer->read_request()).empty())
      co_await peer->write(test::response(std::to_string(peer->number())));
  };
}

/// A request's outcome; a child cannot use doctest, and so not `test::run`.
ferry::Result<ferry::Response> get(asio::io_context& context, const Client& client,
                                   const std::string& url) {
  ferry::Result<ferry::Response> result;
  asio::co_spawn(
      context, client.try_send(Request::get(url)),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { result = std::move(r); });
  context.restart();
  context.run();
  return result;
}

bool is(const ferry::Result<ferry::Response>& result, const std::string& body, bool reused) {
  return result && result->body() == body && result->connection().reused == reused;
}

}  // namespace

TEST_CASE("[76] a child opens its own connections, and its parent's live on") {
  Server server(numbered());
  int inherited = 0;
  ClientOptions options;
  options.limits.idle_timeout = ferry::no_timeout;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::connection_closed) return;
    if (event.reason == ferry::CloseReason::inherited) ++inherited;
  };
  asio::io_context context{1};
  std::optional<Client> client(std::in_place, context, options);
  const std::string url = server.url();
  REQUIRE(is(get(context, *client, url), "1", false));
  SUBCASE("it sends") {
    CHECK(child_says(context, [&] {
      return is(get(context, *client, url), "2", false) &&
             is(get(context, *client, url), "2", true) && inherited == 1 &&
             child_says(context, [&] { return is(get(context, *client, url), "3", false); }) &&
             is(get(context, *client, url), "2", true);
    }));
    CHECK(server.accepted() == 3);
  }
  SUBCASE("it opens connections ahead") {
    CHECK(child_says(context, [&] {
      std::size_t opened = 0;
      asio::co_spawn(context, client->pool().warm(url, 1),
                     [&](std::exception_ptr, std::size_t count) { opened = count; });
      context.restart();
      context.run();
      return opened == 1;
    }));
  }
  SUBCASE("it ends, properly") {
    CHECK(child_says(context, [&] {
      client.reset();
      return true;
    }));
  }
  SUBCASE("it closes its client") {
    CHECK(child_says(context, [&] {
      client->close();
      return true;
    }));
  }
  SUBCASE("it has a context, and a client, of its own") {
    CHECK(child_says(context, [&] {
      asio::io_context own{1};
      const Client another(own);
      return is(get(own, another, url), "2", false);
    }));
  }
  CHECK(inherited == 0);
  CHECK(is(get(context, *client, url), "1", true));
}

TEST_CASE("[76] a lease that a child has inherited fails there") {
  Server server(numbered());
  asio::io_context context{1};
  const ConnectionPool pool(context);
  const Client client(pool);
  bool is_used = false;
  SUBCASE("one that has carried a request") { is_used = true; }
  SUBCASE("one that has not") {}
  ferry::Lease lease;
  const auto send = [&]() -> asio::awaitable<std::string> {
    const auto response = co_await lease.send(Request::get("/"));
    co_return response.body();
  };
  test::run(context, [&]() -> asio::awaitable<void> {
    lease = co_await pool.acquire(server.url());
    if (is_used) CHECK((co_await send()) == "1");
  });
  CHECK(child_says(context, [&] {
    std::error_code code;
    asio::co_spawn(context, send(), [&](std::exception_ptr thrown, const std::string&) {
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (const ferry::Error& error) {
        code = error.code();
      }
    });
    context.restart();
    context.run();
    return code == Errc::connection_lost && is(get(context, client, server.url()), "2", false);
  }));
  test::run(context, [&]() -> asio::awaitable<void> { CHECK((co_await send()) == "1"); });
}

TEST_CASE("[76] a stream that a child has inherited fails there") {
  ferry::detail::OneShotEvent go_on;
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const auto request = co_await peer->read_request();
    co_await peer->write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    co_await go_on.wait();
    co_await peer->write("world");
    co_await peer->wait_closed();
  });
  asio::io_context context{1};
  const Client client(context);
  ferry::ResponseStream stream;
  test::run(context, [&]() -> asio::awaitable<void> {
    stream = co_await client.stream(server.url());
    const auto piece = co_await stream.read();
    CHECK(piece == "hello");
  });
  CHECK(child_says(context, [&] {
    bool failed = false;
    asio::co_spawn(context, stream.read_all(), [&](std::exception_ptr thrown, const std::string&) {
      failed = thrown != nullptr;
    });
    context.restart();
    context.run();
    stream = {};
    return failed;
  }));
  go_on.fire();
  test::run(context, [&]() -> asio::awaitable<void> {
    const std::string rest = co_await stream.read_all();
    CHECK(rest == "world");
  });
}

TEST_CASE("[76] a request in flight goes on in the parent alone") {
  std::atomic<bool> has_come{false};
  ferry::detail::OneShotEvent answer;
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const std::string request = co_await peer->read_request();
    if (peer->number() == 1) {
      has_come = true;
      co_await answer.wait();
    }
    co_await peer->write(test::response(std::to_string(peer->number())));
    co_await peer->wait_closed();
  });
  asio::io_context context{1};
  std::optional<Client> client(std::in_place, context);
  std::optional<ferry::Result<ferry::Response>> result;
  asio::co_spawn(
      context, client->try_send(Request::get(server.url())),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { result = std::move(r); });
  while (!has_come) context.poll();
  context.poll();
  SUBCASE("the child runs the context") {
    CHECK(child_says(context, [&] {
      context.run();
      return result && code_of(*result) == Errc::cancelled &&
             is(get(context, *client, server.url()), "2", false);
    }));
  }
  SUBCASE("the child closes the client") {
    CHECK(child_says(context, [&] {
      client->close();
      return true;
    }));
  }
  SUBCASE("the child closes the client and runs the context") {
    CHECK(child_says(context, [&] {
      client->close();
      context.run();
      return result && !*result;
    }));
  }
  answer.fire();
  context.run();
  REQUIRE(result);
  CHECK(is(*result, "1", false));
}

TEST_CASE("[76] connections of one's own connector are their process's as well") {
  const auto connector = std::make_shared<ferry::testing::ScriptedConnector>([](int number) {
    std::string answer = test::ok(std::to_string(number));
    return std::make_shared<ferry::testing::Script>(std::deque{answer, answer});
  });
  ClientOptions options;
  options.connector = connector;
  asio::io_context context{1};
  const Client client(context, options);
  REQUIRE(is(get(context, client, "http://test/"), "1", false));
  CHECK(child_says(context, [&] { return is(get(context, client, "http://test/"), "2", false); }));
  CHECK(is(get(context, client, "http://test/"), "1", true));
}
