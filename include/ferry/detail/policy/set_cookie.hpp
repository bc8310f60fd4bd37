#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/cookie.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/http_date.hpp>
#include <ferry/detail/policy/cookie_matching.hpp>

// A parser for Set-Cookie, and the rules that need nothing but the field.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A parsed `Set-Cookie`, before its attributes are checked. (RFC 6265bis 5.6)
struct SetCookie {
  Cookie cookie;
  std::string domain;                       ///< The value of `Domain`; empty: none.
  std::string path;                         ///< The value of `Path`; empty: none.
  std::optional<Cookie::Time> max_age_end;  ///< The end by `Max-Age`, which overrides `Expires`.
};

/// The longest time for which a cookie is kept.
inline constexpr std::chrono::seconds longest_cookie_age = std::chrono::hours(400 * 24);

/// The end that this value of `Max-Age` sets; nothing if the value is not a number.
inline std::optional<Cookie::Time> end_of_max_age(std::string_view value, Cookie::Time now) {
  const bool negative = value.starts_with('-');
  const auto digits = value.substr(negative ? 1 : 0);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  const auto most = static_cast<std::uint64_t>(longest_cookie_age.count());
  const auto seconds = std::min(parse_decimal(digits).value_or(most), most);
  return negative ? Cookie::Time() : now + std::chrono::seconds(seconds);
}

/// Reads one attribute of a `Set-Cookie`; an unknown one is ignored.
inline void read_cookie_attribute(SetCookie& set, std::string_view name, std::string_view value,
                                  Cookie::Time now) {
  if (iequals(name, "Expires")) {
    if (const auto date = parse_date(value))
      set.cookie.expires = std::min(*date, now + longest_cookie_age);
  } else if (iequals(name, "Max-Age")) {
    if (const auto end = end_of_max_age(value, now)) set.max_age_end = end;
  } else if (iequals(name, "Domain")) {
    set.domain = lowered(value.starts_with('.') ? value.substr(1) : value);
  } else if (iequals(name, "Path")) {
    set.path = value.starts_with('/') ? value : std::string_view();
  } else if (iequals(name, "Secure")) {
    set.cookie.secure = true;
  } else if (iequals(name, "HttpOnly")) {
    set.cookie.http_only = true;
  } else if (iequals(name, "SameSite")) {
    set.cookie.same_site = value;
  }
}

/// Parses a `Set-Cookie`. @return nothing for a field that sets no cookie.
inline std::optional<SetCookie> parse_set_cookie(std::string_view text, Cookie::Time now) {
  constexpr std::size_t max_pair = 4096;
  constexpr std::size_t max_attribute = 1024;
  for (const char c : text)
    if (is_control(c) && c != '\t') return std::nullopt;
  SetCookie set;
  const auto pair = text.substr(0, text.find(';'));
  text.remove_prefix(pair.size());
  const auto equals = pair.find('=');
  if (equals != pair.npos) set.cookie.name = trim_ows(pair.substr(0, equals));
  set.cookie.value = trim_ows(equals == pair.npos ? pair : pair.substr(equals + 1));
  const auto size = set.cookie.name.size() + set.cookie.value.size();
  if (size == 0 || size > max_pair) return std::nullopt;

  while (!text.empty()) {
    text.remove_prefix(1);  // The semicolon before the attribute.
    const auto attribute = text.substr(0, text.find(';'));
    text.remove_prefix(attribute.size());
    const auto mark = std::min(attribute.find('='), attribute.size());
    const auto value = trim_ows(attribute.substr(std::min(mark + 1, attribute.size())));
    if (value.size() > max_attribute) continue;
    read_cookie_attribute(set, trim_ows(attribute.substr(0, mark)), value, now);
  }
  if (set.max_age_end) set.cookie.expires = set.max_age_end;
  return set;
}

/// True if the text begins with the prefix, in any case.
inline bool has_prefix(std::string_view text, std::string_view prefix) {
  return iequals(text.substr(0, prefix.size()), prefix);
}

/// True if the cookie is what the prefix of its name promises, if there is one (RFC 6265bis 4.1.3).
/// A cookie without a name must not look as if it had such a name.
inline bool keeps_prefix_promise(const SetCookie& set) {
  const Cookie& cookie = set.cookie;
  const auto& prefixed = cookie.name.empty() ? cookie.value : cookie.name;
  const bool is_secure_prefix = has_prefix(prefixed, "__Secure-");
  const bool is_host_prefix = has_prefix(prefixed, "__Host-");
  if ((is_secure_prefix || is_host_prefix) && (cookie.name.empty() || !cookie.secure)) return false;
  return !is_host_prefix || (set.domain.empty() && set.path == "/");
}

}  // namespace ferry::detail
