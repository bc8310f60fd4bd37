#pragma once

/// @file
/// `CookieJar`: keeps cookies for a client:
/// `options.cookies = std::make_shared<ferry::CookieJar>()`.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ferry/cookie.hpp>
#include <ferry/cookie_store.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/file/cookie_file.hpp>
#include <ferry/detail/file/output_file.hpp>
#include <ferry/detail/policy/cookie_matching.hpp>
#include <ferry/detail/policy/set_cookie.hpp>

namespace ferry {

/// The options of a `CookieJar`. Set its members on a named variable.
class CookieJarOptions {
 public:
  CookieJarOptions() {}

  /// Returns true for a public suffix: a domain under which anyone can register a name (`co.uk`,
  /// `github.io`), so that it is never a cookie's domain. `ferry::psl::is_public_suffix` of
  /// `ferry/psl.hpp` knows all of them.
  ///
  /// If empty, the jar cannot tell public suffixes from other domains. Every cookie then goes back
  /// only to the host that has set it, whatever its `Domain` says, except in `shared_domains`.
  /// Called without a lock.
  std::function<bool(std::string_view domain)> is_public_suffix;
  /// Domains whose hosts may share cookies, as the caller knows. With `example.com`, a cookie that
  /// `www.example.com` sets for `Domain=example.com` also goes to `api.example.com`.
  ///
  /// The domains below a named one share as well, except those for which `is_public_suffix` is
  /// true. Names are ASCII, in any case; `.example.com` means `example.com`.
  std::vector<std::string> shared_domains;
  std::size_t max_per_domain = 50;  ///< The most cookies of one domain; the least recently used go
                                    ///< first.
  std::size_t max_cookies = 3000;   ///< The most cookies altogether.
  /// Returns the time; if empty, the system's clock is used. Called without a lock.
  std::function<std::chrono::system_clock::time_point()> now;
};
static_assert(detail::co_await_safe<CookieJarOptions>);

/// The result of `CookieJar::load`.
class LoadedCookies {
 public:
  LoadedCookies() {}

  std::size_t taken = 0;                   ///< Cookies that the jar has taken.
  std::size_t ended = 0;                   ///< Cookies that had already ended, and were left out.
  std::vector<SkippedCookieLine> skipped;  ///< Lines that are not cookies, in their order.
};
static_assert(detail::co_await_safe<LoadedCookies>);

namespace detail {

/// A cookie and the jar's own data about it.
struct KeptCookie {
  Cookie cookie;
  std::uint64_t created = 0;  ///< The cookie's place in the order of creation.
  std::uint64_t used = 0;     ///< The cookie's place in the order of use.
  /// True if the cookie came from a file, which does not say whether the cookie was narrowed.
  bool is_from_file = false;
};

}  // namespace detail

/// Keeps cookies by the rules of RFC 6265bis: domains, paths, `Secure`, prefixes, ends, and limits.
///
/// A client is not a browser, so `SameSite` and `HttpOnly` are kept but change nothing. No `Secure`
/// cookie is set or sent over http, not even for localhost.
///
/// Hosts share a cookie with a `Domain` only if the jar can tell that the domain is not a public
/// suffix: give the jar a list or names (`CookieJarOptions`). Otherwise the cookie goes to its host
/// alone, and its `narrowed_from` names the domain.
///
/// Threads: safe to use from any number of threads at once, and by several clients; the functions
/// of its options may use the jar themselves. Lifetime: shared.
class CookieJar final : public CookieStore {
 public:
  /// An empty jar.
  explicit CookieJar(CookieJarOptions options = CookieJarOptions())
      : options_(in_normal_form(std::move(options))) {}

