#pragma once

/// @file
/// `CookieStore`: keeps a client's cookies; `ferry/cookies.hpp` has one.

#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Keeps the cookies that servers set, and chooses those to send with each request (RFC 6265bis).
///
/// Threads: one object serves all requests of one or more clients, so it must be safe to use from
/// several threads at once. Lifetime: shared; requests in flight keep it.
class CookieStore {
 public:
  CookieStore() = default;
  CookieStore(const CookieStore&) = delete;
  CookieStore& operator=(const CookieStore&) = delete;
  virtual ~CookieStore() = default;

  /// The value of the field `Cookie` for a request to this URL; empty if there is none to send. A
  /// value with a control character fails the request with `Errc::invalid_header`.
  virtual std::string cookies_for(const Url& url) = 0;
  /// Takes the `Set-Cookie` fields of a response from this URL.
  virtual void take(const Url& url, const Headers& response) = 0;
};
static_assert(detail::co_await_safe<CookieStore>);

}  // namespace ferry
