#pragma once

#include <mutex>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/intrusive_list.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A socket that is registered in `OpenSockets` while it is open.
class OpenSocket {
 public:
  /// Closes the socket in a child process, because it belongs to the parent.
  virtual void close_in_child() noexcept = 0;

  ListLinks<OpenSocket> in_context;

 protected:
  ~OpenSocket() = default;
};

/// The open sockets of a context.
///
/// After a fork, a pending operation waits in both processes, and the child's operation would take
/// the parent's data. So when the context is told that it is in a child (`notify_fork`), before it
/// runs, it closes all its sockets.
/// Threads: any number of threads may use this at the same time.
class OpenSockets final : public asio::execution_context::service {
 public:
  using key_type = OpenSockets;
  static inline asio::execution_context::id id;

  explicit OpenSockets(asio::execution_context& context) : service(context) {}

  static OpenSockets& of(const asio::any_io_executor& executor) {
    return asio::use_service<OpenSockets>(asio::query(executor, asio::execution::context));
  }

  void add(OpenSocket& socket) noexcept {
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
  }
  void remove(OpenSocket& socket) noexcept {
    const std::lock_guard lock(mutex_);
    sockets_.remove(socket);
  }

 private:
  void shutdown() noexcept override {}
  void notify_fork(asio::execution_context::fork_event event) override {
    if (event != asio::execution_context::fork_child) return;
    // The socket removes itself.
    while (OpenSocket* const socket = first()) socket->close_in_child();
  }
  OpenSocket* first() const noexcept {
    const std::lock_guard lock(mutex_);
    return sockets_.front();
  }

  mutable std::mutex mutex_;
  IntrusiveList<OpenSocket, &OpenSocket::in_context> sockets_;
};

}  // namespace ferry::detail
