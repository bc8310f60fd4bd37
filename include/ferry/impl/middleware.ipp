#pragma once

#include <optional>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/sender.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/middleware.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION asio::awaitable<Response> Next::operator()(Request request) const {
  const auto& all = client_->options.middleware;
  if (at_ == all.size())
    return detail::send<Response>(client_, options_, nullptr, std::move(request));
  return all[at_]->handle(std::move(request),
                          detail::access::make<Next>(client_, options_, at_ + 1));
}

namespace detail {

/// Sends a request through the middleware; a failure is in the result.
inline asio::awaitable<Result<Response>> try_chain(Next next, Request request) {
  std::optional<Error> failure;
  try {
    Response response = co_await next(std::move(request));
    co_return Result<Response>(std::move(response));
  } catch (const Error& error) {
    failure = error;
  } catch (const std::system_error& e) {
    failure = cancellation_of(e);
  }
  co_return Result<Response>(std::move(*failure));
}

}  // namespace detail

}  // namespace ferry
