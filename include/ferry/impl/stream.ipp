#pragma once

#include <chrono>

#include <ferry/detail/base/separate.hpp>
#include <ferry/stream.hpp>

namespace ferry {

FERRY_DEFINITION asio::awaitable<bool> Stream::wait_readable(
    std::chrono::steady_clock::time_point until) {
  (void)until;
  co_return false;
}

}  // namespace ferry
