#pragma once

/// @file
/// `CookieJar`: keeps cookies for a client:
/// `options.cookies = std::make_shared<ferry::CookieJar>()`.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ferry/cookie_store.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/detail/base/http_date.hpp>
#include <ferry/detail/file/output_file.hpp>

namespace ferry {

/// One cookie. (RFC 6265bis)
///
/// Lifetime: owns its texts. Threads: a value.
class Cookie {
 public:
  /// The type of a cookie's end, in seconds.
  using Time = std::chrono::sys_seconds;

  Cookie() = default;
  /// @param host the only host that gets the cookie.
  Cookie(std::string of_name, std::string of_value, std::string host, std::string of_path = "/")
      : name(std::move(of_name)),
        value(std::move(of_value)),
        domain(std::move(host)),
        path(std::move(of_path)) {}

  std::string name;             ///< The name; may be empty.
  std::string value;            ///< The value; usually a secret.
  std::string domain;           ///< The host, or the domain whose hosts get the cookie; see
                                ///< `host_only`.
  std::string path = "/";       ///< The path: requests at and below it get the cookie.
  bool host_only = true;        ///< True if only the host `domain` gets the cookie, and no name
                                ///< below it.
  bool secure = false;          ///< True if the cookie is sent over https only.
  bool http_only = false;       ///< The attribute `HttpOnly`; kept, but without effect in this
                                ///< client.
  std::string same_site;        ///< The attribute `SameSite` as the server wrote it; without effect
                                ///< in this client.
  std::optional<Time> expires;  ///< The time when the cookie ends; nothing: at the end of the
                                ///< session.
  /// The domain in which the server wanted to share the cookie, if the jar keeps it for its host
  /// alone instead: see `CookieJarOptions::shared_domains`. Empty otherwise. Not written to files.
  std::string narrowed_from;

  friend bool operator==(const Cookie&, const Cookie&) = default;
};
static_assert(detail::co_await_safe<Cookie>);

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

/// A line of a cookie file that is not a cookie.
struct SkippedCookieLine {
  std::size_t number = 0;   ///< The line's number, from 1.
  std::string_view reason;  ///< The reason, a literal that shows nothing of the line.
};
static_assert(detail::co_await_safe<SkippedCookieLine>);

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

inline std::string default_path(const Url& url) {
  const auto path = url.path();
  const auto slash = path.rfind('/');
  return slash == 0 || slash == path.npos ? "/" : std::string(path.substr(0, slash));
}

inline std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return to_lower(c); });
  return lower;
}

inline bool has_prefix(std::string_view text, std::string_view prefix) {
  return iequals(text.substr(0, prefix.size()), prefix);
}

/// A parsed `Set-Cookie`, before its attributes are checked. (RFC 6265bis 5.6)
struct SetCookie {
  Cookie cookie;
  std::string domain;  ///< The value of `Domain`; empty: none.
  std::string path;    ///< The value of `Path`; empty: none.
};

