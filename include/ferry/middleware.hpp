#pragma once

/// @file
/// `Middleware`: code of yours around `Client::send`, for signing, caching, tracing.

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <ferry/detail/call/sender.hpp>

namespace ferry {

/// What comes behind a middleware: the next one, and in the end the network.
///
/// Lifetime: owns what it needs. Threads: a value.
class Next {
 public:
  /// For the library's use.
  Next(std::shared_ptr<const detail::ClientCore> client, const RequestOptions& options,
       std::size_t at = 0)
      : client_(std::move(client)), options_(options), at_(at) {}

  /// Sends a request on. It may be called more than once, or not at all. For a pool that is
  /// draining each time is a new call.
  /// @throws Error as `Client`'s verbs. Cancellation: as theirs.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> operator()(Request request) const;

  /// What the call does differently from its client.
  const RequestOptions& options() const& noexcept { return options_; }
  /// The same, of a temporary: by value.
  RequestOptions options() && { return options_; }

 private:
  std::shared_ptr<const detail::ClientCore> client_;
  RequestOptions options_;
  std::size_t at_;
};
static_assert(detail::co_await_safe<Next>);

/// Code around every `send` of a client, and the verbs that use it: it may change the request, send
/// it on, look at the response, answer by itself. Streams and upgrades pass it by.
///
/// It sees calls, not attempts: redirects and retries happen behind it. The call's time limits hold
/// for what each `next(request)` does, not for what the middleware itself waits for: so that it can
/// still answer when a limit has passed, from a cache, say. Threads: used by all that
/// use the client, at once. `ferry::middleware` makes one of a function.
class Middleware {
 public:
  virtual ~Middleware() = default;

  /// Answers a request, as a rule with what `next(request)` comes to.
  /// @throws anything: it is thrown to the caller; `try_send` returns what is an `Error`.
  virtual asio::awaitable<Response> handle(Request request, Next next) const = 0;
};

template <std::same_as<Response> Answer>
asio::awaitable<Answer> Next::operator()(Request request) const {
  const auto& all = client_->options.middleware;
  if (at_ == all.size())
    return detail::send<Answer>(client_, options_, nullptr, std::move(request));
  return all[at_]->handle(std::move(request), Next(client_, options_, at_ + 1));
}

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

/// What a chain of middleware comes to, with its errors as values.
template <class Response>
asio::awaitable<Result<Response>> try_chain(Next next, Request request) {
  std::optional<Error> failure;
  try {
    Response response = co_await next(std::move(request));
    co_return Result<Response>(std::move(response));
  } catch (const Error& error) {
    failure = error;
  } catch (const std::system_error& e) {
    // Asio throws this at whatever a cancelled middleware awaits next.
    if (e.code() != asio::error::operation_aborted) throw;
    failure.emplace(Errc::cancelled);
  }
  co_return Result<Response>(std::move(*failure));
}

}  // namespace detail

/// A middleware of a function `asio::awaitable<Response>(Request, Next)`, a coroutine as a rule: a
/// lambda's captures live as long as the client, its parameters as long as the call.
template <class Function>
std::shared_ptr<const Middleware> middleware(Function function) {
  return std::make_shared<detail::FunctionMiddleware<Function>>(std::move(function));
}

}  // namespace ferry
