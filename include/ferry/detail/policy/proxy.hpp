#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/base64.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/url_text.hpp>
#include <ferry/detail/policy/proxy_bypass.hpp>
#include <ferry/options.hpp>
#include <ferry/result.hpp>
#include <ferry/url.hpp>

// Rules that choose the proxy for a request.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A proxy and its protocol.
struct Proxy {
  enum class Kind { http, socks5, socks5h };

  Url url;
  Kind kind = Kind::http;
  std::string user;
  std::string password;
  std::shared_ptr<Authenticator> auth;  ///< Overrides user and password, for `Kind::http`.
  std::optional<Error> failure;  ///< Reason why it cannot be used; its requests fail with it.

  /// @param option the name of the option with this text, for the error, which shows neither user
  ///   nor password.
  /// @param has_tls true if connections can be secured.
  static Result<Proxy> parse(const std::string& option, const std::string& text,
                             HostToAscii to_ascii = nullptr, bool has_tls = true) {
    const auto refuse = [&option](const std::string& why) {
      return Error(Errc::invalid_option, option + ": " + why);
    };
    // A name alone is an HTTP proxy, as in curl.
    auto url = Url::parse(text.find("://") == text.npos ? "http://" + text : text, to_ascii);
    if (!url) return refuse(url.error().what());
    Proxy proxy;
    const auto scheme = url->scheme();
    if (scheme == "socks5" || scheme == "socks5h")
      proxy.kind = scheme == "socks5" ? Kind::socks5 : Kind::socks5h;
    else if (scheme != "http" && scheme != "https")
      return refuse(in_quotes(scheme) + " is none of http, https, socks5 and socks5h");
    if (scheme == "https" && !has_tls)
      return Error(Errc::tls_unavailable,
                   option + ": the proxy needs options.tls, of ferry/tls.hpp");
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
  /// Makes this authenticator provide the credentials, unless only the URL has credentials.
  void use(const std::shared_ptr<Authenticator>& given) {
    if (given && (!has_credentials() || given->has_credentials_for(url))) auth = given;
  }
  bool has_credentials() const noexcept { return !user.empty() || !password.empty(); }
  /// The value of Proxy-Authorization (RFC 7617); empty if there are no credentials.
  std::string authorization() const {
    return has_credentials() ? "Basic " + base64(user + ":" + password) : std::string();
  }
};

/// The choice of a proxy for each request.
class ProxyRule {
 public:
  ProxyRule() = default;
  static Result<ProxyRule> make(const ProxyOptions& options, HostToAscii to_ascii = nullptr,
                                bool has_tls = true) {
    ProxyRule rule;
    const auto read = [&](const std::string& text, const auto& variable, const char* option,
                          std::optional<Proxy>& proxy) -> std::optional<Error> {
      if (text.empty()) return std::nullopt;
      const bool is_variable = text == variable.value;
      auto parsed = Proxy::parse(is_variable ? variable.name : option, text, to_ascii, has_tls);
      if (parsed) {
        proxy = std::move(*parsed);
        proxy->use(options.auth);
      } else if (is_variable) {
        // The environment is shared by all programs, so an error there must not fail every request.
        proxy.emplace().failure = parsed.error();
      } else {
        return parsed.error();
      }
      return std::nullopt;
    };
    if (auto error = read(options.http, access::http_variable(options), "proxy.http", rule.http_))
      return *error;
    if (auto error =
            read(options.https, access::https_variable(options), "proxy.https", rule.https_))
      return *error;
    for (const std::string& entry : options.bypass) {
      if (rule.bypass_.add(entry)) continue;
      // The text before an "@" may be a password.
      const auto shown = in_quotes(std::string_view(entry).substr(entry.rfind('@') + 1));
      return Error(Errc::invalid_option,
                   "proxy.bypass: " + shown + " is no name, no address, no network and not *");
    }
    return rule;
  }

  /// The proxy for a URL; null for a direct connection.
  const Proxy* proxy_for(const Url& url) const {
    const auto& proxy = url.scheme() == "https" ? https_ : http_;
    if (!proxy || url.scheme() == unix_scheme || bypass_.matches(url.host(), url.port()))
      return nullptr;
    return &*proxy;
  }

 private:
  std::optional<Proxy> http_;
  std::optional<Proxy> https_;
  ProxyBypass bypass_;
};

}  // namespace ferry::detail
