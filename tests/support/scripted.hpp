#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/testing/scripted_stream.hpp>

#include "support/run.hpp"

namespace test {

/// A client whose connections follow scripts, and the events that it reported.
struct Scripted {
  explicit Scripted(std::vector<std::shared_ptr<ferry::testing::Script>> all,
                    ferry::ClientOptions options = ferry::ClientOptions())
      : scripts(std::move(all)) {
    connector = std::make_shared<ferry::testing::ScriptedConnector>(
        [this](int number) -> ferry::Result<std::shared_ptr<ferry::testing::Script>> {
          if (static_cast<std::size_t>(number) > scripts.size())
            return ferry::Error(ferry::Errc::connection_refused, "no script left");
          return scripts[static_cast<std::size_t>(number) - 1];
        });
    options.connector = connector;
    client.emplace(context, std::move(options));
  }
  explicit Scripted(std::shared_ptr<ferry::testing::Script> script,
                    ferry::ClientOptions options = ferry::ClientOptions())
      : Scripted(std::vector<std::shared_ptr<ferry::testing::Script>>{std::move(script)},
                 std::move(options)) {}

  ferry::Result<ferry::Response> send(ferry::Request request, ferry::RequestOptions options = {}) {
    ferry::Result<ferry::Response> result;
    run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client->try_send(std::move(request), options);
      result = std::move(sent);
    });
    return result;
  }
  ferry::Result<ferry::Response> get() { return send(ferry::Request::get("http://test/")); }
  /// Checks after a request, however it ended, that the pool counts right and the next request is
  /// clean. The script of the first connection has no more failures from here on.
  void check_after(ferry::testing::Script& first, const std::string& url = "http://test/") {
    const auto stats = client->pool().stats();
    check_counts(stats);
    first.fail_at = 0;
    first.responses.clear();
    if (stats.idle > 0 || connections() == 0) first.responses.push_back(ok("next"));
    const auto next = send(ferry::Request::get(url));
    REQUIRE(next);
    CHECK(next->body() == "next");
  }
  int connections() const { return connector->connections(); }
  std::string pool() const { return client->pool().describe(); }

  asio::io_context context{1};
  std::vector<std::shared_ptr<ferry::testing::Script>> scripts;
  std::shared_ptr<ferry::testing::ScriptedConnector> connector;
  std::optional<ferry::Client> client;
};

inline std::shared_ptr<ferry::testing::Script> script(
    std::deque<std::string> responses,
    ferry::testing::Script::End end = ferry::testing::Script::End::silence) {
  auto made = std::make_shared<ferry::testing::Script>(std::move(responses));
  made->end = end;
  return made;
}

inline const std::string idle = "http://test: 0 active, 1 idle, 0 waiting";
inline const std::string none = "http://test: 0 active, 0 idle, 0 waiting";

}  // namespace test
