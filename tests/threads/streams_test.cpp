// Streams, sources, redirects, retries and cookies, used by several threads. Run this under TSan,
// which must report nothing.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ferry/cookies.hpp>

#include "support/folder.hpp"
#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using test::Server;

namespace {

constexpr int threads = 4;
constexpr int calls = 300;

void run_on_threads(asio::io_context& context) {
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back([&] { context.run(); });
  for (auto& thread : all) thread.join();
}

/// Serves large answers, redirects and refusals, by target; each answer sets a cookie.
asio::awaitable<void> serve(std::shared_ptr<test::Peer> peer) {
  const std::string large(200'000, 'x');
  for (int number = 0;; ++number) {
    const std::string request = co_await peer->read_request();
    if (request.empty()) co_return;
    const auto begin = request.find(' ') + 1;
    const std::string target = request.substr(begin, request.find(' ', begin) - begin);
    const std::string cookie = "Set-Cookie: c" + std::to_string(number % 7) + "=1\r\n";
    std::string answer = test::response(target, cookie);
    if (target == "/large") answer = test::response(large, cookie);
    if (target == "/moved")
      answer =
          "HTTP/1.1 302 Found\r\nLocation: /there\r\n" + cookie + "Content-Length: 5\r\n\r\nmoved";
    if (target == "/busy" && number % 3 == 0)
      answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    co_await peer->write(std::move(answer));
  }
}

void check_quiet(const Client& client) {
  const auto stats = client.pool().stats();
  CHECK(stats.active + stats.waiting + stats.connecting == 0);
  CHECK(stats.opened - stats.closed == stats.idle);
}

}  // namespace

TEST_CASE("[61] streams that are read, dropped, timed out and handed to other threads") {
  Server server(serve);
  asio::io_context context{threads};
  ClientOptions options;
  options.limits.max_connections = 8;
  const Client client(context, options);
  std::atomic<int> whole{0}, dropped{0}, failed{0};
  const auto call = [&](int number) -> asio::awaitable<void> {
    ferry::RequestOptions limits;
    if (number % 5 == 0) limits.timeout = std::chrono::microseconds(number % 41 * 20);
    try {
      ferry::ResponseStream stream = co_await client.stream(server.url("/large"), limits);
      std::size_t size = 0;
      while (const auto piece = co_await stream.read()) {
        size += piece->size();
        if (number % 3 == 0) break;
      }
      if (number % 3 == 0) {
        ++dropped;
        // The stream is destroyed on the thread that runs this handler.
        const auto shared = std::make_shared<ferry::ResponseStream>(std::move(stream));
        asio::post(context, [shared] {});
      } else {
        CHECK(size == 200'000);
        ++whole;
      }
    } catch (const ferry::Error& error) {
      CHECK(error.code() == ferry::Condition::timeout);
      ++failed;
    }
  };
  for (int i = 0; i < calls; ++i)
    asio::co_spawn(asio::make_strand(context), call(i), asio::detached);
  run_on_threads(context);
  CHECK(whole + dropped + failed == calls);
  CHECK(whole > 0);
  check_quiet(client);
}

TEST_CASE("[61] sources, redirects, retries and one jar for two clients") {
  Server server(serve);
  asio::io_context context{threads};
  const auto jar = std::make_shared<ferry::CookieJar>();
  ClientOptions options;
  options.base_url = server.url();
  options.cookies = jar;
  options.retries.max = 3;
  options.retries.first_delay = 0s;
  options.retries.budget = 1'000'000;
  const Client clients[] = {Client(context, options), Client(context, options)};
  std::atomic<int> good{0}, refused{0};
  const auto call = [&](int number) -> asio::awaitable<void> {
    const Client& client = clients[number % 2];
    if (number % 3 == 0) {
      auto source = [left = 3](std::span<char> room) mutable {
        if (left-- <= 0) return std::size_t{0};
        std::fill_n(room.data(), 100, 'x');
        return std::size_t{100};
      };
      const auto response = co_await client.put("/put", ferry::pull(source, 300));
      good += response.body() == "/put";
    } else if (number % 3 == 1) {
      const auto response = co_await client.get("/moved");
      good += response.body() == "/there" && response.history().size() == 1;
    } else {
      const auto response = co_await client.get("/busy");
      if (response.status() == 503) ++refused;
      good += response.body() == "/busy";
    }
    jar->all();
  };
  for (int i = 0; i < calls; ++i)
    asio::co_spawn(asio::make_strand(context), call(i), asio::detached);
  run_on_threads(context);
  CHECK(good + refused == calls);
  for (const Client& client : clients) check_quiet(client);
  CHECK(jar->all().size() <= 7);
  CHECK_FALSE(jar->all().empty());
}

TEST_CASE("one jar's file, which several threads save while others load it, is always whole") {
  const test::Folder folder;
  const std::string path = folder / "cookies";
  ferry::CookieJar jar;
  constexpr std::size_t count = 40;
  for (std::size_t i = 0; i < count; ++i)
    jar.set(ferry::Cookie("c" + std::to_string(i), std::string(100, 'x'), "a.test"));
  jar.save(path);
  std::atomic<int> whole{0};
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&, saves = i % 2 == 0] {
      for (int n = 0; n < calls / threads; ++n) {
        if (saves) {
          whole += jar.save(path) == 0;
          continue;
        }
        ferry::CookieJar other;
        const auto loaded = other.load(path);
        whole += loaded.taken == count && loaded.skipped.empty();
      }
    });
  }
  for (auto& thread : all) thread.join();
  CHECK(whole == threads * (calls / threads));
}
