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

/// A connection as the pool keeps it.
struct PooledConnection {
  PooledConnection(std::unique_ptr<Stream> stream, std::string key, const DialContext& dial)
      : h1(std::move(stream)),
        origin(std::move(key)),
        resolved_in(dial.resolved_in),
        connected_in(dial.connected_in),
        secured_in(dial.secured_in) {
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
  Duration secured_in;
  const Clock::time_point opened = Clock::now();
  const ProcessMark process;

  // While it is on its way to be closed.
  CloseReason close_reason{};
  std::unique_ptr<PooledConnection> next_closing;
};

/// Someone who waits for a connection.
struct PoolWaiter : Wakeup {
  DialTarget target;
  const Proxy* proxy = nullptr;  // The pool's.
  Watch* watch = nullptr;        // Valid while the ticket is in a queue.

  // Why the wait failed, if it did; guarded by the pool's mutex. The code stands alone where an
  // `Error` would have had to be made by somebody else, who must not fail.
  std::error_code failed;
  std::optional<Error> failure;

  // While it is on its way to be woken.
  std::shared_ptr<PoolWaiter> next_woken;
};

/// Where in its life a call is when getting a connection fails like this.
inline Phase phase_of(const Error& error, const Watch& watch) noexcept {
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
  return watch.phase();
}

/// What a `ConnectionPool` has counted since it was made.
struct PoolTotals {
  std::uint64_t opened = 0;
  std::uint64_t closed = 0;
  std::uint64_t reused = 0;
  std::uint64_t failed = 0;
};

/// What clients, calls and leases know of a pool.
///
/// What it is made of, nobody has to wait for who does not make one.
/// Threads: safe to use by any number at once.
class PoolCore {
 public:
  using Waiter = std::shared_ptr<PoolWaiter>;
  using State = PoolState<std::unique_ptr<PooledConnection>, Waiter>;
  using Slot = State::Slot;

  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;

  bool has_tls() const noexcept { return options_.tls != nullptr; }
  HostToAscii host_to_ascii() const noexcept { return options_.idna; }
  /// True if URLs may name Unix sockets; where all lead to one socket, none can choose another.
  bool takes_unix_urls() const noexcept {
    return options_.unix_urls || !options_.unix_socket.empty();
  }
  const Timeouts& timeouts() const noexcept { return options_.timeouts; }
  Deadlines& deadlines() noexcept { return *deadlines_; }
  /// True if a connection for this URL is one to its own port.
  bool dials_port(const Url& url) const {
    return options_.unix_socket.empty() && url.unix_path().empty() && !proxy_for(url);
  }
  /// The proxy to which requests for this URL are sent as they are (RFC 9112 3.2.2); not one
  /// through which a tunnel leads.
  const Proxy* forwarding_proxy_for(const Url& url) const {
    const Proxy* const proxy = proxy_for(url);
    const bool forwards = proxy && proxy->kind == Proxy::Kind::http && url.scheme() == "http";
    return forwards ? proxy : nullptr;
  }

  /// A connection while a call has it; it is not kept unless that was asked for.
  class Lease {
   public:
    explicit Lease(PoolCore& pool) : pool_(pool) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { discard(CloseReason::failed); }

    void take(Slot* slot) noexcept { slot_ = slot; }
    explicit operator bool() const noexcept { return slot_ != nullptr; }
    Slot& slot() const noexcept { return *slot_; }
    PooledConnection& connection() const noexcept { return *slot_->connection; }

    Slot* detach() noexcept { return std::exchange(slot_, nullptr); }
    void release(std::optional<Duration> hint, Clock::time_point now) noexcept {
      pool_.release(*detach(), hint, now, now);
    }
    /// Gives it back as it came: nothing was done on it.
    void restore() noexcept { pool_.restore(*detach()); }
    void discard(CloseReason reason) noexcept {
      if (slot_) pool_.discard(*detach(), reason);
    }

   private:
    PoolCore& pool_;
    Slot* slot_ = nullptr;
  };

  /// A call's leave to use the pool, up to the call's end: draining waits for it, and refuses it
  /// nothing that it has still to send. A call that has got a kept connection at once takes it only
  /// when it needs another one; until then its connection is what draining waits for.
  class Admission {
   public:
    explicit Admission(PoolCore& pool) noexcept : pool_(pool) {}
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    ~Admission() {
      if (taken_) give_back();
    }

