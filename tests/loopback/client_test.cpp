#include <csignal>
#include <future>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sys/time.h>
#endif

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::code_of;
using test::Server;

namespace {

std::error_code get(asio::io_context& context, Client& client, std::string url,
                    ferry::RequestOptions options = {}) {
  std::error_code code;
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::get(url), options);
    code = code_of(result);
  });
  return code;
}

}  // namespace

TEST_CASE("a client keeps its connection, ferry::get does not") {
  Server server;
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (std::uint64_t i = 1; i <= 10; ++i) {
      const auto response = co_await client.get(server.url("/a?b=c"));
      CHECK(response.body() == "/a?b=c");
      CHECK(response.connection().request_number == i);
      CHECK(response.connection().reused == (i > 1));
      CHECK(response.connection().remote_endpoint() ==
            server.url().substr(7, server.url().size() - 8));
      CHECK(response.elapsed() > 0ns);
      CHECK(response.timings().total >= response.elapsed());
      CHECK((response.timings().connect > 0ns) == (i == 1));
    }
  });
  CHECK(server.accepted() == 1);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 5; ++i) {
      const auto response = co_await ferry::get(server.url());
      CHECK_FALSE(response.connection().reused);
    }
  });
  CHECK(server.accepted() == 6);
}

TEST_CASE("[40] one-off requests: of any context, by any thread, and in flight when it goes") {
  Server server;
  Server silent(Server::silent());
  const auto get = [&](asio::io_context& context, auto executor, int& done) {
    asio::co_spawn(executor, ferry::get(server.url("/x")),
                   [&](std::exception_ptr, const ferry::Response& response) {
                     done += response.body() == "/x" && !response.connection().reused;
                   });
    context.restart();
    context.run();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      asio::io_context context{1};
      int done = 0;
      get(context, context.get_executor(), done);
      get(context, asio::make_strand(context), done);
      get(context, asio::any_io_executor(context.get_executor()), done);
      CHECK(done == 3);
      asio::co_spawn(context, ferry::get(silent.url()), asio::detached);
      context.restart();
      while (silent.accepted() == 0) context.poll();
      context.poll();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(server.accepted() == 12);

  // Not one of Asio's own contexts' executors: each has a client by itself.
  asio::thread_pool pool(1);
  auto future = asio::co_spawn(pool, ferry::get(server.url("/x")), asio::use_future);
  CHECK(future.get().body() == "/x");

  // With options of its own it is by itself, too.
  asio::io_context context{1};
  test::run(context, [&]() -> asio::awaitable<void> {
    ClientOptions options;
    options.limits.max_body_size = 1;
    std::error_code code;
    try {
      co_await ferry::get(server.url("/xyz"), {}, options);
    } catch (const ferry::Error& error) {
      code = error.code();
    }
    CHECK(code == Errc::body_too_large);
    CHECK((co_await ferry::get(server.url("/xyz"))).body() == "/xyz");
    CHECK((co_await ferry::post(server.url("/xyz"), ferry::Body("x"), {.timeout = 5s})).ok());
  });
}

TEST_CASE("all verbs") {
  Server server;
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(server.url("/g"))).body() == "/g");
    CHECK((co_await client.head(server.url())).body().empty());
    CHECK((co_await client.options(server.url("/o"))).body() == "/o");
    CHECK((co_await client.post(server.url("/p"), ferry::json("{}"))).body() == "/p");
    CHECK((co_await client.put(server.url("/u"), ferry::Body("x"))).body() == "/u");
    CHECK((co_await client.patch(server.url("/a"))).body() == "/a");
    CHECK((co_await client.delete_(server.url("/d"))).body() == "/d");
    CHECK((co_await client.send(Request(ferry::Method("PURGE"), server.url("/x")))).body() == "/x");
  });
  CHECK(server.accepted() == 1);
}

