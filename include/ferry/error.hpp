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
#include <ferry/detail/base/visibility.hpp>

namespace ferry {

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

constexpr const char* message_of(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_url: return "invalid URL";
    case Errc::invalid_method: return "invalid method";
    case Errc::invalid_header: return "invalid header";
    case Errc::invalid_option: return "invalid option";
    case Errc::invalid_body: return "invalid body";
    case Errc::unsupported_scheme: return "unsupported scheme";
    case Errc::tls_unavailable: return "no TLS";
    case Errc::lease_unusable: return "the leased connection cannot be used";
    case Errc::host_not_found: return "host not found";
    case Errc::connection_refused: return "connection refused";
    case Errc::connect_failed: return "could not connect";
    case Errc::certificate_rejected: return "the server's certificate was rejected";
    case Errc::tls_failed: return "the TLS handshake failed";
    case Errc::proxy_authentication_required: return "the proxy wants authentication";
    case Errc::proxy_refused: return "the proxy refused";
    case Errc::proxy_failed: return "the proxy failed";
    case Errc::pool_timeout: return "timed out waiting for a free connection";
    case Errc::resolve_timeout: return "the name lookup timed out";
    case Errc::connect_timeout: return "connecting timed out";
    case Errc::proxy_timeout: return "the proxy timed out";
    case Errc::tls_timeout: return "the TLS handshake timed out";
    case Errc::write_timeout: return "sending timed out";
    case Errc::first_byte_timeout: return "timed out waiting for the response";
    case Errc::read_timeout: return "receiving the response timed out";
    case Errc::total_timeout: return "the call timed out";
    case Errc::connection_lost: return "the connection was lost before the response began";
    case Errc::truncated_head: return "the connection ended inside the response's head";
    case Errc::truncated_body: return "the connection ended inside the response's body";
    case Errc::malformed_response: return "malformed response";
    case Errc::ambiguous_framing: return "ambiguous framing of the response";
    case Errc::head_too_large: return "the response's head is too large";
    case Errc::body_too_large: return "the response's body is too large";
    case Errc::unexpected_upgrade: return "the server switched protocols unasked";
    case Errc::invalid_redirect: return "the redirect cannot be followed";
    case Errc::too_many_redirects: return "too many redirects";
    case Errc::undecodable_body: return "the response's body cannot be decoded";
    case Errc::unsolicited_response: return "the server spoke before the request was sent";
    case Errc::body_source_failed: return "the request's body could not be read";
    case Errc::file_failed: return "a file could not be written";
    case Errc::cancelled: return "cancelled";
    case Errc::client_closed: return "the client was closed";
    case Errc::http_status: return "unexpected status";
  }
  return "unknown error";
}

/// True for the category of `Errc`, also if it belongs to another library's copy of ferry.
///
/// `std::error_category` compares addresses. A library that is loaded with `RTLD_LOCAL` by a
/// program that exports no symbols has its own category, whatever its visibility, so this function
/// compares names.
bool is_errc_category(const std::error_category& category) noexcept;

class FERRY_VISIBLE ErrcCategory final : public std::error_category {
 public:
  static constexpr std::string_view own_name = "ferry";

  const char* name() const noexcept override { return own_name.data(); }
  std::string message(int value) const override { return message_of(static_cast<Errc>(value)); }
  bool equivalent(int value, const std::error_condition& condition) const noexcept override {
    return default_error_condition(value) == condition ||
           (condition.value() == value && is_errc_category(condition.category()));
  }
  bool equivalent(const std::error_code& code, int value) const noexcept override {
    return code.value() == value && is_errc_category(code.category());
  }
  std::error_condition default_error_condition(int value) const noexcept override {
    if (static_cast<Errc>(value) == Errc::cancelled)
      return std::make_error_condition(std::errc::operation_canceled);
    return {value, *this};
  }
};

FERRY_VISIBLE inline const std::error_category& errc_category() noexcept {
  static const ErrcCategory category;
  return category;
}

inline bool is_errc_category(const std::error_category& category) noexcept {
  return category == errc_category() || category.name() == ErrcCategory::own_name;
}

class FERRY_VISIBLE ConditionCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.condition"; }
  std::string message(int value) const override {
    switch (static_cast<Condition>(value)) {
      case Condition::invalid_request: return "invalid request";
      case Condition::connection_failed: return "connection failed";
      case Condition::timeout: return "timed out";
      case Condition::protocol_error: return "protocol error";
      case Condition::too_large: return "response too large";
    }
    return "unknown condition";
  }
  bool equivalent(const std::error_code& code, int condition) const noexcept override {
    if (!is_errc_category(code.category())) return false;
    switch (static_cast<Errc>(code.value())) {
      case Errc::invalid_url:
      case Errc::invalid_method:
      case Errc::invalid_header:
      case Errc::invalid_option:
      case Errc::invalid_body:
      case Errc::unsupported_scheme:
      case Errc::tls_unavailable:
      case Errc::lease_unusable: return is(condition, Condition::invalid_request);
      case Errc::host_not_found:
      case Errc::connection_refused:
      case Errc::connect_failed:
      case Errc::certificate_rejected:
      case Errc::tls_failed:
      case Errc::proxy_authentication_required:
      case Errc::proxy_refused:
      case Errc::proxy_failed:
      case Errc::connection_lost: return is(condition, Condition::connection_failed);
      case Errc::pool_timeout:
      case Errc::resolve_timeout:
      case Errc::connect_timeout:
      case Errc::proxy_timeout:
      case Errc::tls_timeout:
      case Errc::write_timeout:
      case Errc::first_byte_timeout:
      case Errc::read_timeout:
      case Errc::total_timeout: return is(condition, Condition::timeout);
      case Errc::truncated_head:
      case Errc::truncated_body:
      case Errc::malformed_response:
      case Errc::ambiguous_framing:
      case Errc::invalid_redirect:
      case Errc::too_many_redirects:
      case Errc::undecodable_body:
      case Errc::unexpected_upgrade:
      case Errc::unsolicited_response: return is(condition, Condition::protocol_error);
      case Errc::head_too_large:
      case Errc::body_too_large: return is(condition, Condition::too_large);
      case Errc::body_source_failed:
      case Errc::file_failed:
      case Errc::cancelled:
      case Errc::client_closed:
      case Errc::http_status: return false;
    }
    return false;
  }

 private:
  static bool is(int condition, Condition expected) noexcept {
    return static_cast<Condition>(condition) == expected;
  }
};

