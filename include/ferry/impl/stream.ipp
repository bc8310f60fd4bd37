#pragma once

#include <ferry/detail/base/separate.hpp>
#include <ferry/stream.hpp>

namespace ferry {

namespace detail {

FERRY_DEFINITION asio::awaitable<bool> cannot_wait() { co_return false; }

}  // namespace detail

}  // namespace ferry
