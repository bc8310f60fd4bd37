#pragma once

/// @file
/// `Request`: a request to send.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/body.hpp>
#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

class Authenticator;

/// A request, built by chained setters:
/// `Request::get("/search").query("q", "pool").header("Accept", "text/html")`.
///
/// The setters check their arguments; the first error is kept and reported when the request is
/// sent, before anything goes out. On a temporary the setters return by value, so that nothing
/// dangles. Lifetime: owns its contents. Threads: a value.
class Request {
 public:
  /// The names and values of a query.
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  /// A GET for the client's `base_url`.
  Request() = default;
  /// @param method the method.
  /// @param url absolute, or relative to the client's `base_url`; parsed when the request is sent.
  Request(Method method, std::string url) : method_(std::move(method)), url_(std::move(url)) {}
  /// Makes a request with content.
  Request(Method method, std::string url, Body body)
      : method_(std::move(method)), url_(std::move(url)), body_(std::move(body)) {}
  /// Copies the other request's data.
  Request(const Request& other);
  /// Moves the other request's data.
  Request(Request&& other) noexcept;
  /// Copies the other request's data.
  Request& operator=(const Request& other);
  /// Moves the other request's data.
  Request& operator=(Request&& other) noexcept;
  ~Request();

  /// A GET.
  static Request get(std::string url) { return Request(Method::get(), std::move(url)); }
  /// A HEAD.
  static Request head(std::string url) { return Request(Method::head(), std::move(url)); }
  /// An OPTIONS.
  static Request options(std::string url) { return Request(Method::options(), std::move(url)); }
  /// A POST.
  static Request post(std::string url, Body body = Body()) {
    return Request(Method::post(), std::move(url), std::move(body));
  }
  /// A PUT.
  static Request put(std::string url, Body body = Body()) {
    return Request(Method::put(), std::move(url), std::move(body));
  }
  /// A PATCH.
  static Request patch(std::string url, Body body = Body()) {
    return Request(Method::patch(), std::move(url), std::move(body));
  }
  /// A DELETE.
  static Request delete_(std::string url) { return Request(Method::delete_(), std::move(url)); }

  /// Sets a header field. It replaces the fields of that name, the client's included. An empty
  /// value prevents any from being sent.
  Request& header(std::string_view name, std::string_view value) &;
  /// Sets a header field. It replaces the fields of that name, the client's included.
  Request header(std::string_view name, std::string_view value) &&;

  /// Adds a header field and keeps others of its name, except the client's.
  Request& add_header(std::string_view name, std::string_view value) &;
  /// Adds a header field and keeps others of its name, except the client's.
  Request add_header(std::string_view name, std::string_view value) &&;

  /// Appends `name=value` to the URL's query, percent-encoded.
  Request& query(std::string_view name, std::string_view value) &;
  /// Appends `name=value` to the URL's query, percent-encoded.
  Request query(std::string_view name, std::string_view value) &&;

  /// Sets the content.
  Request& body(Body content) &;
  /// Sets the content.
  Request body(Body content) &&;

  /// Sets the credentials, which override the client's. `ferry/auth.hpp` has the usual ones.
  Request& auth(std::shared_ptr<Authenticator> credentials) &;
  /// Sets the credentials, which override the client's.
  Request auth(std::shared_ptr<Authenticator> credentials) &&;

  /// The method.
  const Method& method() const& noexcept { return method_; }
  /// Overload for a temporary: returns by value.
  Method method() && { return std::move(method_); }
  /// The URL as it was given.
  const std::string& url() const& noexcept { return url_; }
  /// Overload for a temporary: returns by value.
  std::string url() && { return std::move(url_); }
  /// The request's own header fields.
  const Headers& headers() const& noexcept { return headers_; }
  /// Overload for a temporary: returns by value.
  Headers headers() && { return std::move(headers_); }
  /// The content.
  const Body& body() const& noexcept { return body_; }
  /// Overload for a temporary: returns by value.
  Body body() && { return std::move(body_); }
  /// The request's own credentials; null if there are none.
  const std::shared_ptr<Authenticator>& auth() const& noexcept { return auth_; }
  /// Overload for a temporary: returns by value.
  std::shared_ptr<Authenticator> auth() && { return std::move(auth_); }

  /// The request's absolute URL, with its query.
  /// @param base resolves a relative URL; empty if there is none.
  /// @throws nothing; the result holds `Errc::invalid_url` or the first error of a setter.
  Result<Url> target(const Url& base) const&;

  /// Finds the same URL as `target`, but moves the memory out of the request, whose own URL is
  /// unspecified afterwards.
  /// @param base resolves a relative URL; empty if there is none.
  /// @param defaults pairs that are put before the request's own query.
  /// @param to_ascii maps hosts that are not ASCII; if null, they are refused.
  /// @param url receives the URL.
  /// @return the error, or nothing.
  std::optional<Error> take_target(const Url& base, const Pairs& defaults,
                                   detail::HostToAscii to_ascii, Url& url);

 private:
  friend struct detail::access;

  bool check(std::string_view name, std::string_view value);

  Method method_;
  std::string url_;
  bool is_whole_ = false;     // True if the URL is an earlier request's, with all of its query.
  bool left_origin_ = false;  // True if a redirect of that request led to it, from another origin.
  std::string userinfo_;      // The URL's userinfo, kept apart so that code that shows the URL
                              // never shows it.
  Headers headers_;
  Pairs query_;
  Body body_;
  std::shared_ptr<Authenticator> auth_;
  std::optional<Error> error_;
};
static_assert(detail::co_await_safe<Request>);

namespace detail {

/// Makes a GET for the URL of an earlier request.
/// @param url the URL.
/// @param userinfo the URL's userinfo.
/// @param left_origin true if a redirect led to the URL from another origin, whose credentials and
///   other secrets must not be sent.
Request get_again(std::string url, std::string_view userinfo, bool left_origin);

}  // namespace detail

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/request.ipp>
#endif