FERRY_VISIBLE inline const std::error_category& condition_category() noexcept {
  static const ConditionCategory category;
  return category;
}

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
  explicit Error(Errc code, std::string detail = {}, std::error_code cause = {})
      : system_error(make_error_code(code)),
        details_(make_details(code, std::move(detail), cause)) {}

  /// The whole message: cause, detail, and the known circumstances.
  const char* what() const noexcept override { return details_->what.c_str(); }

  /// The system's own error that caused this one (`ECONNREFUSED`, for example), or a zero code.
  std::error_code cause() const noexcept { return details_->cause; }
  /// The phase in which the request failed.
  Phase phase() const noexcept { return details_->phase; }
  /// The origin of the request, `scheme://host:port`; empty if the call failed before it was known.
  const std::string& origin() const& noexcept { return details_->origin; }
  /// Overload for a temporary: returns by value.
  std::string origin() && { return details_->origin; }
  /// The response's status, if its head had come; otherwise 0. If the code is `Errc::http_status`,
  /// this status is the error.
  int status() const noexcept { return details_->status; }
  /// The part of a collected response's body that had come before the failure, at most 64 KiB.
  const std::string& body() const& noexcept { return details_->body; }
  /// Overload for a temporary: returns by value.
  std::string body() && { return details_->body; }
  /// The failures of the call's earlier attempts, the first one first, as far as these had sent
  /// anything: a server may have acted on each of them.
  const std::vector<Error>& earlier() const& noexcept { return details_->earlier; }
  /// Overload for a temporary: returns by value.
  std::vector<Error> earlier() && { return details_->earlier; }
  /// The number of the attempt that failed, from 1, redirects included; 0 if there was none.
  int attempt() const noexcept { return details_->attempt; }
  /// True if the failing attempt used a kept connection.
  bool reused() const noexcept { return details_->reused; }
  /// Bytes of the request that the system had accepted in the failing attempt.
  std::uint64_t bytes_sent() const noexcept { return details_->bytes_sent; }

  /// Makes the error for the status of a response from this origin.
  static Error of_status(int status, std::string detail, std::string origin) {
    Error error(Errc::http_status, std::move(detail));
    auto details = std::make_shared<Details>(*error.details_);
    details->status = status;
    details->origin = std::move(origin);
    error.details_ = std::move(details);
    return error;
  }

  /// The same error with its circumstances filled in.
  Error at(Phase phase, std::string origin, int attempt, bool reused,
           std::uint64_t bytes_sent) const {
    Error copy = *this;
    auto details = std::make_shared<Details>(*details_);
    details->phase = phase;
    details->attempt = attempt;
    details->reused = reused;
    details->bytes_sent = bytes_sent;
    details->origin = std::move(origin);
    details->describe();
    copy.details_ = std::move(details);
    return copy;
  }

  /// The same error with what the call knows: that a response had begun, and how earlier attempts
  /// had failed.
  Error with(int status, std::string body, std::vector<Error> earlier) const {
    Error copy = *this;
    auto details = std::make_shared<Details>(*details_);
    details->status = status;
    details->body = std::move(body);
    details->earlier = std::move(earlier);
    details->describe();
    copy.details_ = std::move(details);
    return copy;
  }

 private:
  struct Details {
    std::string summary;
    std::string what;
    std::string origin;
    std::error_code cause;
    int status = 0;
    Phase phase = Phase::prepare;
    int attempt = 0;
    bool reused = false;
    std::uint64_t bytes_sent = 0;
    std::string body;
    std::vector<Error> earlier;

    /// Writes the circumstances after the summary.
    void describe() {
      what = summary + " [" + origin + ", " + std::string(to_string(phase));
      if (attempt > 1) what += ", attempt " + std::to_string(attempt);
      if (reused) what += ", kept connection";
      if (status > 0) what += ", status " + std::to_string(status);
      what += "]";
      for (const Error& error : earlier) {
        what += "; attempt " + std::to_string(error.attempt()) + " had sent " +
                std::to_string(error.bytes_sent()) + " bytes: " + error.details_->summary;
      }
    }
  };

  static std::shared_ptr<const Details> make_details(Errc code, std::string detail,
                                                     std::error_code cause) {
    auto details = std::make_shared<Details>();
    details->summary = detail::message_of(code);
    if (!detail.empty()) details->summary += ": " + detail;
    if (cause) details->summary += " (" + cause.message() + ")";
    details->what = details->summary;
    details->cause = cause;
    return details;
  }

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
