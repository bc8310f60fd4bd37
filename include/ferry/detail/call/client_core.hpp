#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/retry.hpp>
#include <ferry/detail/pool/lease.hpp>
#include <ferry/options.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The state shared by all handles of a client and its requests in flight.
struct ClientCore {
  explicit ClientCore(std::shared_ptr<PoolCore> its_pool) : pool(std::move(its_pool)) {}

  const std::shared_ptr<PoolCore> pool;
  ClientOptions options;
  Url base;
  std::string accept_encoding;      ///< The codings that the client can undo.
  std::string default_head_fields;  ///< `encode_fields` of a request without its own fields.
  bool one_off = false;             ///< True if each connection carries one request.
  std::atomic<bool> closed{false};
  mutable RetryBudget retry_budget;
};

using Lease = PoolCore::Lease;

/// A connection held by a user between the user's requests.
struct LeasedConnection {
  LeasedConnection(std::shared_ptr<const ClientCore> c, PoolCore::Slot* s)
      : client(std::move(c)), slot(s) {}
  LeasedConnection(const LeasedConnection&) = delete;
  LeasedConnection& operator=(const LeasedConnection&) = delete;
  ~LeasedConnection() {
    if (!slot) return;
    if (used)
      client->pool->release(*slot, hint, slot->idle_since, Clock::now());
    else
      client->pool->release_unused(*slot);
  }

  const std::shared_ptr<const ClientCore> client;
  PoolCore::Slot* slot;  ///< Null while a request uses the connection, or once it is closed.
  bool used = false;     ///< True once it has carried a request for its holder.
  std::optional<Duration> hint;  ///< Time for which the server says that it keeps the connection.
};

/// Ends an exchange whose response was read to its end, and gives back the connection, to the pool
/// or to its holder. Closes the connection if a rule forbids its reuse.
inline void release_connection(Lease& lease, Exchange& exchange, LeasedConnection* held,
                               Clock::time_point now) noexcept {
  const Reuse reuse = lease.connection().http->end(exchange);
  if (reuse.obstacle) {
    lease.discard(*reuse.obstacle);
  } else if (held) {
    lease.slot().kept = true;
    lease.slot().idle_since = now;
    held->hint = reuse.keep_alive;
    held->used = true;
    held->slot = lease.detach();
  } else {
    lease.release(reuse.keep_alive, now);
  }
}

/// Ends an exchange whose connection must not be used again, and closes the connection.
inline void discard_connection(Lease& lease, Exchange& exchange, CloseReason reason) noexcept {
  lease.connection().http->abandon(exchange);
  lease.discard(reason);
}

/// Ends an exchange whose response was read to its end, as `release_connection` does. If the time
/// is up, the response is still one, but the connection may have been aborted: it is closed.
inline void conclude_exchange(Lease& lease, Exchange& exchange, LeasedConnection* held,
                              const Deadline& deadline, Clock::time_point now) noexcept {
  if (deadline.ended())
    discard_connection(lease, exchange, CloseReason::failed);
  else
    release_connection(lease, exchange, held, now);
}

/// Ends an exchange whose response is not wanted, if the rest of the response is short and has
/// already arrived: nothing waits for a server that withholds it.
/// @return false if the exchange goes on.
inline bool drain_connection(Lease& lease, Exchange& exchange, LeasedConnection* held,
                             Deadline& deadline) noexcept {
  if (deadline.ended() || !lease.connection().http->drain(exchange)) return false;
  deadline.detach();
  release_connection(lease, exchange, held, Clock::now());
  return true;
}

/// Ends an exchange whose response is not wanted. Keeps the connection if it can be drained.
inline void leave_connection(Lease& lease, Exchange& exchange, Deadline& deadline) noexcept {
  if (!drain_connection(lease, exchange, nullptr, deadline))
    discard_connection(lease, exchange, CloseReason::unread);
}

}  // namespace ferry::detail
