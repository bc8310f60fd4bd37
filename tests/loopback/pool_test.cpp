#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::ConnectionPool;
using ferry::Errc;
using ferry::Error;
using ferry::Lease;
using ferry::PoolOptions;
using ferry::Request;
using test::code_of;
using test::Server;

namespace {

/// The code of the error that an awaitable throws; a zero code if it throws none.
template <class T>
asio::awaitable<std::error_code> code_thrown(asio::awaitable<T> awaitable) {
  std::error_code code;
  try {
    co_await std::move(awaitable);
  } catch (const Error& error) {
    code = error.code();
  }
  co_return code;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("a lease drives one connection, and gives it back") {
  Server server;
  asio::io_context context{1};
  ConnectionPool pool(context.get_executor());
  test::run(context, [&]() -> asio::awaitable<void> {
    {
      const Lease lease = co_await pool.acquire(server.url("/ignored"));
      CHECK(lease.is_usable());
      CHECK(pool.describe() == server.origin() + ": 1 active, 0 idle, 0 waiting");
      for (std::uint64_t i = 1; i <= 3; ++i) {
        const auto response = co_await lease.send(Request::get("/relative"));
        CHECK(response.body() == "/relative");
        CHECK(response.connection().request_number == i);
        CHECK(response.connection().reused == (i > 1));
      }
    }
    CHECK(pool.describe() == server.origin() + ": 0 active, 1 idle, 0 waiting");
    const Client client(pool);
    CHECK((co_await client.get(server.url())).connection().request_number == 4);
  });
  CHECK(server.accepted() == 1);
}

TEST_CASE("[36] what a lease refuses") {
  Server server;
  Server closes(Server::raw({test::response("x", "Connection: close\r\n")}));
  asio::io_context context{1};
  ConnectionPool pool(context.get_executor());
  test::run(context, [&]() -> asio::awaitable<void> {
    const Lease lease = co_await pool.acquire(server.url());
    CHECK((co_await code_thrown(lease.send(Request::get(closes.url())))) == Errc::lease_unusable);
    CHECK((co_await lease.send(Request::get("/"))).status() == 200);  // It is still there.
    CHECK((co_await code_thrown(Lease().send(Request::get("/")))) == Errc::lease_unusable);

    const Lease once = co_await pool.acquire(closes.url());
    CHECK((co_await once.send(Request::get("/"))).body() == "x");
    CHECK_FALSE(once.is_usable());
    CHECK((co_await code_thrown(once.send(Request::get("/")))) == Errc::lease_unusable);

    CHECK((co_await code_thrown(pool.acquire(""))) == Errc::invalid_url);
    CHECK((co_await code_thrown(pool.acquire("http:///path"))) == Errc::invalid_url);
    CHECK((co_await code_thrown(pool.acquire("https://example.com"))) == Errc::tls_unavailable);
  });
  CHECK(pool.stats().active == 0);
}

TEST_CASE("[31] a lease's connection is not replaced when it turns out to be stale") {
  Server closes(Server::raw({test::response("x")}));
  asio::io_context context{1};
  ConnectionPool pool(context.get_executor());
  test::run(context, [&]() -> asio::awaitable<void> {
    const Lease lease = co_await pool.acquire(closes.url());
    CHECK((co_await lease.send(Request::get("/"))).body() == "x");
    CHECK((co_await code_thrown(lease.send(Request::get("/")))) == Errc::connection_lost);
    CHECK_FALSE(lease.is_usable());
  });
  CHECK(closes.accepted() == 1);
}

TEST_CASE("warm() opens what is missing, side by side, and no more") {
  Server server;
  asio::io_context context{1};
  PoolOptions options;
  options.limits.max_connections = 5;
  ConnectionPool pool(context.get_executor(), options);
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await pool.warm(server.url(), 3)) == 3);
    CHECK((co_await pool.warm(server.url(), 3)) == 0);
    CHECK((co_await pool.warm(server.url(), 5)) == 2);
    CHECK((co_await pool.warm(server.url(), 0)) == 0);
    CHECK(pool.describe() == server.origin() + ": 0 active, 5 idle, 0 waiting");
    CHECK((co_await code_thrown(pool.warm(server.url(), 6))) == Errc::invalid_option);
    const Client client(pool);
    const auto response = co_await client.get(server.url());
    CHECK(response.connection().reused);
    CHECK(response.connection().request_number == 1);
    CHECK(response.timings().connect == 0ns);  // The time to connect was another call's.
    CHECK((co_await code_thrown(pool.warm("http://no-such-host.invalid", 2))) ==
          Errc::host_not_found);
  });
  const auto stats = pool.stats();
  CHECK(stats.idle == 3);  // The failed ones had made room.
  CHECK(stats.active + stats.waiting + stats.connecting == 0);
}

