#pragma once

/// @file
/// Everything that can be set: `Timeouts`, `Limits`, and the options of a client, a pool and one
/// call.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include <ferry/event.hpp>
#include <ferry/headers.hpp>
#include <ferry/version.hpp>

namespace ferry {

class Connector;
class TlsContext;

/// The unit of every time limit and timing.
using Duration = std::chrono::nanoseconds;

/// A time limit that never passes.
inline constexpr Duration no_timeout = Duration::max();

/// A limit that is never reached.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// How long each phase of a call may take. Zero has passed at once; a negative one is refused.
struct Timeouts {
  Duration pool = no_timeout;                   ///< Waiting for a place in the pool.
  Duration resolve = std::chrono::seconds(10);  ///< Looking up the host's name.
  Duration connect = std::chrono::seconds(10);  ///< Connecting, over all addresses together.
  Duration tls = std::chrono::seconds(10);      ///< The TLS handshake.
  Duration write = std::chrono::seconds(30);    ///< Sending, without a byte being taken.
  Duration first_byte =
      std::chrono::seconds(30);  ///< From the request's end to the response's first byte.
  Duration read = std::chrono::seconds(30);  ///< Receiving, without a byte coming.
  Duration total = no_timeout;               ///< The whole call, retries included.

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};
static_assert(detail::co_await_safe<Timeouts>);

/// How much there may be of what.
struct Limits {
  std::size_t max_connections = 100;  ///< Open or being opened, over all hosts. Not 0.
  std::size_t max_connections_per_host = no_limit;  ///< Open or being opened to one origin. Not 0.
  std::size_t max_idle = no_limit;  ///< Kept for reuse, over all hosts; 0 keeps none.
  /// A kept connection is not used after this; where the server says how long it keeps it
  /// (`Keep-Alive: timeout=N`), N - 1 seconds stand instead, at most 10 minutes.
  Duration idle_timeout = std::chrono::seconds(4);
  Duration max_lifetime = no_timeout;  ///< A connection is not used again after this.
  /// Bytes of a response's head, the interim (1xx) heads before it included; trailers have as much.
  std::size_t max_head_size = 64 * 1024;
  std::size_t max_fields = 128;  ///< Header fields of a response; likewise trailers.
  std::uint64_t max_body_size = 256 * 1024 * 1024;  ///< Bytes of a collected body.

  friend bool operator==(const Limits&, const Limits&) = default;
};
static_assert(detail::co_await_safe<Limits>);

/// What one call does differently from its client; what is not set is the client's.
/// `co_await client.get(url, {.timeout = 5s})`
struct RequestOptions {
  /// `Timeouts::total`, the whole call.
  std::optional<Duration> timeout{};
  /// `Timeouts::pool`.
  std::optional<Duration> pool_timeout{};
  /// `Timeouts::resolve` of a connection that is opened for this call.
  std::optional<Duration> resolve_timeout{};
  /// `Timeouts::connect` of a connection that is opened for this call.
  std::optional<Duration> connect_timeout{};
  /// `Timeouts::tls` of a connection that is opened for this call.
  std::optional<Duration> tls_timeout{};
  /// `Timeouts::write`.
  std::optional<Duration> write_timeout{};
  /// `Timeouts::first_byte`.
  std::optional<Duration> first_byte_timeout{};
  /// `Timeouts::read`.
  std::optional<Duration> read_timeout{};
  /// `Limits::max_body_size`.
  std::optional<std::uint64_t> max_body_size{};
  /// `ClientOptions::retry_stale`.
  std::optional<bool> retry_stale{};
};
static_assert(std::is_trivially_destructible_v<RequestOptions>);

/// What belongs to a `ConnectionPool`. Set its members on a named variable.
class PoolOptions {
 public:
  PoolOptions() {}

  /// `max_connections`, `max_connections_per_host`, `max_idle`, `idle_timeout` and `max_lifetime`
  /// are the pool's; the others belong to its clients and are not looked at here.
  Limits limits;
  /// `pool`, `resolve`, `connect`, `tls` and `total` hold for `acquire` and `warm`; a client's
  /// requests bring their own.
  Timeouts timeouts;
  /// Told of connections being opened, failing and being closed. May be called on any thread.
  Observer observer;
  /// Opens the connections; TCP if none is given.
  std::shared_ptr<Connector> connector;
  /// Secures those for `https://`: `ferry::tls::context()` of `ferry/tls.hpp`. Without it such a
  /// URL is an error.
  std::shared_ptr<const TlsContext> tls;
};
static_assert(detail::co_await_safe<PoolOptions>);

/// What belongs to a `Client`. Set its members on a named variable.
class ClientOptions {
 public:
  ClientOptions() {}

