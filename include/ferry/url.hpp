#pragma once

/// @file
/// `Url`: an absolute URL in normal form, safe to connect to and to write into a request.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry {

namespace detail {

/// The scheme of URLs whose host is the percent-encoded path of a Unix socket.
inline constexpr std::string_view unix_scheme = "http+unix";

/// The default port of a scheme (in any case), or 0.
constexpr std::uint16_t default_port(std::string_view scheme) noexcept {
  return iequals(scheme, "http") ? 80 : iequals(scheme, "https") ? 443 : 0;
}

/// The length of the scheme at the beginning of a URL, without the colon; 0 if there is none (RFC
/// 3986 3.1).
constexpr std::size_t scheme_length(std::string_view url) noexcept {
  if (url.empty() || !is_alpha(url[0])) return 0;
  std::size_t i = 1;
  while (i < url.size() &&
         (is_alpha(url[i]) || is_digit(url[i]) || url[i] == '+' || url[i] == '-' || url[i] == '.'))
    ++i;
  return i < url.size() && url[i] == ':' ? i : 0;
}

/// The bytes that need no percent-encoding after the authority. `%` is one of them only before two
/// hexadecimal digits.
inline constexpr auto plain_url_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x21; c < 0x7F; ++c)
    plain[c] =
        std::string_view("\"<>\\^`{|}%").find(static_cast<char>(c)) == std::string_view::npos;
  return plain;
}();

/// The bytes of a host's name in normal form, except for the dots.
inline constexpr auto plain_host_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0; c < 128; ++c) {
    const auto byte = static_cast<char>(c);
    plain[c] = is_digit(byte) || (byte >= 'a' && byte <= 'z') || byte == '-';
  }
  return plain;
}();

/// True if the byte at this position, after the authority, needs no percent-encoding.
constexpr bool is_plain_at(std::string_view text, std::size_t i) noexcept {
  return plain_url_bytes[static_cast<unsigned char>(text[i])] || is_escape_at(text, i);
}

constexpr bool is_plain(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!is_plain_at(text, i)) return false;
  return true;
}

/// Appends text and percent-encodes the bytes that are not plain; `%XX` stays as it is.
inline void append_plain(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain_at(text, i))
      out += text[i];
    else
      append_escaped(out, text[i]);
  }
}

constexpr bool has_dot_segment(std::string_view path) noexcept {
  for (auto at = path.find("/."); at != path.npos; at = path.find("/.", at + 1)) {
    const auto rest = path.substr(at + 2);
    if (rest.empty() || rest[0] == '/' || rest == "." || rest.starts_with("./")) return true;
  }
  return false;
}

/// Appends an absolute path, percent-encoded and without dot segments (RFC 3986 5.2.4); an empty
/// path becomes `/`.
inline void append_path(std::string& out, std::string_view path) {
  if (path.empty()) path = "/";
  const auto root = out.size();
  while (!path.empty()) {
    const auto segment = path.substr(0, path.find('/', 1));
    path.remove_prefix(segment.size());
    if (segment == "/." || segment == "/..") {
      if (segment == "/.." && out.size() > root) out.resize(out.rfind('/'));
      if (path.empty()) out += '/';
    } else {
      append_plain(out, segment);
    }
  }
}

/// A function that finds the ASCII form of a host's name: `ferry::idna::to_ascii`, for example.
using HostToAscii = Result<std::string> (*)(std::string_view host);

}  // namespace detail

/// An absolute URL with an authority, in normal form:
/// `scheme://host[:port]/path[?query][#fragment]`.
///
/// Scheme and host are lower-case, a default port is left out, the path is never empty and has no
/// dot segments, and bytes that a request must not contain are percent-encoded. Userinfo is kept
/// apart from the text, so that no request, error or log shows it. A default-constructed URL is
/// empty.
///
/// Lifetime: the returned views are valid until the URL is changed, moved or destroyed. Threads: as
/// safe as a `std::string`. RFC 3986.
class Url {
 public:
  /// The longest URL accepted, and the longest normal form: 1 MiB.
  static constexpr std::size_t max_size = std::size_t{1} << 20;

  Url() noexcept = default;

