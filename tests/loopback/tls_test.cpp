// TLS over real sockets.

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "support/fork.hpp"
#include "support/hostile_server.hpp"
#include "support/run.hpp"
#include "support/server.hpp"
#include "support/tls_front.hpp"
#include "support/trusting.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::code_of;
using test::Server;
using test::TlsFront;

TEST_CASE("over TLS a client keeps its connection; another one resumes its session") {
  Server server;
  const TlsFront front(server.port());
  asio::io_context context{1};
  const ClientOptions options = test::trusting();
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 1; i <= 3; ++i) {
      const auto response = co_await client.get(front.url("/path"));
      CHECK(response.body() == "/path");
      CHECK(response.connection().request_number == static_cast<std::uint64_t>(i));
      CHECK_FALSE(response.connection().remote_endpoint().empty());
      CHECK_FALSE(response.connection().tls()->resumed);
    }
    const auto alone = co_await ferry::get(front.url(), {}, options);
    CHECK(alone.connection().tls()->resumed);
    client.pool().close_idle();
  });
  CHECK(server.accepted() == 2);
}

TEST_CASE("over TLS streams, bodies of unknown size, and leave to send them") {
  Server server([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string head = co_await peer->read_until("\r\n\r\n");
      if (head.empty()) co_return;
      if (head.find("Expect: 100-continue") != std::string::npos)
        co_await peer->write("HTTP/1.1 100 Continue\r\n\r\n");
      if (head.starts_with("PUT")) co_await peer->read_until("\r\n0\r\n\r\n");
      co_await peer->write(test::response(std::string(300'000, 'x')));
    }
  });
  const TlsFront front(server.port());
  asio::io_context context{1};
  const Client client(context, test::trusting());
  test::run(context, [&]() -> asio::awaitable<void> {
    for (const bool expects : {false, true}) {
      const auto give = [left = 2](std::span<char> room) mutable {
        if (left-- <= 0) return std::size_t{0};
        std::fill_n(room.data(), 100, 'x');
        return std::size_t{100};
      };
      auto put = Request::put(front.url(), ferry::pull(give));
      if (expects) put.header("Expect", "100-continue");
      ferry::ResponseStream stream =
          co_await client.stream(put, {.expect_continue_timeout = ferry::no_timeout});
      const std::string body = co_await stream.read_all();
      CHECK(body.size() == 300'000);
    }
    ferry::ResponseStream dropped = co_await client.stream(front.url());
    co_await dropped.read();
  });
  CHECK(server.accepted() == 1);
  CHECK(client.pool().stats().active == 0);
}

TEST_CASE("over TLS large bodies go both ways") {
  std::string large(10'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 / 3);
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      co_await peer->write(test::response(request.substr(request.find("\r\n\r\n") + 4)));
    }
  });
  const TlsFront front(server.port());
  asio::io_context context{1};
  const Client client(context, test::trusting());
  test::run(context, [&]() -> asio::awaitable<void> {
    for (const std::size_t size : {0, 1, 16383, 16384, 16385, 1'000'000, 10'000'000}) {
      const std::string part = large.substr(0, size);
      const auto response = co_await client.post(front.url(), ferry::Body(part));
      CHECK((response.body() == part));
    }
  });
  CHECK(server.accepted() == 1);
}

TEST_CASE("[38] over TLS many at once on few connections: all finish, the limit holds") {
  Server server;
  const TlsFront front(server.port());
  asio::io_context context{1};
  ClientOptions options = test::trusting();
  options.limits.max_connections = 4;
  const Client client(context, options);
  int done = 0;
  for (int i = 0; i < 500; ++i) {
    asio::co_spawn(context, client.get(front.url("/" + std::to_string(i))),
                   [&, i](std::exception_ptr e, ferry::Response response) {
                     CHECK_FALSE(e);
                     CHECK(response.body() == "/" + std::to_string(i));
                     ++done;
                   });
  }
  context.run();
  CHECK(done == 500);
  CHECK(server.most_at_once() <= 4);
}

TEST_CASE("[30] [31] over TLS a server that closes after each response costs no error") {
  Server server(Server::raw({test::response("x")}));
  const TlsFront front(server.port());
  asio::io_context context{1};
  const Client client(context, test::trusting());
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 50; ++i) CHECK((co_await client.get(front.url())).body() == "x");
  });
}

TEST_CASE("[57] [60] a TLS handshake that takes too long, or is cancelled by the pool's end") {
  Server silent(Server::silent());
  asio::io_context context{1};
  const Client client(context, test::trusting());
  const std::string url = "https://localhost:" + std::to_string(silent.port()) + "/";
  const auto error_of = [&](ferry::RequestOptions options) {
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client.try_send(Request::get(url), options);
      result = std::move(sent);
    });
    REQUIRE_FALSE(result);
    return result.error();
  };
  CHECK(error_of({.tls_timeout = 10ms}).code() == Errc::tls_timeout);
  CHECK(error_of({.tls_timeout = 10ms}).phase() == ferry::Phase::tls);
  CHECK(error_of({.timeout = 10ms}).code() == Errc::total_timeout);
  CHECK(error_of({.timeout = 10ms}).phase() == ferry::Phase::tls);
  std::error_code closed;
  asio::co_spawn(
      context, client.try_send(Request::get(url)),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { closed = code_of(r); });
  asio::post(context, [&] { client.close(); });
  context.restart();
  context.run();
  CHECK(closed == Errc::client_closed);
  CHECK(client.pool().stats().connecting == 0);
}

TEST_CASE("an http URL for a port that speaks TLS, on a real socket") {
  Server server;
  const TlsFront front(server.port());
  asio::io_context context{1};
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::get("http" + front.url().substr(5)));
    // The server's alert, unless its hanging up overtakes that.
    CHECK(
        (code_of(result) == Errc::malformed_response || code_of(result) == Errc::connection_lost));
  });
  CHECK(client.pool().stats().idle == 0);
}

TEST_CASE("[76] a child leaves its parent's TLS connections alone") {
  Server server;
  const TlsFront front(server.port());
  asio::io_context context{1};
  std::optional<Client> client(std::in_place, context, test::trusting());
  const auto request_number = [&] {
    std::uint64_t number = 0;
    asio::co_spawn(context, client->get(front.url()),
                   [&](std::exception_ptr, const ferry::Response& response) {
                     number = response.connection().request_number;
                   });
    context.restart();
    context.run();
    return number;
  };
  REQUIRE(request_number() == 1);
  CHECK(test::child_says(context, [&] {
    if (request_number() != 1) return false;
    client.reset();
    return true;
  }));
  CHECK(test::child_says(context, [&] {
    client.reset();  // Without having noticed it before.
    return true;
  }));
  CHECK(request_number() == 2);
  CHECK(server.accepted() == 2);
}
