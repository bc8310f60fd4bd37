#pragma once

/// @file
/// `CookieJar`: keeps cookies for a client: `options.cookies =
/// std::make_shared<ferry::CookieJar>()`.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ferry/cookie_store.hpp>
#include <ferry/detail/ascii.hpp>
#include <ferry/detail/host.hpp>
#include <ferry/detail/http_date.hpp>
#include <ferry/detail/output_file.hpp>

namespace ferry {

/// One cookie. (RFC 6265bis)
///
/// Lifetime: owns its texts. Threads: a value.
class Cookie {
 public:
  /// When it ends, to the second.
  using Time = std::chrono::sys_seconds;

  Cookie() = default;
  /// @param host that it is for, alone.
  Cookie(std::string of_name, std::string of_value, std::string host, std::string of_path = "/")
      : name(std::move(of_name)),
        value(std::move(of_value)),
        domain(std::move(host)),
        path(std::move(of_path)) {}

  std::string name;             ///< May be empty.
  std::string value;            ///< A secret, as a rule.
  std::string domain;           ///< The host, or the domain below which hosts get it.
  std::string path = "/";       ///< Requests below it get it.
  bool host_only = true;        ///< Not for the names below `domain`.
  bool secure = false;          ///< Only over https.
  bool http_only = false;       ///< Not for scripts; kept, and of no meaning here.
  std::string same_site;        ///< As the server wrote it; of no meaning without pages.
  std::optional<Time> expires;  ///< Nothing: at the end of the session.

  friend bool operator==(const Cookie&, const Cookie&) = default;
};
static_assert(detail::co_await_safe<Cookie>);

/// What can be set of a jar. Set its members on a named variable.
class CookieJarOptions {
 public:
  CookieJarOptions() {}

  /// True for a domain that nobody may set cookies for, as anybody can have one below it.
  /// `ferry::psl::is_public_suffix` of `ferry/psl.hpp` knows them all. Without it a rule stands in
  /// that is stricter: a domain of one label, and one of two of which the last has two letters and
  /// the other at most three (`co.uk`, `com.au`, but also `bbc.uk`).
  std::function<bool(std::string_view domain)> is_public_suffix;
  std::size_t max_per_domain = 50;  ///< More of one domain push out the one used longest ago.
  std::size_t max_cookies = 3000;   ///< As many altogether.
  /// What time it is; the system's clock if there is none.
  std::function<std::chrono::system_clock::time_point()> now;
};
static_assert(detail::co_await_safe<CookieJarOptions>);

namespace detail {

/// A cookie and what the jar knows of it.
struct KeptCookie {
  Cookie cookie;
  std::uint64_t created = 0;  ///< In the order of creation.
  std::uint64_t used = 0;     ///< In the order of use.
};

/// RFC 6265bis 5.1.3. Both lower-case.
inline bool domain_matches(std::string_view host, std::string_view domain) {
  if (host == domain) return true;
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.' && !is_ipv4(host) && !is_ipv6(host);
}

/// RFC 6265bis 5.1.4.
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

/// What a `Set-Cookie` says, before it is judged. (RFC 6265bis 5.6)
struct SetCookie {
  Cookie cookie;
  std::string domain;  ///< Of its attribute; empty: none.
  std::string path;    ///< Likewise.
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
    text.remove_prefix(1);  // Its semicolon.
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

/// Keeps cookies as RFC 6265bis says: domains, paths, `Secure`, prefixes, ends, and limits.
///
/// A client is not a browser: `SameSite` and `HttpOnly` are kept, and change nothing. Over http,
/// for localhost too, no `Secure` cookie is set or sent. Threads: safe to use by any number at
/// once, and by several clients. Lifetime: shared.
class CookieJar final : public CookieStore {
 public:
  /// An empty jar.
  explicit CookieJar(CookieJarOptions options = CookieJarOptions())
      : options_(std::move(options)) {}