TEST_CASE("large bodies, both ways and in every framing") {
  std::string large(5'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i * 7 % 23);
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      if (request.starts_with("POST")) {
        const bool same = request.substr(request.find("\r\n\r\n") + 4) == large;
        co_await peer->write(test::response(same ? "same" : "different"));
      } else if (request.starts_with("GET /chunked")) {
        std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        co_await peer->write(std::move(head));
        for (std::size_t at = 0; at < large.size(); at += 40'000) {
          std::ostringstream size;
          size << std::hex << std::min<std::size_t>(40'000, large.size() - at);
          std::string chunk = size.str() + "\r\n" + large.substr(at, 40'000) + "\r\n";
          co_await peer->write(std::move(chunk));
        }
        std::string end = "0\r\n\r\n";
        co_await peer->write(std::move(end));
      } else if (request.starts_with("GET /close")) {
        std::string all = "HTTP/1.1 200 OK\r\n\r\n" + large;
        co_await peer->write(std::move(all));
        co_return;
      } else {
        co_await peer->write(test::response(large));
      }
    }
  });
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(server.url())).body() == large);
    CHECK((co_await client.get(server.url("/chunked"))).body() == large);
    CHECK((co_await client.post(server.url(), ferry::Body(large))).body() == "same");
    CHECK((co_await client.get(server.url("/close"))).body() == large);
  });
  CHECK(server.accepted() == 1);
  CHECK(client.pool().stats().idle == 0);
}

TEST_CASE("[37] [38] many at once on few connections: all finish, the limit holds") {
  Server server;
  asio::io_context context{1};
  ClientOptions options;
  options.limits.max_connections = 8;
  Client client(context, options);
  int done = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string path = "/" + std::to_string(i);
    asio::co_spawn(context, client.get(server.url(path)),
                   [&done, path](std::exception_ptr e, ferry::Response response) {
                     CHECK_FALSE(e);
                     CHECK(response.body() == path);
                     ++done;
                   });
  }
  context.run();
  CHECK(done == 500);
  CHECK(server.most_at_once() <= 8);
  CHECK(server.accepted() <= 8);
  CHECK(client.pool().stats().idle <= 8);
}

TEST_CASE("a refused connection, an unknown host") {
  asio::io_context context{1};
  Client client(context);
  std::uint16_t port = 0;
  {
    asio::ip::tcp::acceptor closed(context,
                                   asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    port = closed.local_endpoint().port();
  }
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto refused = co_await client.try_send(
        Request::get("http://127.0.0.1:" + std::to_string(port) + "/?secret"));
    CHECK(code_of(refused) == Errc::connection_refused);
    CHECK(refused.error().cause() == asio::error::connection_refused);
    CHECK(refused.error().phase() == ferry::Phase::connect);
    CHECK(std::string(refused.error().what()).find("secret") == std::string::npos);
    const auto unknown = co_await client.try_send(Request::get("http://no-such-host.invalid/"));
    CHECK(code_of(unknown) == Errc::host_not_found);
  });
  const auto stats = client.pool().stats();
  CHECK(stats.failed == 2);
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
}

TEST_CASE("names are resolved, each address is tried in turn") {
  Server server;  // On 127.0.0.1 only; localhost may be ::1 first.
  asio::io_context context{1};
  Client client(context);
  CHECK_FALSE(get(context, client, "http://localhost:" + std::to_string(server.port()) + "/"));
}