TEST_CASE("drain() waits for what is in flight, and takes nothing more") {
  Server server;
  asio::io_context context{1};
  ConnectionPool pool(context.get_executor());
  const Client client(pool);
  std::vector<std::string> story;
  test::run(context, [&]() -> asio::awaitable<void> { co_await client.get(server.url()); });
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(context, client.try_send(Request::get(server.url())),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     story.push_back(result ? "done" : "failed");
                   });
  }
  context.restart();
  context.poll_one();
  test::run(context, [&]() -> asio::awaitable<void> {
    co_await pool.drain();
    story.push_back("drained");
    const auto late = co_await client.try_send(Request::get(server.url()));
    CHECK(code_of(late) == Errc::client_closed);
    co_await pool.drain();
  });
  CHECK(story.size() == 4);
  CHECK(story.back() == "drained");
  const auto stats = pool.stats();
  CHECK(stats.active + stats.idle + stats.waiting + stats.connecting == 0);
}

TEST_CASE("a closed pool refuses everything, at once") {
  Server server;
  asio::io_context context{1};
  ConnectionPool pool(context.get_executor());
  const Client client(pool);
  test::run(context, [&]() -> asio::awaitable<void> {
    const Lease lease = co_await pool.acquire(server.url());
    pool.close();
    pool.close();
    CHECK((co_await code_thrown(lease.send(Request::get("/")))) == Errc::client_closed);
    CHECK((co_await code_thrown(pool.acquire(server.url()))) == Errc::client_closed);
    CHECK((co_await code_thrown(pool.warm(server.url(), 1))) == Errc::client_closed);
    CHECK((co_await code_thrown(client.get(server.url()))) == Errc::client_closed);
    co_await pool.drain();
  });
  const auto stats = pool.stats();
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
  PoolOptions options;
  options.limits.max_connections_per_host = 0;
  CHECK_THROWS_AS(ConnectionPool(context.get_executor(), options), Error);
}

TEST_CASE("[37] a dial that fails for ten waiters: each gets its answer, each dials once at most") {
  asio::io_context context{1};
  std::uint16_t port = 0;
  {
    asio::ip::tcp::acceptor closed(context,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    port = closed.local_endpoint().port();
  }
  ClientOptions options;
  options.limits.max_connections = 2;
  Client client(context, options);
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    asio::co_spawn(context,
                   client.try_send(Request::get("http://127.0.0.1:" + std::to_string(port))),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     refused += code_of(result) == Errc::connection_refused;
                   });
  }
  context.run();
  CHECK(refused == 10);
  CHECK(client.pool().stats().failed == 10);
}

TEST_CASE(
    "a server that accepts and closes at once: each gets its answer, nothing is dialled in a "
    "loop") {
  Server rude([](std::shared_ptr<test::Peer>) -> asio::awaitable<void> { co_return; });
  asio::io_context context{1};
  ClientOptions options;
  options.limits.max_connections = 2;
  Client client(context, options);
  int lost = 0;
  for (int i = 0; i < 10; ++i) {
    asio::co_spawn(context, client.try_send(Request::get(rude.url())),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     lost += code_of(result) == Errc::connection_lost;
                   });
  }
  context.run();
  CHECK(lost == 10);
  CHECK(rude.accepted() <= 20);
}