  /// Parses an absolute URL. A URL that is already in normal form is taken over without a copy.
  ///
  /// URLs that programs interpret in different ways are refused: a host that is percent-encoded,
  /// not ASCII or a number in disguise, a backslash or a second `@` in the authority.
  ///
  /// @param text the URL.
  /// @param to_ascii maps a host that is not ASCII: `ferry::idna::to_ascii` of `ferry/idna.hpp`. It
  ///   gets only the host, and must return only a host: a result with a delimiter is refused. If
  ///   null, a host that is not ASCII is refused.
  /// @return the URL, or `Errc::invalid_url`; the error shows neither userinfo nor query nor
  ///   fragment.
  static Result<Url> parse(std::string text, detail::HostToAscii to_ascii = nullptr) {
    Result<Url> url;
    if (auto error = url->assign(std::move(text), to_ascii)) return *error;
    return url;
  }

  /// Resolves a reference (a `Location`, a path for a client's `base_url`) against this URL.
  ///
  /// This is the strict algorithm of RFC 3986 5.2. A reference without an authority keeps the
  /// userinfo, but not the fragment. If this URL is empty, the reference must be absolute.
  ///
  /// @param reference the reference.
  /// @param to_ascii as for `parse`.
  /// @return the URL, checked like any other, or `Errc::invalid_url`.
  Result<Url> resolve(std::string_view reference, detail::HostToAscii to_ascii = nullptr) const {
    if (auto problem = text_problem(reference); !problem.empty()) return refuse(std::move(problem));
    const auto kept = kept_by(reference);
    std::string text;
    text.reserve(kept + reference.size());
    auto url = parse(std::move(text.append(text_, 0, kept).append(reference)), to_ascii);
    if (url && kept > scheme_ + 1) url->userinfo_ = userinfo_;
    return url;
  }

  /// Adds `name=value` to the query. All bytes except letters, digits and `-._~` are
  /// percent-encoded.
  ///
  /// @pre the URL is not empty.
  /// @throws Error `Errc::invalid_url` if the URL would be longer than `max_size`.
  void add_query(std::string_view name, std::string_view value) {
    std::string pair;
    if (!has_query())
      pair = "?";
    else if (!query().empty())
      pair = "&";
    detail::append_component(pair, name);
    pair += '=';
    detail::append_component(pair, value);
    if (pair.size() > max_size - text_.size())
      throw refuse("it is longer than 1 MiB with its query");
    text_.insert(fragment_, pair);
    fragment_ += static_cast<std::uint32_t>(pair.size());
  }

