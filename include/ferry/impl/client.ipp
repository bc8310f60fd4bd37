#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/client.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/sender.hpp>
#include <ferry/detail/http/field_checks.hpp>
#include <ferry/detail/net/context_owner.hpp>
#include <ferry/detail/policy/option_checks.hpp>
#include <ferry/impl/connection_pool.ipp>
#include <ferry/impl/middleware.ipp>

namespace ferry::inline FERRY_CONFIGURATION {

struct Client::Handle {
  ConnectionPool pool;
  std::shared_ptr<detail::ClientCore> core;
  bool shares_pool;
};

namespace detail {

/// The options of the pool that a client makes for itself.
inline PoolOptions pool_options(const ClientOptions& options) {
  PoolOptions result;
  result.limits = options.limits;
  result.timeouts = options.timeouts;
  result.observer = options.observer;
  static_cast<ConnectOptions&>(result) = options;
  return result;
}

/// Sends the request made of these arguments, through the client's middleware.
template <class... What>
asio::awaitable<Response> send_through(const std::shared_ptr<ClientCore>& core,
                                       const RequestOptions& options, What&&... what) {
  if (!core->options.middleware.empty())
    return access::make<Next>(core, options)(Request(std::forward<What>(what)...));
  return detail::send<Response>(core, options, nullptr, std::forward<What>(what)...);
}

}  // namespace detail

FERRY_DEFINITION Client::Client(asio::any_io_executor executor, ClientOptions options)
    : Client(detail::OwnedExecutor{std::move(executor), nullptr}, std::move(options)) {}

FERRY_DEFINITION Client::Client(detail::OwnedExecutor executor, ClientOptions options) {
  auto pool = detail::access::make<ConnectionPool>(
      std::move(executor.executor), std::move(executor.owner), detail::pool_options(options));
  make(std::move(pool), std::move(options), false);
}

FERRY_DEFINITION Client::Client(ConnectionPool pool, ClientOptions options) {
  make(std::move(pool), std::move(options), true);
}

FERRY_DEFINITION void Client::make(ConnectionPool pool, ClientOptions options, bool shares_pool) {
  if (auto error = detail::check(options.timeouts)) throw *error;
  if (options.retries.max < 0) throw Error(Errc::invalid_option, "retries.max is negative");
  if (options.redirects.max < 0) throw Error(Errc::invalid_option, "redirects.max is negative");
  if (auto error = detail::check_framing_fields(options.headers, 0)) throw *error;
  if (auto error = detail::check_field("User-Agent", options.user_agent)) throw *error;
  for (const auto& middleware : options.middleware)
    if (!middleware) throw Error(Errc::invalid_option, "options.middleware has a null pointer");
  const ConnectOptions& connect = options;
  if (shares_pool &&
      (connect != ConnectOptions() || !detail::same_pool_limits(options.limits, Limits()))) {
    throw Error(Errc::invalid_option,
                "how connections are opened, and the limits on them, belong to the pool: set them "
                "in its PoolOptions");
  }
  auto core = std::make_shared<detail::ClientCore>(detail::access::core(pool));
  if (!options.base_url.empty()) {
    auto base = Url::parse(options.base_url, core->pool->host_to_ascii());
    if (!base) throw base.error();
    core->base = std::move(*base);
  }
  core->accept_encoding = detail::accept_encoding(options.codings);
  core->default_head_fields =
      detail::default_head_fields(options.headers, options.user_agent, core->accept_encoding);
  core->retry_budget.fill(options.retries.budget);
  core->options = std::move(options);
  handle_ = std::make_shared<Handle>(Handle{std::move(pool), std::move(core), shares_pool});
}

FERRY_DEFINITION asio::awaitable<Response> Client::get(std::string url,
                                                       const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::get(), std::move(url));
}
FERRY_DEFINITION asio::awaitable<Response> Client::head(std::string url,
                                                        const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::head(), std::move(url));
}
FERRY_DEFINITION asio::awaitable<Response> Client::options(std::string url,
                                                           const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::options(), std::move(url));
}
FERRY_DEFINITION asio::awaitable<Response> Client::post(std::string url, Body body,
                                                        const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::post(), std::move(url),
                              std::move(body));
}
FERRY_DEFINITION asio::awaitable<Response> Client::put(std::string url, Body body,
                                                       const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::put(), std::move(url),
                              std::move(body));
}
FERRY_DEFINITION asio::awaitable<Response> Client::patch(std::string url, Body body,
                                                         const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::patch(), std::move(url),
                              std::move(body));
}
FERRY_DEFINITION asio::awaitable<Response> Client::delete_(std::string url,
                                                           const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, Method::delete_(), std::move(url));
}
FERRY_DEFINITION asio::awaitable<Response> Client::send(Request request,
                                                        const RequestOptions& options) const {
  return detail::send_through(handle_->core, options, std::move(request));
}

FERRY_DEFINITION asio::awaitable<Response> Client::refresh(Response page,
                                                           const RequestOptions& options) const {
  if (handle_->core->options.middleware.empty())
    return detail::send_again(handle_->core, options, std::move(page));
  const detail::ResponseState& state = detail::access::state(std::as_const(page));
  return detail::send_through(
      handle_->core, options,
      detail::get_again(state.url.str(), state.userinfo, state.left_origin));
}

FERRY_DEFINITION asio::awaitable<Result<Response>> Client::try_send(
    Request request, const RequestOptions& options) const {
  const auto& core = handle_->core;
  if (!core->options.middleware.empty())
    return detail::try_chain(detail::access::make<Next>(core, options), std::move(request));
  return detail::send<Result<Response>>(core, options, nullptr, std::move(request));
}

