#pragma once

/// @file
/// `Upgraded`: a connection that has left HTTP for another protocol.

#include <memory>
#include <string>

#include <ferry/response.hpp>
#include <ferry/stream.hpp>

namespace ferry {

/// What came of a request to switch protocols (RFC 9110 7.8): the connection, if the server did;
/// its answer, in any case.
///
/// Lifetime: the stream is its holder's; the pool counts it no more. The executor's context of the
/// client has to outlive it; that of a `blocking::Client` does. Threads: one at a time.
class Upgraded {
 public:
  Upgraded() = default;

  /// True if the server has switched: then `response` is its 101.
  explicit operator bool() const noexcept { return stream != nullptr; }

  Response response;               ///< 101 without a body, or what the server answered instead.
  std::unique_ptr<Stream> stream;  ///< The connection, which speaks the other protocol now.
  std::string received;            ///< What has already come of it, behind the 101.
};
static_assert(detail::co_await_safe<Upgraded>);

}  // namespace ferry
