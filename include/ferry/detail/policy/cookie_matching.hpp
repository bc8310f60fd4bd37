#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <ferry/cookie.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/url.hpp>

// Rules that decide which requests a cookie goes to (RFC 6265bis 5.1 and 5.8.3).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// True for a host that is an IP address.
inline bool is_address(std::string_view host) { return is_ipv4(host) || is_ipv6(host); }

/// True if the host is the domain or below it (RFC 6265bis 5.1.3). Both are lower-case.
inline bool domain_matches(std::string_view host, std::string_view domain) {
  if (host == domain) return true;
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.' && !is_address(host);
}

/// True if the request's path is the cookie's path or below it (RFC 6265bis 5.1.4).
inline bool path_matches(std::string_view request, std::string_view cookie) {
  if (!request.starts_with(cookie)) return false;
  return request.size() == cookie.size() || cookie.ends_with('/') || request[cookie.size()] == '/';
}

/// The path of a cookie that is set without one (RFC 6265bis 5.1.4).
inline std::string default_path(const Url& url) {
  const auto path = url.path();
  const auto slash = path.rfind('/');
  return slash == 0 || slash == path.npos ? "/" : std::string(path.substr(0, slash));
}

/// The text in lower case.
inline std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return to_lower(c); });
  return lower;
}

/// True if no part of the cookie is empty that must not be, and none has a character that would end
/// it or could not be sent.
inline bool can_be_sent(const Cookie& cookie) {
  const auto is_good = [](std::string_view text) {
    return text.find(';') == text.npos && std::none_of(text.begin(), text.end(), is_control);
  };
  return is_good(cookie.name) && is_good(cookie.value) && is_good(cookie.domain) &&
         is_good(cookie.path) && cookie.name.find('=') == std::string::npos &&
         !(cookie.name.empty() && cookie.value.empty()) && !cookie.domain.empty() &&
         cookie.path.starts_with('/');
}

/// True if the cookie's time is over.
inline bool has_ended(const Cookie& cookie, Cookie::Time now) {
  return cookie.expires && *cookie.expires <= now;
}

/// True if a request to this URL gets a cookie, whose domain is the URL's host or above it.
/// @param is_host true if the domain is the host.
inline bool goes_to(const Cookie& cookie, const Url& url, bool is_host, Cookie::Time now) {
  return (is_host || !cookie.host_only) && (!cookie.secure || url.scheme() == "https") &&
         !has_ended(cookie, now) && path_matches(url.path(), cookie.path);
}

/// True if a cookie that http sets would hide or replace this one, which https has set.
inline bool hides(const Cookie& cookie, const Cookie& secure_one) {
  return secure_one.secure && secure_one.name == cookie.name &&
         path_matches(cookie.path, secure_one.path);
}

}  // namespace ferry::detail
