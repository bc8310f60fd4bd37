#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

// Dates in fields.
namespace ferry::inline FERRY_CONFIGURATION::detail {

using SystemSeconds = std::chrono::sys_seconds;

/// The number at the beginning of a text: at least `least` and at most `most` digits, and no more.
constexpr std::optional<int> leading_number(std::string_view text, std::size_t least,
                                            std::size_t most) noexcept {
  std::size_t digits = 0;
  int value = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    if (digits == most) return std::nullopt;
    value = value * 10 + (text[digits++] - '0');
  }
  return digits < least ? std::nullopt : std::optional(value);
}

/// A date, parsed as in RFC 6265bis 5.1.1: this accepts the three forms of RFC 9110 5.6.7 and
/// common mistakes of servers. Time zones are ignored.
inline std::optional<SystemSeconds> parse_date(std::string_view text) {
  using namespace std::chrono;
  const auto is_delimiter = [](char c) {
    return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  };
  std::optional<int> hour, minute, second, date, month_number, year_number;
  while (!text.empty()) {
    std::size_t size = 0;
    while (size < text.size() && !is_delimiter(text[size])) ++size;
    const auto token = text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
    if (token.empty()) continue;
    const auto colon = token.find(':');
    const auto second_colon = colon == token.npos ? colon : token.find(':', colon + 1);
    if (!hour && second_colon != token.npos) {
      const auto h = leading_number(token.substr(0, colon), 1, 2);
      const auto m = leading_number(token.substr(colon + 1, second_colon - colon - 1), 1, 2);
      const auto s = leading_number(token.substr(second_colon + 1), 1, 2);
      const auto front = token.substr(0, second_colon);  // Only the seconds may have a tail.
      if (h && m && s && front.find_first_not_of("0123456789:") == front.npos) {
        hour = h, minute = m, second = s;
        continue;
      }
    }
    if (!date) {
      date = leading_number(token, 1, 2);
      if (date) continue;
    }
    if (!month_number && token.size() >= 3) {
      constexpr std::string_view names = "janfebmaraprmayjunjulaugsepoctnovdec";
      for (std::size_t i = 0; i < 12 && !month_number; ++i)
        if (iequals(token.substr(0, 3), names.substr(i * 3, 3)))
          month_number = static_cast<int>(i) + 1;
      if (month_number) continue;
    }
    if (!year_number) year_number = leading_number(token, 2, 4);
  }
  if (!hour || !date || !month_number || !year_number) return std::nullopt;
  int y = *year_number;
  if (y >= 70 && y <= 99) y += 1900;
  if (y >= 0 && y <= 69) y += 2000;
  const year_month_day day(year(y), month(static_cast<unsigned>(*month_number)),
                           std::chrono::day(static_cast<unsigned>(*date)));
  if (y < 1601 || !day.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return sys_days(day) + hours(*hour) + minutes(*minute) + seconds(*second);
}

}  // namespace ferry::detail
