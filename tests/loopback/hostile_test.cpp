// Every case of support/hostile_cases.hpp, in all its pieces, from a server over real sockets; and
// what only a server can do.

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "support/hostile_checks.hpp"
#include "support/hostile_server.hpp"

using ferry::Client;
using ferry::Errc;
using ferry::Request;
using test::HostileCase;
using test::HostileServer;

namespace {

void check(const HostileCase& one, const std::vector<std::size_t>& sizes) {
  HostileServer::Acts acts{HostileServer::read_request()};
  HostileServer::send_in_pieces(acts, one.bytes, sizes);
  if (one.end == HostileCase::End::fin) acts.push_back(HostileServer::fin());
  if (one.end == HostileCase::End::reset) acts.push_back(HostileServer::reset());
  if (one.kept) {
    acts.push_back(HostileServer::read_request());
    acts.push_back(HostileServer::send(test::response("clean")));
  }
  HostileServer server({acts});
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.limits.max_body_size = one.max_body_size;
  const Client client(context, options);
  test::check_hostile_case(one, sizes, client, server.url(),
                           [&](auto body) { server.run(context, body); });
}

}  // namespace

TEST_CASE("hostile responses over real sockets, in any pieces") {
  test::check_hostile_cases(check);
}

TEST_CASE("[29] a response that is pushed late is never delivered") {
  HostileServer server({{HostileServer::read_request(), HostileServer::send(test::response("one")),
                         HostileServer::hold(), HostileServer::send(test::response("wrong"))}});
  asio::io_context context{1};
  Client client(context);
  server.run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(server.url())).body() == "one");
  });
  CHECK(client.pool().stats().idle == 1);
  server.release();
  server.drive(context, [&] { return server.log(0).back() == "sent 43"; });
  server.run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.post(server.url())).body() == "clean");
  });
  CHECK(server.log(0).back() == "client closed");
}

TEST_CASE(
    "[30] a connection that ended while idle is noticed: nothing is sent on it, and nothing lost") {
  for (const bool reset : {false, true}) {
    CAPTURE(reset);
    HostileServer server(
        {{HostileServer::read_request(), HostileServer::send(test::response("one")),
          HostileServer::hold(), reset ? HostileServer::reset() : HostileServer::fin()}});
    asio::io_context context{1};
    Client client(context);
    server.run(context, [&]() -> asio::awaitable<void> {
      CHECK((co_await client.get(server.url())).body() == "one");
    });
    CHECK(client.pool().stats().idle == 1);
    server.release();
    server.drive(context, [&] { return server.log(0).back() == (reset ? "reset" : "fin"); });
    server.run(context, [&]() -> asio::awaitable<void> {
      const auto response = co_await client.post(server.url(), ferry::Body("pay"));
      CHECK(response.body() == "clean");
      CHECK(response.connection().retry_reason.empty());
    });
  }
}

TEST_CASE("[31] [32] closed exactly as the request was written") {
  for (const bool reset : {false, true}) {
    for (const bool some_bytes : {false, true}) {
      for (const bool post : {false, true}) {
        CAPTURE(reset);
        CAPTURE(some_bytes);
        CAPTURE(post);
        HostileServer::Acts acts{HostileServer::read_request(),
                                 HostileServer::send(test::response("one")),
                                 HostileServer::read_request()};
        if (some_bytes) acts.push_back(HostileServer::send("HTTP/1.1 2"));
        acts.push_back(reset ? HostileServer::reset() : HostileServer::fin());
        HostileServer server({acts});
        asio::io_context context{1};
        Client client(context);
        ferry::Result<ferry::Response> second;
        server.run(context, [&]() -> asio::awaitable<void> {
          co_await client.get(server.url());
          Request request =
              post ? Request::post(server.url(), ferry::Body("pay")) : Request::get(server.url());
          auto came = co_await client.try_send(std::move(request));
          second = std::move(came);
        });
        if (some_bytes) {
          CHECK(test::code_of(second) == Errc::truncated_head);
        } else if (post) {
          CHECK(test::code_of(second) == Errc::connection_lost);
          CHECK(second.error().bytes_sent() > 0);
        } else {
          REQUIRE(second);
          CHECK(second->body() == "clean");
          CHECK_FALSE(second->connection().retry_reason.empty());
        }
        CHECK(server.accepted() == (some_bytes || post ? 1 : 2));
      }
    }
  }
}

