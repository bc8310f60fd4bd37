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
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/url_marks.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

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
  static Result<Url> parse(std::string text, detail::HostToAscii to_ascii = nullptr);

  /// Resolves a reference (a `Location`, a path for a client's `base_url`) against this URL.
  ///
  /// This is the strict algorithm of RFC 3986 5.2. A reference without an authority keeps the
  /// userinfo, but not the fragment. If this URL is empty, the reference must be absolute.
  ///
  /// @param reference the reference.
  /// @param to_ascii as for `parse`.
  /// @return the URL, checked like any other, or `Errc::invalid_url`.
  Result<Url> resolve(std::string_view reference, detail::HostToAscii to_ascii = nullptr) const;

  /// Adds `name=value` to the query. All bytes except letters, digits and `-._~` are
  /// percent-encoded.
  ///
  /// @pre the URL is not empty.
  /// @throws Error `Errc::invalid_url` if the URL would be longer than `max_size`.
  void add_query(std::string_view name, std::string_view value);

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
  std::string unix_path() const;
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
  std::optional<Error> assign(std::string&& text, detail::HostToAscii to_ascii);

  static Error refuse(std::string why);

  // The length of this URL's text that a reference keeps (RFC 3986 5.2.2 and 5.2.3; `parse` removes
  // the dot segments).
  std::size_t kept_by(std::string_view reference) const noexcept;

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

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/url.ipp>
#endif
