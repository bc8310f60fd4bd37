// How connections are opened: look-ups, several addresses, the options of TCP.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ferry/detail/net/tcp_connector.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/resolver.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::HostAddresses;
using ferry::Request;
using test::code_of;
using test::FullPort;
using test::Server;

namespace {

using Addresses = std::vector<asio::ip::address>;

Addresses addresses(const std::vector<const char*>& texts) {
  Addresses result;
  for (const char* text : texts) result.push_back(asio::ip::make_address(text));
  return result;
}

/// Answers as it is told, after a turn of the context, and counts.
class CountingResolver final : public ferry::Resolver {
 public:
  asio::awaitable<ferry::Result<Addresses>> resolve(std::string host) override {
    ++lookups;
    asked = host;
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
    if (deaf) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (never && (lookups == 1 || !once)) {
      ferry::detail::OneShotEvent forever;
      co_await forever.wait();
    }
    if (throws) throw std::runtime_error("out of order");
    co_return answer;
  }

  ferry::Result<Addresses> answer = addresses({"127.0.0.1"});
  bool throws = false;
  bool never = false;
  bool once = false;  ///< Only the first one never answers.
  bool deaf = false;  ///< It cannot be cancelled.
  int lookups = 0;
  std::string asked;
};

/// A client with these options, and one request of it.
struct Dial {
  explicit Dial(ClientOptions o) : client(context, std::move(o)) {}
  ferry::Result<ferry::Response> get(const std::string& url, ferry::RequestOptions options = {}) {
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client.try_send(Request::get(url), options);
      result = std::move(sent);
    });
    client.pool().close_idle();
    return result;
  }
  asio::io_context context{1};
  Client client;
};

ClientOptions at(std::vector<std::string> addresses, ferry::Duration attempt_delay) {
  ClientOptions options;
  options.tcp.hosts.emplace_back("ferry.test", 0, std::move(addresses));
  options.tcp.attempt_delay = attempt_delay;
  return options;
}

std::string url_of(const Server& server, const std::string& host = "ferry.test") {
  return "http://" + host + ":" + std::to_string(server.port()) + "/path";
}

std::ptrdiff_t descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

}  // namespace

TEST_CASE("the families of addresses take turns (RFC 8305 4)") {
  const auto interleaved = [](Addresses list) {
    ferry::detail::interleave(list);
    return list;
  };
  CHECK(interleaved(addresses({"::1", "::2", "::3", "1.1.1.1", "2.2.2.2"})) ==
        addresses({"::1", "1.1.1.1", "::2", "2.2.2.2", "::3"}));
  CHECK(interleaved(addresses({"1.1.1.1", "2.2.2.2", "::1"})) ==
        addresses({"1.1.1.1", "::1", "2.2.2.2"}));
  CHECK(interleaved(addresses({"1.1.1.1"})) == addresses({"1.1.1.1"}));
  CHECK(interleaved({}).empty());
}

TEST_CASE("a host whose addresses are given is not looked up; the request names it all the same") {
  std::string seen;
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    seen = co_await peer->read_request();
    co_await peer->write(test::response("x"));
  });
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->answer = ferry::Error(Errc::host_not_found, "nobody");
  ClientOptions options;
  options.tcp.resolver = resolver;
  options.tcp.hosts.emplace_back("Ferry.Test", server.port(),
                                 std::vector<std::string>{"127.0.0.1"});
  Dial dial(options);
  CHECK(dial.get(url_of(server))->body() == "x");
  CHECK(seen.find("Host: ferry.test:" + std::to_string(server.port())) != std::string::npos);
  CHECK(resolver->lookups == 0);
  CHECK(code_of(dial.get("http://ferry.test:1/")) == Errc::host_not_found);  // Another port.
  CHECK(resolver->lookups == 1);
}

TEST_CASE("a resolver whose success has no address is an error") {
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->answer = ferry::Result<Addresses>();
  ClientOptions options;
  options.tcp.resolver = resolver;
  asio::io_context context{1};
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::get("http://ferry.test/"));
    CHECK(code_of(result) == Errc::host_not_found);
  });
}

