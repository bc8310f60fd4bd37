#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Two waits on one socket, for reading and for writing; the end of the first cancels the other.
template <class Socket, class Handler>
class ReadyWait : public std::enable_shared_from_this<ReadyWait<Socket, Handler>> {
 public:
  ReadyWait(Socket& socket, Handler handler) : socket_(socket), handler_(std::move(handler)) {}

  void start() {
    const auto executor = asio::get_associated_executor(*handler_, socket_.get_executor());
    const auto ended = [self = this->shared_from_this()](std::error_code error) {
      self->end(error);
    };
    if (auto slot = asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) {
      slot.assign([weak = this->weak_from_this()](asio::cancellation_type) {
        if (const auto self = weak.lock()) self->cancel();
      });
    }
    // On an executor with several threads the first wait may end before the second has begun.
    const std::lock_guard lock(mutex_);
    socket_.async_wait(asio::socket_base::wait_read, asio::bind_executor(executor, ended));
    socket_.async_wait(asio::socket_base::wait_write, asio::bind_executor(executor, ended));
  }

 private:
  void end(std::error_code error) {
    std::unique_lock lock(mutex_);  // On an executor with several threads both may end at once.
    if (--pending_ > 0) {
      error_ = error;
      cancel();
      return;
    }
    lock.unlock();
    if (auto slot = asio::get_associated_cancellation_slot(*handler_); slot.is_connected())
      slot.clear();
    auto handler = std::move(*handler_);
    handler_.reset();
    handler(error_);  // The first wait's result.
  }
  void cancel() noexcept {
    std::error_code ignored;
    socket_.cancel(ignored);
  }

  Socket& socket_;
  std::optional<Handler> handler_;
  std::mutex mutex_;
  std::error_code error_;
  int pending_ = 2;
};

template <class Socket>
struct StartReadyWait {
  Socket* socket;
  template <class Handler>
  void operator()(Handler&& handler) const {
    using Wait = ReadyWait<Socket, std::decay_t<Handler>>;
    std::make_shared<Wait>(*socket, std::forward<Handler>(handler))->start();
  }
};

/// Waits until a socket is readable or writable.
template <class Socket>
asio::awaitable<void> wait_ready(Socket& socket, std::error_code& error) {
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::async_initiate<decltype(token), void(std::error_code)>(
      StartReadyWait<Socket>{&socket}, token);
}

}  // namespace ferry::detail
