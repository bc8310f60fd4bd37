#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/headers.hpp>
#include <ferry/request.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION Request::Request(const Request& other) = default;

FERRY_DEFINITION Request::Request(Request&& other) noexcept = default;

FERRY_DEFINITION Request& Request::operator=(const Request& other) = default;

FERRY_DEFINITION Request& Request::operator=(Request&& other) noexcept = default;

FERRY_DEFINITION Request::~Request() = default;

FERRY_DEFINITION Request& Request::header(std::string_view name, std::string_view value) & {
  if (check(name, value)) headers_.set(name, value);
  return *this;
}

FERRY_DEFINITION Request Request::header(std::string_view name, std::string_view value) && {
  return std::move(header(name, value));
}

FERRY_DEFINITION Request& Request::add_header(std::string_view name, std::string_view value) & {
  if (check(name, value)) headers_.add(name, value);
  return *this;
}

FERRY_DEFINITION Request Request::add_header(std::string_view name, std::string_view value) && {
  return std::move(add_header(name, value));
}

FERRY_DEFINITION Request& Request::query(std::string_view name, std::string_view value) & {
  query_.emplace_back(name, value);
  return *this;
}

FERRY_DEFINITION Request Request::query(std::string_view name, std::string_view value) && {
  return std::move(query(name, value));
}

FERRY_DEFINITION Request& Request::body(Body content) & {
  body_ = std::move(content);
  return *this;
}

FERRY_DEFINITION Request Request::body(Body content) && {
  return std::move(body(std::move(content)));
}

FERRY_DEFINITION Request& Request::auth(std::shared_ptr<Authenticator> credentials) & {
  auth_ = std::move(credentials);
  return *this;
}

FERRY_DEFINITION Request Request::auth(std::shared_ptr<Authenticator> credentials) && {
  return std::move(auth(std::move(credentials)));
}

FERRY_DEFINITION Result<Url> Request::target(const Url& base) const& {
  Result<Url> url;
  if (auto error = Request(*this).take_target(base, {}, nullptr, *url)) return *error;
  return url;
}

FERRY_DEFINITION std::optional<Error> Request::take_target(const Url& base, const Pairs& defaults,
                                                           detail::HostToAscii to_ascii, Url& url) {
  if (error_) return error_;
  if (base.empty()) {
    if (auto error = detail::access::assign(url, std::move(url_), to_ascii)) return error;
  } else {
    auto resolved = base.resolve(url_, to_ascii);
    if (!resolved) return resolved.error();
    url = std::move(*resolved);
  }
  if (!userinfo_.empty()) detail::access::userinfo(url) = std::move(userinfo_);
  try {
    if (!is_whole_)
      for (const auto& [name, value] : defaults) url.add_query(name, value);
    for (const auto& [name, value] : query_) url.add_query(name, value);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

FERRY_DEFINITION bool Request::check(std::string_view name, std::string_view value) {
  if (error_) return false;
  error_ = detail::check_field(name, value);
  return !error_;
}

namespace detail {

FERRY_DEFINITION Request get_again(std::string url, std::string_view userinfo, bool left_origin) {
  Request request;
  access::set_whole_url(request, std::move(url));
  if (!userinfo.empty()) access::userinfo(request) = userinfo;
  access::left_origin(request) = left_origin;
  return request;
}

}  // namespace detail

}  // namespace ferry
