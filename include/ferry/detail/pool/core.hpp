#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/proxy.hpp>
#include <ferry/detail/pool/connection.hpp>
#include <ferry/detail/pool/state.hpp>
#include <ferry/detail/pool/waiter.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

// The pool as its users see it.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The counters of a `ConnectionPool` since its construction.
struct PoolTotals {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t reused = 0;
  std::uint64_t failed = 0;
};

/// The interface of a pool for clients, calls and leases.
///
/// The implementation is in `DiallingPool`, so only code that creates a pool has to compile it.
/// Threads: any number of threads may use a pool at the same time.
class PoolCore {
 public:
  using Waiter = std::shared_ptr<PoolWaiter>;
  using State = PoolState<std::unique_ptr<PooledConnection>, Waiter>;
  using Slot = State::Slot;
  using Hold = State::Hold;

  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;

  bool has_tls() const noexcept { return options_.tls != nullptr; }
  HostToAscii host_to_ascii() const noexcept { return options_.idna; }
  /// True if URLs may name Unix sockets. With `PoolOptions::unix_socket`, all URLs lead to that one
  /// socket, so a URL cannot choose another.
  bool takes_unix_urls() const noexcept {
    return options_.unix_urls || !options_.unix_socket.empty();
  }
  const Timeouts& timeouts() const noexcept { return options_.timeouts; }
  DeadlineQueue& deadlines() noexcept { return *deadlines_; }
  /// True if a connection for this URL leads to the URL's own host and port.
  bool dials_port(const Url& url) const {
    return options_.unix_socket.empty() && url.unix_path().empty() && !proxy_for(url);
  }
  /// The proxy that forwards requests for this URL (RFC 9112 3.2.2); null if there is none, or if
  /// the proxy is only tunnelled through.
  const Proxy* forwarding_proxy_for(const Url& url) const {
    const Proxy* const proxy = proxy_for(url);
    const bool forwards = proxy && proxy->kind == Proxy::Kind::http && url.scheme() == "http";
    return forwards ? proxy : nullptr;
  }

  class Lease;      // In `lease.hpp`.
  class Admission;  // In `lease.hpp`.

  /// Takes a kept connection to this origin that is fit for use; a null slot if there is none.
  virtual Hold take_idle(std::string_view origin, Clock::time_point now) = 0;
  /// Checks a kept connection before use, without waiting, and discards it if it is not fit.
  /// @return true if it was discarded.
  virtual bool discard_if_unfit(Slot& slot) = 0;

  /// Waits for a fit connection: a freed or a new one, whichever comes first.
  ///
  /// @param lease receives the connection. If it already holds one, that has failed: only a new
  ///   connection replaces it. The failed one is closed when the new place in the queue is taken,
  ///   so the pool always sees a request in flight, and the call keeps its turn.
  /// @param admission the call's.
  /// @param deadline the request's; its phase follows the progress of the wait.
  /// @return the failure, or nothing.
  /// Cancellation: gives up the place in the queue; a connection that was just granted goes back.
  virtual asio::awaitable<std::optional<Error>> acquire(const Url& url, Lease& lease,
                                                        Admission& admission,
                                                        const Timeouts& timeouts,
                                                        Deadline& deadline,
                                                        const Observer& observer) = 0;

  /// Opens connections until `count` to the origin are idle, or until there is no room beside those
  /// in use. The call does not wait for those in use: two callers that wait for each other's places
  /// would wait for ever.
  /// @param total the time by which all connections must be open.
  /// @return the number of opened connections, or the first failure, with its circumstances.
  virtual asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                                    const Timeouts& timeouts,
                                                    Clock::time_point total) = 0;

  /// Keeps no connection and admits no new call from now on; returns when the last admitted call
  /// has ended, with everything that it still had to send.
  virtual asio::awaitable<void> drain() = 0;

  /// Takes a connection back for reuse.
  /// @param hint how long the server says that it keeps the connection.
  /// @param idle_since the time of its last response.
  virtual void release(Slot& slot, std::optional<Duration> hint, Clock::time_point idle_since,
                       Clock::time_point now) noexcept = 0;
  /// Takes back a connection on which nothing was sent: its expiry time does not change.
  virtual void release_unused(Slot& slot) noexcept = 0;
  /// Takes back a connection that must not be used again.
  virtual void discard(Slot& slot, CloseReason reason) noexcept = 0;

  virtual void close_idle() noexcept = 0;
  /// Stops keeping connections.
  /// @param fails_calls true if requests in flight or waiting fail with `Errc::client_closed`.
  virtual void close(bool fails_calls) noexcept = 0;

  /// Counts a request on a kept connection.
  void count_reuse() noexcept { reused_.fetch_add(1, std::memory_order_relaxed); }
  virtual PoolTotals totals() const noexcept = 0;
  /// The numbers of connections and waiters, in all and for each known origin.
  virtual State::Counts counts() const = 0;
  virtual std::vector<std::pair<std::string, State::Counts>> counts_by_origin() const = 0;

  /// The owner of the I/O context, if the pool's users must keep that alive. The pool holds it
  /// weakly, because the pool's own dials must not keep the context alive; handles and requests
  /// hold it through their pointers to the pool.
  std::weak_ptr<const void> context_owner;

 protected:
  PoolCore(PoolOptions options, std::shared_ptr<DeadlineQueue> deadlines)
      : options_(std::move(options)),
        deadlines_(std::move(deadlines)),
        proxies_(ProxyRule::make(options_.proxy, options_.idna, has_tls()).value()) {}
  ~PoolCore() = default;

  const Proxy* proxy_for(const Url& url) const {
    return options_.unix_socket.empty() ? proxies_.proxy_for(url) : nullptr;
  }

  /// Called when the last admitted call has ended and the pool is draining.
  virtual void check_drained() noexcept = 0;

  PoolOptions options_;
  const std::shared_ptr<DeadlineQueue> deadlines_;
  ProxyRule proxies_;
  std::atomic<std::uint64_t> reused_{0};
  // These two prevent a race by their order: a call increments `admitted_` before it reads
  // `draining_`, and `drain` sets `draining_` before it reads `admitted_`.
  std::atomic<bool> draining_{false};
  std::atomic<std::size_t> admitted_{0};
};

}  // namespace ferry::detail
