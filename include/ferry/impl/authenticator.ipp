#pragma once

#include <optional>
#include <string>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION asio::awaitable<std::string> authorize_at_once(Authenticator& authenticator,
                                                                AuthContext context) {
  auto value = authenticator.authorize_now(context);
  co_return value ? std::move(*value) : std::string();
}

}  // namespace detail

}  // namespace ferry
