#pragma once

#include <string>
#include <vector>

#include "support/hostile_cases.hpp"
#include "support/run.hpp"

namespace test {

/// Sends the request of a hostile case and another one, and checks both answers.
/// @param sizes the pieces in which the case comes.
/// @param run runs a coroutine, and the case's server with it.
template <class Run>
void check_hostile_case(const HostileCase& one, const std::vector<std::size_t>& sizes,
                        const ferry::Client& client, const std::string& url, Run run) {
  run([&]() -> asio::awaitable<void> {
    auto request = one.head ? ferry::Request::head(url) : ferry::Request::get(url);
    const auto answer = co_await client.try_send(std::move(request));
    if (one.error == ferry::Errc{}) {
      CHECK(code_of(answer) == std::error_code());
      if (answer) CHECK(answer->body() == one.body);
    } else {
      CHECK(code_of(answer) == one.error);
    }
  });
  // A short body that is refused for its size by the head alone is drained if it has come already.
  const bool drained = one.error == ferry::Errc::body_too_large && !sizes.empty();
  run([&]() -> asio::awaitable<void> {
    const ferry::RequestOptions larger{.max_body_size = 5};
    const auto next = co_await client.try_send(ferry::Request::get(url), larger);
    REQUIRE(next);
    CHECK(next->body() == "clean");
    if (!drained) CHECK(next->connection().reused == one.kept);
  });
  CHECK(client.pool().stats().active == 0);
}

/// Calls `check(one, sizes)` for every hostile case in all its pieces.
template <class Check>
void check_hostile_cases(Check check) {
  for (const HostileCase& one : hostile_cases()) {
    CAPTURE(one.item);
    CAPTURE(one.name);
    for (const auto& sizes : pieces_of(one)) {
      CAPTURE(sizes.empty() ? 0 : sizes[0]);
      check(one, sizes);
    }
  }
}

}  // namespace test