TEST_CASE("[57] [60] the timeout of each phase, on real sockets") {
  asio::io_context context{1};
  Client client(context);
  test::FullPort full;
  CHECK(get(context, client, full.url(), {.connect_timeout = 20ms}) == Errc::connect_timeout);
  CHECK(get(context, client, full.url(), {.timeout = 20ms}) == Errc::total_timeout);

  Server silent(Server::silent());
  CHECK(get(context, client, silent.url(), {.first_byte_timeout = 20ms}) ==
        Errc::first_byte_timeout);
  CHECK(get(context, client, silent.url(), {.timeout = 20ms}) == Errc::total_timeout);
  Server half([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const auto request = co_await peer->read_request();
    std::string part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
    co_await peer->write(std::move(part));
    co_await peer->wait_closed();
  });
  CHECK(get(context, client, half.url(), {.read_timeout = 20ms}) == Errc::read_timeout);

  Server deaf([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    asio::steady_timer never(peer->socket().get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
  });
  test::run(context, [&]() -> asio::awaitable<void> {
    ferry::Body endless(std::string(50'000'000, 'x'));
    const auto result = co_await client.try_send(Request::post(deaf.url(), std::move(endless)),
                                                 {.write_timeout = 20ms});
    CHECK(code_of(result) == Errc::write_timeout);
    CHECK(result.error().bytes_sent() > 0);
  });
  const auto stats = client.pool().stats();
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
}

TEST_CASE("[57] the pool timeout, and its place in the queue") {
  Server silent(Server::silent());
  asio::io_context context{1};
  ClientOptions options;
  options.limits.max_connections = 1;
  Client client(context, options);
  std::vector<std::error_code> codes;
  const auto note = [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
    codes.push_back(code_of(result));
  };
  asio::co_spawn(context, client.try_send(Request::get(silent.url()), {.timeout = 60ms}), note);
  asio::co_spawn(context, client.try_send(Request::get(silent.url()), {.pool_timeout = 20ms}),
                 note);
  context.run();
  REQUIRE(codes.size() == 2);
  CHECK(codes[0] == Errc::pool_timeout);
  CHECK(codes[1] == Errc::total_timeout);
}

TEST_CASE("[56] a server that drips meets the total timeout, wherever it drips") {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, std::string> drips[] = {
      {"HTTP/1.1 200 OK\r\nX: ", "x"},                           // in the head
      {chunked, "1\r\nx\r\n"},                                   // in chunks
      {chunked + "1;", "x"},                                     // in a chunk's extension
      {chunked + "0\r\nX: ", "x"},                               // in a trailer
      {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x"},  // in a body of known length
      {"HTTP/1.1 200 OK\r\n\r\n", "x"},  // in one that ends with the connection
  };
  for (const auto& [start, drop] : drips) {
    Server server(
        [first = start, again = drop](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
          const auto request = co_await peer->read_request();
          std::string next = first;
          asio::steady_timer timer(peer->socket().get_executor());
          for (;;) {
            std::error_code error;
            auto token = asio::redirect_error(asio::use_awaitable, error);
            co_await asio::async_write(peer->socket(), asio::buffer(next), token);
            if (error) co_return;
            next = again;
            timer.expires_after(2ms);
            co_await timer.async_wait(asio::use_awaitable);
          }
        });
    asio::io_context context{1};
    Client client(context);
    CAPTURE(start);
    CHECK(get(context, client, server.url(), {.timeout = 30ms, .read_timeout = 10s}) ==
          Errc::total_timeout);
    const auto stats = client.pool().stats();
    CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
  }
}

TEST_CASE("[59] a time limit that passes in the turn in which the answer arrives: one result") {
  Server server;
  for (int round = 0; round < 20; ++round) {
    asio::io_context context{1};
    Client client(context);
    int completions = 0;
    const auto begin = std::chrono::steady_clock::now();
    asio::co_spawn(context, client.try_send(Request::get(server.url()), {.timeout = 3ms}),
                   [&](std::exception_ptr e, ferry::Result<ferry::Response> result) {
                     ++completions;
                     CHECK_FALSE(e);
                     if (!result) CHECK(code_of(result) == Errc::total_timeout);
                   });
    for (int i = 0; i < 3; ++i) context.poll_one();  // The request is on its way.
    while (std::chrono::steady_clock::now() < begin + 6ms) std::this_thread::yield();
    context.run();  // Both are due now.
    CHECK(completions == 1);
    const auto stats = client.pool().stats();
    CHECK(stats.active + stats.connecting + stats.waiting == 0);
    CHECK_FALSE(get(context, client, server.url()));
  }
}

TEST_CASE("[13] [31] resets") {
  asio::io_context context{1};
  Client client(context);
  Server at_once([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const auto request = co_await peer->read_request();
    peer->reset();
  });
  CHECK(get(context, client, at_once.url()) == Errc::connection_lost);
  CHECK(at_once.accepted() == 1);
  Server in_body([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const auto request = co_await peer->read_request();
    std::string part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
    co_await peer->write(std::move(part));
    peer->reset();
  });
  CHECK(get(context, client, in_body.url()) == Errc::truncated_body);
}

TEST_CASE("[30] [31] a server that closes after each response costs no error") {
  Server closes(Server::raw({test::response("x")}));
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) CHECK((co_await client.get(closes.url())).body() == "x");
  });
}

