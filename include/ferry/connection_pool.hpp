#pragma once

/// @file
/// `ConnectionPool`: the connections that clients keep, the limits on them, and statistics.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/options.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {
struct LeasedConnection;
}

/// A pool's present contents, and its counts since it was made.
struct PoolStats {
  std::size_t active = 0;      ///< Connections that carry a request.
  std::size_t idle = 0;        ///< Connections kept for reuse.
  std::size_t connecting = 0;  ///< Connections being opened.
  std::size_t waiting = 0;     ///< Requests waiting for a connection.
  std::uint64_t opened = 0;    ///< Connections that were opened.
  std::uint64_t closed = 0;    ///< Connections that were closed.
  std::uint64_t reused = 0;    ///< Requests that got a kept connection.
  std::uint64_t failed = 0;    ///< Connections that could not be opened.
};
static_assert(detail::co_await_safe<PoolStats>);

/// A pool's present contents for one origin.
///
/// Lifetime: owns its text. Threads: a value.
class OriginStats {
 public:
  /// Makes empty statistics for this origin.
  explicit OriginStats(std::string of) : origin(std::move(of)) {}

  std::string origin;          ///< `scheme://host[:port]`
  std::size_t active = 0;      ///< Connections that carry a request.
  std::size_t idle = 0;        ///< Connections kept for reuse.
  std::size_t connecting = 0;  ///< Connections being opened.
  std::size_t waiting = 0;     ///< Requests waiting for a connection.
};
static_assert(detail::co_await_safe<OriginStats>);

/// An origin, `scheme://host[:port]`: connections are kept for each origin. The rest of a URL is
/// ignored.
///
/// The URL is checked when the origin is used. Lifetime: owns its text. Threads: a value.
class Origin {
 public:
  /// The origin of a URL given as text.
  Origin(std::string url) : url_(std::move(url)) {}
  /// The origin of a URL given as text.
  Origin(const char* url) : url_(url) {}
  /// The origin of a URL.
  Origin(const Url& url) : url_(url.origin()) {}

  /// The URL as it was given.
  const std::string& url() const& noexcept { return url_; }
  /// Overload for a temporary: returns by value.
  std::string url() && { return std::move(url_); }

 private:
  std::string url_;
};
static_assert(detail::co_await_safe<Origin>);

/// One connection of a pool, reserved for its holder: no other request gets it meanwhile. Copies
/// share it.
///
/// Lifetime: the destruction of the last copy gives the connection back to the pool, to be reused
/// if possible; a request in flight on it finishes first. A lease keeps the pool's connections
/// alive, but not its handle. Threads: one at a time; the destructor may run on any thread.
class Lease {
 public:
  /// An empty lease.
  Lease() = default;

  /// Sends a request over this connection. URLs may be relative to its origin.
  ///
  /// Nothing is retried: if the server has closed the connection, the call fails. After a failure,
  /// or a response that ends the connection, the lease is spent.
  /// @throws Error as `Client`'s verbs, and `Errc::lease_unusable` for a lease that is in use,
  ///   spent or empty, or for a URL of another origin. Cancellation: terminal; the lease is spent.
  asio::awaitable<Response> send(Request request, const RequestOptions& options = {}) const;

  /// True if the connection can carry a request now.
  bool is_usable() const noexcept;

 private:
  friend struct detail::access;

  explicit Lease(std::shared_ptr<detail::LeasedConnection> held) noexcept
      : held_(std::move(held)) {}

  std::shared_ptr<detail::LeasedConnection> held_;
};
static_assert(detail::co_await_safe<Lease>);

