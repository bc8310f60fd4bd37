#pragma once

/// @file
/// `Connector`: what opens a pool's connections; TCP, unless the options say otherwise.
/// `TlsContext`: what secures them.

#include <memory>
#include <string>
#include <vector>

#include <ferry/detail/asio.hpp>
#include <ferry/detail/deadline.hpp>
#include <ferry/detail/tcp.hpp>
#include <ferry/result.hpp>
#include <ferry/stream.hpp>

namespace ferry {

namespace detail {

/// What a dial is for, and what it may take.
struct DialTarget {
  std::string host;
  std::uint16_t port = 0;
  bool secure = false;
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
  DialContext(detail::Watch& watch, detail::DialTarget target)
      : target_(std::move(target)), watch_(watch) {}

  /// A name or a numeric address, no brackets.
  const std::string& host() const noexcept { return target_.host; }
  std::uint16_t port() const noexcept { return target_.port; }
  /// True for `https`: the pool will secure the stream.
  bool is_secure() const noexcept { return target_.secure; }
  /// `Timeouts::resolve`
  Duration resolve_limit() const noexcept { return target_.resolve_limit; }
  /// `Timeouts::connect`
  Duration connect_limit() const noexcept { return target_.connect_limit; }
  /// `Timeouts::tls`
  Duration tls_limit() const noexcept { return target_.tls_limit; }

  /// Begins a phase: `target` is aborted when `limit` has passed, or the pool gives the dial up.
  /// @return false if it has been given up already.
  bool enter(Phase phase, Duration limit, Abortable& target) {
    return watch_.enter(phase, limit, &target);
  }
  /// Ends the phase: its target is left alone from now on.
  void leave() noexcept { watch_.leave(); }
  /// True if the dial has run out of time or been given up; `error()` says which.
  bool ended() const noexcept { return watch_.ended(); }
  Error error() const { return watch_.error(); }
  /// Lets the dial go on after a phase has run out of time. @return false if it has to end all the
  /// same.
  bool forgive() noexcept { return watch_.forgive(); }

  Duration resolved_in{};   ///< To be set: how long the look-up took.
  Duration connected_in{};  ///< To be set: how long connecting took.
  Duration secured_in{};    ///< To be set: how long the TLS handshake took.

 private:
  detail::DialTarget target_;
  detail::Watch& watch_;
};

/// Opens streams for a pool.
///
/// Threads: one object serves all dials of a pool, and so must be safe to use by several at once.
class Connector {
 public:
  virtual ~Connector() = default;

  /// Opens a stream to `context.host()` and `context.port()`, on the pool's executor. `context`
  /// outlives the call.
  ///
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine.
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
  /// Cancellation: the pool ends a dial through `context`; it never cancels the coroutine.
  virtual asio::awaitable<Result<std::unique_ptr<Stream>>> secure(std::unique_ptr<Stream> stream,
                                                                  DialContext& context) const = 0;
};

namespace detail {

/// Leaves a dial's phase before its target goes, however the coroutine ends.
struct LeavePhase {
  DialContext& context;
  ~LeavePhase() { context.leave(); }
};

/// A name look-up that its waiter can leave: the system's resolver cannot be interrupted, so the
/// look-up then goes on alone and its result is dropped.
struct Lookup : Wakeup {
  explicit Lookup(const asio::any_io_executor& executor) : resolver(executor) {}
  asio::ip::tcp::resolver resolver;
  std::error_code error;
  std::vector<asio::ip::tcp::endpoint> endpoints;
  std::atomic<bool> done{false};
};

class TcpConnector final : public Connector {
 public:
  asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) override {
    using Connected = Result<std::unique_ptr<Stream>>;
    const auto executor = co_await asio::this_coro::executor;
    const auto begin = Clock::now();

    std::vector<asio::ip::tcp::endpoint> endpoints;
    std::error_code error;
    // Asio starts a thread for any look-up, that of a numeric address included.
    const auto address = asio::ip::make_address(context.host(), error);
    if (!error) {
      endpoints.emplace_back(address, context.port());
    } else {
      const auto lookup = std::make_shared<Lookup>(executor);
      const LeavePhase leave{context};
      if (!context.enter(Phase::resolve, context.resolve_limit(), *lookup))
        co_return Connected(context.error());
      lookup->resolver.async_resolve(context.host(), std::to_string(context.port()),
                                     asio::ip::tcp::resolver::numeric_service,
                                     [lookup](std::error_code result, const auto& found) {
                                       lookup->error = result;
                                       for (const auto& entry : found)
                                         lookup->endpoints.push_back(entry.endpoint());
                                       lookup->done.store(true, std::memory_order_release);
                                       lookup->fire();
                                     });
      co_await lookup->wait();
      if (context.ended()) co_return Connected(context.error());
      if (!lookup->done.load(std::memory_order_acquire))
        co_return Connected(Error(Errc::cancelled));
      if (lookup->error || lookup->endpoints.empty()) {
        std::string what = "no address for " + context.host();
        co_return Connected(Error(Errc::host_not_found, std::move(what), lookup->error));
      }
      endpoints = std::move(lookup->endpoints);
    }
    const auto resolved = Clock::now();
    context.resolved_in = resolved - begin;

    const auto limit = after(resolved, context.connect_limit());
    Errc code = Errc::connect_failed;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      // Each address gets its share of the time that is left, so that a silent one cannot take all
      // of it.
      Duration share = context.connect_limit();
      if (share != no_timeout)
        share = (limit - Clock::now()) / static_cast<Duration::rep>(endpoints.size() - i);
      auto stream = std::make_unique<TcpStream>(executor);
      bool connected = stream->start_connect(endpoints[i], error);
      if (!connected) {
        const LeavePhase leave{context};
        if (!context.enter(Phase::connect, share, *stream)) co_return Connected(context.error());
        do {
          co_await stream->wait_connect(error);
        } while (!error && !(connected = stream->connect_ended(error)));
        if (context.ended() && (i + 1 == endpoints.size() || !context.forgive()))
          co_return Connected(context.error());
      }
      if (!error && stream->is_open()) {
        context.connected_in = Clock::now() - resolved;
        co_return Connected(std::move(stream));
      }
      code = error == asio::error::connection_refused ? Errc::connection_refused
                                                      : Errc::connect_failed;
    }
    std::string what = context.host() + ":" + std::to_string(context.port());
    if (endpoints.size() > 1)
      what += ", the last of " + std::to_string(endpoints.size()) + " addresses";
    co_return Connected(Error(code, std::move(what), error));
  }
};

}  // namespace detail

}  // namespace ferry
