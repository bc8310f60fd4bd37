#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/auth.hpp>

#if !defined(_WIN32)
#include <pwd.h>
#include <unistd.h>
#endif

#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/auth/netrc.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// Gives every request the same value.
class FixedAuthenticator final : public Authenticator {
 public:
  explicit FixedAuthenticator(std::string value) : value_(std::move(value)) {}
  std::optional<std::string> authorize_now(const AuthContext&) override { return value_; }

 private:
  const std::string value_;
};

/// Gives a host the login and password that a netrc file has for it.
class NetrcAuthenticator final : public Authenticator {
 public:
  explicit NetrcAuthenticator(Netrc file) : file_(std::move(file)) {}

  std::optional<std::string> authorize_now(const AuthContext& context) override {
    // The entry `default` applies to hosts that the user names, not to hosts that a redirect names.
    const Netrc::Entry* const entry = file_.find(context.url.host(), !context.redirected);
    if (!entry || !entry->is_set) return std::string();
    return basic_authorization(entry->login, entry->password, "netrc(): ").value();
  }
  bool chooses_by_origin() const noexcept override { return true; }
  bool has_credentials_for(const Url& url) const noexcept override {
    const Netrc::Entry* const entry = file_.find(url.host(), true);
    return entry && entry->is_set;
  }

 private:
  const Netrc file_;
};

/// Asks another authenticator, but about one origin only.
class BoundAuthenticator final : public Authenticator {
 public:
  BoundAuthenticator(std::string origin, std::shared_ptr<Authenticator> auth)
      : origin_(std::move(origin)), auth_(std::move(auth)) {}

  std::optional<std::string> authorize_now(const AuthContext& context) override {
    if (!is_for(context.url)) return std::string();
    return auth_->authorize_now(context);
  }
  asio::awaitable<std::string> authorize(AuthContext context) override {
    if (!is_for(context.url)) return Authenticator::authorize(context);
    return auth_->authorize(context);
  }
  bool challenged(const AuthContext& context) override {
    return is_for(context.url) && auth_->challenged(context);
  }
  void answered(const AuthContext& context, const Headers& response) override {
    if (is_for(context.url)) auth_->answered(context, response);
  }
  bool chooses_by_origin() const noexcept override { return true; }
  bool has_credentials_for(const Url& url) const noexcept override {
    return is_for(url) && auth_->has_credentials_for(url);
  }

 private:
  bool is_for(const Url& url) const noexcept { return url.origin() == origin_; }

  const std::string origin_;
  const std::shared_ptr<Authenticator> auth_;
};

/// The user's home directory; empty if there is none.
inline std::string home_directory() {
  if (const char* home = std::getenv("HOME"); home && *home) return home;
#if defined(_WIN32)
  const char* const profile = std::getenv("USERPROFILE");
  return profile ? profile : "";
#else
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return {};
  return found->pw_dir;
#endif
}

/// The path of the netrc file: `path`, `$NETRC` or `~/.netrc`; empty if it needs a home directory
/// and there is none.
inline std::string netrc_path(std::string path) {
  if (const char* named = std::getenv("NETRC"); path.empty() && named) path = named;
  if (path.empty()) path = "~/.netrc";
  if (!path.starts_with("~/")) return path;
  const std::string home = home_directory();
  return home.empty() ? home : home + path.substr(1);
}

/// The text of a netrc file; nothing if there is no such file. @throws Error
/// `Errc::invalid_option`.
inline std::optional<std::string> read_netrc(const std::string& path) {
  constexpr std::size_t largest = std::size_t{1} << 20;
  const auto fail = [&path](const char* what, int code) {
    throw Error(Errc::invalid_option, "netrc(): " + in_quotes(path) + " " + what,
                code == 0 ? std::error_code() : std::error_code(code, std::generic_category()));
  };
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  if (path.empty()) return std::nullopt;
  // The system would open the file whose name ends at the NUL.
  if (path.find('\0') != path.npos) fail("has a NUL", 0);
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rbe"));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file) fail("cannot be opened", errno);
  std::string text;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > largest) fail("is larger than 1 MiB", 0);
  }
  if (std::ferror(file.get())) fail("cannot be read", errno);
  return text;
}

}  // namespace detail

FERRY_DEFINITION std::shared_ptr<Authenticator> basic(std::string_view user,
                                                      std::string_view password) {
  return std::make_shared<detail::FixedAuthenticator>(
      detail::basic_authorization(user, password, "basic(): ").value());
}

FERRY_DEFINITION std::shared_ptr<Authenticator> bearer(std::string_view token) {
  if (token.empty()) throw Error(Errc::invalid_option, "bearer(): the token is empty");
  if (auto error = detail::check_credential("bearer(): the token", token)) throw *error;
  if (token.find(' ') != token.npos)
    throw Error(Errc::invalid_option, "bearer(): the token has a space");
  return std::make_shared<detail::FixedAuthenticator>("Bearer " + std::string(token));
}

FERRY_DEFINITION std::shared_ptr<Authenticator> netrc(std::string path) {
  path = detail::netrc_path(std::move(path));
  const auto text = detail::read_netrc(path);
  if (!text) return std::make_shared<detail::NetrcAuthenticator>(detail::Netrc());
  return std::make_shared<detail::NetrcAuthenticator>(detail::Netrc::parse(*text, path).value());
}

FERRY_DEFINITION std::shared_ptr<Authenticator> only_for(std::string url,
                                                         std::shared_ptr<Authenticator> auth) {
  const Url parsed = Url::parse(std::move(url)).value();
  if (!auth) throw Error(Errc::invalid_option, "only_for(): there is no authenticator");
  return std::make_shared<detail::BoundAuthenticator>(std::string(parsed.origin()),
                                                      std::move(auth));
}

}  // namespace ferry
