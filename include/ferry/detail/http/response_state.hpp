#pragma once

#include <string>
#include <vector>

#include <ferry/connection_info.hpp>
#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/options.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {
class Response;
}  // namespace ferry

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// All data of a `Response`, in a separate allocation, so that the code that fills them need not
/// move them.
struct ResponseState : CacheAllocated<ResponseState> {
  ResponseMessage message;
  Url url;
  Duration elapsed{};
  Timings timings;
  ConnectionInfo connection;
  std::vector<Response> history;
  /// True if a redirect has led away from the origin of the request, whose credentials must never
  /// be sent again. `Client::refresh` needs this.
  bool left_origin = false;
  std::string userinfo;     ///< The userinfo of the request's URL, unless a redirect left its
                            ///< origin; never shown.
  bool is_decoded = false;  ///< True if the content codings of the body have been undone.

  /// Clears everything, but keeps the memory.
  void clear() noexcept;
};

}  // namespace ferry::detail