TEST_CASE("[63] run() returns at once when no request is in flight") {
  Server server;
  Server silent(Server::silent());
  test::FullPort full;
  asio::io_context context{1};
  Client client(context);
  // poll() finds nothing to wait for: the context has no work left.
  const auto ends_at_once = [&](std::string url, ferry::RequestOptions options, bool cancel) {
    bool ended = false;
    asio::cancellation_signal signal;
    context.restart();
    asio::co_spawn(context, client.try_send(Request::get(url), options),
                   asio::bind_cancellation_slot(
                       signal.slot(),
                       [&](std::exception_ptr, ferry::Result<ferry::Response>) { ended = true; }));
    if (cancel) {
      context.poll();
      CHECK_FALSE(ended);
      signal.emit(asio::cancellation_type::terminal);
    }
    while (!ended) REQUIRE(context.run_one() == 1);
    context.poll();
    return context.stopped();
  };
  CHECK(ends_at_once(server.url(), {}, false));
  CHECK(ends_at_once(server.url(), {.timeout = 1h}, false));
  CHECK(ends_at_once(silent.url(), {.timeout = 10ms}, false));
  CHECK(ends_at_once(silent.url(), {}, true));
  CHECK(ends_at_once(full.url(), {.timeout = 10ms}, false));
  CHECK(ends_at_once(full.url(), {}, true));
  CHECK(client.pool().stats().idle == 1);
}

