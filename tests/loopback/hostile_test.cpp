// Every case of support/hostile_cases.hpp, in all its pieces, from a server over real sockets; and
// what only a server can do.

#include "support/hostile_cases.hpp"
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
  Client client(context, options);
  ferry::Result<ferry::Response> answer;
  server.run(context, [&]() -> asio::awaitable<void> {
    auto request = one.head ? Request::head(server.url()) : Request::get(server.url());
    auto came = co_await client.try_send(std::move(request));
    answer = std::move(came);
  });
  if (one.error == Errc{}) {
    CHECK(test::code_of(answer) == std::error_code());
    if (answer) CHECK(answer->body() == one.body);
  } else {
    CHECK(test::code_of(answer) == one.error);
  }
  // Refused for its size by its head alone, a short body is drained if it is there already.
  const bool drained = one.error == Errc::body_too_large && !sizes.empty();
  server.run(context, [&]() -> asio::awaitable<void> {
    const ferry::RequestOptions larger{.max_body_size = 5};
    const auto next = co_await client.try_send(Request::get(server.url()), larger);
    REQUIRE(next);
    CHECK(next->body() == "clean");
    if (!drained) CHECK(next->connection().reused == one.kept);
  });
  CHECK(client.pool().stats().active == 0);
}

}  // namespace

TEST_CASE("hostile responses over real sockets, in any pieces") {
  for (const HostileCase& one : test::hostile_cases()) {
    CAPTURE(one.item);
    CAPTURE(one.name);
    for (const auto& sizes : test::pieces_of(one)) {
      CAPTURE(sizes.empty() ? 0 : sizes[0]);
      check(one, sizes);
    }
  }
}
