#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/quoted_string.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/link.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION std::optional<std::string_view> Link::param(std::string_view name) const& {
  const auto starred = find(std::string(name) + '*');
  return starred ? starred : find(name);
}

FERRY_DEFINITION std::string_view Link::rel() const& noexcept {
  // Only the first `rel` counts (RFC 8288 3.3).
  return find("rel").value_or(std::string_view());
}

FERRY_DEFINITION bool Link::has_rel(std::string_view type) const noexcept {
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

FERRY_DEFINITION std::optional<std::string_view> Link::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : params)
    if (key == name) return value;
  return std::nullopt;
}

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

FERRY_DEFINITION std::vector<Link> links(const Headers& headers) {
  std::vector<Link> found;
  for (const std::string_view field : headers.get_all("Link"))
    detail::LinkParser(field).read(found);
  return found;
}

}  // namespace ferry