TEST_CASE("[58] a cancellation is reported as one, wherever it strikes") {
  Server silent(Server::silent());
  Server half([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const auto request = co_await peer->read_request();
    std::string part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
    co_await peer->write(std::move(part));
    co_await peer->wait_closed();
  });
  Server deaf([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    asio::steady_timer never(peer->socket().get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
  });
  test::FullPort full;
  asio::io_context context{1};
  // Cancels once the observer has seen `count` events of this kind, and nothing more happens.
  const auto cancelled = [&](Request request, ferry::Event::Kind kind, int count,
                             std::size_t connections) {
    ClientOptions options;
    options.limits.max_connections = connections;
    int seen = 0;
    options.observer = [&](const ferry::Event& event) { seen += event.kind == kind; };
    Client client(context, options);
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    std::vector<std::error_code> codes;
    context.restart();
    for (int i = 0; i < 2; ++i) {
      signals.push_back(std::make_unique<asio::cancellation_signal>());
      asio::co_spawn(context, client.try_send(request),
                     asio::bind_cancellation_slot(
                         signals.back()->slot(),
                         [&](std::exception_ptr e, ferry::Result<ferry::Response> result) {
                           CHECK_FALSE(e);
                           codes.push_back(code_of(result));
                         }));
    }
    while (seen < count) REQUIRE(context.run_one() == 1);
    context.poll();
    for (int i = 1; i >= 0; --i) {  // The one that waits first.
      signals[static_cast<std::size_t>(i)]->emit(asio::cancellation_type::terminal);
      context.poll();
    }
    const auto stats = client.pool().stats();
    CHECK(stats.active + stats.idle + stats.waiting == 0);
    return codes == std::vector<std::error_code>(2, make_error_code(Errc::cancelled));
  };
  using Kind = ferry::Event::Kind;
  CHECK(cancelled(Request::get(silent.url()), Kind::request_sent, 2, 2));
  CHECK(
      cancelled(Request::get(silent.url()), Kind::request_sent, 1, 1));  // One waits in the queue.
  CHECK(cancelled(Request::get(half.url()), Kind::head_received, 2, 2));
  CHECK(cancelled(Request::get(full.url()), Kind::connection_opening, 2, 2));
  const Request large = Request::post(deaf.url(), ferry::Body(std::string(50'000'000, 'x')));
  CHECK(cancelled(large, Kind::connection_opened, 2, 2));
}

TEST_CASE("[63] also on a strand, and on a thread pool") {
  Server server;
  asio::io_context context{1};
  const auto strand = asio::make_strand(context);
  Client on_strand{asio::any_io_executor(strand)};
  bool ended = false;
  asio::co_spawn(strand, on_strand.get(server.url()),
                 [&](std::exception_ptr e, ferry::Response) { ended = !e; });
  while (!ended) REQUIRE(context.run_one() == 1);
  context.poll();
  CHECK(context.stopped());

  asio::thread_pool pool(2);
  ClientOptions options;  // Whatever keeps the time must not keep the program running as well.
  options.timeouts.pool = options.timeouts.connect = options.timeouts.write = 1h;
  options.timeouts.first_byte = options.timeouts.read = 1h;
  Client on_pool(asio::any_io_executor(pool.get_executor()), options);
  std::atomic<int> done{0};
  for (int i = 0; i < 20; ++i)
    asio::co_spawn(pool, on_pool.get(server.url()),
                   [&](std::exception_ptr e, ferry::Response) { done += !e; });
  pool.join();  // Returns when no work is left.
  CHECK(done == 20);
}

TEST_CASE("any executor will do, the system's too") {
  Server server;
  const Client client{asio::any_io_executor(asio::system_executor())};
  for (const char* path : {"/1", "/2"}) {
    auto response =
        asio::co_spawn(asio::system_executor(), client.get(server.url(path)), asio::use_future);
    CHECK(response.get().body() == path);
  }
}

TEST_CASE("[63] a connection that nobody wants any more before its opening began is not opened") {
  test::FullPort full;
  asio::io_context of_pool{1};
  asio::io_context of_caller{1};
  const Client client(of_pool);
  asio::cancellation_signal signal;
  std::error_code code;
  asio::co_spawn(of_caller, client.try_send(Request::get(full.url())),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                       code = code_of(result);
                     }));
  of_caller.poll();
  CHECK(client.pool().stats().connecting == 1);
  signal.emit(asio::cancellation_type::terminal);
  of_caller.poll();
  CHECK(code == Errc::cancelled);
  of_pool.poll();
  CHECK(of_pool.stopped());
  CHECK(client.pool().stats().connecting == 0);
}

TEST_CASE("[58] acquiring and warming are cancelled cleanly, too") {
  test::FullPort full;
  asio::io_context context{1};
  const ferry::ConnectionPool pool(context.get_executor());
  const auto code_of_cancelled = [&](auto awaitable) {
    asio::cancellation_signal signal;
    std::error_code code;
    asio::co_spawn(context, std::move(awaitable),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, auto) {
                     try {
                       if (e) std::rethrow_exception(e);
                     } catch (const std::system_error& error) {
                       code = error.code();
                     }
                   }));
    context.restart();
    context.poll();
    signal.emit(asio::cancellation_type::terminal);
    context.poll();
    CHECK(context.stopped());
    return code;
  };
  CHECK(code_of_cancelled(pool.acquire(full.url())) == Errc::cancelled);
  CHECK(code_of_cancelled(pool.warm(full.url(), 3)) == Errc::cancelled);
  const auto stats = pool.stats();
  CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
}

