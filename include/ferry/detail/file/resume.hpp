#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/http_date.hpp>
#include <ferry/detail/file/part_file.hpp>
#include <ferry/detail/http/content_range.hpp>
#include <ferry/headers.hpp>

// Rules for adding the bytes of an answer to an existing part. RFC 9110 15.3.7.3: only parts of one
// representation, which share a strong validator, may be combined.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The value of the only field of its name; nothing if there is none, or more than one.
inline std::optional<std::string_view> only_field(const Headers& headers, std::string_view name) {
  const auto all = headers.get_all(name);
  return all.size() == 1 ? std::optional(all.front()) : std::nullopt;
}

/// A date in the usual form of RFC 9110 5.6.7, which must end with its time zone, GMT.
inline std::optional<SystemSeconds> http_date(std::optional<std::string_view> text) {
  return text && text->ends_with(" GMT") ? parse_date(*text) : std::nullopt;
}

/// The strong validator for `If-Range` (RFC 9110 8.8, 13.1.5); empty if there is none.
inline std::string strong_validator(const Headers& headers) {
  if (headers.contains("ETag")) {  // With an ETag, a date must not be used (RFC 9110 13.1.5).
    const auto tag = only_field(headers, "ETag");
    const bool is_strong = tag && tag->size() >= 2 && tag->front() == '"' && tag->back() == '"';
    return is_strong ? std::string(*tag) : std::string();
  }
  const auto text = only_field(headers, "Last-Modified");
  const auto modified = http_date(text);
  const auto date = http_date(only_field(headers, "Date"));
  // A file that changed in the second of the response may have changed again since (8.8.2.2).
  const bool is_strong = modified && date && *date - *modified >= std::chrono::seconds(1);
  return is_strong ? std::string(*text) : std::string();
}

/// The range of a `206` that continues a part of this size; nothing if the answer does not fit.
inline std::optional<ContentRange> fitting_range(const Headers& headers, const PartMark& mark,
                                                 std::uint64_t size) {
  const auto range = parse_content_range(only_field(headers, "Content-Range").value_or(""));
  if (!range || !range->size || range->first != size) return std::nullopt;
  if (const auto length = headers.get("Content-Length"))
    if (parse_decimal(*length) != range->last - range->first + 1) return std::nullopt;
  if (size == 0) return range;
  const bool is_same = !mark.validator.empty() && strong_validator(headers) == mark.validator &&
                       (!mark.total || *mark.total == *range->size);
  return is_same ? range : std::nullopt;
}

/// True if a `416` says that a part of this size is complete, and that the server still has the
/// same representation.
inline bool says_whole(const Headers& headers, const PartMark& mark, std::uint64_t size) {
  if (only_field(headers, "Content-Range") != "bytes */" + std::to_string(size)) return false;
  if (mark.total && *mark.total != size) return false;
  // Servers omit the validator here. With a known total, the part has all bytes of one
  // representation, which at worst is not the newest one.
  const bool names_one = headers.contains("ETag") || headers.contains("Last-Modified");
  return names_one ? strong_validator(headers) == mark.validator : mark.total.has_value();
}

}  // namespace ferry::detail
