#pragma once

/// @file
/// `links`: the `Link` header fields, which tell where the next page is, for example.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/quoted_string.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/headers.hpp>

namespace ferry {

/// A link in a response's head: `Link: </orders?page=2>; rel="next"`.
///
/// Lifetime: owns its texts. Threads: a value. (RFC 8288)
class Link {
 public:
  Link() = default;

  /// The link's target as it was written. It may be relative to the response's URL:
  /// `response.url().resolve(link.target)`.
  std::string target;
  /// The parameters in order: each name in lower case, each value without quotes and escapes. The
  /// value of a name with a star (`title*`) is decoded to UTF-8; if that fails, the parameter is
  /// left out. A value comes from the server and may hold any byte.
  std::vector<std::pair<std::string, std::string>> params;

  /// The value of the first parameter of this name, given in lower case; or of the name with a
  /// star, if there is one (RFC 8288 3.4.1). Valid as long as `params` is not changed.
  std::optional<std::string_view> param(std::string_view name) const& {
    const auto starred = find(std::string(name) + '*');
    return starred ? starred : find(name);
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::optional<std::string_view> param(std::string_view name) const&& = delete;

  /// The relation types as they were written, separated by spaces; empty if there are none.
  std::string_view rel() const& noexcept {
    // Only the first `rel` counts (RFC 8288 3.3).
    return find("rel").value_or(std::string_view());
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view rel() const&& = delete;

  /// True if the link has this relation type, in any case: `has_rel("next")`.
  bool has_rel(std::string_view type) const noexcept {
    constexpr std::string_view space = " \t";
    std::string_view types = rel();
    while (!types.empty()) {
      const auto end = types.find_first_of(space);
      if (end != 0 && detail::iequals(types.substr(0, end), type)) return true;
      if (end == std::string_view::npos) break;
      types.remove_prefix(end + 1);
    }
    return false;
  }

 private:
  std::optional<std::string_view> find(std::string_view name) const noexcept {
    for (const auto& [key, value] : params)
      if (key == name) return value;
    return std::nullopt;
  }
};
static_assert(detail::co_await_safe<Link>);

namespace detail {

/// Decodes `UTF-8'en'%e2%82%ac%20rates` (RFC 8187 3.2.1); nothing for any other form. Other
/// charsets are not decoded: the RFC requires only UTF-8.
inline std::optional<std::string> decode_ext_value(std::string_view text) {
  const auto first = text.find('\'');
  if (first == std::string_view::npos || !iequals(text.substr(0, first), "UTF-8"))
    return std::nullopt;
  const auto second = text.find('\'', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  text.remove_prefix(second + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%' && !is_escape_at(text, i)) return std::nullopt;
  std::string value = unescaped(text);
  if (find_invalid_utf8(value) != value.size()) return std::nullopt;
  return value;
}

/// Reads the links of one field as RFC 8288 B.2 does: in one pass, up to the first part that cannot
/// be read.
class LinkParser {
 public:
  explicit LinkParser(std::string_view text) noexcept : rest_(text) {}

  void read(std::vector<Link>& links) {
    for (;;) {
      // Elements of a list may be empty (RFC 9110 5.6.1.2).
      while (skip(',')) {
      }
      if (!skip('<')) return;
      const auto end = rest_.find('>');
      if (end == std::string_view::npos) return;
      Link link;
      link.target = take(end);
      rest_.remove_prefix(1);
      while (skip(';')) read_param(link);
      links.push_back(std::move(link));
      if (!skip(',')) return;
    }
  }

 private:
  void read_param(Link& link) {
    skip_space();
    std::string name(take(rest_.find_first_of(" \t=;,")));
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
    std::optional<std::string> value(std::in_place);
    if (skip('=')) {
      skip_space();
      if (rest_.starts_with('"'))
        value = take_quoted_string(rest_);
      else
        value = trim_ows(take(rest_.find_first_of(";,")));
    }
    if (name.ends_with('*')) value = decode_ext_value(*value);
    if (!name.empty() && value) link.params.emplace_back(std::move(name), *std::move(value));
  }

  /// Takes the text before this position, or all of it.
  std::string_view take(std::size_t end) noexcept {
    const auto taken = rest_.substr(0, end);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  void skip_space() noexcept {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }
  /// Skips white space. Takes this character if it comes next, and returns true then.
  bool skip(char expected) noexcept {
    skip_space();
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
};

}  // namespace detail

/// The links of all `Link` fields, in order:
/// `for (const auto& link : ferry::links(page.headers())) if (link.has_rel("next")) ...`.
///
/// Malformed fields are no error: each field is read up to its first malformed part (RFC 8288 B.2).
/// A link may have no relation types. A link with an `anchor` starts from that anchor instead of
/// the response. Threads: any.
inline std::vector<Link> links(const Headers& headers) {
  std::vector<Link> found;
  for (const std::string_view field : headers.get_all("Link"))
    detail::LinkParser(field).read(found);
  return found;
}

}  // namespace ferry