/// A pool of connections, kept for reuse: a shared handle; copies share one pool.
///
/// A client makes its own pool unless it is given one; several clients may share a pool. The
/// connection that was given back last is reused first. Waiting requests are served in order, by
/// the first connection that is given back or opened. Before a kept connection is used, the pool
/// checks it without waiting. A connection whose request has gone while it was being opened is
/// opened all the same, and kept; but it is given up as soon as another request needs its place,
/// and when nothing is in flight.
///
/// Lifetime: when the last handle, or the last client that holds one, is destroyed, idle
/// connections close, and those in use close after their request. The executor's context must
/// outlive all handles and requests, and must run for connections to be opened and time limits to
/// be kept. Threads: safe to use from any number of threads at once; requests on different
/// executors may share a pool. Processes: a child of fork(2) opens its own connections. Idle
/// connections are dropped there, and a lease, a stream or a request in flight fails there; the
/// server is sent nothing. The context must be told of the fork while no other thread uses it
/// (Asio's `notify_fork`).
class ConnectionPool {
 public:
  /// @param executor opens connections and keeps time limits; it may be a strand, or a thread
  ///   pool's executor.
  /// @throws Error `Errc::invalid_option`.
  explicit ConnectionPool(asio::any_io_executor executor, PoolOptions options = PoolOptions())
      : ConnectionPool(std::move(executor), nullptr, std::move(options)) {}
  /// Makes a pool on a context's executor.
  /// @throws Error as the other constructor.
  template <std::derived_from<asio::execution_context> Context>
  explicit ConnectionPool(Context& context, PoolOptions options = PoolOptions())
      : ConnectionPool(context.get_executor(), std::move(options)) {}

  /// Makes another handle to the same pool.
  ConnectionPool(const ConnectionPool&) noexcept = default;
  /// Becomes another handle to the same pool.
  ConnectionPool& operator=(const ConnectionPool&) noexcept = default;
  /// Copies: a handle is never empty.
  ConnectionPool(ConnectionPool&& other) noexcept { *this = std::as_const(other); }
  /// Copies: a handle is never empty.
  ConnectionPool& operator=(ConnectionPool&& other) noexcept {
    return *this = std::as_const(other);
  }

  /// Takes a connection to this origin, kept or new, for the caller's exclusive use.
  /// @param options its time limits override those of `PoolOptions`; its other members are ignored.
  /// @throws Error as `Client`'s verbs do before anything is sent. Cancellation: gives up the place
  ///   in the queue.
  asio::awaitable<Lease> acquire(Origin origin, const RequestOptions& options = {}) const;

  /// Opens connections in parallel until `count` are idle, so that the first requests need not
  /// wait. Connections in use count towards the pool's limits.
  /// @return the number of connections opened.
  /// @throws Error the first failure; the connections that were opened are kept.
  ///   `Errc::invalid_option` if the limits do not allow so many. Cancellation: connections that
  ///   are already open are kept.
  asio::awaitable<std::size_t> warm(Origin origin, std::size_t count,
                                    const RequestOptions& options = {}) const;

  /// Accepts no new calls, lets calls in flight or waiting finish, and keeps no connection. Returns
  /// when the last call is done. Later calls end with `Errc::client_closed`.
  ///
  /// A call may finish with all that it still has to send: redirects, answers to challenges,
  /// retries and the waits before them; a stream, up to its end or its destruction. Requests that
  /// the caller's code sends meanwhile are new calls: a middleware that calls `next` a second time,
  /// an authenticator that fetches a token through the same pool, a resumed download.
  /// @throws Error `Errc::cancelled`. Cancellation: stops waiting only.
  asio::awaitable<void> drain() const;

  /// The pool's present contents and counts.
  PoolStats stats() const;

  /// The pool's present contents for each origin that it knows, in no order. The time taken grows
  /// with the number of origins.
  std::vector<OriginStats> origins() const;

  /// One line for each of `origins()`, for people to read: "http://localhost:8080: 1 active, 2
  /// idle, 0 waiting".
  std::string describe() const;

  /// Closes the idle connections. Connections in use are kept afterwards as usual.
  void close_idle() const noexcept;

  /// Closes the pool: idle connections close now; requests in flight or waiting, and later ones,
  /// end with `Errc::client_closed`. Calling `close` again does nothing.
  void close() const noexcept;

 private:
  friend struct detail::access;

  struct Handle;

  /// @param owner keeps the executor's context alive; may be null.
  ConnectionPool(asio::any_io_executor executor, std::shared_ptr<const void> owner,
                 PoolOptions options);

  std::shared_ptr<Handle> handle_;
};
static_assert(detail::co_await_safe<ConnectionPool>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/connection_pool.ipp>
#endif
