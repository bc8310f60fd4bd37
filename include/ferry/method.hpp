#pragma once

/// @file
/// Request methods (RFC 9110 section 9).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A request method: a known one, or any other token. Methods are case-sensitive.
///
/// Lifetime: owns its token; short tokens do not allocate. Threads: a value.
class Method {
 public:
  /// The method GET.
  Method() noexcept = default;
  /// A method with this token. If it is not a token (RFC 9110 5.6.2), the request fails with
  /// `Errc::invalid_method` before anything is sent.
  explicit Method(std::string token);

  /// GET (RFC 9110 9.3.1).
  static Method get() noexcept { return Method(Known::get); }
  /// HEAD (RFC 9110 9.3.2).
  static Method head() noexcept { return Method(Known::head); }
  /// OPTIONS (RFC 9110 9.3.7).
  static Method options() noexcept { return Method(Known::options); }
  /// DELETE (RFC 9110 9.3.5); the underscore avoids the keyword.
  static Method delete_() noexcept { return Method(Known::delete_); }
  /// PUT (RFC 9110 9.3.4).
  static Method put() noexcept { return Method(Known::put); }
  /// POST (RFC 9110 9.3.3).
  static Method post() noexcept { return Method(Known::post); }
  /// PATCH (RFC 5789).
  static Method patch() noexcept { return Method(Known::patch); }

  /// The token as it is sent.
  std::string_view token() const& noexcept {
    return known_ == Known::no ? own_ : tokens[static_cast<std::size_t>(known_)];
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view token() const&& = delete;

  /// True if the method may be sent: it is a token other than CONNECT, which asks a proxy for a
  /// tunnel instead of an origin for a resource.
  bool is_valid() const noexcept;

  /// True for the methods that IANA's registry of HTTP methods lists as idempotent: GET, PUT,
  /// DELETE and so on, and extensions such as PROPFIND and QUERY (RFC 9110 9.2.2).
  bool is_idempotent() const noexcept;

  /// True for the methods whose requests state their length even without content (RFC 9110 8.6).
  bool expects_body() const noexcept { return known_ >= Known::put && known_ != Known::no; }

  friend bool operator==(const Method&, const Method&) = default;

 private:
  // The idempotent methods come first, then those that expect a body; PUT is both.
  enum class Known : std::uint8_t { get, head, options, trace, delete_, put, post, patch, no };
  static constexpr std::array<std::string_view, 8> tokens{"GET",    "HEAD", "OPTIONS", "TRACE",
                                                          "DELETE", "PUT",  "POST",    "PATCH"};

  explicit Method(Known known) noexcept : known_(known) {}

  Known known_ = Known::get;
  std::string own_;  // The token of a method that is not known.
};

static_assert(detail::co_await_safe<Method>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/method.ipp>
#endif