  /// The scheme, lower-case: `http`.
  std::string_view scheme() const& noexcept { return slice(0, scheme_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view scheme() const&& = delete;
  /// The host, lower-case; an IPv6 address without its brackets.
  std::string_view host() const& noexcept {
    const auto host = slice(scheme_ + 3, host_);
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view host() const&& = delete;
  /// The Unix socket that is the host of an `http+unix` URL; empty for any other URL.
  std::string unix_path() const {
    return scheme() == detail::unix_scheme ? detail::unescaped(host()) : std::string();
  }
  /// The port in the URL or, without one, the scheme's default; 0 if neither is known.
  std::uint16_t port() const noexcept { return port_; }
  /// The value of the field `Host`, `host[:port]`: with brackets, without a default port or
  /// userinfo.
  std::string_view authority() const& noexcept { return slice(scheme_ + 3, path_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view authority() const&& = delete;
  /// `scheme://host[:port]`.
  std::string_view origin() const& noexcept { return slice(0, path_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view origin() const&& = delete;
  /// The path, percent-encoded; it begins with `/`.
  std::string_view path() const& noexcept { return slice(path_, query_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view path() const&& = delete;
  /// The query, percent-encoded, without its `?`.
  std::string_view query() const& noexcept { return slice(query_ + 1, fragment_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view query() const&& = delete;
  /// True if there is a `?`, even with nothing after it.
  bool has_query() const noexcept { return query_ < fragment_; }
  /// The fragment, percent-encoded, without its `#`.
  std::string_view fragment() const& noexcept { return slice(fragment_ + 1, text_.size()); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view fragment() const&& = delete;
  /// The target of a request line, `path[?query]` (origin-form, RFC 9112 3.2.1).
  std::string_view target() const& noexcept { return slice(path_, fragment_); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view target() const&& = delete;
  /// The text before the `@`, as it was written. A secret: `str()` does not contain it.
  std::string_view userinfo() const& noexcept { return userinfo_; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view userinfo() const&& = delete;
  /// The whole URL in normal form, without userinfo. Its query and its fragment may be
  /// confidential.
  const std::string& str() const& noexcept { return text_; }
  /// The whole URL in normal form, moved out.
  std::string str() && noexcept { return std::move(text_); }
  /// True for a default-constructed URL.
  bool empty() const noexcept { return text_.empty(); }

  /// Compares normal forms and userinfo.
  friend bool operator==(const Url& a, const Url& b) noexcept {
    return a.text_ == b.text_ && a.userinfo_ == b.userinfo_;
  }

 private:
  friend struct detail::access;

  /// The parts of a raw URL, as views into it.
  struct Parts {
    std::string_view scheme, userinfo, host, port_text, path;
    std::string_view rest;      // Query and fragment, each with its mark.
    std::string normal_port;    // The port with its colon; empty if it is the default.
    std::string ascii_host;     // The mapped host, which `host` then views; empty if not mapped.
    std::uint16_t port = 0;     // The port; 0 if not known.
    bool has_userinfo = false;  // True even for an empty userinfo.
  };

  // Parses a URL into this object, like `parse`; after an error this object's value is unspecified.
  // Returns the error.
  std::optional<Error> assign(std::string&& text, detail::HostToAscii to_ascii) {
    if (parse_fast(text)) {
      text_ = std::move(text);
      userinfo_.clear();
      return std::nullopt;
    }
    if (auto problem = text_problem(text); !problem.empty()) return refuse(std::move(problem));
    Parts parts;
    if (auto problem = split(text, to_ascii, parts); !problem.empty())
      return refuse(std::move(problem));
    scheme_ = static_cast<std::uint32_t>(parts.scheme.size());
    host_ = static_cast<std::uint32_t>(scheme_ + 3 + parts.host.size());
    path_ = static_cast<std::uint32_t>(host_ + parts.normal_port.size());
    port_ = parts.port;
    userinfo_ = parts.userinfo;
    text_ = is_normal(parts) ? std::move(text) : assemble(parts);
    if (text_.size() > max_size) return refuse("it is longer than 1 MiB when percent-encoded");
    fragment_ = static_cast<std::uint32_t>(std::min(text_.find('#', path_), text_.size()));
    query_ = std::min(static_cast<std::uint32_t>(text_.find('?', path_)), fragment_);
    return std::nullopt;
  }

  static Error refuse(std::string why) { return Error(Errc::invalid_url, std::move(why)); }

  // Finds the parts of an `http` or `https` URL that is in normal form, as most are, by looking at
  // each byte once. Returns false for a URL that needs full parsing.
  bool parse_fast(std::string_view text) noexcept {
    if (text.size() < 8 || text.size() > max_size) return false;
    const bool secure = std::memcmp(text.data(), "https://", 8) == 0;
    if (!secure && std::memcmp(text.data(), "http://", 7) != 0) return false;
    const std::uint16_t standard = secure ? 443 : 80;
    scheme_ = secure ? 5 : 4;
    std::size_t i = scheme_ + 3;
    std::size_t label = i;  // The beginning of the host's last label.
    for (; i < text.size(); ++i) {
      if (detail::plain_host_bytes[static_cast<unsigned char>(text[i])]) continue;
      if (text[i] != '.') break;
      if (label == i) return false;
      label = i + 1;
    }
    const auto host = text.substr(scheme_ + 3, i - scheme_ - 3);
    if (label == i || host.size() > 255) return false;
    if (!detail::is_alpha(text[label]) && !detail::is_ipv4(host)) return false;
    host_ = static_cast<std::uint32_t>(i);
    port_ = standard;
    if (i < text.size() && text[i] == ':') {
      const auto first = ++i;
      std::uint32_t port = 0;
      for (; i < text.size() && i < first + 5 && detail::is_digit(text[i]); ++i)
        port = port * 10 + static_cast<std::uint32_t>(text[i] - '0');
      if (i == first || text[first] == '0' || port > 65535 || port == standard) return false;
      port_ = static_cast<std::uint16_t>(port);
    }
    if (i == text.size() || text[i] != '/') return false;
    path_ = static_cast<std::uint32_t>(i);
    fragment_ = query_ = static_cast<std::uint32_t>(text.size());
    for (++i; i < text.size(); ++i) {
      const char c = text[i];
      if (!detail::plain_url_bytes[static_cast<unsigned char>(c)]) return false;
      if (c > '?') continue;  // Letters, and few bytes with a special meaning.
      if (c == '.' && text[i - 1] == '/') return false;
      if (c == '?' && query_ == text.size()) query_ = static_cast<std::uint32_t>(i);
      if (c != '#' || fragment_ != text.size()) continue;
      fragment_ = static_cast<std::uint32_t>(i);
      query_ = std::min(query_, fragment_);
    }
    return true;
  }

  // Finds a byte that no part of a URL may have, not even of a relative one. Returns the problem,
  // or nothing.
  static std::string text_problem(std::string_view text) {
    if (text.size() > max_size) return "it is longer than 1 MiB";
    if (text.starts_with(' ') || text.ends_with(' ')) return "it begins or ends with a space";
    const auto control = std::find_if(text.begin(), text.end(), detail::is_control);
    if (control == text.end()) return {};
    const auto at = static_cast<std::size_t>(control - text.begin());
    std::string problem = "it has a control character";
    if (text.find_first_of("?#") > at) problem += ", " + detail::in_quotes({&*control, 1}) + ",";
    return problem + " at byte " + std::to_string(at);
  }

  // Finds the parts of a URL and checks its authority. Returns the problem, or nothing.
  //
  // The message shows no text before an `@`, even where the grammar says that the text is not
  // userinfo: some passwords contain a '/'. A wrong port is never shown for the same reason.
  static std::string split(std::string_view text, detail::HostToAscii to_ascii, Parts& parts) {
    if (text.empty()) return "it is empty";
    const auto is_secret = [&](std::string_view part) {
      return text.find('@', static_cast<std::size_t>(part.data() - text.data())) != text.npos;
    };
    const auto shown = [&](std::string what, std::string_view part) {
      return part.empty() || is_secret(part) ? what : what + " " + detail::in_quotes(part);
    };
    parts.scheme = text.substr(0, detail::scheme_length(text));
    if (parts.scheme.empty() || text.substr(parts.scheme.size(), 3) != "://")
      return shown("the text", text.substr(0, text.find_first_of("?#"))) +
             " does not begin with a scheme and \"//\"; did you mean \"http://...\"? "
             "(A relative URL needs the client's base_url.)";

    const auto after = text.substr(parts.scheme.size() + 3);
    auto authority = after.substr(0, after.find_first_of("/?#"));
    const auto tail = after.substr(authority.size());
    parts.path = tail.substr(0, tail.find_first_of("?#"));
    parts.rest = tail.substr(parts.path.size());

    // Browsers end the authority at a backslash, RFC 3986 does not: the host of `http://a\@b` would
    // be a or b.
    if (authority.find('\\') != text.npos) return "it has a backslash before its path";
    if (const auto at = authority.find('@'); at != text.npos) {
      if (at != authority.rfind('@'))
        return "it has more than one \"@\" before its path; write %40 for one";
      parts.has_userinfo = true;
      parts.userinfo = authority.substr(0, at);
      authority.remove_prefix(at + 1);
    }

    const auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
    parts.host = authority.substr(0, authority.find(':', bracket));
    parts.port_text = authority.substr(parts.host.size());
    const auto written_host = parts.host;
    const bool is_unix = detail::iequals(parts.scheme, detail::unix_scheme);
    const auto problem = is_unix ? std::string(unix_problem(parts))
                                 : map_host(to_ascii, is_secret(written_host), parts);
    if (!problem.empty()) return shown("the host", written_host) + " " + problem;

    const auto standard = detail::default_port(parts.scheme);
    parts.port = standard;
    if (parts.port_text.size() > 1) {
      const auto port = detail::parse_decimal(parts.port_text.substr(1));
      if (!port || *port == 0 || *port > 65535)
        return shown("the port after the host", written_host) + " is not a number from 1 to 65535";
      parts.port = static_cast<std::uint16_t>(*port);
    }
    if (parts.port != standard) parts.normal_port = ":" + std::to_string(parts.port);
    return {};
  }

  // Maps a host that is not ASCII to its ASCII form. Returns the problem with the host, or nothing.
  // The text is checked before the mapping and the host after it; nothing is parsed again.
  static std::string map_host(detail::HostToAscii to_ascii, bool secret, Parts& parts) {
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (!to_ascii || std::all_of(parts.host.begin(), parts.host.end(), is_ascii))
      return std::string(detail::host_problem(parts.host));
    if (const auto problem = detail::unmapped_host_problem(parts.host); !problem.empty())
      return std::string(problem);
    auto ascii = to_ascii(parts.host);
    if (!ascii)  // The error of `to_ascii` shows the host.
      return std::string("has no ASCII form") +
             (secret ? "" : std::string(": ") + ascii.error().what());
    if (const auto problem = detail::mapped_host_problem(*ascii); !problem.empty())
      return std::string(problem) + ", once it is mapped to ASCII";
    parts.ascii_host = std::move(*ascii);
    parts.host = parts.ascii_host;
    return {};
  }

  // Returns the problem with a host that is the path of a Unix socket, or nothing.
  static std::string_view unix_problem(const Parts& parts) {
    if (parts.has_userinfo || !parts.port_text.empty())
      return "is a Unix socket, which has neither userinfo nor a port";
    for (std::size_t i = 0; i < parts.host.size(); ++i)
      if (parts.host[i] != '%' ? !detail::is_host_char(parts.host[i])
                               : !detail::is_plain_at(parts.host, i))
        return "is not percent-encoded: %2Frun%2Fapp.sock, say";
    return detail::unix_path_problem(detail::unescaped(parts.host));
  }

  static bool is_normal(const Parts& parts) noexcept {
    const auto is_upper = [](char c) { return c != detail::to_lower(c); };
    return !parts.has_userinfo && parts.ascii_host.empty() &&
           parts.port_text == parts.normal_port && !parts.path.empty() &&
           detail::is_plain(parts.path) && detail::is_plain(parts.rest) &&
           !detail::has_dot_segment(parts.path) &&
           std::none_of(parts.scheme.begin(), parts.scheme.end(), is_upper) &&
           (parts.scheme == detail::unix_scheme ||
            std::none_of(parts.host.begin(), parts.host.end(), is_upper));
  }

  static std::string assemble(const Parts& parts) {
    std::string out;
    out.reserve(parts.scheme.size() + 3 + parts.host.size() + parts.normal_port.size() + 1 +
                parts.path.size() + parts.rest.size());
    out.append(parts.scheme).append("://").append(parts.host);
    const bool is_unix = detail::iequals(parts.scheme, detail::unix_scheme);
    const auto lower = is_unix ? parts.scheme.size() : out.size();  // The case of a socket's path
                                                                    // matters.
    std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(lower), out.begin(),
                   detail::to_lower);
    out += parts.normal_port;
    detail::append_path(out, parts.path);
    detail::append_plain(out, parts.rest);
    return out;
  }

  // The length of this URL's text that a reference keeps (RFC 3986 5.2.2 and 5.2.3; `parse` removes
  // the dot segments).
  std::size_t kept_by(std::string_view reference) const noexcept {
    const auto mark = reference.find_first_of(":/?#");
    if (empty() || (mark != reference.npos && reference[mark] == ':')) return 0;
    if (reference.starts_with("//")) return scheme_ + 1;
    if (reference.starts_with('/')) return path_;
    if (reference.starts_with('?')) return query_;
    if (reference.empty() || reference.starts_with('#')) return fragment_;
    return path_ + path().rfind('/') + 1;
  }

  // A part of the text, clipped to it, because a moved-from URL has no text.
  std::string_view slice(std::size_t begin, std::size_t end) const noexcept {
    end = std::min(end, text_.size());
    begin = std::min(begin, end);
    return {text_.data() + begin, end - begin};
  }

  std::string text_;
  std::string userinfo_;
  // The ends of scheme and host, and the beginnings of the other parts, with their marks.
  std::uint32_t scheme_ = 0;
  std::uint32_t host_ = 0;
  std::uint32_t path_ = 0;
  std::uint32_t fragment_ = 0;
  std::uint32_t query_ = 0;
  std::uint16_t port_ = 0;
};

static_assert(detail::co_await_safe<Url>);

}  // namespace ferry
