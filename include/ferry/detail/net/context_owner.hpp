#pragma once

#include <memory>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/stream.hpp>

// Shared ownership of a context: its clients, pools, leases and streams share the ownership of its
// owner, so the context lives as long as they do.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// An executor whose context must live as long as the objects made with the executor.
struct OwnedExecutor {
  asio::any_io_executor executor;
  std::shared_ptr<const void> owner;  ///< Owner of the context.

  operator asio::any_io_executor() const { return executor; }
};

/// A pointer to an object that also keeps a context alive; the object is released first.
template <class T>
std::shared_ptr<T> keep_with(std::shared_ptr<const void> owner, std::shared_ptr<T> object) {
  if (!owner) return object;
  struct Both {
    std::shared_ptr<const void> owner;
    std::shared_ptr<T> object;
  };
  T* const target = object.get();
  return {std::make_shared<Both>(Both{std::move(owner), std::move(object)}), target};
}

/// A stream that keeps alive the context on which it was opened.
class OwningStream final : public Stream {
 public:
  OwningStream(std::shared_ptr<const void> owner, std::unique_ptr<Stream> stream) noexcept
      : owner_(std::move(owner)), stream_(std::move(stream)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    return stream_->read_some(buffer, error);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    return stream_->write_some(buffers, error);
  }
  asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override {
    return stream_->write_some_or_wait_readable(buffers, error);
  }
  asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) override {
    return stream_->wait_readable(until);
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    return stream_->try_read_some(buffer, error);
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    return stream_->try_write_some(buffers, error);
  }
  IdleState check_idle() noexcept override { return stream_->check_idle(); }
  void close() noexcept override { stream_->close(); }
  void abort() noexcept override { stream_->abort(); }
  bool is_open() const noexcept override { return stream_->is_open(); }
  std::string local_endpoint() const override { return stream_->local_endpoint(); }
  std::string remote_endpoint() const override { return stream_->remote_endpoint(); }
  std::optional<TlsInfo> tls() const override { return stream_->tls(); }

 private:
  const std::shared_ptr<const void> owner_;  // Destroyed last.
  const std::unique_ptr<Stream> stream_;
};

}  // namespace ferry::detail
