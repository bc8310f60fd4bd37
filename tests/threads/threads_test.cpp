// One client used by several threads at once. Run this under TSan, which must report nothing.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/authenticator.hpp>
#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/lookup_threads.hpp>
#include <ferry/detail/net/tcp.hpp>
#include <ferry/detail/net/tcp_connector.hpp>
#include <ferry/detail/net/wait_ready.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/resolver.hpp>

#include "support/names.hpp"
#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::Server;

namespace {

constexpr int requests = 400;

ClientOptions few_connections() {
  ClientOptions options;
  options.limits.max_connections = 4;
  return options;
}

struct Tally {
  std::atomic<int> good{0};
  std::atomic<int> timeouts{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> closed{0};
  std::atomic<int> other{0};
  int total() const { return good + timeouts + cancelled + closed + other; }

  auto counter() {
    return [this](std::exception_ptr e, ferry::Result<ferry::Response> result) {
      const auto code = e ? make_error_code(Errc::cancelled) : test::code_of(result);
      if (!code)
        ++good;
      else if (code == ferry::Condition::timeout)
        ++timeouts;
      else if (code == Errc::cancelled)
        ++cancelled;
      else if (code == Errc::client_closed)
        ++closed;
      else
        ++other;
    };
  }
};

void run_on(asio::io_context& context, int threads) {
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back([&] { context.run(); });
  for (auto& thread : all) thread.join();
}

void check_quiet(const Client& client) {
  const auto stats = client.pool().stats();
  CHECK(stats.active == 0);
  CHECK(stats.waiting == 0);
  CHECK(stats.connecting == 0);
  CHECK(stats.opened - stats.closed == stats.idle);
}

/// Resolves every name to this host; names that begin with "dead" get an address that refuses
/// connections.
class AnyName final : public ferry::Resolver {
 public:
  asio::awaitable<ferry::Result<std::vector<asio::ip::address>>> resolve(
      std::string host) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    const char* address = host.starts_with("dead") ? "127.0.0.2" : "127.0.0.1";
    co_return std::vector{asio::ip::make_address(address)};
  }
};

/// A socket whose waits end at once, each on its own thread.
class ReadySocket {
 public:
  explicit ReadySocket(asio::io_context& context) : context_(context) {}
  ~ReadySocket() {
    for (auto& thread : threads_) thread.join();
  }

  auto get_executor() const { return context_.get_executor(); }
  template <class Handler>
  void async_wait(asio::socket_base::wait_type, Handler handler) {
    ++waits;
    threads_.emplace_back([handler]() mutable { handler(std::error_code()); });
  }
  void cancel(std::error_code&) { waits_at_cancel = waits; }

  int waits = 0;
  int waits_at_cancel = 0;

