#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <span>
#include <string_view>
#include <system_error>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/request_parser.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/status.hpp>
#include <ferry/testing/mock_transport.hpp>

namespace ferry::inline FERRY_CONFIGURATION::testing {

struct MockTransport::State {
  explicit State(Handler function) : handler(std::move(function)) {}

  MockResponse handle(const MockRequest& request) {
    const std::lock_guard one_at_a_time(calling);
    {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
    }
    try {
      return handler(request);
    } catch (const std::exception& e) {
      return MockResponse(500, std::string("the handler threw: ") + e.what(), "text/plain");
    }
  }

  const Handler handler;
  std::recursive_mutex calling;  // A handler may itself send requests and call `requests()`.
  std::mutex mutex;              // Guards the members below.
  std::vector<MockRequest> requests;
  int connections = 0;
};

/// Passes streams on unsecured: there is no network.
class MockTransport::PlainTls final : public TlsContext {
 public:
  asio::awaitable<Result<std::unique_ptr<Stream>>> handshake(std::unique_ptr<Stream> stream,
                                                             DialContext&) const override {
    using Secured = Result<std::unique_ptr<Stream>>;
    co_return Secured(std::move(stream));
  }
};

/// Parses the bytes written, and has a response ready when a request is complete.
class MockTransport::Connection final : public Stream, detail::RequestParser {
 public:
  Connection(std::shared_ptr<State> state, bool secure)
      : state_(std::move(state)), scheme_(secure ? "https://" : "http://") {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    const auto count = try_read_some(buffer, error);
    if (error != asio::error::would_block) co_return count;
    co_await event_.wait();  // An incomplete request gets no response.
    error = asio::error::eof;
    co_return 0;
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    co_return try_write_some(buffers, error);
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    error.clear();
    if (answer_.empty())
      error = ended_ || !open_ ? asio::error::eof : std::error_code(asio::error::would_block);
    const auto count = std::min(buffer.size(), answer_.size());
    std::memcpy(buffer.data(), answer_.data(), count);
    answer_.erase(0, count);
    return count;
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    error.clear();
    std::size_t count = 0;
    for (const auto& buffer : buffers) {
      if (!feed({static_cast<const char*>(buffer.data()), buffer.size()})) {
        error = asio::error::connection_reset;
        return 0;
      }
      count += buffer.size();
    }
    return count;
  }
  asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point) override {
    co_return true;  // All bytes that will ever come are already there.
  }
  IdleState check_idle() noexcept override {
    return ended_ || !open_ ? IdleState::closed : IdleState::quiet;
  }
  void close() noexcept override { open_ = false; }
  void abort() noexcept override {
    open_ = false;
    event_.fire();
  }
  bool is_open() const noexcept override { return open_; }
  std::string remote_endpoint() const override { return "mock"; }

 private:
  void on_request_head() override {
    if (headers_.has_token("Expect", "100-continue")) answer_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  void on_request() override {
    MockRequest request;
    request.method = method();
    const auto host = headers_.get("Host").value_or("");
    request.url = target_.starts_with('/') ? std::string(scheme_).append(host) + target_ : target_;
    request.headers = std::move(headers_);
    request.body = std::move(body_);
    answer(state_->handle(request));
  }

  void answer(const MockResponse& response) {
    if (response.status == 0) {
      ended_ = true;
      return;
    }
    answer_ += "HTTP/1.1 " + std::to_string(response.status) + " ";
    answer_.append(reason_phrase(response.status)).append("\r\n");
    for (const auto [name, value] : response.headers)
      answer_.append(name).append(": ").append(value).append("\r\n");
    const bool bodiless = response.status == 204 || response.status == 304 || method() == "HEAD";
    if (response.status != 204 && !response.headers.contains("Content-Length"))
      answer_ += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    answer_ += "\r\n";
    if (!bodiless) answer_ += response.body;
  }

  const std::shared_ptr<State> state_;
  const char* const scheme_;
  std::string answer_;
  bool ended_ = false;
  bool open_ = true;
  detail::OneShotEvent event_;
};

FERRY_DEFINITION MockTransport::MockTransport(Handler handler)
    : state_(std::make_shared<State>(std::move(handler))) {}

FERRY_DEFINITION void MockTransport::serve(ConnectOptions& options) {
  options.connector = std::make_shared<MockTransport>(*this);
  options.tls = std::make_shared<PlainTls>();
}

FERRY_DEFINITION std::vector<MockRequest> MockTransport::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

FERRY_DEFINITION int MockTransport::connections() const {
  const std::lock_guard lock(state_->mutex);
  return state_->connections;
}

FERRY_DEFINITION asio::awaitable<Result<std::unique_ptr<Stream>>> MockTransport::connect(
    DialContext& context) {
  using Connected = Result<std::unique_ptr<Stream>>;
  {
    const std::lock_guard lock(state_->mutex);
    ++state_->connections;
  }
  co_return Connected(std::make_unique<Connection>(state_, context.is_secure()));
}

}  // namespace ferry::testing
