#pragma once

#include <string>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/separate.hpp>

namespace ferry {

FERRY_DEFINITION asio::awaitable<std::string> Authenticator::authorize(AuthContext context) {
  auto value = authorize_now(context);
  co_return value ? std::move(*value) : std::string();
}

}  // namespace ferry
