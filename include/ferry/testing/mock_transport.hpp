#pragma once

/// @file
/// `MockTransport`: a function instead of the network, for testing code that uses a `Client`.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/connector.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::testing {

/// A request as it was received.
///
/// Lifetime: owns its texts. Threads: a value.
class MockRequest {
 public:
  MockRequest() = default;

  /// The method's token.
  std::string method;
  std::string url;  ///< `scheme://host[:port]/path?query`
  /// The header fields as they were sent.
  Headers headers;
  std::string body;  ///< The body with its transfer coding undone.
};
static_assert(detail::co_await_safe<MockRequest>);

/// The response to a request. Set its members on a named variable, or return one in place.
class MockResponse {
 public:
  MockResponse() = default;
  /// A response with a status, a body and the body's type.
  explicit MockResponse(int code, std::string content = {}, std::string content_type = {})
      : status(code), body(std::move(content)) {
    if (!content_type.empty()) headers.set("Content-Type", content_type);
  }
  /// No response: the connection ends before its first byte.
  static MockResponse lost() { return MockResponse(0); }

  /// The status code.
  int status = 200;
  Headers headers;  ///< The header fields; `Content-Length` is added.
  /// The body.
  std::string body;
};
static_assert(detail::co_await_safe<MockResponse>);

/// A function instead of the network: it makes the response to each request. Everything else (pool,
/// limits, redirects, cookies, retries and streams) is the client's real code.
///
///     ferry::testing::MockTransport network([](const auto& request) {
///       return ferry::testing::MockResponse(200, "hello from " + request.url);
///     });
///     ferry::ClientOptions options;
///     network.serve(options);
///     ferry::Client client(context, options);
///
/// An exception of the function becomes a 500 that contains its message. Lifetime: clients share
/// the transport's state, like copies, and may outlive it. Threads: the function is called on the
/// threads that send, one at a time.
class MockTransport final : public Connector {
 public:
  /// Answers a request; an exception becomes a 500.
  using Handler = std::function<MockResponse(const MockRequest&)>;

  /// A transport that uses this function.
  explicit MockTransport(Handler handler);
  /// Copies share the same transport; moving copies too.
  MockTransport(const MockTransport&) = default;
  /// Copies share the same transport.
  MockTransport& operator=(const MockTransport&) = default;

  /// Makes the transport serve the requests of clients, or pools, with these options, for https
  /// too.
  void serve(ConnectOptions& options);

  /// The requests received so far.
  std::vector<MockRequest> requests() const;
  /// The number of connections opened.
  int connections() const;

  FERRY_DEFINITION asio::awaitable<Result<std::unique_ptr<Stream>>> connect(
      DialContext& context) override;

 private:
  struct State;
  class PlainTls;
  class Connection;

  std::shared_ptr<State> state_;
};

}  // namespace ferry::testing

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/testing/mock_transport.ipp>
#endif
