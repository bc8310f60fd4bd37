#pragma once

/// @file
/// `ServerEvent`: an event of a response of type `text/event-stream`.

#include <string>

#include <ferry/detail/base/co_await_safe.hpp>

namespace ferry {

/// An event of a stream of type `text/event-stream`. Its texts are UTF-8, whatever the server sent.
///
/// Lifetime: owns its texts. Threads: a value. (WHATWG HTML 9.2)
class ServerEvent {
 public:
  ServerEvent() = default;

  std::string type = "message";  ///< What kind of event it is.
  std::string data;              ///< Its lines, with LF between them.
  /// The last id that the stream has given, with this event or before: what a new request would
  /// send as `Last-Event-ID`.
  std::string id;
};
static_assert(detail::co_await_safe<ServerEvent>);

}  // namespace ferry
