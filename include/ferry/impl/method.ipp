#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/method.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// The methods outside RFC 9110 that IANA's registry of HTTP methods lists as idempotent, sorted by
/// their bytes.
inline constexpr std::string_view registered_idempotent[] = {
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
};
static_assert(std::is_sorted(std::begin(registered_idempotent), std::end(registered_idempotent)));

}  // namespace detail

FERRY_DEFINITION Method::Method(std::string token) {
  const auto known = std::find(tokens.begin(), tokens.end(), token);
  known_ = static_cast<Known>(known - tokens.begin());
  if (known_ == Known::no) own_ = std::move(token);
}

FERRY_DEFINITION bool Method::is_valid() const noexcept {
  return known_ != Known::no || (detail::is_token(own_) && own_ != "CONNECT");
}

FERRY_DEFINITION bool Method::is_idempotent() const noexcept {
  if (known_ != Known::no) return known_ <= Known::put;
  return std::binary_search(std::begin(detail::registered_idempotent),
                            std::end(detail::registered_idempotent), std::string_view(own_));
}

}  // namespace ferry