TEST_CASE("[58] [60] awaitable_operators cancel cleanly, and the next request is clean") {
  using namespace asio::experimental::awaitable_operators;
  Server server([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      if (request.starts_with("GET /silent")) co_await peer->wait_closed();
      co_await peer->write(test::response("ok"));
    }
  });
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      CHECK((co_await client.get(server.url())).body() == "ok");
      asio::steady_timer timer(context, 10ms);
      const auto first =
          co_await (client.get(server.url("/silent")) || timer.async_wait(asio::use_awaitable));
      CHECK(first.index() == 1);
      const auto stats = client.pool().stats();
      CHECK(stats.active + stats.connecting + stats.waiting == 0);
      const auto both = co_await (client.get(server.url()) && client.get(server.url()));
      CHECK(std::get<0>(both).body() == "ok");
      CHECK(std::get<1>(both).body() == "ok");
    }
  });
}

TEST_CASE("[30] [39] an expired connection is not used, a closed one is noticed") {
  Server server;
  asio::io_context context{1};
  ClientOptions options;
  options.limits.idle_timeout = 0ns;
  Client none(context, options);
  CHECK_FALSE(get(context, none, server.url()));
  CHECK(none.pool().stats().idle == 0);

  Server hint(Server::raw({test::response("x", "Keep-Alive: timeout=0\r\n")}));
  Client client(context);
  CHECK_FALSE(get(context, client, hint.url()));
  CHECK(client.pool().stats().idle == 0);
}

TEST_CASE("events tell the story, in order") {
  Server server;
  asio::io_context context{1};
  std::ostringstream log;
  ClientOptions options;
  options.observer = ferry::log_to(log);
  {
    Client client(context, options);
    test::run(context, [&]() -> asio::awaitable<void> {
      co_await client.get(server.url("/?token=hunter2"));
      co_await client.get(server.url());
    });
  }
  const auto origin = server.url().substr(0, server.url().size() - 1);
  CHECK(log.str() == "Starting new HTTP connection (1): " + origin.substr(7) + "\n" + origin +
                         " \"GET /?... HTTP/1.1\" 200 15\n" + origin +
                         " \"GET / HTTP/1.1\" 200 1\n");

  std::vector<ferry::Event::Kind> kinds;
  options.observer = [&](const ferry::Event& event) { kinds.push_back(event.kind); };
  {
    Client client(context, options);
    test::run(context, [&]() -> asio::awaitable<void> {
      co_await client.get(server.url());
      co_await client.get(server.url());
    });
  }
  using Kind = ferry::Event::Kind;
  CHECK(kinds == std::vector<Kind>{Kind::connection_opening, Kind::connection_opened,
                                   Kind::request_sent, Kind::head_received, Kind::response_received,
                                   Kind::connection_reused, Kind::request_sent, Kind::head_received,
                                   Kind::response_received, Kind::connection_closed});
}

TEST_CASE("raise_for_status") {
  Server server(Server::raw({"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}));
  asio::io_context context{1};
  Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto response = co_await client.get(server.url("/missing?hunter2"));
    CHECK_FALSE(response.ok());
    try {
      response.raise_for_status();
      FAIL("did not throw");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::http_status);
      CHECK(std::string(error.what()).find("404 Not Found") != std::string::npos);
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  });
}

TEST_CASE("close() ends what is in flight and what waits") {
  Server silent(Server::silent());
  asio::io_context context{1};
  ClientOptions options;
  options.limits.max_connections = 1;
  Client client(context, options);
  std::vector<std::error_code> codes;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(context, client.try_send(Request::get(silent.url())),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     codes.push_back(code_of(result));
                   });
  }
  for (int i = 0; i < 5; ++i) context.poll();
  client.close();
  context.run();
  CHECK(codes == std::vector<std::error_code>(3, make_error_code(Errc::client_closed)));
}

#ifdef __linux__

