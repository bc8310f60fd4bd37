#pragma once

/// @file
/// `CookieStore`: where a client keeps cookies; `ferry/cookies.hpp` has one.

#include <string>

#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry {

/// Keeps the cookies that servers set, and knows which of them go where (RFC 6265bis).
///
/// Threads: one object serves all requests of a client, or of several, and so must be safe to use
/// by several at once. Lifetime: shared; requests in flight keep it.
class CookieStore {
 public:
  CookieStore() = default;
  CookieStore(const CookieStore&) = delete;
  CookieStore& operator=(const CookieStore&) = delete;
  virtual ~CookieStore() = default;

  /// The value of the field `Cookie` for a request to this URL; empty if there is none to send. One
  /// with a control character fails the request with `Errc::invalid_header`.
  virtual std::string cookies_for(const Url& url) = 0;
  /// A response has come from this URL, with these fields: takes its `Set-Cookie`.
  virtual void take(const Url& url, const Headers& response) = 0;
};
static_assert(detail::co_await_safe<CookieStore>);

}  // namespace ferry
