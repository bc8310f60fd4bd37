#pragma once

/// @file
/// `Resolver`: looks up the addresses of hosts, instead of the system.

#include <string>
#include <vector>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Looks up the addresses of hosts: set one as `options.tcp.resolver`.
///
/// Threads: one object serves all dials of a pool, so it must be safe to use from several threads
/// at once.
class Resolver {
 public:
  virtual ~Resolver() = default;

  /// Looks a name up, on a strand of the pool's executor. The result is kept for
  /// `TcpOptions::dns_ttl`; dials for the same host share one look-up.
  ///
  /// A look-up that takes longer than a dial's own `Timeouts::resolve`, or than 30 s, is not shared
  /// with that dial, which begins another look-up in parallel. The first one that finds addresses
  /// answers all dials.
  /// @return the addresses, the preferred ones first; or an error, preferably
  ///   `Errc::host_not_found`.
  /// Cancellation: terminal, when no dial waits for the result any more. It must not be ignored: a
  /// look-up that goes on keeps `run()` from returning. Its result is kept all the same.
  virtual asio::awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) = 0;
};

}  // namespace ferry