TEST_CASE("a resolver of one's own: one look-up for all who ask at once, kept for a while") {
  Server server;
  const auto resolver = std::make_shared<CountingResolver>();
  ClientOptions options;
  options.tcp.resolver = resolver;
  {
    Dial dial(options);
    int done = 0;
    for (int i = 0; i < 10; ++i) {
      asio::co_spawn(dial.context, dial.client.get(url_of(server)),
                     [&](std::exception_ptr e, ferry::Response) { done += !e; });
    }
    dial.context.run();
    CHECK(done == 10);
    CHECK(resolver->lookups == 1);
    CHECK(resolver->asked == "ferry.test");
    CHECK(dial.get(url_of(server)));
    CHECK(resolver->lookups == 1);
    CHECK(dial.get(url_of(server, "other.test")));
    CHECK(resolver->lookups == 2);
  }
  {
    options.tcp.dns_ttl = 1ms;
    Dial dial(options);
    for (int i = 0; i < 2; ++i) {
      CHECK(dial.get(url_of(server)));
      const auto old = std::chrono::steady_clock::now() + 2ms;
      while (std::chrono::steady_clock::now() < old) std::this_thread::yield();
    }
    CHECK(resolver->lookups == 4);
  }
  options.tcp.dns_ttl = 0s;
  Dial forgetful(options);
  for (int i = 0; i < 3; ++i) CHECK(forgetful.get(url_of(server)));
  CHECK(resolver->lookups == 7);
}

TEST_CASE("what a resolver may say instead of addresses") {
  Server server;
  const auto resolver = std::make_shared<CountingResolver>();
  ClientOptions options;
  options.tcp.resolver = resolver;
  Dial dial(options);
  const auto error_of = [&] {
    const auto result = dial.get(url_of(server));
    REQUIRE_FALSE(result);
    CHECK(result.error().phase() == ferry::Phase::resolve);
    CHECK(std::string(result.error().what()).find("ferry.test") != std::string::npos);
    return result.error().code();
  };
  resolver->answer = Addresses();
  CHECK(error_of() == Errc::host_not_found);
  resolver->answer = ferry::Error(Errc::host_not_found, "ferry.test is unknown");
  CHECK(error_of() == Errc::host_not_found);
  resolver->throws = true;
  CHECK(error_of() == Errc::host_not_found);
  CHECK(resolver->lookups == 3);  // A failure is not kept.
  resolver->throws = false;
  resolver->answer = addresses({"127.0.0.1"});
  CHECK(dial.get(url_of(server)));
}

TEST_CASE("addresses that have all failed are looked up anew") {
  Server server;
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->answer = addresses({"127.0.0.2"});  // The server is not there.
  ClientOptions options;
  options.tcp.resolver = resolver;
  Dial dial(options);
  CHECK(code_of(dial.get(url_of(server))) == Errc::connection_refused);
  resolver->answer = addresses({"127.0.0.1"});
  CHECK(dial.get(url_of(server)));
  CHECK(resolver->lookups == 2);
}

TEST_CASE("[57] [60] a resolver that never answers: who waits for it is released") {
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->never = true;
  ClientOptions options;
  options.tcp.resolver = resolver;
  asio::io_context context{1};
  const Client client(context, options);
  std::vector<std::error_code> codes;
  for (const auto limit : {1ms, 5ms}) {
    asio::co_spawn(context,
                   client.try_send(Request::get("http://ferry.test/"), {.resolve_timeout = limit}),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     codes.push_back(code_of(result));
                   });
  }
  context.run();  // No call waits for the answer any more, so the look-up is cancelled.
  CHECK(codes == std::vector<std::error_code>(2, Errc::resolve_timeout));
  CHECK(resolver->lookups == 1);
}

TEST_CASE("[65] a resolver that never answers once does not make its host unreachable") {
  Server server;
  for (const bool deaf : {false, true}) {
    const auto resolver = std::make_shared<CountingResolver>();
    resolver->never = resolver->once = true;
    resolver->deaf = deaf;
    ClientOptions options;
    options.tcp.resolver = resolver;
    asio::io_context context{1};
    const Client client(context, options);
    bool done = false;
    const auto ask = [&]() -> asio::awaitable<void> {
      auto late = co_await client.try_send(Request::get(url_of(server)), {.resolve_timeout = 5ms});
      CHECK(code_of(late) == Errc::resolve_timeout);
      CHECK((co_await client.get(url_of(server))).body() == "/path");
      client.pool().close_idle();
      done = true;
    };
    asio::co_spawn(context, ask(), asio::detached);
    if (deaf)
      while (!done) context.run_one();
    else
      context.run();
    CHECK(done);
    CHECK(resolver->lookups == 2);
  }
}

