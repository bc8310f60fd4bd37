#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/socks5.hpp>
#include <ferry/detail/pool/dialling_pool.hpp>
#include <ferry/detail/pool/http_tunnel.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A dial: the coroutine that opens one connection, and its end. A dial belongs to the pool, not to
/// the waiter on whose behalf it was started.
///
///     run --> begin --> look-up, connect, tunnel, TLS --> succeed, or fail
///               |                                          ^
///               +--- given up by the state ----------------+ (cancelled)
///
/// Invariants:
/// 1. Each dial reports its end to the state once. The destructor does so if the coroutine is
///    destroyed.
/// 2. `Slot::deadline` is set while the dial has begun and not ended. The state ends that deadline,
///    under the mutex, when it gives the dial up.
class Dial final : public DialLimits {
 public:
  using State = PoolCore::State;
  using Slot = PoolCore::Slot;
  using Actions = PoolActions;
  using Opened = Result<std::unique_ptr<Stream>>;

  Dial(DiallingPool& pool, Slot& slot)
      : pool_(pool),
        slot_(&slot),
        number_(slot.number),
        deadline_(pool.deadlines(), nullptr, nullptr, Clock::time_point::max(), no_timeout) {}
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  ~Dial() {
    if (slot_) fail(make_error_code(Errc::cancelled));
  }

  /// Opens a connection, and reports it or the failure.
  /// @param is_nested true if the coroutine begins inside another dial. A dial that fails at once
  ///   begins the next one, so the recursion would become as deep as the queue is long.
  static asio::awaitable<void> run(std::shared_ptr<DiallingPool> pool, Slot* slot,
                                   std::shared_ptr<PoolWaiter> waiter, bool is_nested) {
    Dial dial(*pool, *slot);
    if (is_nested) co_await asio::post(pool->executor(), asio::use_awaitable);
    if (!dial.begin()) {
      dial.fail(make_error_code(Errc::cancelled));
      co_return;
    }
    const Proxy* const proxy = waiter->proxy;
    // The target is never changed, because the waiter may be dialled for again.
    auto context =
        access::make<DialContext>(dial, std::shared_ptr<const DialTarget>(waiter, &waiter->target));
    waiter.reset();
    Opened stream;
    std::unique_ptr<PooledConnection> connection;
    try {
      if (proxy) {
        auto tunnelled = co_await dial.connect_through(*proxy, context);
        stream = std::move(tunnelled);
      } else {
        auto connected = co_await pool->options().connector->connect(context);
        stream = std::move(connected);
        require_stream(stream, Errc::connect_failed, "the connector");
      }
      if (stream && context.is_secure()) {
        auto secured = co_await pool->options().tls->handshake(std::move(*stream), context);
        stream = std::move(secured);
        require_stream(stream, Errc::tls_failed, "the TLS context");
      }
      if (stream)
        connection = std::make_unique<PooledConnection>(std::move(*stream), std::move(dial.origin_),
                                                        context);
    } catch (const std::bad_alloc&) {
      dial.deadline_.finish();
      dial.fail(std::make_error_code(std::errc::not_enough_memory));
      co_return;
    } catch (const std::exception& e) {
      stream = Error(Errc::connect_failed, e.what());
    }
    dial.deadline_.finish();
    if (stream)
      dial.succeed(std::move(connection), context);
    else
      dial.fail(stream.error().code(), &stream.error());
  }

  bool begin_phase(Phase phase, Duration limit, Abortable& target) override {
    return deadline_.begin_phase(phase, limit, &target);
  }
  void detach() noexcept override { deadline_.detach(); }
  bool ended() const noexcept override { return deadline_.ended(); }
  Error error() const override { return deadline_.error(); }

 private:
  /// Makes the dial known to the state: from now on, giving up the dial ends its deadline.
  /// @return false if the dial was already given up.
  bool begin() {
    if (!pool_.state().begin_dial(*slot_, deadline_, origin_)) return false;
    if (!pool_.options().observer) return true;
    Event event{Event::Kind::connection_opening};
    event.origin = origin_;
    event.number = number_;
    observe(pool_.options().observer, event);
    return true;
  }

