#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/base/visibility.hpp>
#include <ferry/detail/h1/connection.hpp>
#include <ferry/event.hpp>
#include <ferry/response.hpp>

// A connection as the pool keeps it: with its origin, its facts and its age.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The number of a new connection, unique in the process.
FERRY_VISIBLE inline std::uint64_t next_connection_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// A connection and the pool's data about it.
struct PooledConnection {
  PooledConnection(std::unique_ptr<Stream> stream, std::string key, const DialContext& dial)
      : http(std::make_unique<H1Connection>(std::move(stream))),
        origin(std::move(key)),
        resolved_in(dial.resolved_in),
        connected_in(dial.connected_in),
        tls_time(dial.tls_time) {
    auto made = std::make_shared<ConnectionFacts>();
    made->id = next_connection_id();
    made->local_endpoint = http->stream().local_endpoint();
    made->remote_endpoint = http->stream().remote_endpoint();
    made->tls = http->stream().tls();
    facts = std::move(made);
  }

  const std::unique_ptr<Connection> http;
  std::string origin;
  std::shared_ptr<const ConnectionFacts> facts;
  std::uint64_t requests = 0;
  Duration resolved_in;
  Duration connected_in;
  Duration tls_time;
  const Clock::time_point opened = Clock::now();
  const ProcessMark process;

  // Used while the connection is on its way to be closed.
  CloseReason close_reason{};
  PooledConnection* next_closing = nullptr;
};

}  // namespace ferry::detail
