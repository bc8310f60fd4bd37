#pragma once

/// @file
/// `Resolver`: looks up hosts' addresses in another way than the system does.

#include <string>
#include <vector>

#include <ferry/detail/base/asio.hpp>
#include <ferry/result.hpp>

namespace ferry {

/// Looks up the addresses of hosts: set one as `options.tcp.resolver`.
///
/// Threads: one object serves all dials of a pool, and so must be safe to use by several at once.
class Resolver {
 public:
  virtual ~Resolver() = default;

  /// Looks a name up, on a strand of the pool's executor. Its answers are kept for
  /// `TcpOptions::dns_ttl`; dials for the same host share one look-up.
  ///
  /// One that takes longer than a dial's own `Timeouts::resolve`, or than 30 s, is not shared with
  /// that dial: it begins another look-up beside it. The first that finds addresses answers all.
  /// @return the addresses, those to be tried first in front; or an error, best one of
  ///   `Errc::host_not_found`.
  /// Cancellation: terminal, once no dial waits for the answer any more: their time is up, or
  ///   nothing needs them. It must not be ignored: what the look-up awaits keeps `run()` from
  ///   returning. The answer of one that goes on all the same is kept.
  virtual asio::awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) = 0;
};

}  // namespace ferry