  std::string cookies_for(const Url& url) override {
    const std::lock_guard lock(mutex_);
    const auto now = this->now();
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
    const std::lock_guard lock(mutex_);
    const auto now = this->now();
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
  /// it would send none.
  std::optional<std::string> get(const Url& url, std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto now = this->now();
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

  /// Puts a cookie in, in the place of one of the same name, domain and path.
  /// @throws Error `Errc::invalid_header` for a name, value, domain or path that could not be sent;
  ///   it does not show the value.
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
    const std::lock_guard lock(mutex_);
    put(std::move(cookie));
  }

  /// Removes all cookies.
  void clear() {
    const std::lock_guard lock(mutex_);
    domains_.clear();
    count_ = 0;
  }
  /// Removes the cookies of this domain, not of those below it.
  void clear(std::string_view domain) {
    const std::lock_guard lock(mutex_);
    const auto at = domains_.find(detail::lowered(domain));
    if (at == domains_.end()) return;
    count_ -= at->second.size();
    domains_.erase(at);
  }

  /// Adds the cookies of a file in the format that Netscape's browser had and curl has; those that
  /// have ended are left out.
  /// @throws Error `Errc::invalid_option` for a file that cannot be read, or a line that is none of
  ///   a cookie; it names the line, and does not show it.
  void load(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file)
      throw Error(Errc::invalid_option,
                  "the cookie file " + detail::in_quotes(path) + " cannot be read",
                  std::error_code(errno, std::generic_category()));
    std::vector<Cookie> loaded;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      constexpr std::string_view http_only = "#HttpOnly_";
      const bool is_http_only = line.starts_with(http_only);
      if (is_http_only) line.erase(0, http_only.size());
      if (line.empty() || line[0] == '#') continue;
      auto cookie = parse_line(line);
      if (!cookie)
        throw Error(Errc::invalid_option, "line " + std::to_string(number) +
                                              " of the cookie file " + detail::in_quotes(path) +
                                              " is no cookie");
      cookie->http_only = is_http_only;
      loaded.push_back(std::move(*cookie));
    }
    const std::lock_guard lock(mutex_);
    const auto now = this->now();
    for (Cookie& cookie : loaded)
      if (!has_ended(cookie, now)) put(std::move(cookie));
  }

  /// Writes all cookies, those of the session too, to a file that only its owner may read, in one
  /// step.
  /// @throws Error `Errc::file_failed`.
  void save(const std::string& path) const {
    const std::string unfinished = path + ".new";
    detail::OutputFile file(unfinished, detail::OutputFile::Mode::secret);
    file.write("# Netscape HTTP Cookie File\n");
    for (const Cookie& cookie : all()) {
      std::string line = cookie.http_only ? "#HttpOnly_" : "";
      line.append(cookie.host_only ? "" : ".").append(cookie.domain);
      line.append(cookie.host_only ? "\tFALSE\t" : "\tTRUE\t").append(cookie.path);
      line += cookie.secure ? "\tTRUE\t" : "\tFALSE\t";
      line += std::to_string(
          cookie.expires ? std::max<std::int64_t>(cookie.expires->time_since_epoch().count(), 1)
                         : 0);
      line.append("\t").append(cookie.name).append("\t").append(cookie.value);
      // A tab would end the field: such a cookie is not worth the file.
      if (std::count(line.begin(), line.end(), '\t') == 6) file.write(line + "\n");
    }
    file.close();
    std::error_code error;
    std::filesystem::rename(unfinished, path, error);
    if (error)
      throw Error(Errc::file_failed, detail::in_quotes(path) + " cannot be replaced", error);
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
    const bool is_address = detail::is_ipv4(host) || detail::is_ipv6(host);
    for (std::string_view domain = host;;) {
      if (const auto at = domains_.find(std::string(domain)); at != domains_.end())
        function(at->second, domain.size() == host.size());
      const auto dot = domain.find('.');
      if (is_address || dot == domain.npos) return;
      domain.remove_prefix(dot + 1);
    }
  }

  bool is_public_suffix(std::string_view domain) const {
    // A name of the DNS root's is the same with a dot behind it (CVE-2022-27779).
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (options_.is_public_suffix) return options_.is_public_suffix(domain);
    const auto dot = domain.find('.');
    if (dot == domain.npos) return true;
    return domain.size() - dot - 1 == 2 && dot <= 3;
  }

