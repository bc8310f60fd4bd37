#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/response_state.hpp>
#include <ferry/detail/policy/redirect.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The state kept between the exchanges of a call that takes more than one. Most calls need none.
struct CallHistory {
  /// Makes the request follow a redirect.
  /// @param response the redirect's own response, without its body.
  /// @param has_no_cookies true if the caller suppressed cookies.
  void redirect(Request& request, Redirection to, Response response, bool has_no_cookies) {
    aim(request, to.url);
    mark(access::state(response));
    if (to.other_origin) leave_origin(request, to.url, has_no_cookies);
    if (to.as_get) {
      access::method(request) = Method::get();
      access::body(request) = Body();
      for (const char* name : {"Content-Type", "Content-Encoding", "Content-Language",
                               "Content-Location", "Expect", "Trailer"})
        access::headers(request).set(name, "");
      access::headers(request).remove("Content-Length");
    }
    ++redirects;
    asked = ChallengeState();
    proxy_asked = ChallengeState();
    retry_reason = {};
    history.push_back(std::move(response));
  }

  /// Makes the request repeat itself.
  /// @param reason static text.
  void retry(Request& same, const Url& url, std::string_view reason) {
    aim(same, url);
    ++retries;
    retry_reason = reason;
  }

  /// Makes the request repeat itself with other credentials.
  void answer_challenge(Request& same, const Url& url) {
    aim(same, url);
    retry_reason = "the server asked for credentials";
  }

  /// True for a repeated request whose earlier redirects had left the first origin.
  static bool has_left_origin(const Request& request) noexcept {
    return access::left_origin(request);
  }

  /// Prepares the request for another origin than the first one.
  ///
  /// The credentials are dropped for good: a later redirect back to the first origin may come from
  /// an attacker (CVE-2022-27774, CVE-2024-45336). An empty field suppresses the client's own.
  /// @param has_no_cookies true if the caller suppressed cookies.
  void leave_origin(Request& request, const Url& to, bool has_no_cookies) {
    if (!has_no_cookies) left_own_cookie = true;
    for (const char* name : {"Authorization", "Cookie"}) access::headers(request).set(name, "");
    // A given Host, of the request or the client, names the first server and means nothing here.
    access::headers(request).set("Host", to.authority());
    left_origin = true;
  }

  /// Notes in a response how its URL was reached, for `Client::refresh`.
  void mark(ResponseState& response) const {
    response.left_origin = left_origin;
    response.userinfo = left_origin ? std::string() : userinfo;
  }

  Duration delay{};  ///< Delay before the next request.
  std::vector<Response> history;
  std::string userinfo;  ///< User and password in the first URL.
  std::string_view retry_reason;
  int redirects = 0;
  int retries = 0;
  ChallengeState asked;          ///< Challenges of the origin.
  ChallengeState proxy_asked;    ///< Challenges of a forwarding proxy.
  int attempts = 0;              ///< Number of exchanges so far.
  bool left_origin = false;      ///< True once a redirect has led to another origin.
  bool left_own_cookie = false;  ///< True if the cookie store is used for the other origin.

 private:
  static void aim(Request& request, const Url& url) { access::set_whole_url(request, url.str()); }
};

}  // namespace ferry::detail