TEST_CASE(
    "[37] [40] a waiter that goes with its context, a connection just granted, gives it back") {
  Server server;
  asio::io_context context{1};
  PoolOptions options;
  options.limits.max_connections = 1;
  ConnectionPool pool(context.get_executor(), options);
  const Client client(pool);
  auto other = std::make_unique<asio::io_context>(1);
  int served = 0;
  test::run(context, [&]() -> asio::awaitable<void> {
    {
      const Lease lease = co_await pool.acquire(server.url());
      asio::co_spawn(*other, client.get(server.url()),
                     [&](std::exception_ptr, ferry::Response) { ++served; });
      other->poll();
      CHECK(pool.stats().waiting == 1);
    }  // Given back: the waiter has it, and has not run yet.
    CHECK(pool.stats().waiting == 0);
    CHECK(pool.stats().active == 1);
    other.reset();
    CHECK(pool.stats().active == 0);
    CHECK((co_await client.get(server.url())).connection().reused);
  });
  CHECK(served == 0);
  CHECK(server.accepted() == 1);
}

TEST_CASE("[38] 10,000 coroutines on 8 connections, in order of arrival, some cancelled") {
  for (const bool cancels : {false, true}) {
    CAPTURE(cancels);
    Server server;
    const auto descriptors = open_descriptors();
    constexpr int total = 10'000;
    int done = 0;
    int cancelled = 0;
    {
      asio::io_context context{1};
      ClientOptions options;
      options.limits.max_connections = 8;
      int last_sent = -1;
      int out_of_order = 0;
      int open = 0;  // The server notices a closing late: what is live at a time, the client says.
      int most_open = 0;
      options.observer = [&](const ferry::Event& event) {
        using Kind = ferry::Event::Kind;
        if (event.kind == Kind::connection_opening) most_open = std::max(most_open, ++open);
        open -= event.kind == Kind::connection_closed || event.kind == Kind::connection_failed;
        if (event.kind != Kind::request_sent) return;
        const int number = std::stoi(std::string(event.target.substr(1)));
        out_of_order += number <= last_sent;
        last_sent = number;
      };
      Client client(context, options);
      std::mt19937 random(7);
      std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
      for (int i = 0; i < total; ++i) {
        signals.push_back(std::make_unique<asio::cancellation_signal>());
        asio::co_spawn(context, client.try_send(Request::get(server.url("/" + std::to_string(i)))),
                       asio::bind_cancellation_slot(
                           signals.back()->slot(),
                           [&, i](std::exception_ptr e, ferry::Result<ferry::Response> result) {
                             if (result && !e) {
                               CHECK(result->body() == "/" + std::to_string(i));
                               ++done;
                             } else {
                               CHECK((e || code_of(result) == Errc::cancelled));
                               ++cancelled;
                             }
                             // With each answer, some of those that wait give up.
                             if (!cancels || done % 10 != 0) return;
                             for (int n = 0; n < 4; ++n)
                               signals[random() % total]->emit(asio::cancellation_type::terminal);
                           }));
      }
      context.run();
      CHECK(done + cancelled == total);
      CHECK((cancelled > total / 10) == cancels);
      CHECK(out_of_order == 0);
      const auto stats = client.pool().stats();
      CHECK(stats.active + stats.waiting + stats.connecting == 0);
      CHECK(stats.idle <= 8);
      CHECK(most_open <= 8);
    }
    // The server's ends close when it sees ours closed.
    while (server.live() > 0) std::this_thread::yield();
    CHECK(open_descriptors() == descriptors);
  }
}

namespace {

/// Runs until a connection of this client is closed, with a context that something else keeps
/// running. @return why it was closed; nothing if it was not.
std::optional<ferry::CloseReason> reason_when_idle(const std::string& url,
                                                   std::function<void()> when_idle) {
  asio::io_context context{1};
  auto work = asio::make_work_guard(context);
  std::optional<ferry::CloseReason> reason;
  ClientOptions options;
  options.limits.idle_timeout = 20ms;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::connection_closed) return;
    reason = event.reason;
    work.reset();
  };
  const Client client(context, options);
  asio::co_spawn(context, client.get(url), [&](std::exception_ptr e, const ferry::Response&) {
    CHECK_FALSE(e);
    when_idle();
  });
  context.run_for(10s);  // The limit is there only so that a failure is one.
  if (reason) CHECK(client.pool().stats().idle == 0);
  return reason;
}

}  // namespace