  /// Relative URLs are resolved against it (RFC 3986 section 5); empty means that there are none.
  std::string base_url;
  /// Sent with every request, unless the request has a field of the same name.
  Headers headers;
  /// `User-Agent`, unless `headers` or the request has one; empty sends none.
  std::string user_agent = std::string("ferry/") + version;
  Timeouts timeouts;
  Limits limits;
  /// Send a request once more on a new connection when a kept one turns out to have been closed, if
  /// that is safe: not one byte of a response came, and the method is idempotent, or the request
  /// carries `Idempotency-Key`, or nothing of it had been written.
  bool retry_stale = true;
  /// Told of every step; may be called on any thread on which a request runs.
  Observer observer;
  /// Opens the connections; TCP if none is given.
  std::shared_ptr<Connector> connector;
  /// Secures those for `https://`: `ferry::tls::context()` of `ferry/tls.hpp`. Without it such a
  /// URL is an error.
  std::shared_ptr<const TlsContext> tls;
};
static_assert(detail::co_await_safe<ClientOptions>);

namespace detail {

/// The limits that a pool owns, apart from those of an exchange.
inline bool same_pool_limits(const Limits& a, const Limits& b) noexcept {
  return a.max_connections == b.max_connections &&
         a.max_connections_per_host == b.max_connections_per_host && a.max_idle == b.max_idle &&
         a.idle_timeout == b.idle_timeout && a.max_lifetime == b.max_lifetime;
}

inline std::optional<Error> check_duration(const char* name, Duration value) {
  if (value >= Duration::zero()) return std::nullopt;
  return Error(Errc::invalid_option,
               std::string(name) + " is negative; ferry::no_timeout means none");
}

/// Why these limits make no sense, if they do not.
inline std::optional<Error> check(const Limits& limits) {
  if (limits.max_connections == 0)
    return Error(Errc::invalid_option,
                 "limits.max_connections is 0: no request could ever be sent");
  if (limits.max_connections_per_host == 0)
    return Error(Errc::invalid_option,
                 "limits.max_connections_per_host is 0: no request could ever be sent");
  if (auto error = check_duration("limits.idle_timeout", limits.idle_timeout)) return error;
  return check_duration("limits.max_lifetime", limits.max_lifetime);
}

/// Why these time limits make no sense, if they do not.
inline std::optional<Error> check(const Timeouts& timeouts) {
  if (auto error = check_duration("the pool timeout", timeouts.pool)) return error;
  if (auto error = check_duration("the resolve timeout", timeouts.resolve)) return error;
  if (auto error = check_duration("the connect timeout", timeouts.connect)) return error;
  if (auto error = check_duration("the TLS timeout", timeouts.tls)) return error;
  if (auto error = check_duration("the write timeout", timeouts.write)) return error;
  if (auto error = check_duration("the first-byte timeout", timeouts.first_byte)) return error;
  if (auto error = check_duration("the read timeout", timeouts.read)) return error;
  return check_duration("the total timeout", timeouts.total);
}

/// A client's time limits with those of one call in their place.
inline Timeouts merged(Timeouts timeouts, const RequestOptions& options) noexcept {
  timeouts.pool = options.pool_timeout.value_or(timeouts.pool);
  timeouts.resolve = options.resolve_timeout.value_or(timeouts.resolve);
  timeouts.connect = options.connect_timeout.value_or(timeouts.connect);
  timeouts.tls = options.tls_timeout.value_or(timeouts.tls);
  timeouts.write = options.write_timeout.value_or(timeouts.write);
  timeouts.first_byte = options.first_byte_timeout.value_or(timeouts.first_byte);
  timeouts.read = options.read_timeout.value_or(timeouts.read);
  timeouts.total = options.timeout.value_or(timeouts.total);
  return timeouts;
}

}  // namespace detail

}  // namespace ferry