  void succeed(std::unique_ptr<PooledConnection> connection, const DialContext& context) noexcept {
    pool_.count_opened();
    if (pool_.options().observer) {
      const auto& tls = connection->facts->tls;
      Event event{Event::Kind::connection_opened};
      event.origin = connection->origin;
      event.number = number_;
      event.connection = connection->facts->id;
      event.duration = context.resolved_in + context.connected_in + context.tls_time;
      event.tls = tls ? &*tls : nullptr;
      observe(pool_.options().observer, event);
    }
    const auto now = Clock::now();
    const Limits& limits = pool_.options().limits;
    const auto expires = after(now, std::min(limits.idle_timeout, limits.max_lifetime));
    const std::size_t capacity = connection->http->capacity();
    Slot& slot = *std::exchange(slot_, nullptr);
    pool_.state().change([&](State& state, Actions& actions) {
      slot.deadline = nullptr;
      state.dialled(slot, std::move(connection), now, expires, capacity, actions);
      pool_.state().expect_expiry(expires);
    });
  }

  /// @param error null if there was no memory for one, or no cause to tell an observer.
  void fail(std::error_code code, const Error* error = nullptr) noexcept {
    if (error && pool_.options().observer) {
      Event event{Event::Kind::connection_failed};
      event.origin = origin_;
      event.number = number_;
      event.error = error;
      observe(pool_.options().observer, event);
    }
    pool_.fail_dial(*std::exchange(slot_, nullptr), code, error);
  }

  /// Opens a stream through a proxy: to the origin, or to a forwarding proxy.
  asio::awaitable<Opened> connect_through(const Proxy& proxy, DialContext& origin) {
    if (proxy.failure) co_return Opened(*proxy.failure);
    std::optional<asio::ip::address> address;
    if (proxy.kind == Proxy::Kind::socks5) {
      const auto found = co_await pool_.lookup(origin);
      if (!found) co_return Opened(found.error());
      address = found->front();
    }
    for (ChallengeState challenges;;) {
      DialContext context =
          origin.to_proxy(std::string(proxy.url.host()), proxy.port(), proxy.is_secure());
      auto stream = co_await pool_.options().connector->connect(context);
      require_stream(stream, Errc::connect_failed, "the connector");
      if (stream && proxy.is_secure()) {
        auto secured = co_await pool_.options().tls->handshake(std::move(*stream), context);
        stream = std::move(secured);
        require_stream(stream, Errc::tls_failed, "the TLS context");
      }
      origin.resolved_in += context.resolved_in;
      origin.connected_in += context.connected_in + context.tls_time;
      if (!stream) co_return stream;
      if (proxy.kind == Proxy::Kind::http && !origin.is_secure()) co_return stream;
      const auto begin = Clock::now();
      const PhaseGuard phase{origin};
      if (!origin.enter(Phase::proxy, origin.connect_limit(), **stream))
        co_return Opened(origin.error());
      ProxyStream to_proxy(**stream, proxy, origin);
      std::optional<Error> error;
      bool may_try_again = false;
      if (proxy.kind == Proxy::Kind::http) {
        HttpTunnel tunnel(to_proxy, deadline_, challenges);
        auto failed = co_await tunnel.open();
        error = std::move(failed);
        may_try_again = tunnel.may_try_again();
      } else {
        Socks5Tunnel tunnel(to_proxy);
        auto failed = co_await tunnel.open(address);
        error = std::move(failed);
      }
      origin.connected_in += Clock::now() - begin;
      if (!error) co_return stream;
      if (origin.ended() || !may_try_again) co_return Opened(std::move(*error));
    }
  }

  DiallingPool& pool_;
  Slot* slot_;
  const std::uint64_t number_;
  std::string origin_;
  Deadline deadline_;  // Known to the slot until the dial has ended.
};

}  // namespace ferry::detail
