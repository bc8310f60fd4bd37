#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/connection_pool.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/sender.hpp>
#include <ferry/detail/net/context_owner.hpp>
#include <ferry/detail/policy/option_checks.hpp>
#include <ferry/detail/pool/socket_pool.hpp>
#include <ferry/detail/time/cancellation.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

// ---- Lease ----

namespace detail {

inline asio::awaitable<Response> refuse_lease() {
  throw Error(Errc::lease_unusable, "it is empty");
  co_return Response();
}

}  // namespace detail

FERRY_DEFINITION asio::awaitable<Response> Lease::send(Request request,
                                                       const RequestOptions& options) const {
  if (!held_) return detail::refuse_lease();
  return detail::send<Response>(held_->client, options, held_, std::move(request));
}

FERRY_DEFINITION bool Lease::is_usable() const noexcept { return held_ && held_->slot; }

// ---- ConnectionPool ----

struct ConnectionPool::Handle {
  explicit Handle(std::shared_ptr<detail::PoolCore> c) : core(std::move(c)) {}
  Handle(const Handle&) = delete;
  ~Handle() { core->close(false); }
  const std::shared_ptr<detail::PoolCore> core;
};

FERRY_DEFINITION ConnectionPool::ConnectionPool(asio::any_io_executor executor,
                                                std::shared_ptr<const void> owner,
                                                PoolOptions options) {
  if (auto error = detail::check(options.limits)) throw *error;
  if (auto error = detail::check(static_cast<const ConnectOptions&>(options))) throw *error;
  auto core = std::make_shared<detail::DiallingPool>(std::move(executor), std::move(options));
  core->context_owner = owner;
  handle_ = std::make_shared<Handle>(
      detail::keep_with<detail::PoolCore>(std::move(owner), std::move(core)));
}

namespace detail {

/// The checks and the error details that acquiring and warming share with sending.
struct PoolCall {
  Url url;
  Timeouts timeouts;
  std::shared_ptr<ClientCore> client;
};
inline PoolCall prepare_pool_call(std::shared_ptr<PoolCore> core, const Origin& origin,
                                  const RequestOptions& options) {
  PoolCall call;
  call.timeouts = merged(core->timeouts(), options);
  call.client = std::make_shared<ClientCore>(std::move(core));
  Request request = Request::get(origin.url());
  if (auto error = resolve_request(*call.client, request, call.timeouts, call.url)) throw *error;
  call.client->base = call.url;
  return call;
}

inline asio::awaitable<ferry::Lease> acquire_from(std::shared_ptr<PoolCore> core, Origin origin,
                                                  RequestOptions options) {
  const PoolCall call = prepare_pool_call(core, origin, options);
  const auto held = std::make_shared<LeasedConnection>(call.client, nullptr);
  PoolCore::Lease lease(*core);
  PoolCore::Admission admission(*core);
  Deadline deadline(core->deadlines(), core.get(), nullptr,
                    after(Clock::now(), call.timeouts.total), call.timeouts.total);
  const Observer no_observer;
  std::optional<Error> failure;
  try {
    failure =
        co_await core->acquire(call.url, lease, admission, call.timeouts, deadline, no_observer);
  } catch (const std::system_error& e) {
    failure = cancellation_of(e);
  }
  if (failure)
    throw failure->at(phase_of(*failure, deadline), std::string(call.url.origin()), 1, false, 0);
  held->slot = lease.detach();
  co_return access::make<ferry::Lease>(held);
}

inline asio::awaitable<std::size_t> warm_up(std::shared_ptr<PoolCore> core, Origin origin,
                                            std::size_t count, RequestOptions options) {
  const PoolCall call = prepare_pool_call(core, origin, options);
  const auto total = after(Clock::now(), call.timeouts.total);
  try {
    const auto opened = co_await core->warm(call.url, count, call.timeouts, total);
    if (!opened) throw opened.error();
    co_return *opened;
  } catch (const std::system_error& e) {
    throw cancellation_of(e).at(Phase::pool, std::string(call.url.origin()), 1, false, 0);
  }
}

inline asio::awaitable<void> drain(std::shared_ptr<PoolCore> core) {
  co_await core->drain();
  // A cancelled wait returns normally, so the cancellation is checked here.
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(cancellation)) throw Error(Errc::cancelled);
}

}  // namespace detail

FERRY_DEFINITION asio::awaitable<Lease> ConnectionPool::acquire(
    Origin origin, const RequestOptions& options) const {
  return detail::acquire_from(handle_->core, std::move(origin), options);
}

FERRY_DEFINITION asio::awaitable<std::size_t> ConnectionPool::warm(
    Origin origin, std::size_t count, const RequestOptions& options) const {
  return detail::warm_up(handle_->core, std::move(origin), count, options);
}

FERRY_DEFINITION asio::awaitable<void> ConnectionPool::drain() const {
  return detail::drain(handle_->core);
}

FERRY_DEFINITION PoolStats ConnectionPool::stats() const {
  const auto counts = handle_->core->counts();
  const auto totals = handle_->core->totals();
  return {counts.active, counts.idle,   counts.dialling, counts.waiting,
          totals.opened, totals.closed, totals.reused,   totals.failed};
}

FERRY_DEFINITION std::vector<OriginStats> ConnectionPool::origins() const {
  std::vector<OriginStats> origins;
  for (auto& [key, counts] : handle_->core->counts_by_origin()) {
    OriginStats& origin = origins.emplace_back(std::move(key));
    origin.active = counts.active;
    origin.idle = counts.idle;
    origin.connecting = counts.dialling;
    origin.waiting = counts.waiting;
  }
  return origins;
}

FERRY_DEFINITION std::string ConnectionPool::describe() const {
  std::string text;
  for (const OriginStats& origin : origins()) {
    if (!text.empty()) text += '\n';
    text += origin.origin + ": " + std::to_string(origin.active) + " active, " +
            std::to_string(origin.idle) + " idle, ";
    if (origin.connecting > 0) text += std::to_string(origin.connecting) + " connecting, ";
    text += std::to_string(origin.waiting) + " waiting";
  }
  return text;
}

FERRY_DEFINITION void ConnectionPool::close_idle() const noexcept { handle_->core->close_idle(); }

FERRY_DEFINITION void ConnectionPool::close() const noexcept { handle_->core->close(true); }

}  // namespace ferry
