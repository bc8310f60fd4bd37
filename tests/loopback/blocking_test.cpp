// The client without coroutines.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <ferry/blocking.hpp>

#include "support/run.hpp"
#include "support/server.hpp"

using ferry::Errc;
using ferry::Request;
using test::Server;

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

TEST_CASE("single calls, in the caller's thread") {
  Server server;
  CHECK(ferry::blocking::get(server.url("/once")).body() == "/once");
  CHECK(ferry::blocking::post(server.url("/p"), ferry::Body("x")).body() == "/p");
  CHECK_THROWS_AS(ferry::blocking::get("http://127.0.0.1:1/"), ferry::Error);
  CHECK(server.accepted() == 2);
}
