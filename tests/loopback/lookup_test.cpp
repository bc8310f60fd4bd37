// Look-ups that block. This program's `getaddrinfo` is its own, so that every name takes as long as
// a test says; some are still blocked when the program ends.

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ferry/detail/net/lookup_threads.hpp>

#include "support/names.hpp"
#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::RequestOptions;
using ferry::detail::LookupThreads;
using test::code_of;
using test::Names;
using test::Server;

namespace {

/// The system's names. Threads outlive all statics, so these are none.
Names& system_names() {
  static const auto* const names = new std::shared_ptr<Names>(std::make_shared<Names>());
  return **names;
}

struct FoundAddress {
  addrinfo info{};
  sockaddr_in address{};
};

}  // namespace

extern "C" int getaddrinfo(const char* name, const char*, const addrinfo*, addrinfo** result) {
  if (!system_names().find(name)) return EAI_NONAME;
  auto* const found = new FoundAddress;
  found->address.sin_family = AF_INET;
  found->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  found->info.ai_family = AF_INET;
  found->info.ai_addrlen = sizeof found->address;
  found->info.ai_addr = reinterpret_cast<sockaddr*>(&found->address);
  *result = &found->info;
  return 0;
}
extern "C" void freeaddrinfo(addrinfo* info) noexcept {
  delete reinterpret_cast<FoundAddress*>(info);
}

namespace {

std::string url_of(const Server& server, const std::string& host) {
  return "http://" + host + ":" + std::to_string(server.port()) + "/path";
}

/// Requests of one client, which go on while others end.
class Calls {
 public:
  explicit Calls(ClientOptions options = ClientOptions()) : client_(context_, std::move(options)) {}

  /// Starts a request. @return where its result will be.
  std::shared_ptr<std::optional<ferry::Result<ferry::Response>>> start(
      std::string url, RequestOptions options = {}) {
    auto result = std::make_shared<std::optional<ferry::Result<ferry::Response>>>();
    context_.restart();
    asio::co_spawn(
        context_, client_.try_send(Request::get(std::move(url)), options),
        [result](std::exception_ptr, ferry::Result<ferry::Response> r) { *result = std::move(r); });
    return result;
  }
  /// Makes a request, however long the others take.
  ferry::Result<ferry::Response> get(std::string url, RequestOptions options = {}) {
    const auto result = start(std::move(url), options);
    while (!*result) REQUIRE(context_.run_one() > 0);
    client_.pool().close_idle();
    return std::move(**result);
  }
  /// Runs until nothing is left to do.
  void run() {
    context_.restart();
    context_.run();
  }
  asio::io_context& context() { return context_; }
  const Client& client() const { return client_; }

 private:
  asio::io_context context_{1};
  Client client_;
};

}  // namespace

TEST_CASE("[65] a name that takes long delays no other, of this client or another") {
  Server server;
  system_names().block("slow.test");
  Calls calls;
  const auto slow =
      calls.start(url_of(server, "slow.test"), {.resolve_timeout = ferry::no_timeout});
  CHECK(calls.get(url_of(server, "quick.test")));
  CHECK(Calls().get(url_of(server, "quick.test")));
  system_names().wait_asked("slow.test", 1);
  CHECK_FALSE(*slow);
  system_names().let_go("slow.test");
  calls.run();
  REQUIRE(*slow);
  CHECK((**slow)->body() == "/path");
}

TEST_CASE("[63] [65] dead names use nothing up, and hold neither run() nor the context") {
  Server server;
  constexpr int dead = 2 * LookupThreads::default_awaited;
  {
    Calls calls;
    std::vector<decltype(calls.start(""))> results;
    for (int i = 0; i < dead; ++i) {
      const std::string name = "dead" + std::to_string(i) + ".test";
      system_names().block(name);
      results.push_back(calls.start(url_of(server, name), {.resolve_timeout = 30ms}));
    }
    calls.run();
    for (const auto& result : results) CHECK(code_of(**result) == Errc::resolve_timeout);
    CHECK(calls.get(url_of(server, "healthy.test")));
  }
  CHECK(Calls().get(url_of(server, "healthy.test")));
}

