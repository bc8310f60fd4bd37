#pragma once

/// @file
/// Errors: `Errc` names each cause, `Condition` matches families of causes, and `Error` carries a
/// cause and its circumstances.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/visibility.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The cause of a failure. Compare an `Error`'s `code()` with one of these, or with a `Condition`
/// for a whole family.
enum class Errc {
  // Refused before anything is sent.
  invalid_url = 1,     ///< The URL is malformed, ambiguous, or relative without a base.
  invalid_method,      ///< The method is not a token.
  invalid_header,      ///< A header's name or value cannot be sent.
  invalid_option,      ///< An option's value is not valid.
  invalid_body,        ///< The request's body cannot be sent: a file does not exist, a part's name
                       ///< is bad, and so on.
  unsupported_scheme,  ///< Neither `http` nor `https`; `http+unix` needs `unix_urls`.
  tls_unavailable,     ///< `https` on a client that was not given TLS.
  lease_unusable,      ///< A leased connection that is in use, spent, or for another origin.

  // There is no connection.
  host_not_found,      ///< The host's name has no address.
  connection_refused,  ///< Every address refused the connection.
  connect_failed,  ///< No address could be connected to, for another reason; see `Error::cause`.
  certificate_rejected,  ///< The server's certificate is not trusted; the message says why.
  tls_failed,            ///< The TLS handshake failed for another reason.
  proxy_authentication_required,  ///< The proxy wants a user and a password, or different ones.
  proxy_refused,                  ///< The proxy refused, or failed, to connect to the origin.
  proxy_failed,                   ///< The proxy does not behave as a proxy.

  // A time limit passed; each phase has its own cause.
  pool_timeout,        ///< While waiting for a free connection.
  resolve_timeout,     ///< While looking up the host's name.
  connect_timeout,     ///< While connecting.
  proxy_timeout,       ///< While going through the proxy (`Timeouts::connect`).
  tls_timeout,         ///< While in the TLS handshake.
  write_timeout,       ///< While sending: no byte was accepted for this long.
  first_byte_timeout,  ///< While waiting for the response's first byte.
  read_timeout,        ///< While receiving: no byte came for this long.
  total_timeout,       ///< The whole call took too long; `Error::phase` says where it was.

  // The exchange failed.
  connection_lost,     ///< The connection ended before any byte of a response.
  truncated_head,      ///< The connection ended inside the response's head.
  truncated_body,      ///< The connection ended before the body was complete.
  malformed_response,  ///< The response is not HTTP/1.x, or breaks its grammar.
  ambiguous_framing,   ///< The body's length can be read in more than one way (RFC 9112 6.3).
  head_too_large,      ///< The response's head, its number of fields or its interim heads exceed a
                       ///< limit.
  body_too_large,      ///< The body exceeds `Limits::max_body_size`.
  unexpected_upgrade,  ///< The server switched protocols without being asked.
  invalid_redirect,    ///< `Location` leads to a forbidden or unusable URL.
  too_many_redirects,  ///< More redirects than `Redirects::max`.
  undecodable_body,    ///< The body's content coding or charset is broken, or not supported.
  unsolicited_response,  ///< Bytes came over a new connection before the request was sent.

  // This side failed during the exchange.
  body_source_failed,  ///< The request's body could not be read, or its length was not the
                       ///< announced one.
  file_failed,         ///< A file could not be written; see `Error::cause`.

  // The caller ended the call.
  cancelled,      ///< The operation was cancelled.
  client_closed,  ///< The client or its pool was closed.

  /// A status other than the required one: 400 or more in `Response::raise_for_status`, for
  /// example.
  http_status,
};

/// A family of causes: `error.code() == ferry::Condition::timeout` matches each of its members.
enum class Condition {
  invalid_request = 1,  ///< Refused before anything was sent; the same call would fail again.
  connection_failed,    ///< No connection could be made, or it failed before the response began.
  timeout,              ///< A time limit passed, in whichever phase.
  protocol_error,       ///< The response was truncated, malformed or ambiguous.
  too_large,            ///< The response exceeded one of the limits on its size.
};

/// The phase in which a request failed.
enum class Phase {
  prepare,
  backoff,
  pool,
  resolve,
  connect,
  proxy,
  tls,
  write,
  first_byte,
  read,
  authorize,    ///< While an `Authenticator` makes the credentials.
  body_source,  ///< While a `BodySource` brings the next bytes of the request's body.
};