namespace {

/// Interrupts this process's system calls again and again.
class Interruptions {
 public:
  Interruptions() {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // Without SA_RESTART: calls end with EINTR.
    sigaction(SIGALRM, &action, nullptr);
    const itimerval often{{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);  // The handler stays: one may be on its way still.
  }
};

}  // namespace

TEST_CASE("[62] interrupted system calls are made again") {
  const std::string large(3'000'000, 'b');
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      co_await peer->write(test::response(large));
    }
  });
  asio::io_context context{1};
  Client client(context);
  const Interruptions often;
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 20; ++i) {
      const auto response = co_await client.post(server.url(), ferry::Body(large));
      CHECK(response.body() == large);
    }
  });
}

#endif

TEST_CASE("[63] only an io_context's executor is taken for one") {
  using ferry::detail::io_context_executor;
  asio::thread_pool pool(1);
  CHECK_FALSE(io_context_executor(pool.get_executor()));
  CHECK_FALSE(io_context_executor(asio::make_strand(pool.get_executor())));
  asio::io_context context;
  CHECK(io_context_executor(context.get_executor()));
  CHECK(io_context_executor(asio::make_strand(context)));
  CHECK(io_context_executor(asio::make_strand(asio::any_io_executor(context.get_executor()))));
}

namespace {

/// Answers 200 as soon as the head has come, and sends each piece of the body back as it comes.
asio::awaitable<void> echo(std::shared_ptr<test::Peer> peer) {
  while (!(co_await peer->read_until("\r\n\r\n")).empty()) {
    co_await peer->write("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
    std::string piece(65536, ' ');
    for (std::size_t left = 8388608; left > 0;) {
      const std::size_t count =
          co_await peer->read_piece(asio::buffer(piece, std::min(left, piece.size())));
      if (count == 0) co_return;
      left -= count;
      co_await peer->write(piece.substr(0, count));
    }
  }
}

}  // namespace

TEST_CASE("[35] a server that echoes while it reads gets all, and is heard whole") {
  Server server(echo);
  std::string text(8388608, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * 31 % 23);
  asio::io_context context{1};
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    auto sending = client.post(server.url(), ferry::Body(text));
    const ferry::Response page = co_await std::move(sending);
    CHECK((page.body() == text));
    CHECK(page.connection().reused == false);
    auto give = [left = std::string_view(text)](std::span<char> room) mutable {
      const auto count = std::min(room.size(), left.size());
      std::copy_n(left.begin(), count, room.begin());
      left.remove_prefix(count);
      return count;
    };
    auto streaming = client.stream(Request::post(server.url(), ferry::pull(give, text.size())));
    ferry::ResponseStream stream = co_await std::move(streaming);
    auto reading = stream.read_all();
    const std::string all = co_await std::move(reading);
    CHECK((all == text));
    CHECK(stream.connection().reused);
  });
}

#if ASIO_VERSION >= 103700
TEST_CASE("[13] an end that comes with the last data is seen, whatever Asio's reactor is told") {
  for (const char* framing : {"", "Transfer-Encoding: chunked\r\n"}) {
    CAPTURE(std::string(framing));
    std::promise<void> closed;
    Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
      co_await peer->read_request();
      co_await peer->write("HTTP/1.1 200 OK\r\n" + std::string(framing) + "\r\n5\r\nhel");
      peer->finish();
      closed.set_value();
    });
    asio::io_context context(asio::config_from_string("reactor.reset_edge_on_partial_read=1"));
    bool sent = false;
    ferry::ClientOptions options;
    options.observer = [&](const ferry::Event& event) {
      if (event.kind == ferry::Event::Kind::request_sent) sent = true;
    };
    const ferry::Client client(context, options);
    ferry::Result<ferry::Response> result;
    asio::co_spawn(
        context, client.try_send(ferry::Request::get(server.url())),
        [&](std::exception_ptr, ferry::Result<ferry::Response> r) { result = std::move(r); });
    while (!sent) context.run_one();
    // Data and end are one event for the client.
    closed.get_future().wait();
    context.run();
    if (*framing)
      CHECK(test::code_of(result) == ferry::Errc::truncated_body);
    else
      CHECK(result->body() == "5\r\nhel");
  }
}
#endif
