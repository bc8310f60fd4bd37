#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// All parts of a request's head. Everything referred to outlives the call.
struct RequestHead {
  const Method& method;
  const Url& url;
  const Headers& headers;           ///< The request's own fields.
  const Headers& defaults;          ///< The client's fields; the request's own override them.
  std::string_view user_agent{};    ///< Empty: no User-Agent.
  std::string_view content_type{};  ///< The body's type; a given Content-Type overrides it.
  /// Content codings; a given Accept-Encoding or Range overrides them.
  std::string_view accept_encoding{};
  std::string_view authorization{};  ///< Overrides given Authorization fields; empty: none.
  std::string_view cookie{};         ///< Value from the cookie store; empty: none.
  /// Body size in bytes; nothing: unknown, the body is sent in chunks.
  std::optional<std::uint64_t> body_size = 0;
  bool has_body = false;
  bool close = false;    ///< True to announce that the request is the connection's last.
  bool expect = false;   ///< True if the body waits for `100 Continue`.
  bool upgrade = false;  ///< True if another protocol may take over the connection.
  bool to_proxy =
      false;  ///< True if a proxy forwards the request: in absolute form (RFC 9112 3.2.2).
  std::string_view proxy_authorization{};  ///< Credentials for that proxy; empty: none.
  std::string_view
      default_head_fields{};  ///< Result of `default_head_fields()` for the client; empty: unknown.
};

/// True if the fields announce that the request is the connection's last.
inline bool announces_close(const RequestHead& head) noexcept {
  const Headers& sent = head.headers.contains("Connection") ? head.headers : head.defaults;
  return sent.has_token("Connection", "close");
}

/// True if the fields say that the body waits for `100 Continue` (RFC 9110 10.1.1).
inline bool expects_continue(const Headers& headers, const Headers& defaults) noexcept {
  const Headers& sent = headers.contains("Expect") ? headers : defaults;
  return sent.has_token("Expect", "100-continue");
}

}  // namespace ferry::detail
