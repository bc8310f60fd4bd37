#pragma once

/// @file
/// `Authenticator`: what proves to a server who is asking. `ferry/auth.hpp` and `ferry/digest.hpp`
/// have those that everybody knows; another scheme is a class derived from it.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry {

/// A request that is to be authorized, and what has come of it so far.
///
/// Lifetime: all that it refers to is there until the call that it was given to has returned; for
/// `Authenticator::authorize`, until its awaitable is done.
struct AuthContext {
  std::string_view method;  ///< `GET`; `CONNECT` for the tunnel of a proxy.
  /// The server that will read the credentials, and nobody else: the request's own URL or, for a
  /// proxy, the proxy's. Its `origin()` is whom they are for.
  const Url& url;
  /// The target that this server sees: `/path?query`; for a proxy, that of the request line, which
  /// is the whole URL, or `host:port` of a tunnel.
  std::string_view target;
  bool proxy = false;  ///< It is about `Proxy-Authorization` and 407, not `Authorization` and 401.
  /// A redirect has led here from another origin: the caller has never named this server. Set only
  /// for those that `chooses_by_origin()`; others are not asked then.
  bool redirected = false;
  int challenges = 0;  ///< How often this request has been refused with a 401 (407) so far.
  /// The credentials of the attempt that was refused or answered; empty if it had none.
  std::string_view sent{};
  /// The fields of the last refusal; null before the first.
  const Headers* challenge = nullptr;
};
static_assert(detail::co_await_safe<AuthContext>);

/// Gives requests their credentials: the field `Authorization` or, to proxies,
/// `Proxy-Authorization`.
///
/// Before each attempt it is asked for the field's value: `authorize_now`, and `authorize` if that
/// one had nothing to say. After a 401 (407) it is asked whether the request is to be `challenged`:
/// sent once more, with what it then gives. `answered` hands it the fields of every other response.
///
/// It is asked only about the origin of the request that it was set for: after a redirect to
/// another origin it is not asked again, unless it `chooses_by_origin()`. What it gives goes to the
/// origin of `AuthContext::url`, and appears in no error, event or log.
///
/// Threads: one object serves many requests, so all of its functions must be safe to call by
/// several at once. Lifetime: shared; requests in flight keep it. (RFC 9110 section 11)
class Authenticator {
 public:
  /// A request is sent again at most so often, whatever `challenged` says.
  static constexpr int max_challenges = 3;

  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;
  virtual ~Authenticator() = default;

  /// The value of the field, if it takes no waiting to know it. It costs no coroutine: schemes that
  /// never wait do everything here.
  ///
  /// @return the value; empty: the request goes without; nothing: ask `authorize`.
  /// @throws whatever it likes; the request fails with it. No secret belongs into its text.
  virtual std::optional<std::string> authorize_now(const AuthContext&) { return std::nullopt; }

  /// The value of the field, which may have to be waited for: a token that is fetched first, say.
  ///
  /// It runs on the request's executor, in a strand of its own, and may use a client of its own
  /// (not the one it is set for: that would ask it again).
  ///
  /// @return the value; empty: the request goes without.
  /// @throws whatever it likes; the request fails with it. No secret belongs into its text.
  /// Cancellation: when the total limit passes, the request is cancelled or the client is closed,
  ///   this coroutine is cancelled (`terminal`) and waited for. One that ignores its cancellation
  ///   delays the request's end. What several requests wait for must outlive one of them.
  virtual asio::awaitable<std::string> authorize(AuthContext context) {
    auto value = authorize_now(context);
    co_return value ? std::move(*value) : std::string();
  }

  /// A server has answered 401 (407), with `context.challenge`: is the request to be sent once
  /// more, with what `authorize` gives for this context? If not, that response is the answer.
  ///
  /// One that says yes looks at `context.sent` and `context.challenges`: credentials that were
  /// refused once will be refused twice. It is not asked about a request whose body cannot be read
  /// again, nor about one that has been sent again `max_challenges` times.
  virtual bool challenged(const AuthContext&) { return false; }

  /// The fields of a response after which the request is not sent there again, whichever its
  /// status is: for what a server says about the next request. (RFC 9110 11.6.3)
  virtual void answered(const AuthContext&, const Headers& response) { (void)response; }

  /// True if it looks at `context.url` itself, and gives each server only what that one is to have.
  /// Then it is also asked about origins that redirects lead to.
  virtual bool chooses_by_origin() const noexcept { return false; }

  /// True if it has, or may yet have, credentials for the server of this URL: Digest, say, which
  /// gives none before it is challenged. If it has none, a user and a password in the request's URL
  /// are sent instead, as Basic.
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