inline std::optional<SetCookie> parse_set_cookie(std::string_view text, Cookie::Time now) {
  constexpr std::size_t max_pair = 4096;
  constexpr std::size_t max_attribute = 1024;
  constexpr std::chrono::seconds longest = std::chrono::hours(400 * 24);
  for (const char c : text)
    if (is_control(c) && c != '\t') return std::nullopt;
  SetCookie set;
  const auto pair = text.substr(0, text.find(';'));
  text.remove_prefix(pair.size());
  const auto equals = pair.find('=');
  if (equals != pair.npos) set.cookie.name = trim_ows(pair.substr(0, equals));
  set.cookie.value = trim_ows(equals == pair.npos ? pair : pair.substr(equals + 1));
  const auto size = set.cookie.name.size() + set.cookie.value.size();
  if (size == 0 || size > max_pair) return std::nullopt;

  std::optional<Cookie::Time> expires, until;
  while (!text.empty()) {
    text.remove_prefix(1);  // The semicolon before the attribute.
    const auto attribute = text.substr(0, text.find(';'));
    text.remove_prefix(attribute.size());
    const auto mark = std::min(attribute.find('='), attribute.size());
    const auto name = trim_ows(attribute.substr(0, mark));
    const auto value = trim_ows(attribute.substr(std::min(mark + 1, attribute.size())));
    if (value.size() > max_attribute) continue;
    if (iequals(name, "Expires")) {
      if (const auto date = parse_date(value)) expires = std::min(*date, now + longest);
    } else if (iequals(name, "Max-Age")) {
      const bool negative = value.starts_with('-');
      const auto digits = value.substr(negative ? 1 : 0);
      if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) continue;
      const auto most = static_cast<std::uint64_t>(longest.count());
      const auto seconds = std::min(parse_decimal(digits).value_or(most), most);
      until = negative ? Cookie::Time() : now + std::chrono::seconds(seconds);
    } else if (iequals(name, "Domain")) {
      set.domain = lowered(value.starts_with('.') ? value.substr(1) : value);
    } else if (iequals(name, "Path")) {
      set.path = value.starts_with('/') ? value : std::string_view();
    } else if (iequals(name, "Secure")) {
      set.cookie.secure = true;
    } else if (iequals(name, "HttpOnly")) {
      set.cookie.http_only = true;
    } else if (iequals(name, "SameSite")) {
      set.cookie.same_site = value;
    }
  }
  set.cookie.expires = until ? until : expires;
  return set;
}

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
        if (goes_to(kept.cookie, url, is_host, now)) found.push_back(&kept);
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
        if (!has_ended(one.cookie, now)) kept.push_back(&one);
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
        if (kept.cookie.name == name && goes_to(kept.cookie, url, is_host, now) &&
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
    const auto is_good = [](std::string_view text) {
      return text.find(';') == text.npos &&
             std::none_of(text.begin(), text.end(), detail::is_control);
    };
    cookie.domain = detail::lowered(cookie.domain);
    if (!is_good(cookie.name) || !is_good(cookie.value) || !is_good(cookie.domain) ||
        !is_good(cookie.path) || cookie.name.find('=') != std::string::npos ||
        (cookie.name.empty() && cookie.value.empty()) || cookie.domain.empty() ||
        !cookie.path.starts_with('/'))
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
    std::vector<Cookie> loaded = read(path, result.skipped);
    const auto now = this->now();
    result.ended =
        std::erase_if(loaded, [now](const Cookie& cookie) { return has_ended(cookie, now); });
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
      std::string line = cookie.http_only ? "#HttpOnly_" : "";
      line.append(cookie.host_only ? "" : ".").append(cookie.domain);
      line.append(cookie.host_only ? "\tFALSE\t" : "\tTRUE\t").append(cookie.path);
      line += cookie.secure ? "\tTRUE\t" : "\tFALSE\t";
      line += std::to_string(
          cookie.expires ? std::max<std::int64_t>(cookie.expires->time_since_epoch().count(), 1)
                         : 0);
      line.append("\t").append(cookie.name).append("\t").append(cookie.value);
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
  static bool has_ended(const Cookie& cookie, Cookie::Time now) {
    return cookie.expires && *cookie.expires <= now;
  }
  static bool goes_to(const Cookie& cookie, const Url& url, bool is_host, Cookie::Time now) {
    return (is_host || !cookie.host_only) && (!cookie.secure || url.scheme() == "https") &&
           !has_ended(cookie, now) && detail::path_matches(url.path(), cookie.path);
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
    const auto& prefixed = cookie.name.empty() ? cookie.value : cookie.name;
    const bool is_secure_prefix = detail::has_prefix(prefixed, "__Secure-");
    const bool is_host_prefix = detail::has_prefix(prefixed, "__Host-");
    if ((is_secure_prefix || is_host_prefix) && (cookie.name.empty() || !cookie.secure)) return;
    if (is_host_prefix && (!set->domain.empty() || set->path != "/")) return;
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
        if (kept.cookie.secure && kept.cookie.name == cookie.name &&
            detail::path_matches(cookie.path, kept.cookie.path))
          return true;
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
    if (!has_ended(cookie, now)) {
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
    return std::tuple(!has_ended(kept.cookie, now), kept.cookie.secure, kept.used);
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

  /// The cookies of a file, and the lines that are not cookies.
  static std::vector<Cookie> read(const std::string& path,
                                  std::vector<SkippedCookieLine>& skipped) {
    const auto unreadable = [&path](int code) {
      return Error(Errc::invalid_option,
                   "the cookie file " + detail::in_quotes(path) + " cannot be read",
                   std::error_code(code, std::generic_category()));
    };
    if (path.find('\0') != path.npos) throw unreadable(EINVAL);  // Else another file is opened.
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw unreadable(errno);
    std::vector<Cookie> cookies;
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
      std::string_view text = line;
      constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
      constexpr std::string_view http_only = "#HttpOnly_";
      if (number == 1 && text.starts_with(byte_order_mark))
        text.remove_prefix(byte_order_mark.size());
      if (text.ends_with('\r')) text.remove_suffix(1);
      while (text.starts_with(' ')) text.remove_prefix(1);
      const bool is_http_only = text.starts_with(http_only);
      if (is_http_only) text.remove_prefix(http_only.size());
      const auto content = detail::trim_ows(text);
      if (content.empty() || content[0] == '#') continue;
      Cookie cookie;
      cookie.http_only = is_http_only;
      if (const auto reason = parse_line(text, cookie); !reason.empty())
        skipped.push_back({number, reason});
      else
        cookies.push_back(std::move(cookie));
    }
    if (file.bad()) throw unreadable(errno);
    return cookies;
  }

  /// Reads `domain, subdomains, path, secure, expires, name, value`, with tabs between them.
  /// @return the reason why the line is not a cookie; empty if it is one.
  static std::string_view parse_line(std::string_view line, Cookie& cookie) {
    if (std::any_of(line.begin(), line.end(),
                    [](char c) { return c == ';' || (detail::is_control(c) && c != '\t'); }))
      return "it has a control character or a semicolon";
    std::vector<std::string_view> fields;
    for (;;) {
      const auto tab = std::min(line.find('\t'), line.size());
      fields.push_back(line.substr(0, tab));
      if (tab == line.size()) break;
      line.remove_prefix(tab + 1);
    }
    while (fields.size() > 7 && detail::trim_ows(fields.back()).empty()) fields.pop_back();
    if (fields.size() == 6) fields.push_back({});  // Editors cut an empty value off.
    if (fields.size() != 7) return "it has no seven fields with tabs between them";
    for (std::size_t i = 0; i < 5; ++i) fields[i] = detail::trim_ows(fields[i]);
    const auto is_true = [](std::string_view flag) { return detail::iequals(flag, "TRUE"); };
    const auto is_flag = [&is_true](std::string_view flag) {
      return is_true(flag) || detail::iequals(flag, "FALSE");
    };
    cookie.domain = detail::lowered(fields[0].starts_with('.') ? fields[0].substr(1) : fields[0]);
    cookie.host_only = !is_true(fields[1]);
    cookie.path = fields[2];
    cookie.secure = is_true(fields[3]);
    cookie.name = fields[5];
    cookie.value = fields[6];
    if (cookie.domain.empty()) return "it has no domain";
    if (!is_flag(fields[1]) || !is_flag(fields[3])) return "a flag is neither TRUE nor FALSE";
    if (!cookie.path.starts_with('/')) return "its path does not begin with a slash";
    if (cookie.name.empty() && cookie.value.empty()) return "it has neither name nor value";
    if (fields[4].empty()) return {};               // Python's end of a session.
    constexpr std::uint64_t latest = 253402300799;  // The end of the year 9999.
    const auto expires = detail::parse_decimal(fields[4]);
    if (!expires) return "its end is no number of seconds";
    if (*expires > 0)
      cookie.expires = Cookie::Time(std::chrono::seconds(std::min(*expires, latest)));
    return {};
  }

  const CookieJarOptions options_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Cookies> domains_;
  std::size_t count_ = 0;
  std::uint64_t counter_ = 0;
};
static_assert(detail::co_await_safe<CookieJar>);

}  // namespace ferry
