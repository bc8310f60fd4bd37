#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/host.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/url_marks.hpp>
#include <ferry/detail/base/url_text.hpp>

// A parser for absolute URLs with an authority (RFC 3986), which `Url` keeps the results of.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The parts of a raw URL, as views into it.
struct UrlParts {
  std::string_view scheme, userinfo, host, port_text, path;
  std::string_view rest;      // Query and fragment, each with its mark.
  std::string normal_port;    // The port with its colon; empty if it is the default.
  std::string ascii_host;     // The mapped host, which `host` then views; empty if not mapped.
  std::uint16_t port = 0;     // The port; 0 if not known.
  bool has_userinfo = false;  // True even for an empty userinfo.
};

/// Finds the parts of an `http` or `https` URL that is in normal form, as most are, by looking at
/// each byte once. Returns false for a URL that needs full parsing.
inline bool parse_normal_url(std::string_view text, UrlMarks& marks) noexcept {
  if (text.size() < 8 || text.size() > max_url_size) return false;
  const bool secure = std::memcmp(text.data(), "https://", 8) == 0;
  if (!secure && std::memcmp(text.data(), "http://", 7) != 0) return false;
  const std::uint16_t standard = secure ? 443 : 80;
  marks.scheme = secure ? 5 : 4;
  std::size_t i = marks.scheme + 3;
  std::size_t label = i;  // The beginning of the host's last label.
  for (; i < text.size(); ++i) {
    if (plain_host_bytes[static_cast<unsigned char>(text[i])]) continue;
    if (text[i] != '.') break;
    if (label == i) return false;
    label = i + 1;
  }
  const auto host = text.substr(marks.scheme + 3, i - marks.scheme - 3);
  if (label == i || host.size() > 255) return false;
  if (!is_alpha(text[label]) && !is_ipv4(host)) return false;
  marks.host = static_cast<std::uint32_t>(i);
  marks.port = standard;
  if (i < text.size() && text[i] == ':') {
    const auto first = ++i;
    std::uint32_t port = 0;
    for (; i < text.size() && i < first + 5 && is_digit(text[i]); ++i)
      port = port * 10 + static_cast<std::uint32_t>(text[i] - '0');
    if (i == first || text[first] == '0' || port > 65535 || port == standard) return false;
    marks.port = static_cast<std::uint16_t>(port);
  }
  if (i == text.size() || text[i] != '/') return false;
  marks.path = static_cast<std::uint32_t>(i);
  marks.fragment = marks.query = static_cast<std::uint32_t>(text.size());
  for (++i; i < text.size(); ++i) {
    const char c = text[i];
    if (!plain_url_bytes[static_cast<unsigned char>(c)]) return false;
    if (c > '?') continue;  // Letters, and few bytes with a special meaning.
    if (c == '.' && text[i - 1] == '/') return false;
    if (c == '?' && marks.query == text.size()) marks.query = static_cast<std::uint32_t>(i);
    if (c != '#' || marks.fragment != text.size()) continue;
    marks.fragment = static_cast<std::uint32_t>(i);
    marks.query = std::min(marks.query, marks.fragment);
  }
  return true;
}

/// Finds a byte that no part of a URL may have, not even of a relative one. Returns the problem,
/// or nothing.
inline std::string url_text_problem(std::string_view text) {
  if (text.size() > max_url_size) return "it is longer than 1 MiB";
  if (text.starts_with(' ') || text.ends_with(' ')) return "it begins or ends with a space";
  const auto control = std::find_if(text.begin(), text.end(), is_control);
  if (control == text.end()) return {};
  const auto at = static_cast<std::size_t>(control - text.begin());
  std::string problem = "it has a control character";
  if (text.find_first_of("?#") > at) problem += ", " + in_quotes({&*control, 1}) + ",";
  return problem + " at byte " + std::to_string(at);
}

/// Finds userinfo, host and port. Returns the problem, or nothing.
inline std::string split_authority(std::string_view authority, UrlParts& parts) {
  // Browsers end the authority at a backslash, RFC 3986 does not: the host of `http://a\@b` would
  // be a or b.
  if (authority.find('\\') != authority.npos) return "it has a backslash before its path";
  if (const auto at = authority.find('@'); at != authority.npos) {
    if (at != authority.rfind('@'))
      return "it has more than one \"@\" before its path; write %40 for one";
    parts.has_userinfo = true;
    parts.userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }

  const auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
  parts.host = authority.substr(0, authority.find(':', bracket));
  parts.port_text = authority.substr(parts.host.size());
  return {};
}

/// Reads the port's text. Returns false if it is not a port.
inline bool read_port(UrlParts& parts) {
  const auto standard = default_port(parts.scheme);
  parts.port = standard;
  if (parts.port_text.size() > 1) {
    const auto port = parse_decimal(parts.port_text.substr(1));
    if (!port || *port == 0 || *port > 65535) return false;
    parts.port = static_cast<std::uint16_t>(*port);
  }
  if (parts.port != standard) parts.normal_port = ":" + std::to_string(parts.port);
  return true;
}

