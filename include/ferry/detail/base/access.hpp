#pragma once

#include <type_traits>
#include <utility>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The library's access to the private members of public classes, each of which names this struct
/// as a friend. There is no other way in.
///
/// The functions are templates, so this header knows none of these classes. Each returns a member
/// as it is, or calls a private function, so it costs nothing at run time.
struct access {
  /// Calls a private constructor: of `DialContext`, `Lease`, `Next`, `Response` or
  /// `ResponseStream`.
  template <class T, class... Args>
  static T make(Args&&... args) {
    return T(std::forward<Args>(args)...);
  }

  /// The core that the copies of a `Client` or a `ConnectionPool` share: a `std::shared_ptr`.
  template <class Handle>
  static const auto& core(const Handle& handle) noexcept {
    return handle.handle_->core;
  }

  /// The data of a `Response`; if it is not const, it must not be empty.
  template <class Response>
  static auto& state(Response& response) noexcept {
    if constexpr (std::is_const_v<Response>)
      return response.state();
    else
      return *response.state_;
  }
  /// The data of a `Response`, moved out: a `std::unique_ptr`.
  template <class Response>
  static auto take_state(Response& response) noexcept {
    return std::move(response.state_);
  }
  /// The facts that a `ConnectionInfo` shares with its connection.
  template <class Info>
  static auto& facts(Info& info) noexcept {
    return info.facts_;
  }
  /// The open body of a `ResponseStream`, or the content of a `Request`.
  template <class T>
  static auto& body(T& object) noexcept {
    return object.body_;
  }

  /// The bytes of `Headers`. A parser checks the fields that it puts there.
  template <class Headers>
  static auto& table(Headers& headers) noexcept {
    return headers.table_;
  }

  /// Parses a URL into a `Url`, without a copy if it is in normal form. @return the error.
  template <class Url, class Text, class ToAscii>
  static auto assign(Url& url, Text&& text, ToAscii to_ascii) {
    return url.assign(std::forward<Text>(text), to_ascii);
  }
  /// The userinfo of a `Url` or a `Request`.
  template <class T>
  static auto& userinfo(T& object) noexcept {
    return object.userinfo_;
  }

  /// The method of a `Request`.
  template <class Request>
  static auto& method(Request& request) noexcept {
    return request.method_;
  }
  /// The header fields of a `Request`.
  template <class Request>
  static auto& headers(Request& request) noexcept {
    return request.headers_;
  }
  /// Replaces the URL of a `Request` by one that has all of its query.
  template <class Request, class Text>
  static void set_whole_url(Request& request, Text&& url) {
    request.url_ = std::forward<Text>(url);
    request.is_whole_ = true;
    request.query_.clear();
  }
  /// True if a redirect led from another origin to the URL of a `Request`.
  template <class Request>
  static auto& left_origin(Request& request) noexcept {
    return request.left_origin_;
  }

  /// True while a request reads a `BodySource`.
  template <class Source>
  static auto& in_use(Source& source) noexcept {
    return source.in_use_;
  }

  /// The environment variable that the proxy for `http` URLs was read from: of `ProxyOptions`.
  template <class Options>
  static const auto& http_variable(const Options& options) noexcept {
    return options.http_variable_;
  }
  /// The environment variable that the proxy for `https` URLs was read from: of `ProxyOptions`.
  template <class Options>
  static const auto& https_variable(const Options& options) noexcept {
    return options.https_variable_;
  }
};

}  // namespace ferry::detail
