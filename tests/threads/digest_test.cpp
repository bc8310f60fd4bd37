// One set of digest credentials, used by several threads at once.

#include <atomic>
#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <vector>

#include "support/digest_server.hpp"

using test::DigestServer;

TEST_CASE("[61] one digest object for several threads, whose servers want each count once") {
  constexpr int threads = 4;
  constexpr int requests = 200;
  DigestServer short_lived;
  short_lived.uses = 7;
  DigestServer forgetful;
  DigestServer successive("secret", "MD5");
  successive.says_next = true;
  DigestServer sessions("secret", "SHA-512-256-sess");
  sessions.one_nonce = true;
  const auto auth = ferry::digest("user", "secret");
  std::atomic<int> good = 0;
  std::atomic<int> stale = 0;
  const auto send = [&](DigestServer& server, const char* url) {
    if (test::send(*auth, server, url) == 200)
      ++good;
    else
      ++stale;
  };
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&, i] {
      for (int n = 0; n < requests; ++n) {
        send(short_lived, "http://a/");
        if (i == 0 && n % 20 == 0) forgetful.restart();
        send(forgetful, "http://b/x");
        send(successive, "http://c/");
        send(sessions, "https://d/");
      }
    });
  }
  for (auto& thread : all) thread.join();
  CHECK(good + stale == 4 * threads * requests);
  // Other threads may use up a nonce before a request that has it arrives; three times in a row is
  // rare.
  CHECK(stale < good / 20);
  for (const DigestServer* server : {&short_lived, &forgetful, &successive, &sessions})
    CHECK(server->replays() == 0);
  CHECK(sessions.requests() <= (requests + 1) * threads);
}
