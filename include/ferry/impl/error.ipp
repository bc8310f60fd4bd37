#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

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

FERRY_DEFINITION const std::error_category& errc_category() noexcept {
  static const ErrcCategory category;
  return category;
}

FERRY_DEFINITION bool is_errc_category(const std::error_category& category) noexcept {
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

FERRY_DEFINITION const std::error_category& condition_category() noexcept {
  static const ConditionCategory category;
  return category;
}

}  // namespace detail

struct Error::Details {
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

FERRY_DEFINITION Error::Error(Errc code, std::string detail, std::error_code cause)
    : system_error(make_error_code(code)), details_(make_details(code, std::move(detail), cause)) {}

FERRY_DEFINITION const char* Error::what() const noexcept { return details_->what.c_str(); }

FERRY_DEFINITION std::error_code Error::cause() const noexcept { return details_->cause; }

FERRY_DEFINITION Phase Error::phase() const noexcept { return details_->phase; }

FERRY_DEFINITION const std::string& Error::origin() const& noexcept { return details_->origin; }

FERRY_DEFINITION std::string Error::origin() && { return details_->origin; }

FERRY_DEFINITION int Error::status() const noexcept { return details_->status; }

FERRY_DEFINITION const std::string& Error::body() const& noexcept { return details_->body; }

FERRY_DEFINITION std::string Error::body() && { return details_->body; }

FERRY_DEFINITION const std::vector<Error>& Error::earlier() const& noexcept {
  return details_->earlier;
}

FERRY_DEFINITION std::vector<Error> Error::earlier() && { return details_->earlier; }

FERRY_DEFINITION int Error::attempt() const noexcept { return details_->attempt; }

FERRY_DEFINITION bool Error::reused() const noexcept { return details_->reused; }

FERRY_DEFINITION std::uint64_t Error::bytes_sent() const noexcept { return details_->bytes_sent; }

FERRY_DEFINITION Error Error::of_status(int status, std::string detail, std::string origin) {
  Error error(Errc::http_status, std::move(detail));
  auto details = std::make_shared<Details>(*error.details_);
  details->status = status;
  details->origin = std::move(origin);
  error.details_ = std::move(details);
  return error;
}

FERRY_DEFINITION Error Error::at(Phase phase, std::string origin, int attempt, bool reused,
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

FERRY_DEFINITION Error Error::with(int status, std::string body, std::vector<Error> earlier) const {
  Error copy = *this;
  auto details = std::make_shared<Details>(*details_);
  details->status = status;
  details->body = std::move(body);
  details->earlier = std::move(earlier);
  details->describe();
  copy.details_ = std::move(details);
  return copy;
}

FERRY_DEFINITION std::shared_ptr<const Error::Details> Error::make_details(Errc code,
                                                                           std::string detail,
                                                                           std::error_code cause) {
  auto details = std::make_shared<Details>();
  details->summary = detail::message_of(code);
  if (!detail.empty()) details->summary += ": " + detail;
  if (cause) details->summary += " (" + cause.message() + ")";
  details->what = details->summary;
  details->cause = cause;
  return details;
}

}  // namespace ferry
