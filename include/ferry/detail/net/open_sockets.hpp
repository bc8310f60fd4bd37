#pragma once

#include <mutex>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/intrusive_list.hpp>

namespace ferry::detail {

/// A socket that `OpenSockets` knows of while it is open.
class OpenSocket {
 public:
  /// This is a child process now: the socket is its parent's.
  virtual void leave_to_parent() noexcept = 0;

  ListLinks<OpenSocket> in_context;

 protected:
  ~OpenSocket() = default;
};

/// The sockets that are open in a context.
///
/// An operation that waits at a fork waits in both processes. In the child it would take what comes
/// for the parent, so all sockets are let go of when the context hears that it is in a child
/// (`notify_fork`), before it runs. Threads: safe to use by any number at once.
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
    while (OpenSocket* const socket = first()) socket->leave_to_parent();  // It removes itself.
  }
  OpenSocket* first() const noexcept {
    const std::lock_guard lock(mutex_);
    return sockets_.front();
  }

  mutable std::mutex mutex_;
  IntrusiveList<OpenSocket, &OpenSocket::in_context> sockets_;
};

}  // namespace ferry::detail