 private:
  asio::io_context& context_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("[61] one client on an io_context that several threads run") {
  Server server;
  asio::io_context context;
  Client client(context, few_connections());
  Tally tally;
  for (int i = 0; i < requests; ++i)
    asio::co_spawn(context, client.try_send(Request::get(server.url())), tally.counter());
  run_on(context, 4);
  CHECK(tally.good == requests);
  CHECK(server.most_at_once() <= 4);
  check_quiet(client);
}

TEST_CASE("[61] one client on a raw thread_pool, and from strands of it") {
  Server server;
  asio::thread_pool pool(4);
  Client client(asio::any_io_executor(pool.get_executor()), few_connections());
  Tally tally;
  for (int i = 0; i < requests; ++i) {
    if (i % 2 == 0)
      asio::co_spawn(pool, client.try_send(Request::get(server.url())), tally.counter());
    else
      asio::co_spawn(asio::make_strand(pool), client.try_send(Request::get(server.url())),
                     tally.counter());
  }
  pool.join();
  CHECK(tally.good == requests);
  check_quiet(client);
}

TEST_CASE("[61] one pool for two contexts") {
  Server server;
  asio::io_context one{1};
  asio::io_context two{1};
  auto keep_one = asio::make_work_guard(one);
  ferry::PoolOptions options;
  options.limits.max_connections = 4;
  ferry::ConnectionPool pool(one.get_executor(), options);
  const Client a(pool);
  const Client b(pool);
  Tally tally;
  for (int i = 0; i < requests; ++i) {
    asio::co_spawn(one, a.try_send(Request::get(server.url())), tally.counter());
    asio::co_spawn(two, b.try_send(Request::get(server.url())), tally.counter());
  }
  std::thread first([&] { one.run(); });
  std::thread second([&] { two.run(); });
  second.join();
  keep_one.reset();
  first.join();
  CHECK(tally.good == 2 * requests);
  check_quiet(a);
}

TEST_CASE("[37] [59] timeouts of 0 to 400 us, which race with everything") {
  Server server;
  asio::io_context context;
  Client client(context, few_connections());
  Tally tally;
  for (int i = 0; i < 4 * requests; ++i) {
    const auto limit = std::chrono::microseconds(i % 5 * 100);
    asio::co_spawn(context, client.try_send(Request::get(server.url()), {.timeout = limit}),
                   tally.counter());
    if (i % requests == requests - 1) {
      context.restart();
      run_on(context, 4);
    }
  }
  CHECK(tally.total() == 4 * requests);
  CHECK(tally.good + tally.timeouts == tally.total());
  check_quiet(client);
  // The next request is clean.
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(server.url("/x"))).body() == "/x");
  });
}

TEST_CASE("[37] [58] cancelled at any time, each on its strand") {
  Server server;
  asio::io_context context;
  Client client(context, few_connections());
  Tally tally;
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  for (int i = 0; i < requests; ++i) {
    const auto strand = asio::make_strand(context);
    signals.push_back(std::make_unique<asio::cancellation_signal>());
    auto& signal = *signals.back();
    asio::co_spawn(strand, client.try_send(Request::get(server.url())),
                   asio::bind_cancellation_slot(signal.slot(), tally.counter()));
    if (i % 3 != 0) continue;
    // Cancels after `turns` turns of the strand.
    struct Later {
      asio::strand<asio::io_context::executor_type> strand;
      asio::cancellation_signal* signal;
      int turns;
      void operator()() {
        if (turns-- > 0)
          asio::post(strand, *this);
        else
          signal->emit(asio::cancellation_type::terminal);
      }
    };
    asio::post(strand, Later{strand, &signal, i % 40});
  }
  run_on(context, 4);
  CHECK(tally.total() == requests);
  CHECK(tally.good + tally.cancelled == requests);
  check_quiet(client);
}

namespace {

/// Waits for up to 400 microseconds, or until cancelled.
class Waiting final : public ferry::Authenticator {
 public:
  asio::awaitable<std::string> authorize(ferry::AuthContext) override {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::microseconds(count_++ % 400));
    co_await timer.async_wait(asio::use_awaitable);
    co_return "Bearer token";
  }

 private:
  std::atomic<int> count_{0};
};

asio::awaitable<std::size_t> give_later(std::span<char> room, std::shared_ptr<int> left) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::microseconds(50 * *left));
  co_await timer.async_wait(asio::use_awaitable);
  if ((*left)-- == 0) co_return 0;
  room[0] = 'x';
  co_return 1;
}

}  // namespace

TEST_CASE("[61] [72] limits end authenticators and sources on a raw thread pool") {
  Server server;
  asio::thread_pool threads(4);
  {
    ClientOptions options = few_connections();
    options.auth = std::make_shared<Waiting>();
    Client client(threads.get_executor(), options);
    Tally tally;
    for (int i = 0; i < requests; ++i) {
      const auto left = std::make_shared<int>(3);
      const auto give = [left](std::span<char> room) { return give_later(room, left); };
      ferry::RequestOptions limits;
      limits.timeout = std::chrono::microseconds(i % 5 == 0 ? 1'000'000 : i % 400);
      asio::co_spawn(threads,
                     client.try_send(Request::post(server.url(), ferry::pull(give, 3)), limits),
                     tally.counter());
    }
    threads.join();
    CHECK(tally.total() == requests);
    CHECK(tally.good > 0);
    CHECK(tally.good + tally.timeouts == requests);
    check_quiet(client);
  }
}

