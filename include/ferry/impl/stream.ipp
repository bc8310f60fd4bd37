#pragma once

#include <ferry/detail/base/configuration.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

FERRY_DEFINITION asio::awaitable<bool> cannot_wait() { co_return false; }

}  // namespace detail

}  // namespace ferry
