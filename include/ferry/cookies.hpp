#pragma once

/// @file
/// `CookieJar`: keeps cookies for a client:
/// `options.cookies = std::make_shared<ferry::CookieJar>()`.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <ferry/cookie.hpp>
#include <ferry/cookie_store.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

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
  explicit CookieJar(CookieJarOptions options = CookieJarOptions());

  FERRY_DEFINITION std::string cookies_for(const Url& url) override;

  FERRY_DEFINITION void take(const Url& url, const Headers& response) override;

  /// All cookies that have not ended, in the order of creation.
  std::vector<Cookie> all() const;

  /// The value of the cookie of this name that a request to this URL would send first; nothing if
  /// the request would send none.
  std::optional<std::string> get(const Url& url, std::string_view name) const;

  /// Adds a cookie, or replaces the one of the same name, domain and path.
  ///
  /// A cookie that is not `host_only` is shared in its `domain`, unless the jar's list says that
  /// the domain is a public suffix.
  /// @throws Error `Errc::invalid_header` for a name, value, domain or path that could not be sent;
  ///   the message does not show the value.
  void set(Cookie cookie);

  /// Removes all cookies.
  void clear();
  /// Removes the cookies of this domain, but not of the domains below it.
  void clear(std::string_view domain);

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
  LoadedCookies load(const std::string& path);

  /// Writes all cookies, session cookies included, to a file that only its owner may read, in one
  /// step: a `load` at the same time reads the old file or the new one, and another `save` does not
  /// disturb it.
  /// @return the number of cookies left out: those that contain a tab, which the format cannot
  ///   hold.
  /// @throws Error `Errc::file_failed`.
  std::size_t save(const std::string& path) const;

 private:
  using Cookies = std::vector<detail::KeptCookie>;

  Cookie::Time now() const;
  /// Calls `function(cookies, is_host)` for the host's own cookies and for those of each domain
  /// above it.
  template <class Function>
  void for_each_domain(std::string_view host, Function function) const;

  static CookieJarOptions in_normal_form(CookieJarOptions options);

  /// True if hosts may share the cookies of a domain. It calls a function of the user's, so no lock
  /// is held.
  bool may_share(std::string_view domain) const;

  /// Keeps a cookie with a domain for the host of that name, unless hosts may share it.
  void keep_to_host_unless_shared(Cookie& cookie) const;

  /// Sets the domain of a cookie that a host sets. @return false if the host must not set the
  /// cookie.
  bool set_domain(Cookie& cookie, std::string_view host, const std::string& domain) const;

  /// Takes one `Set-Cookie` (RFC 6265bis 5.7).
  void take_one(const Url& url, std::string_view text);

  /// True if a cookie from http would hide or replace one that https has set.
  bool hides_secure_one(const Cookie& cookie) const;

  /// Adds a cookie. A narrowed cookie does not replace one that its host has set without a domain:
  /// servers set one and delete the other in the same response. A cookie from a file may be either
  /// kind, so it replaces both kinds and either kind replaces it.
  void put(Cookie cookie, Cookie::Time now, bool is_from_file = false);

  void remove_least(Cookies& cookies, Cookie::Time now);
  /// Removes the least worth keeping of all cookies. A domain without cookies is removed too: a
  /// server may use any number of names.
  void remove_from_all(Cookie::Time now);

  const CookieJarOptions options_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Cookies> domains_;
  std::size_t count_ = 0;
  std::uint64_t counter_ = 0;
};
static_assert(detail::co_await_safe<CookieJar>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/cookies.ipp>
#endif
