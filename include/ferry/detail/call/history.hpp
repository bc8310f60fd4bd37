#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/base/http_date.hpp>
#include <ferry/detail/call/client_core.hpp>
#include <ferry/detail/policy/redirect.hpp>
#include <ferry/detail/policy/retry.hpp>
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

/// Retries, as the budget counts them. All that an `int` can say is a budget, "no limit" too.
constexpr std::int64_t tenths(int retries) noexcept { return std::int64_t{retries} * 10; }

/// True if the client's budget has a retry left; takes it.
inline bool take_retry(const ClientCore& client) noexcept {
  auto tokens = client.retry_tokens.load(std::memory_order_relaxed);
  while (tokens >= 10)
    if (client.retry_tokens.compare_exchange_weak(tokens, tokens - 10, std::memory_order_relaxed))
      return true;
  return false;
}
/// A request has succeeded: a tenth of a retry more.
inline void earn_retry(const ClientCore& client) noexcept {
  auto tokens = client.retry_tokens.load(std::memory_order_relaxed);
  while (tokens < tenths(client.options.retries.budget))
    if (client.retry_tokens.compare_exchange_weak(tokens, tokens + 1, std::memory_order_relaxed))
      return;
}

/// How long to wait before this retry.
inline Duration retry_delay(const Retries& options, int retries) {
  // The clock's last digits are random enough to keep clients apart; splitmix64 spreads them.
  auto bits = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  bits ^= bits >> 31;
  return backoff(options.first_delay, options.max_delay, retries,
                 static_cast<double>(bits >> 11) / static_cast<double>(std::uint64_t{1} << 53));
}

/// How long the server wants to be left alone (RFC 9110 10.2.3); nothing if it does not say. A time
/// that is too long to hold is the longest.
inline std::optional<Duration> retry_after(const Headers& headers) {
  using std::chrono::seconds;
  const auto value = headers.get("Retry-After");
  if (!value || value->empty()) return std::nullopt;
  seconds asked{};
  if (std::all_of(value->begin(), value->end(), is_digit)) {
    asked = seconds(parse_decimal(*value).value_or(INT64_MAX));
  } else {
    const auto date = parse_date(*value);
    if (!date) return std::nullopt;
    asked = *date - std::chrono::floor<seconds>(std::chrono::system_clock::now());
  }
  return std::clamp(asked, seconds(0), std::chrono::floor<seconds>(Duration::max()));
}

}  // namespace ferry::detail
