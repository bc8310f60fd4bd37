#pragma once

#include <cstdint>
#include <limits>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The part of a response that a caller wants.
enum class ResponseKind { buffered, stream, upgrade };

/// The options of one call: those of the client, overridden by those of the call.
struct CallOptions {
  /// @param on_lease true if the call uses a connection that its caller holds. Such a call goes to
  ///   that connection's origin only, and is sent once.
  CallOptions(const ClientOptions& client, const RequestOptions& call, ResponseKind wanted,
              bool on_lease)
      : timeouts(merged(client.timeouts, call)),
        redirects(client.redirects),
        max_body_size(call.max_body_size.value_or(client.limits.max_body_size)),
        kind(wanted),
        decodes(call.decode),
        limits_stream(call.max_body_size.has_value()),
        retries_stale(!on_lease && call.retry_stale.value_or(client.retry_stale)),
        max_retries(on_lease ? 0 : call.max_retries.value_or(client.retries.max)) {
    // A caller that wants another protocol talks only to the server that speaks it.
    redirects.follow = !on_lease && kind != ResponseKind::upgrade &&
                       call.follow_redirects.value_or(redirects.follow);
    redirects.max = call.max_redirects.value_or(redirects.max);
  }

  /// The limit of a stream's body in bytes.
  std::uint64_t max_stream_size() const noexcept {
    return limits_stream ? max_body_size : std::numeric_limits<std::uint64_t>::max();
  }

  const Timeouts timeouts;
  Redirects redirects;
  const std::uint64_t max_body_size;  ///< Limit of a collected body in bytes.
  const ResponseKind kind;
  const bool decodes;        ///< True to undo content codings.
  const bool limits_stream;  ///< True if the call limits the size of a stream.
  const bool retries_stale;
  const int max_retries;
};

}  // namespace ferry::detail
