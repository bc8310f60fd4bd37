#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/status.hpp>
#include <ferry/url.hpp>

// Where a redirect leads, and what goes there (RFC 9110 15.4, and the fetch standard's 4.4).
namespace ferry::detail {

/// What decides about a redirect.
struct RedirectFacts {
  int status;
  const Headers& response;
  const Url& from;
  const Method& method;
  bool body_is_there;  ///< The body, if there is one, can be sent once more.
  Redirects options;
  int followed;  ///< Redirects of this call so far.
  HostToAscii host_to_ascii = nullptr;
};

/// A request's next hop.
struct Redirection {
  Url url;
  bool as_get = false;        ///< With GET, and without the body.
  bool other_origin = false;  ///< Scheme, host or port differ: credentials stay behind.
};

inline Error bad_redirect(std::string why) { return Error(Errc::invalid_redirect, std::move(why)); }

/// What `Location` says. Said twice, it has to be the same: proxies and clients might pick
/// different ones.
inline Result<std::optional<std::string_view>> location_of(const Headers& headers) {
  std::optional<std::string_view> location;
  for (const auto [name, value] : headers) {
    if (!iequals(name, "Location")) continue;
    if (location && *location != value) return bad_redirect("there are two, and they differ");
    location = value;
  }
  return location;
}

/// The next hop; nothing if the response is the answer.
/// @return an error for a redirect that must not be followed.
inline Result<std::optional<Redirection>> redirection(const RedirectFacts& facts) {
  using Next = std::optional<Redirection>;
  if (!facts.options.follow || !is_redirect(facts.status)) return Next();
  const auto location = location_of(facts.response);
  if (!location) return location.error();
  // A request for the same again would get the same answer, up to the limit.
  if (leads_nowhere(location->value_or(""))) return Next();
  if (facts.followed >= facts.options.max)
    return Error(Errc::too_many_redirects,
                 "more than " + std::to_string(facts.options.max) + " (redirects.max)");
  // RFC 9110 10.2.2: a fragment goes on unless there is another.
  std::string reference(**location);
  if (reference.find('#') == reference.npos && !facts.from.fragment().empty())
    reference.append("#").append(facts.from.fragment());
  Result<Url> url = facts.from.resolve(reference, facts.host_to_ascii);
  if (!url) return bad_redirect(std::string("Location: ") + url.error().what());
  // A Unix socket's server may lead to itself, and nobody else to one.
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
  if (!next.as_get && !facts.body_is_there)
    return bad_redirect("the body would have to be sent again, and its source cannot begin again");
  next.url = std::move(*url);
  return Next(std::move(next));
}

}  // namespace ferry::detail
