// Every case of support/hostile_cases.hpp, in all its pieces, over streams in memory.

#include <ferry/testing/scripted_stream.hpp>

#include "support/hostile_cases.hpp"
#include "support/run.hpp"

using ferry::testing::Script;
using test::HostileCase;

namespace {

std::shared_ptr<Script> script(std::string response) {
  auto made = std::make_shared<Script>();
  made->responses = std::deque<std::string>{std::move(response), test::ok("clean")};
  made->end = Script::End::silence;
  return made;
}

void check(const HostileCase& one, const std::vector<std::size_t>& sizes) {
  auto first = script(one.bytes);
  first->read_sizes.assign(sizes.begin(), sizes.end());
  if (one.end == HostileCase::End::fin) first->end = Script::End::eof;
  if (one.end == HostileCase::End::reset) first->end = Script::End::reset;
  if (one.end != HostileCase::End::open) first->idle_look = ferry::IdleState::closed;
  ferry::ClientOptions options;
  options.limits.max_body_size = one.max_body_size;
  options.connector = std::make_shared<ferry::testing::ScriptedConnector>(
      [&](int number) { return number == 1 ? first : script(test::ok("clean")); });
  asio::io_context context{1};
  ferry::Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    auto request =
        one.head ? ferry::Request::head("http://test/") : ferry::Request::get("http://test/");
    const auto answer = co_await client.try_send(std::move(request));
    if (one.error == ferry::Errc{}) {
      CHECK(test::code_of(answer) == std::error_code());
      if (answer) CHECK(answer->body() == one.body);
    } else {
      CHECK(test::code_of(answer) == one.error);
    }
    // Refused for its size by its head alone, a short body is drained if it is there already.
    const bool drained = one.error == ferry::Errc::body_too_large && !sizes.empty();
    const ferry::RequestOptions larger{.max_body_size = 5};
    const auto next = co_await client.try_send(ferry::Request::get("http://test/"), larger);
    REQUIRE(next);
    CHECK(next->body() == "clean");
    if (!drained) CHECK(next->connection().reused == one.kept);
  });
  CHECK(client.pool().stats().active == 0);
}

}  // namespace

TEST_CASE("hostile responses over scripted streams, in any pieces") {
  for (const HostileCase& one : test::hostile_cases()) {
    CAPTURE(one.item);
    CAPTURE(one.name);
    for (const auto& sizes : test::pieces_of(one)) {
      CAPTURE(sizes.empty() ? 0 : sizes[0]);
      check(one, sizes);
    }
  }
}
