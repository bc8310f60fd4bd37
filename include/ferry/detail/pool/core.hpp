#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include <ferry/connector.hpp>
#include <ferry/detail/base/process.hpp>
#include <ferry/detail/base/visibility.hpp>
#include <ferry/detail/h1/connection.hpp>
#include <ferry/detail/policy/proxy.hpp>
#include <ferry/detail/pool/state.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/wakeup.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>
#include <ferry/response.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

namespace ferry::detail {

/// The number of a new connection, unique in the process.
FERRY_VISIBLE inline std::uint64_t next_connection_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// A connection and the pool's data about it.
struct PooledConnection {
  PooledConnection(std::unique_ptr<Stream> stream, std::string key, const DialContext& dial)
      : h1(std::move(stream)),
        origin(std::move(key)),
        resolved_in(dial.resolved_in),
        connected_in(dial.connected_in),
        tls_time(dial.tls_time) {
    auto made = std::make_shared<ConnectionFacts>();
    made->id = next_connection_id();
    made->local_endpoint = h1.stream().local_endpoint();
    made->remote_endpoint = h1.stream().remote_endpoint();
    made->tls = h1.stream().tls();
    facts = std::move(made);
  }

  H1Connection h1;
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
  std::unique_ptr<PooledConnection> next_closing;
};

/// A waiter for a connection.
struct PoolWaiter : OneShotEvent {
  DialTarget target;
  const Proxy* proxy = nullptr;  // Owned by the pool.
  Deadline* deadline = nullptr;  // Valid while the ticket is in a queue.

  // The reason why the wait failed, if it did; guarded by the pool's mutex. The code is set alone
  // if no `Error` was given, because the code that sets it must not allocate.
  std::error_code failed;
  std::optional<Error> failure;

  // The next waiter in the list of those to wake.
  std::shared_ptr<PoolWaiter> next_woken;
};

/// The phase of a call in which getting a connection failed with this error.
inline Phase phase_of(const Error& error, const Deadline& deadline) noexcept {
  const auto code = error.code();
  if (code == Errc::host_not_found || code == Errc::resolve_timeout) return Phase::resolve;
  if (code == Errc::connection_refused || code == Errc::connect_failed ||
      code == Errc::connect_timeout)
    return Phase::connect;
  if (code == Errc::proxy_authentication_required || code == Errc::proxy_refused ||
      code == Errc::proxy_failed || code == Errc::proxy_timeout)
    return Phase::proxy;
  if (code == Errc::certificate_rejected || code == Errc::tls_failed || code == Errc::tls_timeout)
    return Phase::tls;
  return deadline.phase();
}

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

  /// A connection held by a call. The destructor discards the connection unless it was given back.
  class Lease {
   public:
    explicit Lease(PoolCore& pool) : pool_(pool) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { discard(CloseReason::failed); }

    void take(Hold hold) noexcept {
      slot_ = hold.slot;
      turn_ = hold.turn;
    }
    void take(Slot* slot) noexcept { take(Hold{slot}); }
    explicit operator bool() const noexcept { return slot_ != nullptr; }
    Slot& slot() const noexcept { return *slot_; }
    /// The place of the connection's holder in the order of arrival.
    std::uint64_t turn() const noexcept { return turn_; }
    PooledConnection& connection() const noexcept { return *slot_->connection; }

    Slot* detach() noexcept { return std::exchange(slot_, nullptr); }
    void release(std::optional<Duration> hint, Clock::time_point now) noexcept {
      pool_.release(*detach(), hint, now, now);
    }
    /// Gives back a connection on which nothing was sent.
    void restore() noexcept { pool_.restore(*detach()); }
    void discard(CloseReason reason) noexcept {
      if (slot_) pool_.discard(*detach(), reason);
    }

   private:
    PoolCore& pool_;
    Slot* slot_ = nullptr;
    std::uint64_t turn_ = 0;
  };

  /// A call's permission to use the pool until the call ends. Draining waits for an admitted call,
  /// and lets it send everything that it still has to send. A call that got a kept connection at
  /// once asks only when it needs another one; until then, draining waits for its connection.
  class Admission {
   public:
    explicit Admission(PoolCore& pool) noexcept : pool_(pool) {}
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    ~Admission() {
      if (taken_) release_connection();
    }

    /// Asks for permission.
    /// @return false if the pool is draining and the call has not been admitted before.
    bool ask() noexcept {
      if (taken_) return true;
      keep();
      if (!pool_.draining_) return true;
      release_connection();
      return false;
    }
    /// Admits a call that has a connection and may need another one after it.
    void keep() noexcept {
      if (!std::exchange(taken_, true)) ++pool_.admitted_;
    }

   private:
    void release_connection() noexcept {
      taken_ = false;
      if (--pool_.admitted_ == 0 && pool_.draining_) pool_.look_whether_drained();
    }

    PoolCore& pool_;
    bool taken_ = false;
  };

  /// Takes a kept connection to this origin that `is_fit`; a null slot if there is none.
  virtual Hold take_idle(std::string_view origin, Clock::time_point now) = 0;
  /// Checks a kept connection before use, and closes it if it is not fit.
  virtual bool is_fit(Slot& slot) = 0;

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
  virtual void restore(Slot& slot) noexcept = 0;
  /// Takes back a connection that must not be used again.
  virtual void discard(Slot& slot, CloseReason reason) noexcept = 0;

  virtual void close_idle() noexcept = 0;
  /// Stops keeping connections; with `now_too`, requests in flight fail with `Errc::client_closed`.
  virtual void close(bool now_too) noexcept = 0;

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
  virtual void look_whether_drained() noexcept = 0;

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
