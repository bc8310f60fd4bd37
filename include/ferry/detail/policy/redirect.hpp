#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/status.hpp>
#include <ferry/url.hpp>

// Rules for following a redirect (RFC 9110 15.4, and the Fetch Standard's 4.4).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The facts that decide about a redirect.
struct RedirectFacts {
  int status;
  const Headers& response;
  const Url& from;
  const Method& method;
  bool body_replayable;  ///< True if there is no body, or it can be sent again.
  Redirects options;
  int followed;  ///< Number of redirects followed in this call.
  HostToAscii host_to_ascii = nullptr;
};

/// The next request of a redirect.
struct Redirection {
  Url url;
  bool as_get = false;        ///< True to send GET without the body.
  bool other_origin = false;  ///< True if scheme, host or port differ: no credentials are sent.
};

inline Error bad_redirect(std::string why) { return Error(Errc::invalid_redirect, std::move(why)); }

/// The value of `Location`. Two different values are an error, because proxies and clients might
/// pick different ones.
inline Result<std::optional<std::string_view>> location_of(const Headers& headers) {
  std::optional<std::string_view> location;
  for (const auto [name, value] : headers) {
    if (!iequals(name, "Location")) continue;
    if (location && *location != value) return bad_redirect("there are two, and they differ");
    location = value;
  }
  return location;
}

/// The next request; nothing if the response is the answer.
/// @return an error for a redirect that must not be followed.
inline Result<std::optional<Redirection>> redirection(const RedirectFacts& facts) {
  using Onward = std::optional<Redirection>;
  if (!facts.options.follow || !is_redirect(facts.status)) return Onward();
  const auto location = location_of(facts.response);
  if (!location) return location.error();
  // Without a new target, the same request would get the same answer, up to the limit.
  if (leads_nowhere(location->value_or(""))) return Onward();
  if (facts.followed >= facts.options.max)
    return Error(Errc::too_many_redirects,
                 "more than " + std::to_string(facts.options.max) + " (redirects.max)");
  // RFC 9110 10.2.2: the fragment is kept unless `Location` has its own.
  std::string reference(**location);
  if (reference.find('#') == reference.npos && !facts.from.fragment().empty())
    reference.append("#").append(facts.from.fragment());
  Result<Url> url = facts.from.resolve(reference, facts.host_to_ascii);
  if (!url) return bad_redirect(std::string("Location: ") + url.error().what());
  // A Unix socket's server may redirect to itself; no other server may redirect to a socket.
  if (url->scheme() != "http" && url->scheme() != "https" && url->origin() != facts.from.origin())
    return bad_redirect("it leads to " + in_quotes(url->scheme()) + ", not http or https");
  if (!url->userinfo().empty() && url->userinfo() != facts.from.userinfo())
    return bad_redirect("it leads to a URL with credentials");
  const bool downgrade = facts.from.scheme() == "https" && url->scheme() == "http";
  if (downgrade && !facts.options.allow_downgrade)
    return bad_redirect("it leads from https to http (redirects.allow_downgrade)");

  Redirection next;
  next.other_origin = url->origin() != facts.from.origin();
  const std::string_view method = facts.method.token();
  if (facts.status == 303)
    next.as_get = method != "GET" && method != "HEAD";
  else if (facts.status == 301 || facts.status == 302)
    next.as_get = method == "POST";
  if (!next.as_get && !facts.body_replayable)
    return bad_redirect("the body would have to be sent again, and its source cannot begin again");
  next.url = std::move(*url);
  return Onward(std::move(next));
}

}  // namespace ferry::detail
