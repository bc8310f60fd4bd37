#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/proxy.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A stream to a proxy during the handshake that makes it lead to an origin: whole reads and
/// writes, and the errors in the proxy's name.
class ProxyStream {
 public:
  /// @param dial the dial's context, for the origin.
  /// Lifetime: everything given outlives the object.
  ProxyStream(Stream& to_proxy, const Proxy& its, DialContext& dial) noexcept
      : stream(to_proxy), proxy(its), origin(dial) {}

  /// Writes all bytes. @return the failure, or nothing.
  asio::awaitable<std::optional<Error>> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const asio::const_buffer buffer(bytes.data(), bytes.size());
      std::error_code error;
      const auto count = co_await stream.write_some(std::span(&buffer, 1), error);
      if (error) co_return ended(error);
      bytes.remove_prefix(count);
    }
    co_return std::nullopt;
  }
  /// Fills the buffer. @return the failure, or nothing.
  asio::awaitable<std::optional<Error>> read(asio::mutable_buffer buffer) {
    while (buffer.size() > 0) {
      std::error_code error;
      const auto count = co_await stream.read_some(buffer, error);
      if (error) co_return ended(error);
      buffer += count;
    }
    co_return std::nullopt;
  }

  /// The error of a read or write that failed.
  Error ended(std::error_code error) const {
    if (origin.ended()) return origin.error();
    return failure(Errc::proxy_failed, "it ended the connection",
                   error == asio::error::eof ? std::error_code() : error);
  }
  Error failure(Errc code, std::string what, std::error_code cause = {}) const {
    return Error(code, std::string(proxy.url.origin()) + ": " + std::move(what), cause);
  }

  /// The origin's host and port, as CONNECT and messages name them.
  std::string authority() const {
    const bool is_v6 = origin.host().find(':') != std::string::npos;
    return (is_v6 ? "[" + origin.host() + "]" : origin.host()) + ":" +
           std::to_string(origin.port());
  }

  Stream& stream;
  const Proxy& proxy;
  DialContext& origin;
};

}  // namespace ferry::detail
