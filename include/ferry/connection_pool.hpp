#pragma once

/// @file
/// `ConnectionPool`: the connections that clients keep, their limits, and what can be seen of them.

#include <memory>
#include <string>
#include <utility>

#include <ferry/detail/pool_core.hpp>

namespace ferry {

/// What a pool holds now, and has counted since it was made.
struct PoolStats {
  std::size_t active = 0;      ///< Connections that carry a request.
  std::size_t idle = 0;        ///< Connections kept for reuse.
  std::size_t connecting = 0;  ///< Connections being opened.
  std::size_t waiting = 0;     ///< Requests that wait for a connection.
  std::uint64_t opened = 0;    ///< Connections that were opened.
  std::uint64_t closed = 0;    ///< Connections that were closed.
  std::uint64_t reused = 0;    ///< Requests that got a kept connection.
  std::uint64_t failed = 0;    ///< Connections that could not be opened.
};
static_assert(detail::co_await_safe<PoolStats>);

/// A pool of connections, kept for reuse: a shared handle, copies of which share one pool.
///
/// A client makes one of its own unless it is given one; several clients may share it. Reuse is
/// last in, first out; waiters are served first in, first out, by whichever comes first, a
/// connection that is given back or a new one. Before a connection is used again it is looked at
/// without waiting.
///
/// Lifetime: when the last handle dies, or the last client that holds one, idle connections close,
/// and those in use close after their request. The executor's context must outlive all handles, and
/// has to be running for connections to be opened and time limits to be kept.
/// Threads: safe to use by any number at once; requests on different executors may share a pool.
class ConnectionPool {
 public:
  /// @param executor connections are opened, and time limits kept, on it; a strand or a thread
  /// pool's
  ///   will do as well.
  /// @throws Error `Errc::invalid_option`.
  explicit ConnectionPool(asio::any_io_executor executor, PoolOptions options = PoolOptions()) {
    if (auto error = detail::check(options.limits)) throw *error;
    handle_ = std::make_shared<Handle>(
        std::make_shared<detail::PoolCore>(std::move(executor), std::move(options)));
  }

  /// What it holds and has counted.
  PoolStats stats() const {
    const auto counts = core().inspect([](const auto& state) { return state.counts(); });
    const auto totals = core().totals();
    return {counts.active, counts.idle,   counts.dialling, counts.waiting,
            totals.opened, totals.closed, totals.reused,   totals.failed};
  }

  /// A line for each origin: "http://localhost:8080: 1 active, 2 idle, 0 waiting". It looks at
  /// every origin; it is meant for people.
  std::string describe() const {
    return core().inspect([](const auto& state) {
      std::string text;
      state.for_each_host([&](const auto& host) {
        const auto counts = state.counts(host);
        if (!text.empty()) text += '\n';
        text += host.key + ": " + std::to_string(counts.active) + " active, " +
                std::to_string(counts.idle) + " idle, ";
        if (counts.dialling > 0) text += std::to_string(counts.dialling) + " connecting, ";
        text += std::to_string(counts.waiting) + " waiting";
      });
      return text;
    });
  }

  /// Closes the connections that nobody uses; those in use are kept afterwards as before.
  void close_idle() const noexcept { core().close_idle(); }

  /// Closes the pool: idle connections now, and requests in flight or waiting end with
  /// `Errc::client_closed`, as do later ones. Calling it again does nothing.
  void close() const noexcept { core().close(true); }

  /// For the library's use.
  const std::shared_ptr<detail::PoolCore>& shared_core() const noexcept { return handle_->core; }

 private:
  struct Handle {
    explicit Handle(std::shared_ptr<detail::PoolCore> c) : core(std::move(c)) {}
    Handle(const Handle&) = delete;
    ~Handle() { core->close(false); }
    const std::shared_ptr<detail::PoolCore> core;
  };

  detail::PoolCore& core() const noexcept { return *handle_->core; }

  std::shared_ptr<Handle> handle_;
};
static_assert(detail::co_await_safe<ConnectionPool>);

}  // namespace ferry
