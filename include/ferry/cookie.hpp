#pragma once

/// @file
/// `Cookie`: one cookie of a `CookieJar`, which `ferry/cookies.hpp` has.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// One cookie. (RFC 6265bis)
///
/// Lifetime: owns its texts. Threads: a value.
class Cookie {
 public:
  /// The type of a cookie's end, in seconds.
  using Time = std::chrono::sys_seconds;

  Cookie() = default;
  /// @param host the only host that gets the cookie.
  Cookie(std::string of_name, std::string of_value, std::string host, std::string of_path = "/")
      : name(std::move(of_name)),
        value(std::move(of_value)),
        domain(std::move(host)),
        path(std::move(of_path)) {}

  std::string name;             ///< The name; may be empty.
  std::string value;            ///< The value; usually a secret.
  std::string domain;           ///< The host, or the domain whose hosts get the cookie; see
                                ///< `host_only`.
  std::string path = "/";       ///< The path: requests at and below it get the cookie.
  bool host_only = true;        ///< True if only the host `domain` gets the cookie, and no name
                                ///< below it.
  bool secure = false;          ///< True if the cookie is sent over https only.
  bool http_only = false;       ///< The attribute `HttpOnly`; kept, but without effect in this
                                ///< client.
  std::string same_site;        ///< The attribute `SameSite` as the server wrote it; without effect
                                ///< in this client.
  std::optional<Time> expires;  ///< The time when the cookie ends; nothing: at the end of the
                                ///< session.
  /// The domain in which the server wanted to share the cookie, if the jar keeps it for its host
  /// alone instead: see `CookieJarOptions::shared_domains`. Empty otherwise. Not written to files.
  std::string narrowed_from;

  friend bool operator==(const Cookie&, const Cookie&) = default;
};
static_assert(detail::co_await_safe<Cookie>);

/// A line of a cookie file that is not a cookie.
struct SkippedCookieLine {
  std::size_t number = 0;   ///< The line's number, from 1.
  std::string_view reason;  ///< The reason, a literal that shows nothing of the line.
};
static_assert(detail::co_await_safe<SkippedCookieLine>);

}  // namespace ferry
