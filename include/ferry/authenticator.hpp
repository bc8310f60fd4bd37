#pragma once

/// @file
/// `Authenticator`: gives requests the credentials that a server asks for. `ferry/auth.hpp` and
/// `ferry/digest.hpp` have the common schemes; for any other scheme derive a class from it.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A request that needs credentials, and the result of its attempts so far.
///
/// Lifetime: all that the members refer to is valid until the call that got this object returns;
/// for `Authenticator::authorize`, until its awaitable is done.
struct AuthContext {
  std::string_view method;  ///< `GET`; `CONNECT` for a tunnel through a proxy.
  /// The URL of the only server that reads the credentials: the request's own or, for a proxy, the
  /// proxy's. The credentials are meant for its `origin()`.
  const Url& url;
  /// The target that this server sees: `/path?query`; for a proxy, the target in the request line:
  /// the whole URL, or `host:port` of a tunnel.
  std::string_view target;
  bool proxy = false;  ///< True for `Proxy-Authorization` and 407; false for `Authorization` and
                       ///< 401.
  /// True if a redirect has led here from another origin, so the caller has never named this
  /// server. Set only for authenticators that `chooses_by_origin()`; others are not asked then.
  bool redirected = false;
  int challenges = 0;  ///< Number of 401 (407) responses to this request so far.
  /// The credentials of the attempt that got this response; empty if the attempt had none.
  std::string_view sent{};
  /// The fields of the last 401 (407) response; null before the first.
  const Headers* challenge = nullptr;
};
static_assert(detail::co_await_safe<AuthContext>);

class Authenticator;

namespace detail {

/// The value of `authorize_now`, or an empty one. A virtual function defined apart would make each
/// file of a header-only program compile the class.
asio::awaitable<std::string> authorize_at_once(Authenticator& authenticator, AuthContext context);

}  // namespace detail

/// Gives requests their credentials: the field `Authorization` or, for proxies,
/// `Proxy-Authorization`.
///
/// Before each attempt the client asks for the field's value: it calls `authorize_now`, and
/// `authorize` if `authorize_now` returned nothing. After a 401 (407) the client calls
/// `challenged`; if that returns true, it sends the request once more, with a new value. For every
/// other response it calls `answered` with the response's fields.
///
/// An authenticator is asked only about the origin of the request that it was set for. After a
/// redirect to another origin it is not asked again, unless it `chooses_by_origin()`. Its values go
/// to the origin of `AuthContext::url`, and appear in no error, event or log.
///
/// Threads: one object serves many requests, so all of its functions must be safe to call from
/// several threads at once. Lifetime: shared; requests in flight keep it. (RFC 9110 section 11)
class Authenticator {
 public:
  /// The most often that a request is sent again, whatever `challenged` returns.
  static constexpr int max_challenges = 3;

  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;
  virtual ~Authenticator() = default;

  /// The field's value, if it is known without waiting. The call needs no coroutine: schemes that
  /// never wait override this function only.
  ///
  /// @return the value; if empty, the request goes without the field; nothing: the client calls
  ///   `authorize`.
  /// @throws any exception; the request fails with it. Its text must not contain a secret.
  virtual std::optional<std::string> authorize_now(const AuthContext&) { return std::nullopt; }

  /// The field's value, if it may have to be waited for: a token that is fetched first, for
  /// example.
  ///
  /// This coroutine runs on the request's executor, in a strand of its own. It may use a client of
  /// its own, but not the one that it is set for: that client would ask it again.
  ///
  /// @return the value; if empty, the request goes without the field.
  /// @throws any exception; the request fails with it. Its text must not contain a secret.
  /// Cancellation: when the total limit passes, the request is cancelled or the client is closed,
  /// this coroutine is cancelled (`terminal`) and waited for. A coroutine that ignores its
  /// cancellation delays the request's end. Work that several requests wait for must outlive each
  /// of them.
  virtual asio::awaitable<std::string> authorize(AuthContext context) {
    return detail::authorize_at_once(*this, context);
  }

  /// Decides whether to send the request once more, after a server has answered 401 (407) with
  /// `context.challenge`. If true, the value comes from `authorize` for this context; if false,
  /// that response is the answer.
  ///
  /// Before returning true, check `context.sent` and `context.challenges`: credentials that were
  /// refused once will be refused again. This function is not called for a request whose body
  /// cannot be read again, nor for one that has been sent again `max_challenges` times.
  virtual bool challenged(const AuthContext&) { return false; }

  /// Takes the fields of a response after which the request is not sent to this server again,
  /// whatever the status is: a server may say there what the next request needs. (RFC 9110 11.6.3)
  virtual void answered(const AuthContext&, const Headers& response) { (void)response; }

  /// True if the authenticator checks `context.url` itself, and gives each server only the
  /// credentials meant for it. The client then also asks it about origins that redirects lead to.
  virtual bool chooses_by_origin() const noexcept { return false; }

  /// True if the authenticator has credentials for the server of this URL, or may have them later:
  /// Digest, for example, gives none before the first challenge. If false, a user and a password in
  /// the request's URL are sent instead, as Basic.
  ///
  /// @param url the request's own or, for a proxy, the proxy's.
  virtual bool has_credentials_for(const Url& url) const noexcept {
    (void)url;
    return true;
  }

 protected:
  Authenticator() = default;
};
static_assert(detail::co_await_safe<Authenticator>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/authenticator.ipp>
#endif
