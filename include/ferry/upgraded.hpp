#pragma once

/// @file
/// `Upgraded`: a connection that has switched from HTTP to another protocol.

#include <memory>
#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/response.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The result of a request to switch protocols (RFC 9110 7.8): the server's response and, if the
/// server has switched, the connection.
///
/// Lifetime: the holder owns the stream, and the pool no longer counts it. The executor's context
/// of the client must outlive the stream; that of a `blocking::Client` does. Threads: one at a
/// time.
class Upgraded {
 public:
  Upgraded() = default;

  /// True if the server has switched protocols: then `response` is its 101.
  explicit operator bool() const noexcept { return stream != nullptr; }

  Response response;               ///< The 101 without a body, or the server's other response.
  std::unique_ptr<Stream> stream;  ///< The connection, in the new protocol; null if not switched.
  std::string received;            ///< The bytes of the new protocol that came after the 101.
};
static_assert(detail::co_await_safe<Upgraded>);

}  // namespace ferry
