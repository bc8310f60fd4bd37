#pragma once

/// @file
/// `Resolver`: looks up hosts' addresses in another way than the system does.

#include <string>
#include <vector>

#include <ferry/detail/asio.hpp>
#include <ferry/result.hpp>

namespace ferry {

/// Looks up the addresses of hosts: set one as `options.tcp.resolver`.
///
/// Threads: one object serves all dials of a pool, and so must be safe to use by several at once.
class Resolver {
 public:
  virtual ~Resolver() = default;

  /// Looks a name up, on the pool's executor. Its answers are kept for `TcpOptions::dns_ttl`; dials
  /// for the same host share one look-up.
  ///
  /// @return the addresses, those to be tried first in front; or an error, best one of
  ///   `Errc::host_not_found`.
  /// Cancellation: none. A dial whose time is up leaves the look-up to itself.
  virtual asio::awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) = 0;
};

}  // namespace ferry
