#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <ferry/cookies.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/file/cookie_file.hpp>
#include <ferry/detail/file/output_file.hpp>
#include <ferry/detail/policy/cookie_matching.hpp>
#include <ferry/detail/policy/set_cookie.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// The order of removal: first cookies that have ended, then those that are not secure,
/// then the least recently used.
inline auto worth_of(const KeptCookie& kept, Cookie::Time now) {
  return std::tuple(!has_ended(kept.cookie, now), kept.cookie.secure, kept.used);
}

}  // namespace detail

template <class Function>
void CookieJar::for_each_domain(std::string_view host, Function function) const {
  const bool is_address = detail::is_address(host);
  for (std::string_view domain = host;;) {
    if (const auto at = domains_.find(std::string(domain)); at != domains_.end())
      function(at->second, domain.size() == host.size());
    const auto dot = domain.find('.');
    if (is_address || dot == domain.npos) return;
    domain.remove_prefix(dot + 1);
  }
}

FERRY_DEFINITION CookieJar::CookieJar(CookieJarOptions options)
    : options_(in_normal_form(std::move(options))) {}

FERRY_DEFINITION std::string CookieJar::cookies_for(const Url& url) {
  const auto now = this->now();
  const std::lock_guard lock(mutex_);
  std::vector<detail::KeptCookie*> found;
  for_each_domain(url.host(), [&](auto& cookies, bool is_host) {
    for (detail::KeptCookie& kept : cookies)
      if (detail::goes_to(kept.cookie, url, is_host, now)) found.push_back(&kept);
  });
  std::sort(found.begin(), found.end(), [](const auto* a, const auto* b) {
    const auto sizes = std::pair(a->cookie.path.size(), b->cookie.path.size());
    return sizes.first != sizes.second ? sizes.first > sizes.second : a->created < b->created;
  });
  std::string value;
  for (detail::KeptCookie* kept : found) {
    kept->used = ++counter_;
    if (!value.empty()) value += "; ";
    if (!kept->cookie.name.empty()) value.append(kept->cookie.name) += '=';
    value += kept->cookie.value;
  }
  return value;
}

FERRY_DEFINITION void CookieJar::take(const Url& url, const Headers& response) {
  for (const auto [name, value] : response)
    if (detail::iequals(name, "Set-Cookie")) take_one(url, value);
}

FERRY_DEFINITION std::vector<Cookie> CookieJar::all() const {
  const auto now = this->now();
  const std::lock_guard lock(mutex_);
  std::vector<const detail::KeptCookie*> kept;
  for (const auto& [domain, cookies] : domains_)
    for (const auto& one : cookies)
      if (!detail::has_ended(one.cookie, now)) kept.push_back(&one);
  std::sort(kept.begin(), kept.end(),
            [](const auto* a, const auto* b) { return a->created < b->created; });
  std::vector<Cookie> result;
  for (const auto* one : kept) result.push_back(one->cookie);
  return result;
}

FERRY_DEFINITION std::optional<std::string> CookieJar::get(const Url& url,
                                                           std::string_view name) const {
  const auto now = this->now();
  const std::lock_guard lock(mutex_);
  const detail::KeptCookie* best = nullptr;
  for_each_domain(url.host(), [&](const auto& cookies, bool is_host) {
    for (const detail::KeptCookie& kept : cookies)
      if (kept.cookie.name == name && detail::goes_to(kept.cookie, url, is_host, now) &&
          (!best || kept.cookie.path.size() > best->cookie.path.size()))
        best = &kept;
  });
  if (!best) return std::nullopt;
  return best->cookie.value;
}

FERRY_DEFINITION void CookieJar::set(Cookie cookie) {
  cookie.domain = detail::lowered(cookie.domain);
  if (!detail::can_be_sent(cookie))
    throw Error(Errc::invalid_header,
                "the cookie " + detail::in_quotes(cookie.name) +
                    " has a part that is empty, or has a character that none may have");
  // Without a list the caller's choice is not checked.
  if (options_.is_public_suffix) keep_to_host_unless_shared(cookie);
  const auto now = this->now();
  const std::lock_guard lock(mutex_);
  put(std::move(cookie), now);
}

FERRY_DEFINITION void CookieJar::clear() {
  const std::lock_guard lock(mutex_);
  domains_.clear();
  count_ = 0;
}

FERRY_DEFINITION void CookieJar::clear(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  const auto at = domains_.find(detail::lowered(domain));
  if (at == domains_.end()) return;
  count_ -= at->second.size();
  domains_.erase(at);
}

FERRY_DEFINITION LoadedCookies CookieJar::load(const std::string& path) {
  LoadedCookies result;
  std::vector<Cookie> loaded = detail::read_cookie_file(path, result.skipped);
  const auto now = this->now();
  result.ended =
      std::erase_if(loaded, [now](const Cookie& cookie) { return detail::has_ended(cookie, now); });
  result.taken = loaded.size();
  for (Cookie& cookie : loaded) keep_to_host_unless_shared(cookie);
  const std::lock_guard lock(mutex_);
  for (Cookie& cookie : loaded) put(std::move(cookie), now, true);
  return result;
}

FERRY_DEFINITION std::size_t CookieJar::save(const std::string& path) const {
  const std::vector<Cookie> cookies = all();
  std::size_t left_out = 0;
  std::string text = "# Netscape HTTP Cookie File\n";
  for (const Cookie& cookie : cookies) {
    const std::string line = detail::cookie_line(cookie);
    if (std::count(line.begin(), line.end(), '\t') == 6)
      text.append(line) += '\n';
    else
      ++left_out;
  }
  detail::ReplacementFile file(path);
  file.write(text);
  file.finish();
  return left_out;
}

