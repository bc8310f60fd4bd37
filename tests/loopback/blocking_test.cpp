// The client without coroutines.

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ferry/blocking.hpp>
#include <ferry/detail/time/one_shot_event.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using ferry::Errc;
using ferry::Request;
using test::Server;

namespace {

/// An observer that tells of its end, which is that of its pool.
class Watched {
 public:
  ferry::Observer observer() {
    auto ending = std::shared_ptr<void>(nullptr, [this](void*) { ended_.set_value(); });
    return [ending](const ferry::Event&) {};
  }
  void wait_ended() { ended_.get_future().wait(); }

 private:
  std::promise<void> ended_;
};

/// Runs a coroutine on a context of this thread's. @return its result.
template <class T>
T await(asio::awaitable<T> awaited) {
  asio::io_context context{1};
  std::optional<T> result;
  test::run(context, [&]() -> asio::awaitable<void> { result = co_await std::move(awaited); });
  return std::move(*result);
}

ferry::ResponseStream stream_of_a_client_that_is_gone(const std::string& url,
                                                      ferry::ClientOptions options = {}) {
  const ferry::blocking::Client client(options);
  return client.run(client.async().stream(url));
}

}  // namespace

TEST_CASE("calls return when they are done, over one kept connection") {
  Server server;
  ferry::ClientOptions options;
  options.base_url = server.url();
  const ferry::blocking::Client client(options);
  CHECK(client.get("/a").body() == "/a");
  CHECK(client.post("/b", ferry::Body("x")).body() == "/b");
  CHECK(client.head("/c").status() == 200);
  CHECK(client.send(Request::put("/d", ferry::Body("x"))).body() == "/d");
  CHECK(server.accepted() == 1);
  CHECK(test::code_of(client.try_send(Request::get("not a URL://"))) == Errc::invalid_url);
  CHECK_THROWS_AS(client.get("http://127.0.0.1:1/"), ferry::Error);
}

TEST_CASE("one client serves several threads") {
  Server server;
  const ferry::blocking::Client client;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 25; ++n) {
        const std::string path = "/" + std::to_string(i) + "/" + std::to_string(n);
        if (client.get(server.url(path)).body() == path) ++good;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(good == 100);
  CHECK(server.accepted() <= 4);
}

TEST_CASE("an exception has left the client's thread before a call throws it") {
  const ferry::blocking::Client client;  // TSan sees two threads end one exception, if it has not.
  for (int i = 0; i < 200; ++i) CHECK_THROWS_AS(client.get("not a URL://"), ferry::Error);
}

TEST_CASE("what coroutines are needed for can be waited for, too") {
  Server server;
  const ferry::blocking::Client client;
  const auto read = [](ferry::Client async, std::string url) -> asio::awaitable<std::string> {
    ferry::ResponseStream stream = co_await async.stream(std::move(url));
    co_return co_await stream.read_all();
  };
  CHECK(client.run(read(client.async(), server.url("/stream"))) == "/stream");
  bool done = false;
  const auto nothing = [](bool& set) -> asio::awaitable<void> {
    set = true;
    co_return;
  };
  client.run(nothing(done));
  CHECK(done);
}

TEST_CASE("a call from its own thread is an error, not a deadlock") {
  Server server;
  std::error_code seen;
  const ferry::blocking::Client* self = nullptr;
  ferry::ClientOptions options;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind != ferry::Event::Kind::request_sent) return;
    try {
      self->get(server.url());
    } catch (const ferry::Error& error) {
      seen = error.code();
    }
  };
  const ferry::blocking::Client client(options);
  self = &client;
  CHECK(client.get(server.url()).status() == 200);
  CHECK(seen == Errc::invalid_option);
}

TEST_CASE("[40] a stream outlives the blocking client that made it") {
  const std::string large(1'000'000, 'x');  // More than sockets hold: it comes while it is read.
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    while (!(co_await peer->read_request()).empty()) co_await peer->write(test::response(large));
  });
  {
    auto stream = stream_of_a_client_that_is_gone(server.url());
    CHECK(await(stream.read_all()) == large);
  }
  Watched watched;
  ferry::ClientOptions options;
  options.observer = watched.observer();
  auto dropped = stream_of_a_client_that_is_gone(server.url(), options);
  options = ferry::ClientOptions();
  CHECK(dropped.status() == 200);
  dropped = ferry::ResponseStream();
  watched.wait_ended();
}

TEST_CASE("[40] copies of async() and of its pool outlive the blocking client") {
  Server server;
  auto client = std::make_unique<ferry::blocking::Client>();
  CHECK(client->get(server.url()).status() == 200);
  std::optional<ferry::Client> async(client->async());
  client.reset();
  CHECK(await(async->get(server.url("/later"))).body() == "/later");
  CHECK(server.accepted() == 1);
  const ferry::ConnectionPool pool = async->pool();
  async.reset();
  const ferry::Client other(pool);
  CHECK(await(other.get(server.url("/last"))).body() == "/last");
}