FERRY_DEFINITION asio::awaitable<ResponseStream> Client::stream(
    Request request, const RequestOptions& options) const {
  return detail::send<ResponseStream>(handle_->core, options, nullptr, std::move(request));
}
FERRY_DEFINITION asio::awaitable<ResponseStream> Client::stream(
    std::string url, const RequestOptions& options) const {
  return stream(Request::get(std::move(url)), options);
}

FERRY_DEFINITION asio::awaitable<Upgraded> Client::upgrade(Request request,
                                                           const RequestOptions& options) const {
  if (!request.headers().has_token("Connection", "Upgrade"))
    request.add_header("Connection", "Upgrade");
  return detail::send<Upgraded>(handle_->core, options, nullptr, std::move(request));
}

FERRY_DEFINITION void Client::close() const noexcept {
  handle_->core->closed = true;
  if (handle_->shares_pool)
    detail::access::core(handle_->pool)->deadlines().close(handle_->core.get());
  else
    handle_->pool.close();
}

FERRY_DEFINITION const ConnectionPool& Client::pool() const& noexcept { return handle_->pool; }

namespace detail {

/// A client whose connections carry one request each.
inline Client one_off_client(const asio::any_io_executor& executor, ClientOptions options) {
  options.limits.max_idle = 0;
  Client client(executor, std::move(options));
  access::core(client)->one_off = true;
  return client;
}

/// The client of an `io_context`, which calls share that have no client of their own. It keeps no
/// connections, but is made only once for each context.
class OneShotClientService final : public asio::execution_context::service {
 public:
  using key_type = OneShotClientService;
  static inline asio::execution_context::id id;

  explicit OneShotClientService(asio::execution_context& context)
      : service(context),
        client_(one_off_client(static_cast<asio::io_context&>(context).get_executor(), options())) {
  }

  static Client of(const asio::any_io_executor& executor) {
    const auto own = io_context_executor(executor);
    if (!own) return one_off_client(executor, options());
    asio::execution_context& context = own->context();
    return *asio::use_service<OneShotClientService>(context).client_;
  }

 private:
  static ClientOptions options() {
    ClientOptions options;
    options.limits.max_connections = no_limit;  // These calls do not know of each other, so none
                                                // may make another wait.
    return options;
  }
  void shutdown() noexcept override { client_.reset(); }

  std::optional<Client> client_;
};

inline asio::awaitable<Response> send_once(Request request, RequestOptions options) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = OneShotClientService::of(executor);
  co_return co_await client.send(std::move(request), options);
}
inline asio::awaitable<Response> send_once(Request request, RequestOptions options,
                                           ClientOptions client_options) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = one_off_client(executor, std::move(client_options));
  co_return co_await client.send(std::move(request), options);
}

}  // namespace detail

FERRY_DEFINITION asio::awaitable<Response> send(Request request, const RequestOptions& options) {
  return detail::send_once(std::move(request), options);
}
FERRY_DEFINITION asio::awaitable<Response> send(Request request, const RequestOptions& options,
                                                ClientOptions client_options) {
  return detail::send_once(std::move(request), options, std::move(client_options));
}

FERRY_DEFINITION asio::awaitable<Response> get(std::string url, const RequestOptions& options) {
  return send(Request::get(std::move(url)), options);
}
FERRY_DEFINITION asio::awaitable<Response> get(std::string url, const RequestOptions& options,
                                               ClientOptions client_options) {
  return send(Request::get(std::move(url)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> head(std::string url, const RequestOptions& options) {
  return send(Request::head(std::move(url)), options);
}
FERRY_DEFINITION asio::awaitable<Response> head(std::string url, const RequestOptions& options,
                                                ClientOptions client_options) {
  return send(Request::head(std::move(url)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> options(std::string url, const RequestOptions& options) {
  return send(Request::options(std::move(url)), options);
}
FERRY_DEFINITION asio::awaitable<Response> options(std::string url, const RequestOptions& options,
                                                   ClientOptions client_options) {
  return send(Request::options(std::move(url)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> post(std::string url, Body body,
                                                const RequestOptions& options) {
  return send(Request::post(std::move(url), std::move(body)), options);
}
FERRY_DEFINITION asio::awaitable<Response> post(std::string url, Body body,
                                                const RequestOptions& options,
                                                ClientOptions client_options) {
  return send(Request::post(std::move(url), std::move(body)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> put(std::string url, Body body,
                                               const RequestOptions& options) {
  return send(Request::put(std::move(url), std::move(body)), options);
}
FERRY_DEFINITION asio::awaitable<Response> put(std::string url, Body body,
                                               const RequestOptions& options,
                                               ClientOptions client_options) {
  return send(Request::put(std::move(url), std::move(body)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> patch(std::string url, Body body,
                                                 const RequestOptions& options) {
  return send(Request::patch(std::move(url), std::move(body)), options);
}
FERRY_DEFINITION asio::awaitable<Response> patch(std::string url, Body body,
                                                 const RequestOptions& options,
                                                 ClientOptions client_options) {
  return send(Request::patch(std::move(url), std::move(body)), options, std::move(client_options));
}
FERRY_DEFINITION asio::awaitable<Response> delete_(std::string url, const RequestOptions& options) {
  return send(Request::delete_(std::move(url)), options);
}
FERRY_DEFINITION asio::awaitable<Response> delete_(std::string url, const RequestOptions& options,
                                                   ClientOptions client_options) {
  return send(Request::delete_(std::move(url)), options, std::move(client_options));
}

}  // namespace ferry
