// Every case of support/hostile_cases.hpp, in all its pieces, over streams in memory.

#include <ferry/testing/scripted_stream.hpp>

#include "support/hostile_checks.hpp"

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
  test::check_hostile_case(one, sizes, client, "http://test/",
                           [&](auto body) { test::run(context, body); });
}

}  // namespace

TEST_CASE("hostile responses over scripted streams, in any pieces") {
  test::check_hostile_cases(check);
}
