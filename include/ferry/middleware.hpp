#pragma once

/// @file
/// `Middleware`: your own code around `Client::send`, for signing, caching, tracing.

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/options.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {
struct ClientCore;
}

/// The rest of the chain after a middleware: the next middleware, or the network.
///
/// Lifetime: owns all it needs. Threads: a value.
class Next {
 public:
  /// Sends a request on. It may be called more than once, or not at all. A pool that is draining
  /// counts each call as a new one.
  /// @throws Error as `Client`'s verbs. Cancellation: as theirs.
  asio::awaitable<Response> operator()(Request request) const;

  /// The options of this call.
  const RequestOptions& options() const& noexcept { return options_; }
  /// Overload for a temporary: returns by value.
  RequestOptions options() && { return options_; }

 private:
  friend struct detail::access;

  Next(std::shared_ptr<const detail::ClientCore> client, const RequestOptions& options,
       std::size_t at = 0)
      : client_(std::move(client)), options_(options), at_(at) {}

  std::shared_ptr<const detail::ClientCore> client_;
  RequestOptions options_;
  std::size_t at_;
};
static_assert(detail::co_await_safe<Next>);

/// Code around every `send` of a client, and around the verbs that use `send`: it may change the
/// request, send it on, inspect the response, or answer by itself. Streams and upgrades do not pass
/// through it.
///
/// A middleware sees calls, not attempts: redirects and retries happen inside `next`. The call's
/// time limits apply to each `next(request)`, but not to the middleware's own waits, so it can
/// still answer when a limit has passed, from a cache for example. Threads: called at once by all
/// threads that use the client. `ferry::middleware` makes a middleware from a function.
class Middleware {
 public:
  virtual ~Middleware() = default;

  /// Answers a request, usually with the result of `next(request)`.
  /// @throws any exception; the caller gets it. `try_send` returns an `Error` in its result.
  virtual asio::awaitable<Response> handle(Request request, Next next) const = 0;
};

namespace detail {

template <class Function>
class FunctionMiddleware final : public Middleware {
 public:
  explicit FunctionMiddleware(Function function) : function_(std::move(function)) {}
  asio::awaitable<Response> handle(Request request, Next next) const override {
    return function_(std::move(request), std::move(next));
  }

 private:
  Function function_;
};

}  // namespace detail

/// Makes a middleware from a function `asio::awaitable<Response>(Request, Next)`, usually a
/// coroutine. The captures of a lambda live as long as the client; its parameters live as long as
/// the call.
template <class Function>
std::shared_ptr<const Middleware> middleware(Function function) {
  return std::make_shared<detail::FunctionMiddleware<Function>>(std::move(function));
}

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/middleware.ipp>
#endif