TEST_CASE("[39] an idle connection is closed in time, though nothing else happens in the pool") {
  SUBCASE("one that its server keeps") {
    Server server;
    CHECK(reason_when_idle(server.url(), [] {}) == ferry::CloseReason::idle_expired);
    while (server.live() > 0) std::this_thread::yield();
  }
  SUBCASE("one that its server has closed") {
    Server server([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
      const auto request = co_await peer->read_request();
      co_await peer->write(test::response("done"));
    });
    const auto before = open_descriptors();
    const auto when_idle = [&] {
      while (server.live() > 0) std::this_thread::yield();
    };
    CHECK(reason_when_idle(server.url(), when_idle) == ferry::CloseReason::idle_expired);
    CHECK(open_descriptors() == before);
  }
}

TEST_CASE("[39] one idle connection after the other is closed in its time") {
  Server server;
  asio::io_context context{1};
  auto work = asio::make_work_guard(context);
  std::vector<std::uint64_t> closed;
  PoolOptions options;
  options.limits.idle_timeout = 10ms;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::connection_closed) return;
    CHECK(event.reason == ferry::CloseReason::idle_expired);
    closed.push_back(event.connection);
    if (closed.size() == 3) work.reset();
  };
  const ConnectionPool pool(context, options);
  const Client client(pool);
  asio::co_spawn(context, pool.warm(server.url(), 3), asio::detached);
  context.run_for(10s);
  CHECK(closed.size() == 3);
}

TEST_CASE("[63] run() and join() return with connections that idle, whose time has not come") {
  Server server;
  ClientOptions options;
  options.limits.idle_timeout = 1h;
  options.timeouts.total = 2h;
  asio::io_context context{1};
  Client client(context, options);
  for (int i = 0; i < 2; ++i) {
    test::run(context, [&]() -> asio::awaitable<void> { co_await client.get(server.url()); });
    CHECK(client.pool().stats().idle == 1);
  }
  client = Client(asio::make_strand(context), options);
  test::run(context, [&]() -> asio::awaitable<void> { co_await client.get(server.url()); });
  CHECK(client.pool().stats().idle == 1);

  asio::thread_pool threads(1);
  const Client other(threads, options);
  asio::co_spawn(threads, other.get(server.url()), asio::detached);
  threads.join();
  CHECK(other.pool().stats().idle == 1);
}

TEST_CASE("[40] the last handle dies before its idle connection's time has come") {
  Server server;
  asio::io_context context{1};
  auto work = asio::make_work_guard(context);
  ClientOptions options;
  options.limits.idle_timeout = 5ms;
  std::optional<Client> client(std::in_place, context, options);
  bool later = false;
  options.observer = [&](const ferry::Event& event) {
    later = later || event.kind == ferry::Event::Kind::connection_closed;
    if (later) work.reset();
  };
  const Client other(context, options);  // Its connection's time comes after the first one's.
  asio::co_spawn(context, client->get(server.url()),
                 [&](std::exception_ptr, const ferry::Response&) {
                   client.reset();
                   asio::co_spawn(context, other.get(server.url()), asio::detached);
                 });
  context.run_for(10s);
  CHECK(later);
}

TEST_CASE("[63] a connection that is given back outside run() does not end the next run()") {
  Server server;
  asio::io_context context{1};
  const ferry::ConnectionPool pool(context);
  ferry::Lease lease;
  test::run(context, [&]() -> asio::awaitable<void> {
    auto acquiring = pool.acquire(server.origin());
    lease = co_await std::move(acquiring);
  });
  context.restart();
  lease = ferry::Lease();
  CHECK(pool.stats().idle == 1);
  bool has_run = false;
  asio::post(context, [&] { has_run = true; });
  context.run();
  CHECK(has_run);
}