  /// RFC 6265bis 5.7.
  void take_one(const Url& url, std::string_view text) {
    const std::lock_guard lock(mutex_);
    auto set = detail::parse_set_cookie(text, now());
    if (!set) return;
    Cookie& cookie = set->cookie;
    const std::string host(url.host());
    const bool secure_url = url.scheme() == "https";
    if (!set->domain.empty() && is_public_suffix(set->domain)) {
      if (set->domain != host) return;
      set->domain.clear();
    }
    cookie.host_only = set->domain.empty();
    cookie.domain = cookie.host_only ? host : set->domain;
    if (!detail::domain_matches(host, cookie.domain)) return;
    cookie.path = set->path.empty() ? detail::default_path(url) : set->path;
    if (cookie.secure && !secure_url) return;
    if (!cookie.secure && !secure_url && hides_secure_one(cookie)) return;
    const auto& prefixed = cookie.name.empty() ? cookie.value : cookie.name;
    const bool is_secure_prefix = detail::has_prefix(prefixed, "__Secure-");
    const bool is_host_prefix = detail::has_prefix(prefixed, "__Host-");
    if ((is_secure_prefix || is_host_prefix) && (cookie.name.empty() || !cookie.secure)) return;
    if (is_host_prefix && (!cookie.host_only || set->path != "/")) return;
    put(std::move(cookie));
  }

  /// True if a cookie from http would stand in the place of one that https has set.
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

  void put(Cookie cookie) {
    const auto now = this->now();
    Cookies& cookies = domains_[cookie.domain];
    std::uint64_t created = ++counter_;
    const auto same = std::find_if(cookies.begin(), cookies.end(), [&](const auto& kept) {
      return kept.cookie.name == cookie.name && kept.cookie.host_only == cookie.host_only &&
             kept.cookie.path == cookie.path;
    });
    if (same != cookies.end()) {
      created = same->created;
      cookies.erase(same);
      --count_;
    }
    const std::string domain = cookie.domain;
    if (!has_ended(cookie, now)) {
      cookies.push_back({std::move(cookie), created, ++counter_});
      ++count_;
      while (cookies.size() > options_.max_per_domain) remove_least(cookies, now);
      while (count_ > options_.max_cookies) remove_from_all(now);
    }
    if (const auto at = domains_.find(domain); at != domains_.end() && at->second.empty())
      domains_.erase(at);
  }

  /// Which goes first: one that has ended, then one that is not secure, then the one that has not
  /// been used for longest.
  static auto worth(const detail::KeptCookie& kept, Cookie::Time now) {
    return std::tuple(!has_ended(kept.cookie, now), kept.cookie.secure, kept.used);
  }
  void remove_least(Cookies& cookies, Cookie::Time now) {
    cookies.erase(std::min_element(
        cookies.begin(), cookies.end(),
        [now](const auto& a, const auto& b) { return worth(a, now) < worth(b, now); }));
    --count_;
  }
  /// A domain without cookies goes, too: servers have as many names as they like.
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

  /// `domain, subdomains, path, secure, expires, name, value`, with tabs between them.
  static std::optional<Cookie> parse_line(std::string_view line) {
    std::vector<std::string_view> fields;
    for (;;) {
      const auto tab = std::min(line.find('\t'), line.size());
      fields.push_back(line.substr(0, tab));
      if (tab == line.size()) break;
      line.remove_prefix(tab + 1);
    }
    if (fields.size() == 6) fields.push_back({});  // Editors cut an empty value off.
    if (fields.size() != 7) return std::nullopt;
    const auto is_flag = [](std::string_view text) { return text == "TRUE" || text == "FALSE"; };
    const auto expires = detail::parse_decimal(fields[4]);
    Cookie cookie;
    cookie.domain = detail::lowered(fields[0].starts_with('.') ? fields[0].substr(1) : fields[0]);
    cookie.host_only = fields[1] == "FALSE";
    cookie.path = fields[2];
    cookie.secure = fields[3] == "TRUE";
    cookie.name = fields[5];
    cookie.value = fields[6];
    for (const std::string_view field : fields)
      for (const char c : field)
        if (detail::is_control(c) || c == ';') return std::nullopt;
    constexpr std::uint64_t latest = 253402300799;  // The end of the year 9999.
    if (!is_flag(fields[1]) || !is_flag(fields[3]) || !expires || cookie.domain.empty() ||
        !cookie.path.starts_with('/') || (cookie.name.empty() && cookie.value.empty()))
      return std::nullopt;
    if (*expires > 0)
      cookie.expires = Cookie::Time(std::chrono::seconds(std::min(*expires, latest)));
    return cookie;
  }

  const CookieJarOptions options_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Cookies> domains_;
  std::size_t count_ = 0;
  std::uint64_t counter_ = 0;
};
static_assert(detail::co_await_safe<CookieJar>);

}  // namespace ferry
