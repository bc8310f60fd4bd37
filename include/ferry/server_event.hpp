#pragma once

/// @file
/// `ServerEvent`: one event of a response of type `text/event-stream`.

#include <string>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// One event of a response of type `text/event-stream`. Its texts are always UTF-8.
///
/// Lifetime: owns its texts. Threads: a value. (WHATWG HTML 9.2)
class ServerEvent {
 public:
  ServerEvent() = default;

  std::string type = "message";  ///< The event's type.
  std::string data;              ///< The event's data lines, separated by LF.
  /// The last id that the stream has given, in this event or before. A new request would send it as
  /// `Last-Event-ID`.
  std::string id;
};
static_assert(detail::co_await_safe<ServerEvent>);

}  // namespace ferry
