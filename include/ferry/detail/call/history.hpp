#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/policy/redirect.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>

namespace ferry::detail {

/// What is known between the exchanges of a call that takes more than one. Most calls need none.
struct Trip {
  /// The next request goes where a redirect leads.
  /// @param response its own, without its body.
  /// @param has_no_cookies none were to be sent.
  void redirect(Request& request, Redirection to, Response response, bool has_no_cookies) {
    aim(request, to.url);
    mark(state_of(response));
    if (to.other_origin) leave_origin(request, to.url, has_no_cookies);
    if (to.as_get) {
      request.method_ = Method::get();
      request.body_ = Body();
      for (const char* name : {"Content-Type", "Content-Encoding", "Content-Language",
                               "Content-Location", "Expect", "Trailer"})
        request.headers_.set(name, "");
      request.headers_.remove("Content-Length");
    }
    ++redirects;
    asked = Asked();
    proxy_asked = Asked();
    retry_reason = {};
    history.push_back(std::move(response));
  }

  /// The next request is the same once more.
  /// @param reason static text.
  void retry(Request& same, const Url& url, std::string_view reason) {
    aim(same, url);
    ++retries;
    retry_reason = reason;
  }

  /// The next request is the same with other credentials.
  void answer_challenge(Request& same, const Url& url) {
    aim(same, url);
    retry_reason = "the server asked for credentials";
  }

  /// True for a request that repeats one which a redirect had led away from its origin.
  static bool has_left_origin(const Request& request) noexcept { return request.left_origin_; }

  /// The request goes to another origin than the one that was asked.
  ///
  /// Credentials stay behind for good: who comes back later might have been sent by a stranger.
  /// (CVE-2022-27774, CVE-2024-45336) An empty field keeps the client's own from being sent, too.
  /// @param has_no_cookies none were to be sent.
  void leave_origin(Request& request, const Url& to, bool has_no_cookies) {
    if (!has_no_cookies) left_own_cookie = true;
    for (const char* name : {"Authorization", "Cookie"}) request.headers_.set(name, "");
    // Another name of the first server, the client's own least of all, means nothing here.
    request.headers_.set("Host", to.authority());
    left_origin = true;
  }

  /// Notes in a response what `Client::refresh` has to know of how its URL was come by.
  void mark(ResponseState& response) const {
    response.left_origin = left_origin;
    response.userinfo = left_origin ? std::string() : userinfo;
  }

  Duration delay{};  ///< Before the next request.
  std::vector<Response> history;
  std::string userinfo;  ///< Of the URL that was asked.
  std::string_view retry_reason;
  int redirects = 0;
  int retries = 0;
  Asked asked;                   ///< By the origin.
  Asked proxy_asked;             ///< By a proxy that forwards.
  int attempts = 0;              ///< Exchanges so far.
  bool left_origin = false;      ///< A redirect has led to another one.
  bool left_own_cookie = false;  ///< So the store is asked there, unless none was to be sent.

 private:
  static void aim(Request& request, const Url& url) {
    request.url_ = url.str();
    request.is_whole_ = true;
    request.query_.clear();
  }
};

}  // namespace ferry::detail