/// The phase's name, as used in messages.
constexpr std::string_view to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::prepare: return "preparing the request";
    case Phase::backoff: return "waiting to try again";
    case Phase::pool: return "waiting for a connection";
    case Phase::resolve: return "resolving";
    case Phase::connect: return "connecting";
    case Phase::proxy: return "going through the proxy";
    case Phase::tls: return "securing the connection";
    case Phase::write: return "sending";
    case Phase::first_byte: return "waiting for the response";
    case Phase::read: return "receiving";
    case Phase::authorize: return "waiting for credentials";
    case Phase::body_source: return "waiting for the request's body";
  }
  return "unknown";
}

namespace detail {

/// True for the category of `Errc`, also if it belongs to another library's copy of ferry.
///
/// `std::error_category` compares addresses. A library that is loaded with `RTLD_LOCAL` by a
/// program that exports no symbols has its own category, whatever its visibility, so this function
/// compares names.
bool is_errc_category(const std::error_category& category) noexcept;

FERRY_VISIBLE const std::error_category& errc_category() noexcept;

FERRY_VISIBLE const std::error_category& condition_category() noexcept;

}  // namespace detail

/// Makes an `Errc` a `std::error_code` (found by argument-dependent lookup).
inline std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), detail::errc_category()};
}

/// Makes a `Condition` a `std::error_condition` (found by argument-dependent lookup).
inline std::error_condition make_error_condition(Condition condition) noexcept {
  return {static_cast<int>(condition), detail::condition_category()};
}

/// True for this cause, also if the code comes from a shared library with its own category, such as
/// one that hides its symbols.
inline bool operator==(const std::error_code& code, Errc cause) noexcept {
  return code.value() == static_cast<int>(cause) && detail::is_errc_category(code.category());
}

/// A failure: its `Errc`, a sentence that says what failed, where and why, and the circumstances.
///
/// The text never shows a query string, a fragment, userinfo, or the value of a header or body.
/// Copying is cheap and does not throw.
class FERRY_VISIBLE Error : public std::system_error {
 public:
  /// @param code the cause.
  /// @param detail what exactly failed, where and why; empty if `code` says it all.
  /// @param cause the system's own error, if there was one.
  explicit Error(Errc code, std::string detail = {}, std::error_code cause = {});

  /// The whole message: cause, detail, and the known circumstances.
  FERRY_DEFINITION const char* what() const noexcept override;

  /// The system's own error that caused this one (`ECONNREFUSED`, for example), or a zero code.
  std::error_code cause() const noexcept;
  /// The phase in which the request failed.
  Phase phase() const noexcept;
  /// The origin of the request, `scheme://host:port`; empty if the call failed before it was known.
  const std::string& origin() const& noexcept;
  /// Overload for a temporary: returns by value.
  std::string origin() &&;
  /// The response's status, if its head had come; otherwise 0. If the code is `Errc::http_status`,
  /// this status is the error.
  int status() const noexcept;
  /// The part of a collected response's body that had come before the failure, at most 64 KiB.
  const std::string& body() const& noexcept;
  /// Overload for a temporary: returns by value.
  std::string body() &&;
  /// The failures of the call's earlier attempts, the first one first, as far as these had sent
  /// anything: a server may have acted on each of them.
  const std::vector<Error>& earlier() const& noexcept;
  /// Overload for a temporary: returns by value.
  std::vector<Error> earlier() &&;
  /// The number of the attempt that failed, from 1, redirects included; 0 if there was none.
  int attempt() const noexcept;
  /// True if the failing attempt used a kept connection.
  bool reused() const noexcept;
  /// Bytes of the request that the system had accepted in the failing attempt.
  std::uint64_t bytes_sent() const noexcept;

  /// Makes the error for the status of a response from this origin.
  static Error of_status(int status, std::string detail, std::string origin);

  /// The same error with its circumstances filled in.
  Error at(Phase phase, std::string origin, int attempt, bool reused,
           std::uint64_t bytes_sent) const;

  /// The same error with what the call knows: that a response had begun, and how earlier attempts
  /// had failed.
  Error with(int status, std::string body, std::vector<Error> earlier) const;

 private:
  struct Details;

  static std::shared_ptr<const Details> make_details(Errc code, std::string detail,
                                                     std::error_code cause);

  std::shared_ptr<const Details> details_;
};

static_assert(detail::co_await_safe<Error>);

}  // namespace ferry

/// @cond
template <>
struct std::is_error_code_enum<ferry::Errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<ferry::Condition> : std::true_type {};
/// @endcond

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/error.ipp>
#endif
