#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/url_parser.hpp>
#include <ferry/detail/base/url_text.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION Result<Url> Url::parse(std::string text, detail::HostToAscii to_ascii) {
  Result<Url> url;
  if (auto error = url->assign(std::move(text), to_ascii)) return *error;
  return url;
}

FERRY_DEFINITION Result<Url> Url::resolve(std::string_view reference,
                                          detail::HostToAscii to_ascii) const {
  if (auto problem = detail::url_text_problem(reference); !problem.empty())
    return refuse(std::move(problem));
  const auto kept = kept_by(reference);
  std::string text;
  text.reserve(kept + reference.size());
  auto url = parse(std::move(text.append(text_, 0, kept).append(reference)), to_ascii);
  if (url && kept > marks_.scheme + 1) url->userinfo_ = userinfo_;
  return url;
}

FERRY_DEFINITION void Url::add_query(std::string_view name, std::string_view value) {
  std::string pair;
  if (!has_query())
    pair = "?";
  else if (!query().empty())
    pair = "&";
  detail::append_component(pair, name);
  pair += '=';
  detail::append_component(pair, value);
  if (pair.size() > max_size - text_.size()) throw refuse("it is longer than 1 MiB with its query");
  text_.insert(marks_.fragment, pair);
  marks_.fragment += static_cast<std::uint32_t>(pair.size());
}

FERRY_DEFINITION std::string Url::unix_path() const {
  return scheme() == detail::unix_scheme ? detail::unescaped(host()) : std::string();
}

FERRY_DEFINITION std::optional<Error> Url::assign(std::string&& text,
                                                  detail::HostToAscii to_ascii) {
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

FERRY_DEFINITION Error Url::refuse(std::string why) {
  return Error(Errc::invalid_url, std::move(why));
}

FERRY_DEFINITION std::size_t Url::kept_by(std::string_view reference) const noexcept {
  const auto mark = reference.find_first_of(":/?#");
  if (empty() || (mark != reference.npos && reference[mark] == ':')) return 0;
  if (reference.starts_with("//")) return marks_.scheme + 1;
  if (reference.starts_with('/')) return marks_.path;
  if (reference.starts_with('?')) return marks_.query;
  if (reference.empty() || reference.starts_with('#')) return marks_.fragment;
  return marks_.path + path().rfind('/') + 1;
}

}  // namespace ferry