FERRY_DEFINITION Cookie::Time CookieJar::now() const {
  const auto now = options_.now ? options_.now() : std::chrono::system_clock::now();
  return std::chrono::floor<std::chrono::seconds>(now);
}

FERRY_DEFINITION CookieJarOptions CookieJar::in_normal_form(CookieJarOptions options) {
  for (std::string& domain : options.shared_domains) {
    domain = detail::lowered(domain.starts_with('.') ? domain.substr(1) : domain);
    if (domain.ends_with('.')) domain.pop_back();
  }
  std::erase(options.shared_domains, std::string());
  return options;
}

FERRY_DEFINITION bool CookieJar::may_share(std::string_view domain) const {
  // A fully qualified name with a dot at its end is the same name (CVE-2022-27779).
  if (domain.ends_with('.')) domain.remove_suffix(1);
  const auto& named = options_.shared_domains;
  if (std::find(named.begin(), named.end(), domain) != named.end()) return true;
  if (options_.is_public_suffix) return !options_.is_public_suffix(domain);
  return std::any_of(named.begin(), named.end(), [domain](const std::string& one) {
    return detail::domain_matches(domain, one);
  });
}

FERRY_DEFINITION void CookieJar::keep_to_host_unless_shared(Cookie& cookie) const {
  if (cookie.host_only || may_share(cookie.domain)) return;
  cookie.host_only = true;
  if (!detail::is_address(cookie.domain)) cookie.narrowed_from = cookie.domain;
}

FERRY_DEFINITION bool CookieJar::set_domain(Cookie& cookie, std::string_view host,
                                            const std::string& domain) const {
  cookie.domain = host;
  if (domain.empty()) return true;
  if (!detail::domain_matches(host, domain)) return false;
  if (detail::is_address(host)) return true;
  if (may_share(domain)) {
    cookie.domain = domain;
    cookie.host_only = false;
    return true;
  }
  // A host that is a public suffix itself may set a cookie for itself alone.
  if (options_.is_public_suffix) return host == domain;
  cookie.narrowed_from = domain;
  return true;
}

FERRY_DEFINITION void CookieJar::take_one(const Url& url, std::string_view text) {
  const auto now = this->now();
  auto set = detail::parse_set_cookie(text, now);
  if (!set) return;
  Cookie& cookie = set->cookie;
  const bool secure_url = url.scheme() == "https";
  if (!set_domain(cookie, url.host(), set->domain)) return;
  cookie.path = set->path.empty() ? detail::default_path(url) : set->path;
  if (cookie.secure && !secure_url) return;
  if (!detail::keeps_prefix_promise(*set)) return;
  const std::lock_guard lock(mutex_);
  if (!cookie.secure && !secure_url && hides_secure_one(cookie)) return;
  put(std::move(cookie), now);
}

FERRY_DEFINITION bool CookieJar::hides_secure_one(const Cookie& cookie) const {
  for (const auto& [domain, cookies] : domains_) {
    if (!detail::domain_matches(cookie.domain, domain) &&
        !detail::domain_matches(domain, cookie.domain))
      continue;
    for (const auto& kept : cookies)
      if (detail::hides(cookie, kept.cookie)) return true;
  }
  return false;
}

FERRY_DEFINITION void CookieJar::put(Cookie cookie, Cookie::Time now, bool is_from_file) {
  Cookies& cookies = domains_[cookie.domain];
  std::uint64_t created = ++counter_;
  const auto is_same = [&](const detail::KeptCookie& kept) {
    return kept.cookie.name == cookie.name && kept.cookie.host_only == cookie.host_only &&
           kept.cookie.path == cookie.path &&
           (is_from_file || kept.is_from_file || kept.cookie.narrowed_from == cookie.narrowed_from);
  };
  for (const auto& kept : cookies)
    if (is_same(kept)) created = std::min(created, kept.created);
  count_ -= std::erase_if(cookies, is_same);
  const std::string domain = cookie.domain;
  if (!detail::has_ended(cookie, now)) {
    cookies.push_back({std::move(cookie), created, ++counter_, is_from_file});
    ++count_;
    while (cookies.size() > options_.max_per_domain) remove_least(cookies, now);
    while (count_ > options_.max_cookies) remove_from_all(now);
  }
  if (const auto at = domains_.find(domain); at != domains_.end() && at->second.empty())
    domains_.erase(at);
}

FERRY_DEFINITION void CookieJar::remove_least(Cookies& cookies, Cookie::Time now) {
  cookies.erase(
      std::min_element(cookies.begin(), cookies.end(), [now](const auto& a, const auto& b) {
        return detail::worth_of(a, now) < detail::worth_of(b, now);
      }));
  --count_;
}

FERRY_DEFINITION void CookieJar::remove_from_all(Cookie::Time now) {
  auto least = domains_.end();
  std::tuple<bool, bool, std::uint64_t> least_worth;
  for (auto at = domains_.begin(); at != domains_.end(); ++at) {
    for (const auto& kept : at->second) {
      if (least != domains_.end() && !(detail::worth_of(kept, now) < least_worth)) continue;
      least = at;
      least_worth = detail::worth_of(kept, now);
    }
  }
  if (least == domains_.end()) return;
  remove_least(least->second, now);
  if (least->second.empty()) domains_.erase(least);
}

}  // namespace ferry