    /// @return false if it is refused: the pool is draining, and this call has nothing yet.
    bool ask() noexcept {
      if (taken_) return true;
      keep();
      if (!pool_.draining_) return true;
      give_back();
      return false;
    }
    /// For a call that has a connection, and may need another one after it.
    void keep() noexcept {
      if (!std::exchange(taken_, true)) ++pool_.admitted_;
    }

   private:
    void give_back() noexcept {
      taken_ = false;
      if (--pool_.admitted_ == 0 && pool_.draining_) pool_.look_whether_drained();
    }

    PoolCore& pool_;
    bool taken_ = false;
  };

  /// A kept connection to this origin that a look has found fit; nothing if there is none.
  virtual Slot* take_idle(std::string_view origin, Clock::time_point now) = 0;
  /// Looks at a connection before it is used, if it was kept; closes it if it is not fit.
  virtual bool is_fit(Slot& slot) = 0;

  /// Gets a fit connection: after waiting, a freed or a new one, whichever comes first.
  ///
  /// @param lease gets it. If it holds one that has failed, only a new one replaces that, which is
  /// closed when the place in the queue is taken: so that all the while one is in flight. Its turn
  /// is kept.
  /// @param admission the call's.
  /// @param watch the request's; its phase follows what is being waited for.
  /// @return the failure, or nothing.
  /// Cancellation: gives up the place in the queue; a connection that was just granted goes back.
  virtual asio::awaitable<std::optional<Error>> acquire(const Url& url, Lease& lease,
                                                        Admission& admission,
                                                        const Timeouts& timeouts, Watch& watch,
                                                        const Observer& observer) = 0;

  /// Opens connections until this many to the origin are idle, as far as there is room beside those
  /// in use: it waits for none of these, as two who wait for each other's places would for ever.
  /// @param total when all of it has to be done.
  /// @return how many were opened, or the first failure, with its circumstances.
  virtual asio::awaitable<Result<std::size_t>> warm(const Url& url, std::size_t count,
                                                    const Timeouts& timeouts,
                                                    Clock::time_point total) = 0;

  /// Keeps nothing and takes no new call from now on; returns when the last one in flight is done,
  /// with all that it has still to send.
  virtual asio::awaitable<void> drain() = 0;

  /// Takes a connection back for reuse.
  /// @param hint how long the server means to keep it. @param idle_since its last response.
  virtual void release(Slot& slot, std::optional<Duration> hint, Clock::time_point idle_since,
                       Clock::time_point now) noexcept = 0;
  /// Takes a connection back on which nothing was done: it expires when it would have.
  virtual void restore(Slot& slot) noexcept = 0;
  /// Takes a connection back that must not be used again.
  virtual void discard(Slot& slot, CloseReason reason) noexcept = 0;

  virtual void close_idle() noexcept = 0;
  /// From now on nothing is kept; with `now_too`, what is in flight fails with
  /// `Errc::client_closed`.
  virtual void close(bool now_too) noexcept = 0;

  /// Counts a request on a kept connection.
  void count_reuse() noexcept { reused_.fetch_add(1, std::memory_order_relaxed); }
  virtual PoolTotals totals() const noexcept = 0;
  /// What it holds of everything, and for each origin that it knows.
  virtual State::Counts counts() const = 0;
  virtual std::vector<std::pair<std::string, State::Counts>> counts_by_origin() const = 0;

  /// The context's owner, if that is to live as long as what needs it. The pool does not keep it
  /// alive, as its own dials must not: handles and requests do, by their pointers to the pool.
  std::weak_ptr<const void> context_owner;

 protected:
  PoolCore(PoolOptions options, std::shared_ptr<Deadlines> deadlines)
      : options_(std::move(options)),
        deadlines_(std::move(deadlines)),
        proxies_(ProxyRule::make(options_.proxy, options_.idna, has_tls()).value()) {}
  ~PoolCore() = default;

  const Proxy* proxy_for(const Url& url) const {
    return options_.unix_socket.empty() ? proxies_.proxy_for(url) : nullptr;
  }

  /// The last call that was admitted has ended, and the pool is draining.
  virtual void look_whether_drained() noexcept = 0;

  PoolOptions options_;
  const std::shared_ptr<Deadlines> deadlines_;
  ProxyRule proxies_;
  std::atomic<std::uint64_t> reused_{0};
  // In this order: whoever is admitted counts itself before it looks whether the pool is draining,
  // and whoever drains says so before it looks who was admitted.
  std::atomic<bool> draining_{false};
  std::atomic<std::size_t> admitted_{0};
};

}  // namespace ferry::detail