TEST_CASE("[65] a context that is destroyed while a request waits for a stuck look-up") {
  Server server;
  system_names().block("stuck.test");
  {
    Calls calls;
    calls.start(url_of(server, "stuck.test"));
    while (system_names().asked("stuck.test") == 0) calls.context().poll();
  }
  CHECK(Calls().get(url_of(server, "healthy.test")));
}

TEST_CASE("[65] a look-up that is stuck does not make its host unreachable") {
  Server server;
  system_names().block("once.test", true);
  Calls calls;
  CHECK(code_of(calls.get(url_of(server, "once.test"), {.resolve_timeout = 20ms})) ==
        Errc::resolve_timeout);
  CHECK(calls.get(url_of(server, "once.test")));
  CHECK(system_names().asked("once.test") == 2);
}

TEST_CASE("[65] a name that is asked for again and again while it is dead takes four threads") {
  Server server;
  system_names().block("again.test");
  Calls calls;
  for (int i = 0; i < 10; ++i)
    CHECK(code_of(calls.get(url_of(server, "again.test"), {.resolve_timeout = 2ms})) ==
          Errc::resolve_timeout);
  system_names().wait_asked("again.test", 4);
  CHECK(system_names().asked("again.test") == 4);
  // Whichever answers first answers all.
  const auto waits = calls.start(url_of(server, "again.test"));
  while (calls.client().pool().stats().connecting == 0) calls.context().poll();
  system_names().let_go("again.test");
  calls.run();
  CHECK(**waits);
  CHECK(system_names().asked("again.test") == 4);
}

TEST_CASE(
    "[65] so many look-ups run at once as may, and those that nobody waits for do not count") {
  Server server;
  const auto names = std::make_shared<Names>();
  ClientOptions options;
  options.connector = names->connector(std::make_shared<LookupThreads>(2, 4));
  Calls calls(options);
  Calls leaving(options);
  for (const char* name : {"a.test", "b.test", "c.test"}) names->block(name);
  const auto forever = RequestOptions{.resolve_timeout = ferry::no_timeout};
  const auto first = calls.start(url_of(server, "a.test"), forever);
  calls.context().poll();
  leaving.start(url_of(server, "b.test"), forever);
  leaving.context().poll();
  names->wait_inside(2);
  const auto third = calls.start(url_of(server, "c.test"), forever);
  calls.context().poll();
  CHECK(names->asked("c.test") == 0);
  leaving.client().close();  // Its look-up goes on alone, and its place is the third's.
  leaving.run();
  names->wait_inside(3);
  CHECK(names->asked("c.test") == 1);
  // The fourth name waits for the first, and gets its thread.
  const auto fourth = calls.start(url_of(server, "d.test"), forever);
  calls.context().poll();
  CHECK(names->asked("d.test") == 0);
  names->let_go("a.test");
  while (!*fourth) calls.context().run_one();
  CHECK(**fourth);
  CHECK(**first);
  names->let_go("b.test");
  names->let_go("c.test");
  calls.run();
  CHECK(**third);
}

TEST_CASE("[65] beyond the bound on all threads look-ups wait until one is done") {
  Server server;
  const auto names = std::make_shared<Names>();
  ClientOptions options;
  options.connector = names->connector(std::make_shared<LookupThreads>(2, 3));
  Calls calls(options);
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    names->block(name);
    CHECK(code_of(calls.get(url_of(server, name), {.resolve_timeout = 5ms})) ==
          Errc::resolve_timeout);
  }
  names->wait_inside(3);
  // One that leaves the queue has never begun.
  CHECK(code_of(calls.get(url_of(server, "d.test"), {.resolve_timeout = 5ms})) ==
        Errc::resolve_timeout);
  const auto last = calls.start(url_of(server, "e.test"));
  while (calls.client().pool().stats().connecting == 0) calls.context().poll();
  names->let_go("b.test");
  calls.run();
  CHECK(**last);
  CHECK(names->asked("d.test") == 0);
  CHECK(names->most_at_once() == 3);
  names->let_go("a.test");
  names->let_go("c.test");
}

