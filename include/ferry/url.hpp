#pragma once

/// @file
/// `Url`: an absolute URL in normal form, safe to connect to and to write into a request.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/url_parser.hpp>
#include <ferry/detail/base/url_text.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry {

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
  static constexpr std::size_t max_size = detail::max_url_size;

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
    if (auto problem = detail::url_text_problem(reference); !problem.empty())
      return refuse(std::move(problem));
    const auto kept = kept_by(reference);
    std::string text;
    text.reserve(kept + reference.size());
    auto url = parse(std::move(text.append(text_, 0, kept).append(reference)), to_ascii);
    if (url && kept > marks_.scheme + 1) url->userinfo_ = userinfo_;
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
    text_.insert(marks_.fragment, pair);
    marks_.fragment += static_cast<std::uint32_t>(pair.size());
  }

  /// The scheme, lower-case: `http`.
  std::string_view scheme() const& noexcept { return slice(0, marks_.scheme); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view scheme() const&& = delete;
  /// The host, lower-case; an IPv6 address without its brackets.
  std::string_view host() const& noexcept {
    const auto host = slice(marks_.scheme + 3, marks_.host);
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view host() const&& = delete;
  /// The Unix socket that is the host of an `http+unix` URL; empty for any other URL.
  std::string unix_path() const {
    return scheme() == detail::unix_scheme ? detail::unescaped(host()) : std::string();
  }
  /// The port in the URL or, without one, the scheme's default; 0 if neither is known.
  std::uint16_t port() const noexcept { return marks_.port; }
  /// The value of the field `Host`, `host[:port]`: with brackets, without a default port or
  /// userinfo.
  std::string_view authority() const& noexcept { return slice(marks_.scheme + 3, marks_.path); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view authority() const&& = delete;
  /// `scheme://host[:port]`.
  std::string_view origin() const& noexcept { return slice(0, marks_.path); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view origin() const&& = delete;
  /// The path, percent-encoded; it begins with `/`.
  std::string_view path() const& noexcept { return slice(marks_.path, marks_.query); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view path() const&& = delete;
  /// The query, percent-encoded, without its `?`.
  std::string_view query() const& noexcept { return slice(marks_.query + 1, marks_.fragment); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view query() const&& = delete;
  /// True if there is a `?`, even with nothing after it.
  bool has_query() const noexcept { return marks_.query < marks_.fragment; }
  /// The fragment, percent-encoded, without its `#`.
  std::string_view fragment() const& noexcept { return slice(marks_.fragment + 1, text_.size()); }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view fragment() const&& = delete;
  /// The target of a request line, `path[?query]` (origin-form, RFC 9112 3.2.1).
  std::string_view target() const& noexcept { return slice(marks_.path, marks_.fragment); }
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

  // Parses a URL into this object, like `parse`; after an error this object's value is unspecified.
  // Returns the error.
  std::optional<Error> assign(std::string&& text, detail::HostToAscii to_ascii) {
    if (detail::parse_normal_url(text, marks_)) {
      text_ = std::move(text);
      userinfo_.clear();
      return std::nullopt;
    }
    if (auto problem = detail::url_text_problem(text); !problem.empty())
      return refuse(std::move(problem));
    detail::UrlParts parts;
    if (auto problem = detail::split_url(text, to_ascii, parts); !problem.empty())
      return refuse(std::move(problem));
    marks_.scheme = static_cast<std::uint32_t>(parts.scheme.size());
    marks_.host = static_cast<std::uint32_t>(marks_.scheme + 3 + parts.host.size());
    marks_.path = static_cast<std::uint32_t>(marks_.host + parts.normal_port.size());
    marks_.port = parts.port;
    userinfo_ = parts.userinfo;
    text_ = detail::is_normal_url(parts) ? std::move(text) : detail::normal_url(parts);
    if (text_.size() > max_size) return refuse("it is longer than 1 MiB when percent-encoded");
    marks_.fragment =
        static_cast<std::uint32_t>(std::min(text_.find('#', marks_.path), text_.size()));
    marks_.query =
        std::min(static_cast<std::uint32_t>(text_.find('?', marks_.path)), marks_.fragment);
    return std::nullopt;
  }

  static Error refuse(std::string why) { return Error(Errc::invalid_url, std::move(why)); }

  // The length of this URL's text that a reference keeps (RFC 3986 5.2.2 and 5.2.3; `parse` removes
  // the dot segments).
  std::size_t kept_by(std::string_view reference) const noexcept {
    const auto mark = reference.find_first_of(":/?#");
    if (empty() || (mark != reference.npos && reference[mark] == ':')) return 0;
    if (reference.starts_with("//")) return marks_.scheme + 1;
    if (reference.starts_with('/')) return marks_.path;
    if (reference.starts_with('?')) return marks_.query;
    if (reference.empty() || reference.starts_with('#')) return marks_.fragment;
    return marks_.path + path().rfind('/') + 1;
  }

  // A part of the text, clipped to it, because a moved-from URL has no text.
  std::string_view slice(std::size_t begin, std::size_t end) const noexcept {
    end = std::min(end, text_.size());
    begin = std::min(begin, end);
    return {text_.data() + begin, end - begin};
  }

  std::string text_;
  std::string userinfo_;
  detail::UrlMarks marks_;
};

static_assert(detail::co_await_safe<Url>);

}  // namespace ferry
