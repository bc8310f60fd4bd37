#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/cookie_store.hpp>
#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/url_text.hpp>
#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/call/history.hpp>
#include <ferry/detail/call/options.hpp>
#include <ferry/detail/http/field_checks.hpp>
#include <ferry/detail/http/request_head.hpp>
#include <ferry/detail/policy/option_checks.hpp>
#include <ferry/request.hpp>

// A request and its checks before anything is sent.
namespace ferry::inline FERRY_CONFIGURATION::detail {

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
inline std::optional<Error> resolve_request(const ClientCore& client, Request& request,
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

/// The authenticator that provides this request's credentials, or null.
inline Authenticator* authenticator_of(const Request& request, const ClientOptions& settings,
                                       const CallHistory* history) noexcept {
  Authenticator* const auth = given_authenticator(request, settings);
  if (!auth) return nullptr;
  if (history && history->left_origin) return auth->chooses_by_origin() ? auth : nullptr;
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

/// A request that is ready to be sent, and its parts that the caller did not give.
class PreparedRequest {
 public:
  /// @param what the arguments for the request: another request, or its method and so on.
  template <class... What>
  explicit PreparedRequest(What&&... what) : request(std::forward<What>(what)...) {}

  /// Checks the request's body, takes its source for this request, and rewinds it.
  std::optional<Error> take_body(ResponseKind kind) {
    lock_.emplace(request.body());
    if (!lock_->granted())
      return Error(Errc::invalid_body, "its source is being read by another request");
    if (auto error = rewind_body()) return error;
    if (kind == ResponseKind::upgrade && !request.headers().contains("Upgrade"))
      return Error(Errc::invalid_header,
                   "there is no Upgrade field to say which protocol it asks for");
    return std::nullopt;
  }

  /// Rewinds the body for another attempt, and checks it: a file may have grown since.
  std::optional<Error> rewind_body() {
    const Body& body = request.body();
    if (!body.content_type().empty()) {
      if (auto error = check_field("Content-Type", body.content_type())) return error;
    }
    if (BodySource* const source = body.source().get()) {
      if (auto error = source->rewind()) return error;
      body_size_ = source->size();
    } else {
      body_size_ = body.bytes().size();
    }
    if (!body.is_present() && request.headers().has_token("Expect", "100-continue"))
      return Error(Errc::invalid_header, "Expect: 100-continue, in a request without a body");
    return check_framing_fields(request.headers(), body_size_);
  }

  /// Takes the cookies for this URL from the client's store, unless the caller gave the field.
  std::optional<Error> take_cookies(const ClientOptions& settings, const CallHistory* history,
                                    const Url& url) {
    cookie_.clear();
    if (!settings.cookies) return std::nullopt;
    if (given_field(request, settings, "Cookie") && !(history && history->left_own_cookie))
      return std::nullopt;
    cookie_ = settings.cookies->cookies_for(url);
    return check_field("Cookie", cookie_);
  }

  /// The request's head, without credentials. It refers to this object and to the arguments.
  RequestHead head(const ClientCore& client, const Url& url, ResponseKind kind) const {
    const ClientOptions& settings = client.options;
    const Body& body = request.body();
    RequestHead head{request.method(), url, request.headers(), settings.headers};
    head.user_agent = settings.user_agent;
    head.content_type = body.content_type();
    head.accept_encoding = client.accept_encoding;
    head.cookie = cookie_;
    head.body_size = body_size_;
    head.has_body = body.is_present();
    head.close = client.one_off;
    head.expect = body.is_present() && expects_continue(request.headers(), settings.headers);
    head.upgrade = kind == ResponseKind::upgrade;
    head.default_head_fields = client.default_head_fields;
    return head;
  }

  /// The body's size in bytes; nothing if it is not known.
  std::optional<std::uint64_t> body_size() const noexcept { return body_size_; }

  /// Gives up all but the method: the request was sent and is not needed again. The caller's body
  /// and authenticator, and the memory of the fields, live no longer than that.
  void drop() {
    lock_.reset();
    request = Request(request.method(), std::string());
    cookie_ = std::string();
  }

  Request request;

 private:
  std::optional<SourceLock> lock_;
  std::optional<std::uint64_t> body_size_;
  std::string cookie_;
};

}  // namespace ferry::detail