  std::string cookies_for(const Url& url) override {
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

  void take(const Url& url, const Headers& response) override {
    for (const auto [name, value] : response)
      if (detail::iequals(name, "Set-Cookie")) take_one(url, value);
  }

  /// All cookies that have not ended, in the order of creation.
  std::vector<Cookie> all() const {
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

  /// The value of the cookie of this name that a request to this URL would send first; nothing if
  /// the request would send none.
  std::optional<std::string> get(const Url& url, std::string_view name) const {
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

  /// Adds a cookie, or replaces the one of the same name, domain and path.
  ///
  /// A cookie that is not `host_only` is shared in its `domain`, unless the jar's list says that
  /// the domain is a public suffix.
  /// @throws Error `Errc::invalid_header` for a name, value, domain or path that could not be sent;
  ///   the message does not show the value.
  void set(Cookie cookie) {
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

  /// Removes all cookies.
  void clear() {
    const std::lock_guard lock(mutex_);
    domains_.clear();
    count_ = 0;
  }
  /// Removes the cookies of this domain, but not of the domains below it.
  void clear(std::string_view domain) {
    const std::lock_guard lock(mutex_);
    const auto at = domains_.find(detail::lowered(domain));
    if (at == domains_.end()) return;
    count_ -= at->second.size();
    domains_.erase(at);
  }

  /// Adds the cookies of a file in the format of Netscape's browser and curl, except those that
  /// have ended. It also accepts the variants of other programs: an empty end, a byte order mark,
  /// `true`, white space around fields.
  ///
  /// A cookie for a domain is kept for the host of that name alone, like one that a server sets,
  /// unless the jar may share it. The file does not hold `narrowed_from`, so a cookie from a file
  /// replaces any cookie of the same name, host and path, narrowed or not, and either replaces it.
  /// @return the number of cookies taken, and the lines that were not, with reasons. A line that is
  ///   not a cookie does not stop the others.
  /// @throws Error `Errc::invalid_option` for a file that cannot be read.
  LoadedCookies load(const std::string& path) {
    LoadedCookies result;
    std::vector<Cookie> loaded = detail::read_cookie_file(path, result.skipped);
    const auto now = this->now();
    result.ended = std::erase_if(
        loaded, [now](const Cookie& cookie) { return detail::has_ended(cookie, now); });
    result.taken = loaded.size();
    for (Cookie& cookie : loaded) keep_to_host_unless_shared(cookie);
    const std::lock_guard lock(mutex_);
    for (Cookie& cookie : loaded) put(std::move(cookie), now, true);
    return result;
  }

  /// Writes all cookies, session cookies included, to a file that only its owner may read, in one
  /// step: a `load` at the same time reads the old file or the new one, and another `save` does not
  /// disturb it.
  /// @return the number of cookies left out: those that contain a tab, which the format cannot
  ///   hold.
  /// @throws Error `Errc::file_failed`.
  std::size_t save(const std::string& path) const {
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

 private:
  using Cookies = std::vector<detail::KeptCookie>;

  Cookie::Time now() const {
    const auto now = options_.now ? options_.now() : std::chrono::system_clock::now();
    return std::chrono::floor<std::chrono::seconds>(now);
  }
  /// Calls `function(cookies, is_host)` for the host's own cookies and for those of each domain
  /// above it.
  template <class Function>
  void for_each_domain(std::string_view host, Function function) const {
    const bool is_address = detail::is_address(host);
    for (std::string_view domain = host;;) {
      if (const auto at = domains_.find(std::string(domain)); at != domains_.end())
        function(at->second, domain.size() == host.size());
      const auto dot = domain.find('.');
      if (is_address || dot == domain.npos) return;
      domain.remove_prefix(dot + 1);
    }
  }

  static CookieJarOptions in_normal_form(CookieJarOptions options) {
    for (std::string& domain : options.shared_domains) {
      domain = detail::lowered(domain.starts_with('.') ? domain.substr(1) : domain);
      if (domain.ends_with('.')) domain.pop_back();
    }
    std::erase(options.shared_domains, std::string());
    return options;
  }

  /// True if hosts may share the cookies of a domain. It calls a function of the user's, so no lock
  /// is held.
  bool may_share(std::string_view domain) const {
    // A fully qualified name with a dot at its end is the same name (CVE-2022-27779).
    if (domain.ends_with('.')) domain.remove_suffix(1);
    const auto& named = options_.shared_domains;
    if (std::find(named.begin(), named.end(), domain) != named.end()) return true;
    if (options_.is_public_suffix) return !options_.is_public_suffix(domain);
    return std::any_of(named.begin(), named.end(), [domain](const std::string& one) {
      return detail::domain_matches(domain, one);
    });
  }

  /// Keeps a cookie with a domain for the host of that name, unless hosts may share it.
  void keep_to_host_unless_shared(Cookie& cookie) const {
    if (cookie.host_only || may_share(cookie.domain)) return;
    cookie.host_only = true;
    if (!detail::is_address(cookie.domain)) cookie.narrowed_from = cookie.domain;
  }

  /// Sets the domain of a cookie that a host sets. @return false if the host must not set the
  /// cookie.
  bool set_domain(Cookie& cookie, std::string_view host, const std::string& domain) const {
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

  /// Takes one `Set-Cookie` (RFC 6265bis 5.7).
  void take_one(const Url& url, std::string_view text) {
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

  /// True if a cookie from http would hide or replace one that https has set.
  bool hides_secure_one(const Cookie& cookie) const {
    for (const auto& [domain, cookies] : domains_) {
      if (!detail::domain_matches(cookie.domain, domain) &&
          !detail::domain_matches(domain, cookie.domain))
        continue;
      for (const auto& kept : cookies)
        if (detail::hides(cookie, kept.cookie)) return true;
    }
    return false;
  }

  /// Adds a cookie. A narrowed cookie does not replace one that its host has set without a domain:
  /// servers set one and delete the other in the same response. A cookie from a file may be either
  /// kind, so it replaces both kinds and either kind replaces it.
  void put(Cookie cookie, Cookie::Time now, bool is_from_file = false) {
    Cookies& cookies = domains_[cookie.domain];
    std::uint64_t created = ++counter_;
    const auto is_same = [&](const detail::KeptCookie& kept) {
      return kept.cookie.name == cookie.name && kept.cookie.host_only == cookie.host_only &&
             kept.cookie.path == cookie.path &&
             (is_from_file || kept.is_from_file ||
              kept.cookie.narrowed_from == cookie.narrowed_from);
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

  /// The order of removal: first cookies that have ended, then those that are not secure,
  /// then the least recently used.
  static auto worth(const detail::KeptCookie& kept, Cookie::Time now) {
    return std::tuple(!detail::has_ended(kept.cookie, now), kept.cookie.secure, kept.used);
  }
  void remove_least(Cookies& cookies, Cookie::Time now) {
    cookies.erase(std::min_element(
        cookies.begin(), cookies.end(),
        [now](const auto& a, const auto& b) { return worth(a, now) < worth(b, now); }));
    --count_;
  }
  /// Removes the least worth keeping of all cookies. A domain without cookies is removed too: a
  /// server may use any number of names.
  void remove_from_all(Cookie::Time now) {
    auto least = domains_.end();
    std::tuple<bool, bool, std::uint64_t> least_worth;
    for (auto at = domains_.begin(); at != domains_.end(); ++at) {
      for (const auto& kept : at->second) {
        if (least != domains_.end() && !(worth(kept, now) < least_worth)) continue;
        least = at;
        least_worth = worth(kept, now);
      }
    }
    if (least == domains_.end()) return;
    remove_least(least->second, now);
    if (least->second.empty()) domains_.erase(least);
  }

  const CookieJarOptions options_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Cookies> domains_;
  std::size_t count_ = 0;
  std::uint64_t counter_ = 0;
};
static_assert(detail::co_await_safe<CookieJar>);

}  // namespace ferry
