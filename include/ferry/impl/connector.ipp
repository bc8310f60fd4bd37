#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION DialContext DialContext::to_proxy(std::string host, std::uint16_t port,
                                                   bool secure) const {
  const auto target = std::make_shared<detail::DialTarget>(*target_);
  target->host = std::move(host);
  target->port = port;
  target->secure = secure;
  target->is_proxy = true;
  return DialContext(limits_, target);
}

namespace detail {

FERRY_DEFINITION void require_stream(Result<std::unique_ptr<Stream>>& made, Errc code,
                                     const char* maker) {
  if (made && !*made) made = Error(code, std::string(maker) + " gave no stream, and no error");
}

}  // namespace detail

}  // namespace ferry