TEST_CASE("[40] a lease, and calls that have not begun, outlive the blocking client") {
  Server server;
  auto client = std::make_unique<ferry::blocking::Client>();
  const ferry::Lease lease = client->run(client->async().pool().acquire(server.origin()));
  client.reset();
  CHECK(await(lease.send(Request::get("/held"))).body() == "/held");

  client = std::make_unique<ferry::blocking::Client>();
  auto get = client->async().get(server.url("/get"));
  client.reset();
  CHECK(await(std::move(get)).body() == "/get");

  client = std::make_unique<ferry::blocking::Client>();
  auto acquire = client->async().pool().acquire(server.origin());
  client.reset();  // And with it the pool's last handle: no new connection is kept.
  CHECK(await(std::move(acquire)).is_usable());
}

TEST_CASE("[40] an upgraded connection outlives the blocking client") {
  Server server([](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    co_await peer->read_request();
    co_await peer->write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    co_await peer->write(co_await peer->read_until("\n"));
  });
  auto client = std::make_unique<ferry::blocking::Client>();
  ferry::Upgraded upgraded =
      client->run(client->async().upgrade(Request::get(server.url()).header("Upgrade", "echo")));
  client.reset();
  CHECK(upgraded.stream->remote_endpoint() == server.url("").substr(7));
  const auto echo = [](ferry::Stream& stream) -> asio::awaitable<std::string> {
    std::error_code error;
    const asio::const_buffer line("line\n", 5);
    co_await stream.write_some(std::span(&line, 1), error);
    char text[16];
    const std::size_t size = co_await stream.read_some(asio::buffer(text), error);
    co_return std::string(text, size);
  };
  CHECK(await(echo(*upgraded.stream)) == "line\n");
}

TEST_CASE("[40] what goes last on the client's own thread does not wait for that") {
  Server server;
  Watched watched;
  ferry::detail::OneShotEvent others_are_gone;
  {
    ferry::ClientOptions options;
    options.observer = watched.observer();
    const ferry::blocking::Client client(std::move(options));
    const auto outlive = [](ferry::blocking::Client, ferry::ResponseStream stream,
                            ferry::detail::OneShotEvent& go_on) -> asio::awaitable<void> {
      co_await go_on.wait();
      stream = ferry::ResponseStream();
    };
    const auto start = [&]() -> asio::awaitable<void> {
      ferry::ResponseStream stream = co_await client.async().stream(server.url());
      asio::co_spawn(co_await asio::this_coro::executor,
                     outlive(client, std::move(stream), others_are_gone), asio::detached);
    };
    client.run(start());
  }
  others_are_gone.fire();
  watched.wait_ended();
}

TEST_CASE("[40] [61] handles, copies and streams that several threads drop at once") {
  Server server;
  for (int round = 0; round < 20; ++round) {
    auto client = std::make_unique<ferry::blocking::Client>();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&server, i, blocking = *client]() mutable {
        ferry::Client async = blocking.async();
        auto stream = blocking.run(async.stream(server.url("/streamed")));
        { const auto dropped = std::move(blocking); }
        if (i % 2 == 0) {
          CHECK(await(async.get(server.url("/got"))).body() == "/got");
        }
        { const auto dropped = std::exchange(stream, ferry::ResponseStream()); }
      });
    }
    client.reset();
    for (auto& thread : threads) thread.join();
  }
}

TEST_CASE("[40] an observer that drops the last handle") {
  Server server;
  Watched watched;
  std::unique_ptr<ferry::blocking::Client> client;
  std::optional<ferry::Client> async;
  {
    ferry::ClientOptions options;
    options.observer = [&, inner = watched.observer()](const ferry::Event& event) {
      if (event.kind != ferry::Event::Kind::response_received) return;
      client.reset();
      async.reset();
    };
    client = std::make_unique<ferry::blocking::Client>(std::move(options));
  }
  async.emplace(client->async());
  std::promise<std::string> body;
  const auto get = [&]() -> asio::awaitable<void> {
    asio::co_spawn(co_await asio::this_coro::executor, async->get(server.url("/in")),
                   [&](std::exception_ptr, ferry::Response r) { body.set_value(r.body()); });
  };
  client->run(get());
  CHECK(body.get_future().get() == "/in");
  watched.wait_ended();
}

TEST_CASE("[76] a blocking client in a child process says that it has no thread there") {
  Server server;
  auto client = std::make_unique<ferry::blocking::Client>();
  CHECK(client->get(server.url()).status() == 200);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool refused = false;
    try {
      client->get(server.url());
    } catch (const ferry::Error& error) {
      refused = error.code() == Errc::invalid_option;
    }
    client.reset();  // It waits for nobody.
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("single calls, in the caller's thread") {
  Server server;
  CHECK(ferry::blocking::get(server.url("/once")).body() == "/once");
  CHECK(ferry::blocking::post(server.url("/p"), ferry::Body("x")).body() == "/p");
  CHECK_THROWS_AS(ferry::blocking::get("http://127.0.0.1:1/"), ferry::Error);
  CHECK(server.accepted() == 2);
}
