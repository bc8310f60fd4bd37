#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/call/history.hpp>
#include <ferry/detail/policy/option_checks.hpp>
#include <ferry/request.hpp>

// Preparation and checks of a request before anything is sent.
namespace ferry::detail {

/// The request's own authenticator, else the client's; null if there is none.
inline Authenticator* given_authenticator(const Request& request,
                                          const ClientOptions& settings) noexcept {
  return request.auth() ? request.auth().get() : settings.auth.get();
}

inline bool has_authenticator_for(const Url& url, const Request& request,
                                  const ClientOptions& settings) noexcept {
  const Authenticator* const auth = given_authenticator(request, settings);
  return auth && auth->has_credentials_for(url);
}

/// Makes all checks that are possible before anything is sent, and resolves the URL.
/// @param url receives the resolved URL.
inline std::optional<Error> prepare(const ClientCore& client, Request& request,
                                    const Timeouts& timeouts, Url& url) {
  // The client's own limits were checked at its construction.
  if (timeouts != client.options.timeouts) {
    if (auto error = check(timeouts)) return error;
  }
  if (!request.method().is_valid()) {
    std::string what = in_quotes(request.method().token());
    what += request.method().token() == "CONNECT" ? " is for proxies" : " is not a token";
    return Error(Errc::invalid_method, std::move(what));
  }
  if (auto error =
          request.take_target(client.base, client.options.query, client.pool->host_to_ascii(), url))
    return error;
  const bool secure = url.scheme() == "https";
  if (secure && !client.pool->has_tls()) {
    return Error(
        Errc::tls_unavailable,
        std::string(url.origin()) + " needs options.tls = ferry::tls::context(), of ferry/tls.hpp");
  }
  if (!secure && url.scheme() != "http") {
    if (url.scheme() != unix_scheme)
      return Error(Errc::unsupported_scheme, in_quotes(url.scheme()) +
                                                 " is neither http nor https (" +
                                                 std::string(url.origin()) + ")");
    if (!client.pool->takes_unix_urls() && url.unix_path() != client.base.unix_path())
      return Error(Errc::unsupported_scheme,
                   std::string(url.origin()) +
                       " names a socket of this machine, which needs options.unix_urls, or a "
                       "base_url that names the same");
  }
  if (!url.userinfo().empty() && !has_authenticator_for(url, request, client.options) &&
      !request.headers().contains("Authorization") &&
      !client.options.headers.contains("Authorization")) {
    const auto basic = basic_from_userinfo(url.userinfo());
    if (!basic) return basic.error();
    request.header("Authorization", *basic);
  }
  return std::nullopt;
}

/// Checks a request's body, and rewinds its source.
/// @param size receives the size in bytes; nothing if it is not known.
inline std::optional<Error> prepare(const Body& body, const Request& request,
                                    std::optional<std::uint64_t>& size) {
  if (!body.content_type().empty()) {
    if (auto error = check_field("Content-Type", body.content_type())) return error;
  }
  if (BodySource* const source = body.source().get()) {
    if (auto error = source->rewind()) return error;
    size = source->size();
  } else {
    size = body.bytes().size();
  }
  if (!body.is_present() && request.headers().has_token("Expect", "100-continue"))
    return Error(Errc::invalid_header, "Expect: 100-continue, in a request without a body");
  return check_framing_fields(request.headers(), size);
}

/// The authenticator that provides this request's credentials, or null.
inline Authenticator* authenticator_of(const Request& request, const ClientOptions& settings,
                                       const CallHistory* trip) noexcept {
  Authenticator* const auth = given_authenticator(request, settings);
  if (!auth) return nullptr;
  if (trip && trip->left_origin) return auth->chooses_by_origin() ? auth : nullptr;
  if (request.headers().contains("Authorization")) return nullptr;
  return request.auth() || !settings.headers.contains("Authorization") ? auth : nullptr;
}

inline bool can_repeat(const Body& body) { return !body.source() || body.source()->can_rewind(); }

/// The given value of a field; the request's own overrides the client's. An empty value means that
/// the field is not sent.
inline std::optional<std::string_view> given_field(const Request& request,
                                                   const ClientOptions& settings,
                                                   std::string_view name) {
  return request.headers().contains(name) ? request.headers().get(name)
                                          : settings.headers.get(name);
}

inline bool has_idempotency_key(const Request& request, const ClientOptions& settings) {
  return !given_field(request, settings, "Idempotency-Key").value_or("").empty();
}

}  // namespace ferry::detail