TEST_CASE("[40] closed while in use: every request completes once") {
  Server server;
  for (int round = 0; round < 10; ++round) {
    asio::io_context context;
    Client client(context, few_connections());
    Tally tally;
    for (int i = 0; i < requests / 4; ++i)
      asio::co_spawn(context, client.try_send(Request::get(server.url())), tally.counter());
    std::thread closer([&] {
      while (tally.total() < 5) std::this_thread::yield();
      client.close();
    });
    run_on(context, 4);
    closer.join();
    CHECK(tally.total() == requests / 4);
    CHECK(tally.good + tally.closed == requests / 4);
    const auto stats = client.pool().stats();
    CHECK(stats.active + stats.idle + stats.waiting + stats.connecting == 0);
  }
}

TEST_CASE("[38] 10,000 coroutines of four threads on 8 connections, three in ten cancelled") {
  Server server;
  asio::io_context context;
  ClientOptions options;
  options.limits.max_connections = 8;
  Client client(context, options);
  Tally tally;
  constexpr int many = 10'000;
  std::atomic<bool> too_many = false;  // The pool's own count is checked, because the server
                                       // notices a closed connection late.
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
  for (int i = 0; i < many; ++i) {
    const auto strand = asio::make_strand(context);
    signals.push_back(std::make_unique<asio::cancellation_signal>());
    auto& signal = *signals.back();
    const auto done = [&, count = tally.counter()](std::exception_ptr e,
                                                   ferry::Result<ferry::Response> result) {
      const auto stats = client.pool().stats();
      if (stats.active + stats.idle + stats.connecting > 8) too_many = true;
      count(std::move(e), std::move(result));
    };
    asio::co_spawn(strand, client.try_send(Request::get(server.url())),
                   asio::bind_cancellation_slot(signal.slot(), done));
    if (i % 10 < 3)
      asio::post(strand, [&signal] { signal.emit(asio::cancellation_type::terminal); });
  }
  run_on(context, 4);
  CHECK(tally.total() == many);
  CHECK(tally.good + tally.cancelled == many);
  CHECK(tally.cancelled > 0);
  CHECK_FALSE(too_many);
  check_quiet(client);
}

TEST_CASE("[61] stats, describe, close_idle and warm from other threads, while requests run") {
  Server server;
  asio::io_context context;
  Client client(context, few_connections());
  Tally tally;
  for (int i = 0; i < requests; ++i)
    asio::co_spawn(context, client.try_send(Request::get(server.url())), tally.counter());
  asio::co_spawn(context, client.pool().warm(server.url(), 2),
                 [](std::exception_ptr e, std::size_t) { CHECK_FALSE(e); });
  std::thread watcher([&] {
    while (tally.total() < requests) {
      const auto stats = client.pool().stats();
      CHECK(stats.active + stats.idle + stats.connecting <= 4);
      CHECK(client.pool().describe().find("5 active") == std::string::npos);
      client.pool().close_idle();
      std::this_thread::yield();
    }
  });
  run_on(context, 4);
  watcher.join();
  CHECK(tally.good == requests);
  check_quiet(client);
}

TEST_CASE("[61] connections warmed by several threads, while others make room") {
  Server server;
  asio::io_context context;
  ferry::PoolOptions options;
  options.limits.max_connections = 16;
  const ferry::ConnectionPool pool(context.get_executor(), options);
  const Client client(pool);
  Tally tally;
  std::atomic<int> warmed = 0;
  for (int i = 0; i < 40; ++i) {
    asio::co_spawn(asio::make_strand(context), pool.warm(server.origin(), 8 + i % 8),
                   [&](std::exception_ptr e, std::size_t) {
                     CHECK_FALSE(e);
                     ++warmed;
                   });
    for (int n = 0; n < 10; ++n)
      asio::co_spawn(context, client.try_send(Request::get(server.url())), tally.counter());
  }
  run_on(context, 4);
  CHECK(warmed == 40);
  CHECK(tally.good == 400);
  check_quiet(client);
}

