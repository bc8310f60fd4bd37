#pragma once

#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/response.hpp>
#include <ferry/sse.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION ServerEvents::ServerEvents(ResponseStream stream, std::size_t max_size)
    : stream_(std::move(stream)), parser_(max_size) {
  if (stream_.status() != 200) {
    const bool is_over = stream_.status() == 204;  // A status of 204 ends the events (WHATWG HTML
                                                   // 9.2.3).
    throw detail::status_error(stream_.status(), stream_.reason(), stream_.url(),
                               is_over ? ": the server asks not to connect again" : "");
  }
  const auto type = stream_.headers().get("Content-Type").value_or("");
  if (!detail::iequals(detail::trim_ows(type.substr(0, type.find(';'))), "text/event-stream"))
    throw Error(Errc::malformed_response,
                "its Content-Type is not text/event-stream but " + detail::in_quotes(type));
}

FERRY_DEFINITION asio::awaitable<std::optional<ServerEvent>> ServerEvents::next() {
  for (;;) {
    auto event = parser_.next();
    if (!event) throw event.error();
    if (*event) co_return std::move(*event);
    std::optional<std::string_view> piece;
    try {
      piece = co_await stream_.read();
    } catch (const std::system_error& e) {
      detail::throw_cancelled(e, stream_);
    }
    if (!piece) co_return std::nullopt;
    parser_.feed(*piece);
  }
}

}  // namespace ferry
