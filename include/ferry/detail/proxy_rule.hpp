#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/ip/network_v4.hpp>
#include <asio/ip/network_v6.hpp>

#include <ferry/authenticator.hpp>
#include <ferry/detail/asio.hpp>
#include <ferry/detail/base64.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

// Which requests go through which proxy.
namespace ferry::detail {

/// A proxy, and how it is spoken to.
struct Proxy {
  enum class Kind { http, socks5, socks5h };

  Url url;
  Kind kind = Kind::http;
  std::string user;
  std::string password;
  std::shared_ptr<Authenticator> auth;  ///< In the place of the two, for `Kind::http`.

  static Result<Proxy> parse(const char* option, const std::string& text,
                             HostToAscii to_ascii = nullptr) {
    const auto refuse = [option](std::string why) {
      return Error(Errc::invalid_option, std::string(option) + ": " + std::move(why));
    };
    // A name alone means what it means to curl: a proxy that speaks HTTP.
    auto url = Url::parse(text.find("://") == text.npos ? "http://" + text : text, to_ascii);
    if (!url) return refuse(url.error().what());
    Proxy proxy;
    const auto scheme = url->scheme();
    if (scheme == "socks5" || scheme == "socks5h")
      proxy.kind = scheme == "socks5" ? Kind::socks5 : Kind::socks5h;
    else if (scheme != "http" && scheme != "https")
      return refuse(in_quotes(scheme) + " is none of http, https, socks5 and socks5h");
    const auto userinfo = url->userinfo();
    const auto colon = std::min(userinfo.find(':'), userinfo.size());
    proxy.user = unescaped(userinfo.substr(0, colon));
    proxy.password = unescaped(userinfo.substr(std::min(colon + 1, userinfo.size())));
    if (proxy.kind != Kind::http && (proxy.user.size() > 255 || proxy.password.size() > 255))
      return refuse("SOCKS takes at most 255 bytes of user and of password");
    proxy.url = std::move(*url);
    return proxy;
  }

  std::uint16_t port() const noexcept { return url.port() != 0 ? url.port() : 1080; }
  bool is_secure() const noexcept { return url.scheme() == "https"; }
  /// Has this prove who is asking, unless only the URL has credentials for the proxy.
  void use(const std::shared_ptr<Authenticator>& given) {
    if (given && (!has_credentials() || given->has_credentials_for(url))) auth = given;
  }
  bool has_credentials() const noexcept { return !user.empty() || !password.empty(); }
  /// The value of Proxy-Authorization (RFC 7617); empty if there are no credentials.
  std::string authorization() const {
    return has_credentials() ? "Basic " + base64(user + ":" + password) : std::string();
  }
};

/// Hosts that are reached without a proxy, in the words of `no_proxy`.
class ProxyBypass {
 public:
  /// @param entry `*`, a name, which also means all names below it, an address, or a network in
  /// CIDR
  ///   form; a name or an address may have a port.
  void add(std::string_view entry) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!entry.empty() && is_space(entry.front())) entry.remove_prefix(1);
    while (!entry.empty() && is_space(entry.back())) entry.remove_suffix(1);
    if (entry.empty()) return;
    if (entry == "*") {
      all_ = true;
      return;
    }
    std::error_code error;
    const std::string text(entry);
    if (entry.find('/') != entry.npos) {
      if (const auto network = asio::ip::make_network_v4(text, error); !error)
        v4_.push_back(network.canonical());
      else if (const auto v6 = asio::ip::make_network_v6(text, error); !error)
        v6_.push_back(v6.canonical());
      return;
    }
    Name name;
    const auto bracket = entry.starts_with('[') ? entry.find(']') : entry.npos;
    const auto colon = entry.find(':', bracket == entry.npos ? 0 : bracket);
    const bool is_bare_v6 = bracket == entry.npos && colon != entry.rfind(':');
    if (colon != entry.npos && !is_bare_v6) {
      const auto port = parse_decimal(entry.substr(colon + 1));
      if (!port || *port > 65535) return;
      name.port = static_cast<std::uint16_t>(*port);
      entry = entry.substr(0, colon);
    }
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (entry.starts_with('*')) entry.remove_prefix(1);
    if (entry.starts_with('.')) entry.remove_prefix(1);
    for (char c : entry) name.host += to_lower(c);
    names_.push_back(std::move(name));
  }

  bool matches(std::string_view host, std::uint16_t port) const {
    if (all_) return true;
    if (host.ends_with('.')) host.remove_suffix(1);
    std::error_code error;
    const auto address = asio::ip::make_address(std::string(host), error);
    const bool is_address = !error;
    for (const Name& name : names_) {
      if (name.port != 0 && name.port != port) continue;
      if (host == name.host) return true;
      const bool below = host.size() > name.host.size() && host.ends_with(name.host) &&
                         host[host.size() - name.host.size() - 1] == '.';
      if (below && !is_address) return true;
    }
    if (!is_address) return false;
    if (address.is_v4()) {
      for (const auto& network : v4_)
        if (asio::ip::make_network_v4(address.to_v4(), network.prefix_length()).canonical() ==
            network)
          return true;
      return false;
    }
    for (const auto& network : v6_)
      if (asio::ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network)
        return true;
    return false;
  }

 private:
  struct Name {
    std::string host;
    std::uint16_t port = 0;
  };
  bool all_ = false;
  std::vector<Name> names_;
  std::vector<asio::ip::network_v4> v4_;
  std::vector<asio::ip::network_v6> v6_;
};

/// Which requests go through which proxy.
class ProxyRule {
 public:
  ProxyRule() = default;
  static Result<ProxyRule> make(const ProxyOptions& options, HostToAscii to_ascii = nullptr) {
    ProxyRule rule;
    if (!options.http.empty()) {
      auto proxy = Proxy::parse("proxy.http", options.http, to_ascii);
      if (!proxy) return proxy.error();
      rule.http_ = std::move(*proxy);
      rule.http_->use(options.auth);
    }
    if (!options.https.empty()) {
      auto proxy = Proxy::parse("proxy.https", options.https, to_ascii);
      if (!proxy) return proxy.error();
      rule.https_ = std::move(*proxy);
      rule.https_->use(options.auth);
    }
    for (const std::string& entry : options.bypass) rule.bypass_.add(entry);
    return rule;
  }

  /// The proxy for a URL, if it goes through one.
  const Proxy* proxy_for(const Url& url) const {
    const auto& proxy = url.scheme() == "https" ? https_ : http_;
    if (!proxy || url.scheme() == unix_scheme || bypass_.matches(url.host(), url.port()))
      return nullptr;
    return &*proxy;
  }
  /// One of the proxies is spoken to over TLS.
  bool needs_tls() const noexcept {
    return (http_ && http_->is_secure()) || (https_ && https_->is_secure());
  }

 private:
  std::optional<Proxy> http_;
  std::optional<Proxy> https_;
  ProxyBypass bypass_;
};

}  // namespace ferry::detail
