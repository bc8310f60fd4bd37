#pragma once

/// @file
/// `Connector`: what opens a pool's connections; TCP, unless the options say otherwise.
/// `TlsContext`: what secures them.

#include <memory>
#include <string>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/result.hpp>
#include <ferry/stream.hpp>

namespace ferry {

namespace detail {

class Tunnel;

/// What a dial is for, and what it may take.
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

}  // namespace detail

/// What a dial is for, what it may take, and what it has taken.
///
/// Lifetime: the pool's; it outlives the dial. Threads: the dial's.
class DialContext {
 public:
  /// @param watch the dial's time limits; it ends the dial when the pool does.
  DialContext(detail::Watch& watch, std::shared_ptr<const detail::DialTarget> target) noexcept
      : target_(std::move(target)), watch_(watch) {}

  /// The same dial's way to a proxy.
  DialContext to_proxy(std::string host, std::uint16_t port, bool secure) const {
    const auto target = std::make_shared<detail::DialTarget>(*target_);
    target->host = std::move(host);
    target->port = port;
    target->secure = secure;
    target->is_proxy = true;
    return DialContext(watch_, target);
  }

  /// A name or a numeric address, no brackets.
  const std::string& host() const& noexcept { return target_->host; }
  /// Not of a temporary, into which it would dangle: give that a name.
  const std::string& host() const&& = delete;
  /// The port to dial.
  std::uint16_t port() const noexcept { return target_->port; }
  /// The Unix socket to connect to, whatever host and port are; empty for none. One that begins
  /// with
  /// `@` has an abstract name.
  const std::string& unix_path() const& noexcept { return target_->unix_path; }
  /// Not of a temporary, into which it would dangle: give that a name.
  const std::string& unix_path() const&& = delete;
  /// True for `https`: the pool will secure the stream.
  bool is_secure() const noexcept { return target_->secure; }
  /// True if this is not the origin that is dialled, but a proxy on the way to it.
  bool is_to_proxy() const noexcept { return target_->is_proxy; }
  /// `Timeouts::resolve`
  Duration resolve_limit() const noexcept { return target_->resolve_limit; }
  /// `Timeouts::connect`
  Duration connect_limit() const noexcept { return target_->connect_limit; }
  /// `Timeouts::tls`
  Duration tls_limit() const noexcept { return target_->tls_limit; }

  /// Begins a phase: `target` is aborted when `limit` has passed, or the pool gives the dial up.
  /// @return false if it has been given up already.
  bool enter(Phase phase, Duration limit, Abortable& target) {
    return watch_.enter(phase, limit, &target);
  }
  /// Ends the phase: its target is left alone from now on.
  void leave() noexcept { watch_.leave(); }
  /// True if the dial has run out of time or been given up; `error()` says which.
  bool ended() const noexcept { return watch_.ended(); }
  /// Why the dial has ended; call only if it has.
  Error error() const { return watch_.error(); }

  Duration resolved_in{};   ///< To be set: how long the look-up took.
  Duration connected_in{};  ///< To be set: how long connecting took.
  Duration secured_in{};    ///< To be set: how long the TLS handshake took.

 private:
  friend class detail::Tunnel;

  std::shared_ptr<const detail::DialTarget> target_;
  detail::Watch& watch_;
};

/// Opens streams for a pool.
///
/// Threads: one object serves all dials of a pool, and so must be safe to use by several at once.
class Connector {
 public:
  virtual ~Connector() = default;

  /// Opens a stream to `context.unix_path()`, or to `context.host()` and `context.port()`, on the
  /// pool's executor. `context` outlives the call.
  ///
  /// @return the stream, or why there is none. A result without a stream, as a default one is,
  ///   fails the dial with `Errc::connect_failed`.
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine. A dial
  /// that the pool has given up keeps no place, however long it goes on; what it opens is closed.
  virtual asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) = 0;
};

/// Secures streams: `ferry::tls::context()` of `ferry/tls.hpp` makes one.
///
/// Threads: one object serves all dials of a pool, or of several, and so must be safe to use by
/// several at once.
class TlsContext {
 public:
  virtual ~TlsContext() = default;

  /// Secures a stream for `context.host()`. `context` outlives the call.
  ///
  /// @return the stream, or why there is none. A result without a stream, as a default one is,
  /// fails
  ///   the dial with `Errc::tls_failed`.
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine.
  virtual asio::awaitable<Result<std::unique_ptr<Stream>>> secure(std::unique_ptr<Stream> stream,
                                                                  DialContext& context) const = 0;
};

namespace detail {

/// Makes a success without a stream, which a connector or a TLS context of the user's may come to,
/// a failure.
inline void require_stream(Result<std::unique_ptr<Stream>>& made, Errc code, const char* maker) {
  if (made && !*made) made = Error(code, std::string(maker) + " gave no stream, and no error");
}

/// Leaves a dial's phase before its target goes, however the coroutine ends.
struct LeavePhase {
  DialContext& context;
  ~LeavePhase() { context.leave(); }
};

}  // namespace detail

}  // namespace ferry