TEST_CASE("[61] look-ups by several threads: shared, kept, forgotten") {
  Server server;
  ferry::TcpOptions tcp;
  tcp.resolver = std::make_shared<AnyName>();
  ClientOptions options;
  options.connector = std::make_shared<ferry::detail::TcpConnector>(
      tcp, std::make_shared<ferry::detail::DnsCache>(tcp));
  options.limits.max_idle = 0;  // Each request makes its own dial.
  Tally tally;
  const auto work = [&] {
    asio::io_context context{1};
    const Client client(context, options);
    const auto send = [&](const std::string& host) {
      const std::string url = "http://" + host + ".test:" + std::to_string(server.port()) + "/";
      asio::co_spawn(context, client.try_send(Request::get(url)), tally.counter());
    };
    for (int i = 0; i < requests; ++i) {
      if (i % 20 == 0) send("here");
      send("dead" + std::to_string(i % 4));
    }
    context.run();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  CHECK(tally.good == 4 * requests / 20);
  CHECK(tally.other == 4 * requests);  // These connections are refused, so the names are looked up
                                       // again.
}

TEST_CASE("[61] [65] the system's look-ups, for several threads, while time limits pass") {
  Server server;
  const auto names = std::make_shared<test::Names>();
  const auto lookup_threads = std::make_shared<ferry::detail::LookupThreads>(3, 8);
  ferry::TcpOptions tcp;
  tcp.dns_ttl = ferry::Duration::zero();
  ClientOptions options;
  options.connector = names->connector(lookup_threads, tcp);
  options.limits.max_idle = 0;  // Each request makes its own dial.
  names->block("stuck.test");
  Tally tally;
  const auto work = [&] {
    asio::io_context context{1};
    const Client client(context, options);
    for (int i = 0; i < requests; ++i) {
      const std::string host = i % 10 == 0 ? "stuck" : "name" + std::to_string(i % 4);
      const std::string url = "http://" + host + ".test:" + std::to_string(server.port()) + "/";
      ferry::RequestOptions limits;
      if (i % 10 == 0 || i % 3 == 0) limits.resolve_timeout = std::chrono::microseconds(i % 400);
      asio::co_spawn(context, client.try_send(Request::get(url), limits), tally.counter());
    }
    context.run();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  CHECK(tally.total() == 4 * requests);
  CHECK(tally.good > 0);
  names->let_go("stuck.test");
  while (lookup_threads.use_count() > 2) std::this_thread::yield();  // Waits for all to end.
}

TEST_CASE("[40] a client closed while in use leaves the others of its pool alone") {
  Server server;
  for (int round = 0; round < 10; ++round) {
    asio::io_context context;
    ferry::PoolOptions options;
    options.limits.max_connections = 4;
    const ferry::ConnectionPool pool(context.get_executor(), options);
    const Client stays(pool);
    const Client goes(pool);
    Tally of_stays;
    Tally of_goes;
    for (int i = 0; i < requests / 4; ++i) {
      asio::co_spawn(context, stays.try_send(Request::get(server.url())), of_stays.counter());
      asio::co_spawn(context, goes.try_send(Request::get(server.url())), of_goes.counter());
    }
    std::thread closer([&] {
      while (of_goes.total() < 5) std::this_thread::yield();
      goes.close();
    });
    run_on(context, 4);
    closer.join();
    CHECK(of_stays.good == requests / 4);
    CHECK(of_goes.good + of_goes.closed == requests / 4);
    check_quiet(stays);
  }
}

TEST_CASE("[61] a stream that one thread aborts, while another looks at it, or closes it") {
  Server server;
  asio::io_context context;
  for (int i = 0; i < 20; ++i) {
    ferry::detail::TcpStream stream(context.get_executor());
    std::error_code error;
    stream.start_connect({asio::ip::address_v4::loopback(), server.port()}, {}, error);
    std::thread aborter([&] { stream.abort(); });
    if (i % 2 == 0) {
      while (stream.is_open()) std::this_thread::yield();
    } else {
      stream.close();
    }
    aborter.join();
    CHECK_FALSE(stream.is_open());
  }
}

TEST_CASE("[61] a wake-up that is taken back while it is given") {
  ferry::detail::OneShotEvent wakeup;
  std::thread giver([&] {
    for (int i = 0; i < 1000; ++i) wakeup.fire();
  });
  for (int i = 0; i < 1000; ++i) wakeup.rearm();
  giver.join();
}

TEST_CASE("[61] two waits on one socket that end before both have begun, on two threads") {
  asio::io_context context;
  for (int i = 0; i < 100; ++i) {
    std::atomic<int> ended = 0;
    {
      ReadySocket socket(context);
      const auto handler = [&](std::error_code) { ++ended; };
      ferry::detail::StartReadyWait<ReadySocket>{&socket}(handler);
    }
    CHECK(ended == 1);
  }
}

TEST_CASE("[66] dials that are given up while they begin, succeed and fail") {
  Server server;
  asio::io_context context;
  ClientOptions options;
  options.limits.max_connections = 3;
  options.tcp.resolver = std::make_shared<AnyName>();
  options.tcp.dns_ttl = ferry::Duration::zero();
  const Client client(context, options);
  const auto url = [&](int i) {
    const std::string name = (i % 3 == 0 ? "dead" : "host") + std::to_string(i % 8);
    return "http://" + name + ":" + std::to_string(server.port()) + "/";
  };
  Tally tally;
  for (int i = 0; i < 4 * requests; ++i) {
    const auto limit = std::chrono::microseconds(i % 7 == 0 ? 1'000'000 : i % 5 * 100);
    asio::co_spawn(asio::make_strand(context),
                   client.try_send(Request::get(url(i)), {.timeout = limit}), tally.counter());
    if (i % 20 == 19) {  // Only a few run at a time, so that the pool is quiet now and then.
      context.restart();
      run_on(context, 4);
    }
  }
  CHECK(tally.total() == 4 * requests);
  check_quiet(client);
}

TEST_CASE(
    "[39] [61] idle connections are closed in time while others take them and give them back") {
  Server server;
  asio::io_context context;
  ClientOptions options = few_connections();
  options.limits.idle_timeout = 200us;
  std::atomic<int> closed{0};
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::connection_closed) ++closed;
  };
  Tally tally;
  {
    const Client client(context, options);
    const auto work = asio::make_work_guard(context);
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i) all.emplace_back([&] { context.run(); });
    for (int i = 0; i < requests; ++i) {
      asio::co_spawn(asio::make_strand(context), client.try_send(Request::get(server.url())),
                     tally.counter());
      while (tally.total() + 4 <= i) std::this_thread::yield();
    }
    while (tally.total() < requests || client.pool().stats().idle > 0) std::this_thread::yield();
    context.stop();
    for (auto& thread : all) thread.join();
    check_quiet(client);
  }
  CHECK(tally.good == requests);
  CHECK(closed > 0);
}

TEST_CASE("[61] draining while calls of other threads are redirected") {
  Server server([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      if (request.starts_with("GET /first "))
        co_await peer->write("HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n");
      else
        co_await peer->write(test::response("done"));
    }
  });
  for (int round = 0; round < 40; ++round) {
    asio::io_context context;
    const Client client(context, few_connections());
    Tally tally;
    std::atomic<bool> drained{false};
    for (int i = 0; i < 20; ++i)
      asio::co_spawn(asio::make_strand(context),
                     client.try_send(Request::get(server.url("/first"))), tally.counter());
    asio::co_spawn(asio::make_strand(context), client.pool().drain(), [&](std::exception_ptr e) {
      CHECK_FALSE(e);
      drained = true;
    });
    run_on(context, 4);
    CHECK(drained);
    CHECK(tally.good + tally.closed == 20);
    const auto stats = client.pool().stats();
    CHECK(stats.active + stats.idle + stats.waiting + stats.connecting == 0);
  }
}