/// Maps a host that is not ASCII to its ASCII form. Returns the problem with the host, or nothing.
/// The text is checked before the mapping and the host after it; nothing is parsed again.
inline std::string map_url_host(HostToAscii to_ascii, bool secret, UrlParts& parts) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!to_ascii || std::all_of(parts.host.begin(), parts.host.end(), is_ascii))
    return std::string(host_problem(parts.host));
  if (const auto problem = unmapped_host_problem(parts.host); !problem.empty())
    return std::string(problem);
  auto ascii = to_ascii(parts.host);
  if (!ascii)  // The error of `to_ascii` shows the host.
    return std::string("has no ASCII form") +
           (secret ? "" : std::string(": ") + ascii.error().what());
  if (const auto problem = mapped_host_problem(*ascii); !problem.empty())
    return std::string(problem) + ", once it is mapped to ASCII";
  parts.ascii_host = std::move(*ascii);
  parts.host = parts.ascii_host;
  return {};
}

/// Returns the problem with a host that is the path of a Unix socket, or nothing.
inline std::string_view url_socket_problem(const UrlParts& parts) {
  if (parts.has_userinfo || !parts.port_text.empty())
    return "is a Unix socket, which has neither userinfo nor a port";
  for (std::size_t i = 0; i < parts.host.size(); ++i)
    if (parts.host[i] != '%' ? !is_host_char(parts.host[i]) : !is_plain_at(parts.host, i))
      return "is not percent-encoded: %2Frun%2Fapp.sock, say";
  return unix_path_problem(unescaped(parts.host));
}

/// Finds the parts of a URL and checks its authority. Returns the problem, or nothing.
///
/// The message shows no text before an `@`, even where the grammar says that the text is not
/// userinfo: some passwords contain a '/'. A wrong port is never shown for the same reason.
inline std::string split_url(std::string_view text, HostToAscii to_ascii, UrlParts& parts) {
  if (text.empty()) return "it is empty";
  const auto is_secret = [&](std::string_view part) {
    return text.find('@', static_cast<std::size_t>(part.data() - text.data())) != text.npos;
  };
  const auto shown = [&](std::string what, std::string_view part) {
    return part.empty() || is_secret(part) ? what : what + " " + in_quotes(part);
  };
  parts.scheme = text.substr(0, scheme_length(text));
  if (parts.scheme.empty() || text.substr(parts.scheme.size(), 3) != "://")
    return shown("the text", text.substr(0, text.find_first_of("?#"))) +
           " does not begin with a scheme and \"//\"; did you mean \"http://...\"? "
           "(A relative URL needs the client's base_url.)";

  const auto after = text.substr(parts.scheme.size() + 3);
  const auto authority = after.substr(0, after.find_first_of("/?#"));
  const auto tail = after.substr(authority.size());
  parts.path = tail.substr(0, tail.find_first_of("?#"));
  parts.rest = tail.substr(parts.path.size());

  if (auto problem = split_authority(authority, parts); !problem.empty()) return problem;
  const auto written_host = parts.host;
  const bool is_unix = iequals(parts.scheme, unix_scheme);
  const auto problem = is_unix ? std::string(url_socket_problem(parts))
                               : map_url_host(to_ascii, is_secret(written_host), parts);
  if (!problem.empty()) return shown("the host", written_host) + " " + problem;

  if (!read_port(parts))
    return shown("the port after the host", written_host) + " is not a number from 1 to 65535";
  return {};
}

/// True if the URL that has these parts is in normal form.
inline bool is_normal_url(const UrlParts& parts) noexcept {
  const auto is_upper = [](char c) { return c != to_lower(c); };
  return !parts.has_userinfo && parts.ascii_host.empty() && parts.port_text == parts.normal_port &&
         !parts.path.empty() && is_plain(parts.path) && is_plain(parts.rest) &&
         !has_dot_segment(parts.path) &&
         std::none_of(parts.scheme.begin(), parts.scheme.end(), is_upper) &&
         (parts.scheme == unix_scheme ||
          std::none_of(parts.host.begin(), parts.host.end(), is_upper));
}

/// The normal form of the URL that has these parts.
inline std::string normal_url(const UrlParts& parts) {
  std::string out;
  out.reserve(parts.scheme.size() + 3 + parts.host.size() + parts.normal_port.size() + 1 +
              parts.path.size() + parts.rest.size());
  out.append(parts.scheme).append("://").append(parts.host);
  const bool is_unix = iequals(parts.scheme, unix_scheme);
  const auto lower = is_unix ? parts.scheme.size() : out.size();  // The case of a socket's path
                                                                  // matters.
  std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(lower), out.begin(),
                 to_lower);
  out += parts.normal_port;
  append_path(out, parts.path);
  append_plain(out, parts.rest);
  return out;
}

}  // namespace ferry::detail
