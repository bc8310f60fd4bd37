#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Limits on the head of a response, and on its trailers.
struct HeadLimits {
  std::size_t max_head_size;  ///< In bytes.
  std::size_t max_fields;
};

/// A response as received.
struct ResponseMessage {
  int status = 0;
  int minor_version = 1;  ///< Minor version of HTTP/1.x.
  std::string reason;
  Headers headers;
  Headers trailers;
  std::string body;

  std::string_view version() const noexcept { return minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1"; }
  /// Clears everything but keeps the memory.
  void clear() noexcept {
    status = 0;
    minor_version = 1;
    reason.clear();
    access::table(headers).clear();
    access::table(trailers).clear();
    body.clear();
  }
};

/// The way in which the end of a body is found (RFC 9112 6.3).
enum class Framing { none, length, chunked, until_close };

}  // namespace ferry::detail
