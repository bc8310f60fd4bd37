#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/stream.hpp>

namespace test {

/// Forwards every call to the stream in it: a base for streams that change one function.
class ForwardingStream : public ferry::Stream {
 public:
  explicit ForwardingStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

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
  ferry::IdleState check_idle() noexcept override { return stream_->check_idle(); }
  void close() noexcept override { stream_->close(); }
  void abort() noexcept override { stream_->abort(); }
  bool is_open() const noexcept override { return stream_->is_open(); }

 private:
  std::unique_ptr<Stream> stream_;
};

/// Wraps each stream that another connector opens.
class WrappingConnector final : public ferry::Connector {
 public:
  using Wrap = std::function<std::unique_ptr<ferry::Stream>(std::unique_ptr<ferry::Stream>)>;

  WrappingConnector(std::shared_ptr<ferry::Connector> connector, Wrap wrap)
      : connector_(std::move(connector)), wrap_(std::move(wrap)) {}

  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    auto stream = co_await connector_->connect(context);
    if (stream) *stream = wrap_(std::move(*stream));
    co_return stream;
  }

 private:
  std::shared_ptr<ferry::Connector> connector_;
  Wrap wrap_;
};

}  // namespace test