TEST_CASE("[65] a look-up that nobody waits for any more answers the next who asks") {
  Server server;
  const auto names = std::make_shared<Names>();
  const auto threads = std::make_shared<LookupThreads>(2, 4);
  ClientOptions options;
  options.connector = names->connector(threads);
  Calls calls(options);
  names->block("late.test");
  CHECK(code_of(calls.get(url_of(server, "late.test"), {.resolve_timeout = 5ms})) ==
        Errc::resolve_timeout);
  names->let_go("late.test");
  while (threads.use_count() > 2) std::this_thread::yield();  // Until its thread has ended.
  CHECK(calls.get(url_of(server, "late.test")));
  CHECK(names->asked("late.test") == 1);
}

TEST_CASE("[57] a total limit that passes in a look-up says so") {
  Server server;
  const auto names = std::make_shared<Names>();
  ClientOptions options;
  options.connector = names->connector(std::make_shared<LookupThreads>(2, 4));
  Calls calls(options);
  names->block("late.test");
  const auto result = calls.get(url_of(server, "late.test"), {.timeout = 5ms});
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::total_timeout);
  CHECK(result.error().phase() == ferry::Phase::resolve);
  CHECK(std::string(result.error().what()).find("timed out") != std::string::npos);
  names->let_go("late.test");
}

TEST_CASE("a name that the system does not know") {
  Server server;
  Calls calls;
  const auto result = calls.get(url_of(server, "no.test"));
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::host_not_found);
  CHECK(result.error().cause() == asio::error::host_not_found);
  CHECK(result.error().phase() == ferry::Phase::resolve);
}

TEST_CASE("a context whose locks are turned off cannot be told of a look-up") {
  Server server;
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    auto result = co_await client.try_send(Request::get(url_of(server, "quick.test")));
    CHECK(code_of(result) == Errc::host_not_found);
    CHECK((co_await client.get(server.url())).status() == 200);
  });
}

TEST_CASE("[65] [76] a child process looks names up, whatever its parent's threads are at") {
  Server server;
  Calls calls;
  std::vector<decltype(calls.start(""))> results;
  for (std::size_t i = 0; i < LookupThreads::default_awaited; ++i) {
    const std::string name = "forked" + std::to_string(i) + ".test";
    system_names().block(name);
    results.push_back(calls.start(url_of(server, name), {.resolve_timeout = ferry::no_timeout}));
  }
  calls.context().poll();
  for (std::size_t i = 0; i < results.size(); ++i)  // A thread that begins may hold locks.
    system_names().wait_asked("forked" + std::to_string(i) + ".test", 1);
  calls.context().notify_fork(asio::execution_context::fork_prepare);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    calls.context().notify_fork(asio::execution_context::fork_child);
    // The parent's look-up never ends here.
    const auto again = calls.start(url_of(server, "forked0.test"));
    while (!*again) calls.context().run_one();
    ::_exit(**again && Calls().get(url_of(server, "quick.test")) ? 0 : 1);
  }
  calls.context().notify_fork(asio::execution_context::fork_parent);
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  for (std::size_t i = 0; i < results.size(); ++i) {
    CHECK_FALSE(*results[i]);
    system_names().let_go("forked" + std::to_string(i) + ".test");
  }
  calls.run();
  for (const auto& result : results) CHECK(**result);
}

TEST_CASE("a program for the next test" * doctest::skip()) {
  system_names().block("exit.test");
  {
    Calls calls;
    CHECK(code_of(calls.get("http://exit.test/", {.resolve_timeout = 5ms})) ==
          Errc::resolve_timeout);
  }
  system_names().wait_inside(1);
  std::exit(7);
}

TEST_CASE("[65] a program ends while a look-up is stuck") {
  char self[4096];
  const auto size = ::readlink("/proc/self/exe", self, sizeof self);
  REQUIRE(size > 0);
  const std::string program(self, static_cast<std::size_t>(size));
  const int status =
      std::system(("'" + program + "' --no-skip '-tc=a program for the next test'").c_str());
  CHECK(WEXITSTATUS(status) == 7);
}
