#pragma once

/// @file
/// Request methods (RFC 9110 section 9).

#include <string>
#include <string_view>

#include <ferry/detail/ascii.hpp>
#include <ferry/detail/co_await_safe.hpp>

namespace ferry {

/// A request method: one of the known ones, or any token of one's own. Methods are case-sensitive.
///
/// Lifetime: owns its token; short ones do not allocate. Threads: a value.
class Method {
 public:
  /// GET.
  Method() : token_("GET") {}
  /// A method by its token. One that is not a token (RFC 9110 5.6.2) makes the request fail with
  /// `Errc::invalid_method` before anything is sent.
  explicit Method(std::string token) : token_(std::move(token)) {}

  /// GET (RFC 9110 9.3.1).
  static Method get() { return Method("GET"); }
  /// HEAD (RFC 9110 9.3.2).
  static Method head() { return Method("HEAD"); }
  /// OPTIONS (RFC 9110 9.3.7).
  static Method options() { return Method("OPTIONS"); }
  /// POST (RFC 9110 9.3.3).
  static Method post() { return Method("POST"); }
  /// PUT (RFC 9110 9.3.4).
  static Method put() { return Method("PUT"); }
  /// PATCH (RFC 5789).
  static Method patch() { return Method("PATCH"); }
  /// DELETE; the underscore keeps clear of the keyword.
  static Method delete_() { return Method("DELETE"); }

  /// The token that goes on the wire.
  std::string_view token() const noexcept { return token_; }

  /// True if it may go on the wire: a token, and not CONNECT, which asks a proxy for a tunnel and
  /// not an origin for a resource.
  bool is_valid() const noexcept { return detail::is_token(token()) && token() != "CONNECT"; }

  /// True for the methods that are idempotent by definition (RFC 9110 9.2.2).
  bool is_idempotent() const noexcept {
    return token() == "GET" || token() == "HEAD" || token() == "OPTIONS" || token() == "PUT" ||
           token() == "DELETE" || token() == "TRACE";
  }

  /// True for the methods whose requests say their length even when they carry nothing (RFC
  /// 9110 8.6).
  bool expects_body() const noexcept {
    return token() == "POST" || token() == "PUT" || token() == "PATCH";
  }

  friend bool operator==(const Method&, const Method&) = default;

 private:
  std::string token_;
};

static_assert(detail::co_await_safe<Method>);

}  // namespace ferry
