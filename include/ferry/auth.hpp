#pragma once

/// @file
/// The authenticators that need no library: `basic`, `bearer`, `netrc`, and `only_for`, which binds
/// any to one origin. `ferry/digest.hpp` has `digest`.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#if !defined(_WIN32)
#include <pwd.h>
#include <unistd.h>
#endif

#include <ferry/authenticator.hpp>
#include <ferry/detail/auth/credentials.hpp>
#include <ferry/detail/auth/netrc.hpp>

namespace ferry {

namespace detail {

/// Always the same value.
class FixedAuthenticator final : public Authenticator {
 public:
  explicit FixedAuthenticator(std::string value) : value_(std::move(value)) {}
  std::optional<std::string> authorize_now(const AuthContext&) override { return value_; }

 private:
  const std::string value_;
};

/// What a file has for the host.
class NetrcAuthenticator final : public Authenticator {
 public:
  explicit NetrcAuthenticator(Netrc file) : file_(std::move(file)) {}

  std::optional<std::string> authorize_now(const AuthContext& context) override {
    // `default` is for all hosts that the user names, not for those that a server names.
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

/// Another authenticator, asked about one origin only.
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

/// The user's home directory, or empty.
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

/// Where the netrc file is: `$NETRC`, or `~/.netrc`; empty if there is no home either.
inline std::string netrc_path(std::string path) {
  if (const char* named = std::getenv("NETRC"); path.empty() && named) path = named;
  if (path.empty()) path = "~/.netrc";
  if (!path.starts_with("~/")) return path;
  const std::string home = home_directory();
  return home.empty() ? home : home + path.substr(1);
}

/// The text of a netrc file; nothing if there is none. @throws Error `Errc::invalid_option`.
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
  // The system would open the file that is named before the NUL.
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

/// A user and a password, sent with every request: `Authorization: Basic ...`.
///
/// Whoever can read the request can read both: it wants `https://`. They are sent as the bytes that
/// they are, UTF-8 best.
///
/// @param user without a colon.
/// @return what any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a control character (a line end behind a password that
///   was read from a file, say), or a colon in `user`. It shows neither. (RFC 7617)
inline std::shared_ptr<Authenticator> basic(std::string_view user, std::string_view password) {
  return std::make_shared<detail::FixedAuthenticator>(
      detail::basic_authorization(user, password, "basic(): ").value());
}

/// A token, sent with every request: `Authorization: Bearer ...`. One that has to be fetched or
/// renewed is for an `Authenticator` of one's own.
///
/// Whoever can read the request can read the token: it wants `https://`.
///
/// @return what any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a token that is empty, or has a space or a control
///   character. It does not show the token. (RFC 6750 2.1)
inline std::shared_ptr<Authenticator> bearer(std::string_view token) {
  if (token.empty()) throw Error(Errc::invalid_option, "bearer(): the token is empty");
  if (auto error = detail::check_credential("bearer(): the token", token)) throw *error;
  if (token.find(' ') != token.npos)
    throw Error(Errc::invalid_option, "bearer(): the token has a space");
  return std::make_shared<detail::FixedAuthenticator>("Bearer " + std::string(token));
}

/// The users and passwords that a netrc file has, each for its host: `Authorization: Basic ...`.
///
/// As for curl: `machine NAME login USER password SECRET` is for exactly this host, on any port;
/// the first one counts; `default` is for all others, but not for those that a redirect leads to.
/// `account`, `macdef` and words that are none of these are skipped, so a value with a space has to
/// be in double quotes. A host that has neither a login nor a password there gets those of the
/// request's URL, if that has some. The file is read now, once. One that is not there has no
/// credentials.
///
/// @param path of the file, `~/` being the home directory; empty: `$NETRC`, or `~/.netrc`.
/// @return what any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a file that cannot be read or is malformed; it names
///   the line, and shows nothing of it.
inline std::shared_ptr<Authenticator> netrc(std::string path = {}) {
  path = detail::netrc_path(std::move(path));
  const auto text = detail::read_netrc(path);
  if (!text) return std::make_shared<detail::NetrcAuthenticator>(detail::Netrc());
  return std::make_shared<detail::NetrcAuthenticator>(detail::Netrc::parse(*text, path).value());
}

/// Binds an authenticator to one origin, for a client that also sends to others:
/// `only_for("https://api.example", ferry::bearer(token))`. To every other origin it gives nothing,
/// so that a user and a password in the request's URL are sent there.
///
/// A redirect that comes back to the origin gets its credentials again.
///
/// @param url of which scheme, host and port count.
/// @throws Error `Errc::invalid_url`; `Errc::invalid_option` if `auth` is null.
inline std::shared_ptr<Authenticator> only_for(std::string url,
                                               std::shared_ptr<Authenticator> auth) {
  const Url parsed = Url::parse(std::move(url)).value();
  if (!auth) throw Error(Errc::invalid_option, "only_for(): there is no authenticator");
  return std::make_shared<detail::BoundAuthenticator>(std::string(parsed.origin()),
                                                      std::move(auth));
}

}  // namespace ferry
