#pragma once

#include <optional>
#include <string_view>
#include <system_error>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/lines.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION asio::awaitable<std::optional<std::string_view>> Lines::next() & {
  while (!ended_) {
    const auto line = splitter_.next();
    if (!line) throw line.error();
    if (*line) co_return *line;
    std::optional<std::string_view> piece;
    try {
      piece = co_await stream_.read();
    } catch (const std::system_error& e) {
      detail::throw_cancelled(e, stream_);
    }
    if (piece)
      splitter_.feed(*piece);
    else
      ended_ = true;
    if (ended_) co_return splitter_.last();
  }
  co_return std::nullopt;
}

}  // namespace ferry
