#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/history.hpp>
#include <ferry/detail/call/request.hpp>
#include <ferry/detail/policy/proxy.hpp>
#include <ferry/request.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A refusal that the call answers with other credentials.
struct AnsweredChallenge {
  ChallengeState state;
  bool by_proxy;
};

/// The credentials of one request: for its origin, and for the proxy that forwards it. Most
/// requests have none.
///
/// In each attempt, the authenticators are asked one after the other: while `next` gives one, it
/// is asked with `context`, its answer goes into `value`, and `advance` follows.
/// Lifetime: the request, its URL and the history outlive this object.
class CallCredentials {
 public:
  /// @param history the state of earlier requests of the call; may be null.
  /// @param auth the origin's authenticator; may be null.
  /// @param proxy the proxy that forwards the request; may be null.
  CallCredentials(const Request& request, const Url& url, const CallHistory* history,
                  Authenticator* auth, const Proxy* proxy)
      : request_(request), url_(url), history_(history), auth_(auth), proxy_(proxy) {
    if (!proxy_) return;
    proxy_authorization_ = proxy_->authorization();
    if (proxy_->auth) proxy_target_.append(url.origin()).append(url.target());
  }

  /// Begins an attempt. The authenticators are asked in every attempt, because a digest counts its
  /// nonce.
  void begin_attempt() noexcept { asked_ = 0; }

  /// The authenticator to ask now; null if all were asked.
  Authenticator* next() noexcept {
    for (; asked_ < 2; ++asked_) {
      Authenticator* const auth = is_origin_next() ? auth_ : proxy_auth();
      if (auth) return auth;
    }
    return nullptr;
  }
  /// The request's data for the authenticator to ask now.
  AuthContext context() const noexcept {
    return is_origin_next() ? origin_context() : proxy_context();
  }
  std::string& value() noexcept { return is_origin_next() ? authorization_ : proxy_authorization_; }
  void advance() noexcept { ++asked_; }

  /// Writes the credentials into a request's head.
  void fill(RequestHead& head) const noexcept {
    head.authorization = authorization_;
    head.to_proxy = proxy_ != nullptr;
    head.proxy_authorization = proxy_authorization_;
  }

  /// Tells the authenticators about an answer that is not a refusal.
  void tell_answered(const Headers& response) const {
    detail::tell_answered(auth_, origin_context(), authorization_, response);
    detail::tell_answered(proxy_auth(), proxy_context(), proxy_authorization_, response);
  }

  /// Tells the authenticator that a refusal concerns about it.
  /// @return the refusal, if the request must be sent again with other credentials.
  std::optional<AnsweredChallenge> answer_challenge(int status, const Headers& refusal) const {
    const bool by_proxy = status == 407 && proxy_auth();
    if (!by_proxy && (status != 401 || !auth_)) return std::nullopt;
    if (!can_repeat(request_.body())) return std::nullopt;
    AnsweredChallenge challenge{{}, by_proxy};
    if (history_)
      challenge.state.challenges = (by_proxy ? history_->proxy_asked : history_->asked).challenges;
    if (!is_challenged(by_proxy ? *proxy_auth() : *auth_,
                       by_proxy ? proxy_context() : origin_context(), refusal,
                       by_proxy ? proxy_authorization_ : authorization_, challenge.state))
      return std::nullopt;
    return challenge;
  }

 private:
  bool is_origin_next() const noexcept { return asked_ == 0; }
  Authenticator* proxy_auth() const noexcept { return proxy_ ? proxy_->auth.get() : nullptr; }

  AuthContext origin_context() const noexcept {
    AuthContext context{request_.method().token(), url_, url_.target()};
    if (history_) history_->asked.fill(context);
    context.redirected = history_ && history_->left_origin;
    return context;
  }
  AuthContext proxy_context() const noexcept {
    AuthContext context{request_.method().token(), proxy_ ? proxy_->url : url_, proxy_target_,
                        true};
    if (history_) history_->proxy_asked.fill(context);
    return context;
  }

  const Request& request_;
  const Url& url_;
  const CallHistory* const history_;
  Authenticator* const auth_;
  const Proxy* const proxy_;
  std::string authorization_;
  std::string proxy_authorization_;
  std::string proxy_target_;  // The request's target at the proxy.
  int asked_ = 0;             // Number of authenticators asked in this attempt, 0 to 2.
};

}  // namespace ferry::detail
