#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The part of a representation in a `206`, `bytes first-last/size` (RFC 9110 14.4).
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> size;
};

inline std::optional<ContentRange> parse_content_range(std::string_view value) {
  if (!iequals(value.substr(0, 6), "bytes ")) return std::nullopt;
  value = trim_ows(value.substr(6));
  const auto dash = value.find('-');
  const auto slash = value.find('/');
  if (dash == value.npos || slash == value.npos || slash < dash) return std::nullopt;
  const auto first = parse_decimal(value.substr(0, dash));
  const auto last = parse_decimal(value.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{*first, *last, std::nullopt};
  if (value.substr(slash + 1) == "*") return range;
  range.size = parse_decimal(value.substr(slash + 1));
  if (!range.size || *range.size <= range.last) return std::nullopt;
  return range;
}

}  // namespace ferry::detail
