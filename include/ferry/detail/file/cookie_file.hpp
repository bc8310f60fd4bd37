#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/cookie.hpp>
#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/cookie_matching.hpp>
#include <ferry/error.hpp>

// Cookie files in the format of Netscape's browser and curl.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Reads `domain, subdomains, path, secure, expires, name, value`, with tabs between them.
/// @return the reason why the line is not a cookie; empty if it is one.
inline std::string_view parse_cookie_line(std::string_view line, Cookie& cookie) {
  if (std::any_of(line.begin(), line.end(),
                  [](char c) { return c == ';' || (is_control(c) && c != '\t'); }))
    return "it has a control character or a semicolon";
  std::vector<std::string_view> fields;
  for (;;) {
    const auto tab = std::min(line.find('\t'), line.size());
    fields.push_back(line.substr(0, tab));
    if (tab == line.size()) break;
    line.remove_prefix(tab + 1);
  }
  while (fields.size() > 7 && trim_ows(fields.back()).empty()) fields.pop_back();
  if (fields.size() == 6) fields.push_back({});  // Editors cut an empty value off.
  if (fields.size() != 7) return "it has no seven fields with tabs between them";
  for (std::size_t i = 0; i < 5; ++i) fields[i] = trim_ows(fields[i]);
  const auto is_true = [](std::string_view flag) { return iequals(flag, "TRUE"); };
  const auto is_flag = [&is_true](std::string_view flag) {
    return is_true(flag) || iequals(flag, "FALSE");
  };
  cookie.domain = lowered(fields[0].starts_with('.') ? fields[0].substr(1) : fields[0]);
  cookie.host_only = !is_true(fields[1]);
  cookie.path = fields[2];
  cookie.secure = is_true(fields[3]);
  cookie.name = fields[5];
  cookie.value = fields[6];
  if (cookie.domain.empty()) return "it has no domain";
  if (!is_flag(fields[1]) || !is_flag(fields[3])) return "a flag is neither TRUE nor FALSE";
  if (!cookie.path.starts_with('/')) return "its path does not begin with a slash";
  if (cookie.name.empty() && cookie.value.empty()) return "it has neither name nor value";
  if (fields[4].empty()) return {};               // Python's end of a session.
  constexpr std::uint64_t latest = 253402300799;  // The end of the year 9999.
  const auto expires = parse_decimal(fields[4]);
  if (!expires) return "its end is no number of seconds";
  if (*expires > 0) cookie.expires = Cookie::Time(std::chrono::seconds(std::min(*expires, latest)));
  return {};
}

/// The cookies of a file, and the lines that are not cookies.
/// @throws Error `Errc::invalid_option` for a file that cannot be read.
inline std::vector<Cookie> read_cookie_file(const std::string& path,
                                            std::vector<SkippedCookieLine>& skipped) {
  const auto unreadable = [&path](int code) {
    return Error(Errc::invalid_option, "the cookie file " + in_quotes(path) + " cannot be read",
                 std::error_code(code, std::generic_category()));
  };
  if (path.find('\0') != path.npos) throw unreadable(EINVAL);  // Else another file is opened.
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw unreadable(errno);
  std::vector<Cookie> cookies;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    std::string_view text = line;
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    constexpr std::string_view http_only = "#HttpOnly_";
    if (number == 1 && text.starts_with(byte_order_mark))
      text.remove_prefix(byte_order_mark.size());
    if (text.ends_with('\r')) text.remove_suffix(1);
    while (text.starts_with(' ')) text.remove_prefix(1);
    const bool is_http_only = text.starts_with(http_only);
    if (is_http_only) text.remove_prefix(http_only.size());
    const auto content = trim_ows(text);
    if (content.empty() || content[0] == '#') continue;
    Cookie cookie;
    cookie.http_only = is_http_only;
    if (const auto reason = parse_cookie_line(text, cookie); !reason.empty())
      skipped.push_back({number, reason});
    else
      cookies.push_back(std::move(cookie));
  }
  if (file.bad()) throw unreadable(errno);
  return cookies;
}

/// A cookie as a line of a file, without the end of the line.
inline std::string cookie_line(const Cookie& cookie) {
  std::string line = cookie.http_only ? "#HttpOnly_" : "";
  line.append(cookie.host_only ? "" : ".").append(cookie.domain);
  line.append(cookie.host_only ? "\tFALSE\t" : "\tTRUE\t").append(cookie.path);
  line += cookie.secure ? "\tTRUE\t" : "\tFALSE\t";
  line += std::to_string(
      cookie.expires ? std::max<std::int64_t>(cookie.expires->time_since_epoch().count(), 1) : 0);
  line.append("\t").append(cookie.name).append("\t").append(cookie.value);
  return line;
}

}  // namespace ferry::detail