TEST_CASE("[33] [58] cancelled in a body: the connection is closed, the next request is clean") {
  HostileServer server({{HostileServer::read_request(),
                         HostileServer::send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
                         HostileServer::hold()}});
  asio::io_context context{1};
  Client client(context);
  asio::cancellation_signal signal;
  std::error_code code;
  asio::co_spawn(context, client.try_send(Request::get(server.url())),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                       code = test::code_of(result);
                     }));
  server.drive(context, [&] { return server.accepted() == 1 && server.log(0).size() == 2; });
  signal.emit(asio::cancellation_type::terminal);
  server.drive(context, [&] { return static_cast<bool>(code); });
  CHECK(code == Errc::cancelled);
  server.release();
  server.run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(server.url())).body() == "clean");
  });
  CHECK(server.log(0).back() == "client closed");
}

TEST_CASE(
    "[22] [35] answers while a large body is being sent: interim ones do not end it, a final one "
    "does") {
  const std::string large(20'000'000, 'b');
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  HostileServer patient(
      {{HostileServer::send("HTTP/1.1 100 Continue\r\n\r\n"), HostileServer::send(interim),
        HostileServer::read_request(), HostileServer::send(test::response("all of it"))}});
  asio::io_context context{1};
  Client client(context);
  patient.run(context, [&]() -> asio::awaitable<void> {
    const auto response = co_await client.post(patient.url(), ferry::Body(large));
    CHECK(response.body() == "all of it");
  });
  CHECK(client.pool().stats().idle == 1);

  // It never reads, and keeps the connection open: only its answer can end the sending.
  HostileServer deaf(
      {{HostileServer::hold(),
        HostileServer::send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"),
        HostileServer::hold()}});
  Client other(context);
  int status = 0;
  asio::co_spawn(context, other.try_send(Request::post(deaf.url(), ferry::Body(large))),
                 [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                   status = result ? result->status() : -1;
                 });
  deaf.drive(context, [&] { return deaf.accepted() == 1; });
  CHECK(status == 0);
  deaf.release();
  deaf.drive(context, [&] { return status != 0; });
  CHECK(status == 413);
  CHECK(other.pool().stats().idle == 0);
}

TEST_CASE("[35] [58] [60] sending that is stuck ends in its timeout, or when it is cancelled") {
  const std::string large(20'000'000, 'b');
  for (const bool cancel : {false, true}) {
    HostileServer deaf({{HostileServer::hold()}});
    asio::io_context context{1};
    Client client(context);
    asio::cancellation_signal signal;
    std::error_code code;
    ferry::RequestOptions options;
    options.write_timeout = std::chrono::milliseconds(cancel ? 60'000 : 20);
    asio::co_spawn(
        context, client.try_send(Request::post(deaf.url(), ferry::Body(large)), options),
        asio::bind_cancellation_slot(
            signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
              code = test::code_of(result);
            }));
    deaf.drive(context, [&] { return deaf.accepted() == 1; });
    if (cancel) signal.emit(asio::cancellation_type::terminal);
    deaf.drive(context, [&] { return static_cast<bool>(code); });
    CHECK(code == (cancel ? Errc::cancelled : Errc::write_timeout));
    CHECK(client.pool().stats().active == 0);
  }
}

TEST_CASE("[38] a server that closes behind each response: those who wait keep their order") {
  std::vector<HostileServer::Acts> connections(
      8, {HostileServer::read_request(), HostileServer::send(test::response("x")),
          HostileServer::fin()});
  HostileServer server(connections);
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.limits.max_connections = 1;
  Client client(context, options);
  std::vector<int> order;
  for (int i = 1; i <= 8; ++i) {
    asio::co_spawn(context, client.try_send(Request::get(server.url())),
                   [&order, i](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     CHECK(result);
                     order.push_back(i);
                   });
  }
  server.drive(context, [&] { return order.size() == 8; });
  CHECK(order == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("[13] [35] a reset that the writing meets does not complete a body") {
  const std::string large(20'000'000, 'b');
  HostileServer server(
      {{HostileServer::send("HTTP/1.1 200 OK\r\n\r\nthe first half of"), HostileServer::reset()}});
  asio::io_context context{1};
  Client client(context);
  server.run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::post(server.url(), ferry::Body(large)));
    CHECK((test::code_of(result) == Errc::truncated_body ||
           test::code_of(result) == Errc::connection_lost));
  });
}