TEST_CASE("[65] a look-up that somebody still waits for, but which takes too long, is not joined") {
  Server server;
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->never = resolver->once = true;
  ClientOptions options;
  options.tcp.resolver = resolver;
  asio::io_context context{1};
  const Client client(context, options);
  std::optional<ferry::Result<ferry::Response>> patient;
  asio::co_spawn(
      context,
      client.try_send(Request::get(url_of(server)), {.resolve_timeout = ferry::no_timeout}),
      [&](std::exception_ptr, ferry::Result<ferry::Response> r) { patient = std::move(r); });
  const auto ask = [&]() -> asio::awaitable<void> {
    auto late = co_await client.try_send(Request::get(url_of(server)), {.resolve_timeout = 2ms});
    CHECK(code_of(late) == Errc::resolve_timeout);
    // The first look-up has taken longer by now than this one would wait.
    bool answered = false;
    while (!answered) {
      auto sent = co_await client.try_send(Request::get(url_of(server)), {.resolve_timeout = 2ms});
      answered = sent.has_value();
    }
    CHECK(resolver->lookups >= 2);
  };
  asio::co_spawn(context, ask(), asio::detached);
  while (!patient) context.run_one();
  client.pool().close_idle();
  context.run();
  CHECK((*patient)->body() ==
        "/path");  // An address that was found is what it was waiting for, too.
}

TEST_CASE("the system looks a name up") {
  Server server;
  ClientOptions options;
  options.tcp.attempt_delay = ferry::no_timeout;
  Dial dial(options);
  CHECK(dial.get(url_of(server, "localhost"))->body() == "/path");
}

TEST_CASE("[66] a dial that is stuck in a resolver gives its place up to whoever needs it") {
  Server busy;
  Server healthy;
  const auto resolver = std::make_shared<CountingResolver>();
  resolver->never = true;
  ClientOptions options;
  options.tcp.resolver = resolver;
  options.timeouts.resolve = ferry::no_timeout;
  options.limits.max_connections = 2;
  asio::io_context context{1};
  const Client client(context, options);
  bool over = false;
  const auto body = [&]() -> asio::awaitable<void> {
    const auto stream = co_await client.stream(Request::get(busy.url()));
    const auto stuck =
        co_await client.try_send(Request::get("http://ferry.test/"), {.timeout = 1ms});
    CHECK(code_of(stuck) == Errc::total_timeout);
    CHECK(client.pool().stats().connecting == 1);
    // The limit is there only so that a failure is one.
    const auto response = co_await client.try_send(Request::get(healthy.url()), {.timeout = 10s});
    CHECK(response);
    CHECK(client.pool().stats().connecting == 0);
    over = true;
  };
  asio::co_spawn(context, body(), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  while (!over) REQUIRE(context.run_one() == 1);
}

TEST_CASE("[40] a context that is destroyed amid a look-up leaks nothing") {
  for (int steps = 0; steps < 10; ++steps) {
    const auto resolver = std::make_shared<CountingResolver>();
    resolver->never = true;
    ClientOptions options;
    options.tcp.resolver = resolver;
    {
      asio::io_context context{1};
      const Client client(context, options);
      asio::co_spawn(context, client.get("http://ferry.test/"), asio::detached);
      for (int i = 0; i < steps; ++i) context.poll_one();
    }
    options = ClientOptions();
    CHECK(resolver.use_count() == 1);
  }
}

TEST_CASE("an address that is silent: the next one is tried beside it, and the loser closed") {
  Server server;
  const FullPort silent("127.0.0.2", server.port());
  Dial dial(at({"127.0.0.2", "127.0.0.1"}, 5ms));
  const auto descriptors_after = [&] {
    CHECK(dial.get(url_of(server))->body() == "/path");
    while (server.live() > 0) std::this_thread::yield();  // It closes its end in its own time.
    return descriptors();
  };
  const auto before = descriptors_after();  // Whatever is opened once and stays.
  CHECK(descriptors_after() == before);
}

TEST_CASE("an address that refuses: the next one is tried at once") {
  Server server;
  Dial dial(at({"127.0.0.2", "127.0.0.3", "127.0.0.1"}, ferry::no_timeout));
  CHECK(dial.get(url_of(server))->body() == "/path");
  const FullPort silent("127.0.0.4", server.port());
  Dial behind(at({"127.0.0.4", "127.0.0.1"}, ferry::no_timeout));
  CHECK(code_of(behind.get(url_of(server), {.connect_timeout = 20ms})) == Errc::connect_timeout);
}

TEST_CASE("an address that refuses while another is silent delays nobody") {
  Server server;
  const FullPort silent("127.0.0.2", server.port());
  constexpr auto delay = 100ms;
  Dial dial(at({"127.0.0.2", "127.0.0.3", "127.0.0.1"}, delay));
  bool in_time = false;  // A machine that is slow may be late once, but not always.
  for (int attempt = 0; attempt < 10 && !in_time; ++attempt) {
    const auto response = dial.get(url_of(server));
    REQUIRE(response);
    in_time = response->timings().connect < 2 * delay;
  }
  CHECK(in_time);
}

TEST_CASE("[57] [60] no address answers: the connect timeout is that of all of them together") {
  Server server;
  const FullPort one("127.0.0.2", server.port());
  const FullPort two("127.0.0.3", server.port());
  Dial dial(at({"127.0.0.2", "127.0.0.3"}, 1ms));
  const auto result = dial.get(url_of(server), {.connect_timeout = 20ms});
  CHECK(code_of(result) == Errc::connect_timeout);
  CHECK(result.error().phase() == ferry::Phase::connect);
  CHECK(code_of(dial.get(url_of(server), {.timeout = 20ms})) == Errc::total_timeout);
  CHECK(dial.client.pool().stats().connecting == 0);
}

TEST_CASE("every address refuses: the error says so, and how many there were") {
  Server server;
  Dial dial(at({"127.0.0.2", "127.0.0.3"}, 1ms));
  const auto result = dial.get(url_of(server));
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::connection_refused);
  CHECK(std::string(result.error().what()).find("any of 2 addresses") != std::string::npos);
}

