// One TLS context, used by several threads, clients and contexts at once.

#include <atomic>
#include <thread>
#include <vector>

#include "support/run.hpp"
#include "support/server.hpp"
#include "support/tls_front.hpp"
#include "support/trusting.hpp"

using ferry::Client;
using ferry::Request;
using test::Server;
using test::TlsFront;

/// Suppressions that ThreadSanitizer asks for. TSan does not see OpenSSL's reference counts, so it
/// reports a race if one connection frees memory that another has read. Races in ferry's own code
/// are still reported.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libcrypto.so\ncalled_from_lib:libssl.so\n";
}

TEST_CASE("[61] one client over TLS on an io_context that several threads run") {
  Server server;
  const TlsFront front(server.port());
  asio::io_context context;
  ferry::ClientOptions options = test::trusting();
  options.limits.max_connections = 4;
  const Client client(context, options);
  std::atomic<int> good = 0;
  for (int i = 0; i < 200; ++i) {
    asio::co_spawn(context, client.try_send(Request::get(front.url())),
                   [&](std::exception_ptr, ferry::Result<ferry::Response> result) {
                     if (result) ++good;
                   });
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { context.run(); });
  for (auto& thread : threads) thread.join();
  CHECK(good == 200);
}

TEST_CASE("[61] a TLS context, and its sessions, shared by the clients of several threads") {
  Server server;
  const TlsFront front(server.port());
  const ferry::ClientOptions options = test::trusting();
  std::atomic<int> good = 0;
  std::atomic<int> resumed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      asio::io_context context{1};
      test::run(context, [&]() -> asio::awaitable<void> {
        for (int n = 0; n < 20; ++n) {
          const auto response = co_await ferry::get(front.url(), {}, options);
          good += response.status() == 200;
          resumed += response.connection().tls()->resumed;
        }
      });
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 80);
  CHECK(resumed > 40);
}
