#pragma once

/// @file
/// `Connector`: opens a pool's connections, by TCP unless the options say otherwise. `TlsContext`:
/// secures them.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// The target and the time limits of a dial, that is of opening one connection.
struct DialTarget {
  std::string host;
  std::uint16_t port = 0;
  std::string unix_path;
  bool secure = false;
  bool is_proxy = false;
  Duration resolve_limit{};
  Duration connect_limit{};
  Duration tls_limit{};
};

/// The end of a dial by its pool, or by the limit of its phase, as its `DialContext` sees it.
class DialLimits {
 public:
  /// Begins a phase that may take `limit`; `target` is aborted when the dial ends.
  /// @return false if the dial has already ended.
  virtual bool begin_phase(Phase phase, Duration limit, Abortable& target) = 0;
  /// Forgets the target, which may then be destroyed.
  virtual void detach() noexcept = 0;
  virtual bool ended() const noexcept = 0;
  /// The reason why the dial has ended; called only if it has.
  virtual Error error() const = 0;

 protected:
  ~DialLimits() = default;
};

}  // namespace detail

/// The target, the time limits and the timings of a dial.
///
/// Lifetime: owned by the pool; outlives the dial. Threads: used by the dial only.
class DialContext {
 public:
  /// A context for connecting to a proxy as part of the same dial.
  DialContext to_proxy(std::string host, std::uint16_t port, bool secure) const;

  /// The host: a name or a numeric address, without brackets.
  const std::string& host() const& noexcept { return target_->host; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::string& host() const&& = delete;
  /// The port to dial.
  std::uint16_t port() const noexcept { return target_->port; }
  /// The Unix socket to connect to, instead of host and port; empty for none. A path that begins
  /// with `@` is an abstract name.
  const std::string& unix_path() const& noexcept { return target_->unix_path; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const std::string& unix_path() const&& = delete;
  /// True for `https`: the pool then secures the stream.
  bool is_secure() const noexcept { return target_->secure; }
  /// True if the dial connects to a proxy on the way to the origin.
  bool is_to_proxy() const noexcept { return target_->is_proxy; }
  /// The limit `Timeouts::resolve`.
  Duration resolve_limit() const noexcept { return target_->resolve_limit; }
  /// The limit `Timeouts::connect`.
  Duration connect_limit() const noexcept { return target_->connect_limit; }
  /// The limit `Timeouts::tls`.
  Duration tls_limit() const noexcept { return target_->tls_limit; }

  /// Begins a phase: `target` is aborted when `limit` has passed, or when the pool gives the dial
  /// up.
  /// @return false if the dial has already been given up.
  bool enter(Phase phase, Duration limit, Abortable& target) {
    return limits_.begin_phase(phase, limit, target);
  }
  /// Ends the phase: its target is not aborted from now on.
  void leave() noexcept { limits_.detach(); }
  /// True if the dial has run out of time or was given up; `error()` says which.
  bool ended() const noexcept { return limits_.ended(); }
  /// The reason why the dial has ended; call only if `ended()`.
  Error error() const { return limits_.error(); }

  Duration resolved_in{};   ///< The duration of the look-up; set by the connector.
  Duration connected_in{};  ///< The duration of connecting; set by the connector.
  Duration tls_time{};      ///< The duration of the TLS handshake; set by the TLS context.

 private:
  friend struct detail::access;
  DialContext(detail::DialLimits& limits, std::shared_ptr<const detail::DialTarget> target) noexcept
      : target_(std::move(target)), limits_(limits) {}

  std::shared_ptr<const detail::DialTarget> target_;
  detail::DialLimits& limits_;
};

/// Opens streams for a pool.
///
/// Threads: one object serves all dials of a pool, so it must be safe to use from several threads
/// at once.
class Connector {
 public:
  virtual ~Connector() = default;

  /// Opens a stream to `context.unix_path()`, or to `context.host()` and `context.port()`, on the
  /// pool's executor. `context` outlives the call.
  ///
  /// @return the stream, or an error. A result that holds no stream, such as a default-constructed
  ///   one, fails the dial with `Errc::connect_failed`.
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine. A dial
  /// that the pool has given up does not count towards its limits, however long the coroutine runs;
  /// a stream that it opens is closed.
  virtual asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) = 0;
};

/// Secures streams; `ferry::tls::context()` of `ferry/tls.hpp` makes one.
///
/// Threads: one object serves all dials of one or more pools, so it must be safe to use from
/// several threads at once.
class TlsContext {
 public:
  virtual ~TlsContext() = default;

  /// Secures a stream for `context.host()`. `context` outlives the call.
  ///
  /// @return the stream, or an error. A result that holds no stream, such as a default-constructed
  ///   one, fails the dial with `Errc::tls_failed`.
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine.
  virtual asio::awaitable<Result<std::unique_ptr<Stream>>> handshake(
      std::unique_ptr<Stream> stream, DialContext& context) const = 0;
};

namespace detail {

/// Turns a success without a stream, which a user's connector or TLS context may return, into a
/// failure.
void require_stream(Result<std::unique_ptr<Stream>>& made, Errc code, const char* maker);

/// Ends a dial's phase before the phase's target is destroyed, however the coroutine ends.
struct PhaseGuard {
  DialContext& context;
  ~PhaseGuard() { context.leave(); }
};

}  // namespace detail

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/connector.ipp>
#endif