TEST_CASE("a proxy that refuses is named as one") {
  Server server;
  ClientOptions options;
  options.proxy.http = "http://127.0.0.2:" + std::to_string(server.port());
  Dial dial(options);
  const auto result = dial.get("http://example.test/");
  REQUIRE_FALSE(result);
  CHECK(std::string(result.error().what()).find(": the proxy ") != std::string::npos);
}

TEST_CASE("the options of TCP reach the socket") {
  asio::ip::tcp::endpoint from;
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    from = peer->socket().remote_endpoint();
    while (!(co_await peer->read_request()).empty()) co_await peer->write(test::response("x"));
  });
  ClientOptions options;
  options.tcp.local_address = "127.0.0.5";
  options.tcp.interface = "lo";
  options.tcp.keep_alive = true;
  options.tcp.no_delay = false;
  options.tcp.send_buffer = 20'000;
  options.tcp.receive_buffer = 30'000;
  asio::io_context context{1};
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto response = co_await client.get(server.url());
    CHECK(response.connection().local_endpoint().starts_with("127.0.0.5:"));
  });
  CHECK(from.address().to_string() == "127.0.0.5");
  bool found = false;
  for (int fd = 3; fd < 200 && !found; ++fd) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0 ||
        ntohs(name.sin_port) != from.port() || ntohl(name.sin_addr.s_addr) != 0x7F000005)
      continue;
    found = true;
    const auto option = [fd](int level, int which) {
      int value = -1;
      socklen_t length = sizeof value;
      ::getsockopt(fd, level, which, &value, &length);
      return value;
    };
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(option(SOL_SOCKET, SO_SNDBUF) == 40'000);  // The system doubles what is asked for.
    CHECK(option(SOL_SOCKET, SO_RCVBUF) == 60'000);
  }
  CHECK(found);
}

TEST_CASE("options of TCP that the system refuses, or that make no sense") {
  Server server;
  ClientOptions options;
  options.tcp.local_address = "127.0.0.5";
  CHECK(code_of(Dial(options).get("http://[::1]:" + std::to_string(server.port()) + "/")) ==
        Errc::connect_failed);
  options = ClientOptions();
  options.tcp.interface = "no-such-one";
  CHECK(code_of(Dial(options).get(server.url())) == Errc::connect_failed);

  asio::io_context context{1};
  const auto refused = [&](auto change) {
    ClientOptions bad;
    change(bad.tcp);
    try {
      const Client client(context, bad);
    } catch (const ferry::Error& error) {
      return error.code() == Errc::invalid_option;
    }
    return false;
  };
  using ferry::TcpOptions;
  CHECK(refused([](TcpOptions& tcp) { tcp.local_address = "here"; }));
  CHECK(refused([](TcpOptions& tcp) { tcp.send_buffer = -1; }));
  CHECK(refused([](TcpOptions& tcp) { tcp.attempt_delay = -1ms; }));
  CHECK(refused([](TcpOptions& tcp) { tcp.dns_ttl = -1ms; }));
  CHECK(
      refused([](TcpOptions& tcp) { tcp.hosts.emplace_back("a", 0, std::vector<std::string>()); }));
  CHECK(refused(
      [](TcpOptions& tcp) { tcp.hosts.emplace_back("a", 0, std::vector<std::string>{"b"}); }));
  ClientOptions shared;
  shared.tcp.no_delay = false;
  CHECK_THROWS_AS(Client(ferry::ConnectionPool(context.get_executor()), shared), ferry::Error);
}
