#pragma once

/// @file
/// `Client`: sends requests over connections that it keeps. `ferry::get` and the other free
/// functions send one request over a new connection.

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <ferry/connection_pool.hpp>
#include <ferry/detail/call/sender.hpp>
#include <ferry/detail/policy/option_checks.hpp>
#include <ferry/middleware.hpp>

namespace ferry {

namespace detail {
struct Download;
}

/// An HTTP/1.1 client: a shared handle; copies share connections and options.
///
/// The coroutine members are templates, so each program compiles only those it calls; their
/// template arguments have defaults. Every verb returns an `asio::awaitable`, which runs in its
/// caller's coroutine, on its caller's executor. The awaitable takes all it needs by value: the
/// client and the arguments may be destroyed before it ends.
///
/// @throws Error from the awaitable of each verb: for invalid arguments
///   (`Condition::invalid_request`), before anything is sent; for a connection that could not be
///   made or failed (`Condition::connection_failed`); for a time limit (`Condition::timeout`); for
///   a response that is not HTTP (`Condition::protocol_error`) or too large
///   (`Condition::too_large`); `Errc::cancelled`; `Errc::client_closed`. A status of 400 or more is
///   a response, not an error.
/// Cancellation: terminal, through any of Asio's ways. The request ends with `Errc::cancelled`, its
/// connection is closed, and its place in the queue is given up. Asio's default filter passes
/// `terminal` only.
/// Threads: safe to use from any number of threads at once. Cancelling a request, or using
/// `awaitable_operators`, on an executor of several threads needs a strand; Asio itself requires
/// that.
/// Lifetime: when the last handle is destroyed, requests in flight finish and their connections
/// close. The executor's context must outlive all handles and requests, and must run while there
/// are any.
class Client {
 public:
  /// Makes a client with its own pool, on this executor.
  /// @throws Error `Errc::invalid_option` or `Errc::invalid_url` for options that make no sense.
  template <std::convertible_to<asio::any_io_executor> Executor>
  explicit Client(Executor executor, ClientOptions options = ClientOptions()) {
    ConnectionPool pool(std::move(executor), pool_options(options));
    make(std::move(pool), std::move(options), false);
  }

  /// Makes a client with its own pool, on this context's executor.
  /// @throws Error as the other constructor.
  template <std::derived_from<asio::execution_context> Context>
  explicit Client(Context& context, ClientOptions options = ClientOptions())
      : Client(context.get_executor(), std::move(options)) {}

  /// Makes a client on a pool that other clients may use as well.
  /// @throws Error as the other constructors, and `Errc::invalid_option` if the options set
  ///   anything that belongs to the pool: a member of `ConnectOptions`, or one of the limits of
  ///   `PoolOptions`.
  explicit Client(ConnectionPool pool, ClientOptions options = ClientOptions()) {
    make(std::move(pool), std::move(options), true);
  }

  /// Makes another handle to the same client.
  Client(const Client&) noexcept = default;
  /// Becomes another handle to the same client.
  Client& operator=(const Client&) noexcept = default;
  /// Copies: a handle is never empty.
  Client(Client&& other) noexcept { *this = std::as_const(other); }
  /// Copies: a handle is never empty.
  Client& operator=(Client&& other) noexcept { return *this = std::as_const(other); }

  /// Sends a GET. Here and below, `url` may be relative to `ClientOptions::base_url`.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> get(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::get(), std::move(url));
  }
  /// Sends a HEAD.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> head(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::head(), std::move(url));
  }
  /// Sends an OPTIONS.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> options(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::options(), std::move(url));
  }
  /// Sends a POST.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> post(std::string url, Body body = Body(),
                               const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::post(), std::move(url), std::move(body));
  }
  /// Sends a PUT.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> put(std::string url, Body body = Body(),
                              const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::put(), std::move(url), std::move(body));
  }
  /// Sends a PATCH.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> patch(std::string url, Body body = Body(),
                                const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::patch(), std::move(url), std::move(body));
  }
  /// Sends a DELETE.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> delete_(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::delete_(), std::move(url));
  }

  /// Sends any request.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> send(Request request, const RequestOptions& options = {}) const {
    return ask<Answer>(options, std::move(request));
  }

  /// Sends a GET for the URL of an earlier response:
  /// `page = co_await client.refresh(std::move(page))`.
  ///
  /// The new response reuses the memory of the old one, so a program that asks for the same URL
  /// again and again allocates nothing. Only the URL is kept, with its user and password; fields
  /// and other credentials are the client's. If a redirect had led to the URL from another origin,
  /// the request is sent as after a redirect: without the client's `Authorization`, `Cookie` and
  /// `Host`, and authenticators are asked accordingly. This also holds for a refresh of the new
  /// response. A response made by other code counts as one that no redirect led to.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> refresh(Answer page, const RequestOptions& options = {}) const {
    if (has_middleware()) {
      const detail::ResponseState& state = detail::access::state(std::as_const(page));
      return ask<Answer>(options,
                         detail::get_again(state.url.str(), state.userinfo, state.left_origin));
    }
    return detail::send_again(handle_->core, options, std::move(page));
  }

  /// Sends any request; a failure is in the result. The awaitable throws only for a lack of memory,
  /// and any exception other than `Error` from your own code: an authenticator, a middleware.
  template <std::same_as<Result<Response>> Answer = Result<Response>>
  asio::awaitable<Answer> try_send(Request request, const RequestOptions& options = {}) const {
    if (has_middleware()) return detail::try_chain<Response>(chain(options), std::move(request));
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }

  /// Sends any request, and returns when the response's head is complete. The body is read from the
  /// stream, as fast as the caller asks for it.
  ///
  /// `Timeouts::total` holds until the body's end; `Timeouts::read` holds while a read waits. The
  /// body's size has no limit unless this call sets one.
  /// @throws Error as the verbs, and for a `Content-Encoding` of too many codings.
  template <std::same_as<ResponseStream> Answer = ResponseStream>
  asio::awaitable<Answer> stream(Request request, const RequestOptions& options = {}) const {
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }
  /// Sends a GET and streams its response.
  template <std::same_as<ResponseStream> Answer = ResponseStream>
  asio::awaitable<Answer> stream(std::string url, const RequestOptions& options = {}) const {
    return stream<Answer>(Request::get(std::move(url)), options);
  }

  /// Writes the body of a response to a file, which gets its name when it is complete.
  ///
  /// Until then the file is `path.part`, which no other download can write meanwhile. A later
  /// download continues it if the server says that the resource is still the same; otherwise it
  /// starts again. `path.part.validator` records which version the part belongs to. Both files are
  /// used only if they are regular files of this user; a link of that name is not followed, but
  /// removed. Two writers are kept apart only if the file system has locks (flock(2)). Needs
  /// `ferry/download.hpp`. Writing blocks the thread, as file I/O does.
  /// @param options a `DownloadOptions`.
  /// @return a `Downloaded`: the file's size, and how much of it was there before.
  /// @throws Error as the verbs; `Errc::http_status` for a status other than 2xx;
  ///   `Errc::file_failed`, also while another download writes the file (the message names its
  ///   process, if the system knows it), and if the part's size at the end is not the number of
  ///   bytes written; `Errc::invalid_header` for a request with a `Range`, which the download sets
  ///   itself; `Errc::malformed_response` for parts that cannot be put together. The bytes that
  ///   have come are kept for the next download. Cancellation: terminal; the bytes that have come
  ///   are kept too.
  template <class Download = detail::Download>
  auto download(Request request, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return Download::run(*this, std::move(request), std::move(path), std::move(options));
  }
  /// Downloads by a GET, as above.
  template <class Download = detail::Download>
  auto download(std::string url, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return Download::run(*this, Request::get(std::move(url)), std::move(path), std::move(options));
  }

  /// Asks the server to switch to another protocol (RFC 9110 7.8), named by the request's field
  /// `Upgrade`: `websocket`, for example. `Connection: Upgrade` is added.
  ///
  /// @return if the server has switched: the connection, and the bytes of the new protocol that
  ///   have already come; otherwise the server's answer, whose connection is kept as after any
  ///   other.
  /// @throws Error as the verbs, and `Errc::invalid_header` for a request without `Upgrade`.
  template <std::same_as<Upgraded> Answer = Upgraded>
  asio::awaitable<Answer> upgrade(Request request, const RequestOptions& options = {}) const {
    if (!request.headers().has_token("Connection", "Upgrade"))
      request.add_header("Connection", "Upgrade");
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }

  /// Ends this client's requests, in flight and later ones, with `Errc::client_closed`. If the pool
  /// is the client's own, its idle connections are closed too. Calling `close` again does nothing.
  void close() const noexcept {
    handle_->core->closed = true;
    if (handle_->shares_pool)
      detail::access::core(handle_->pool)->deadlines().close(handle_->core.get());
    else
      handle_->pool.close();
  }

  /// The client's pool.
  const ConnectionPool& pool() const& noexcept { return handle_->pool; }
  /// Overload for a temporary: returns by value.
  ConnectionPool pool() && { return handle_->pool; }

 private:
  friend struct detail::access;

  struct Handle {
    ConnectionPool pool;
    std::shared_ptr<detail::ClientCore> core;
    bool shares_pool;
  };

  /// Sends the request made of these arguments.
  template <class Answer, class... What>
  asio::awaitable<Answer> ask(const RequestOptions& options, What&&... what) const {
    if (has_middleware()) return chain(options)(Request(std::forward<What>(what)...));
    return detail::send<Answer>(handle_->core, options, nullptr, std::forward<What>(what)...);
  }
  bool has_middleware() const noexcept { return !handle_->core->options.middleware.empty(); }
  Next chain(const RequestOptions& options) const {
    return detail::access::make<Next>(handle_->core, options);
  }

  void make(ConnectionPool pool, ClientOptions options, bool shares_pool) {
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
      throw Error(
          Errc::invalid_option,
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

  static PoolOptions pool_options(const ClientOptions& options) {
    PoolOptions result;
    result.limits = options.limits;
    result.timeouts = options.timeouts;
    result.observer = options.observer;
    static_cast<ConnectOptions&>(result) = options;
    return result;
  }

  std::shared_ptr<Handle> handle_;
};
static_assert(detail::co_await_safe<Client>);

namespace detail {

/// A client whose connections carry one request each.
template <class Client>
Client one_off_client(const asio::any_io_executor& executor, ClientOptions options) {
  options.limits.max_idle = 0;
  Client client(executor, std::move(options));
  access::core(client)->one_off = true;
  return client;
}

/// The client of an `io_context`, which calls share that have no client of their own. It keeps no
/// connections, but is made only once for each context.
template <class Client>
class OneShotClientService final : public asio::execution_context::service {
 public:
  using key_type = OneShotClientService;
  static inline asio::execution_context::id id;

  explicit OneShotClientService(asio::execution_context& context)
      : service(context),
        client_(one_off_client<Client>(static_cast<asio::io_context&>(context).get_executor(),
                                       options())) {}

  static Client of(const asio::any_io_executor& executor) {
    const auto own = io_context_executor(executor);
    if (!own) return one_off_client<Client>(executor, options());
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

}  // namespace detail

/// Sends one request over a new connection, which is closed afterwards: no `Client` is needed.
///
/// The address of a host is kept for later calls, for `TcpOptions::dns_ttl`.
/// @throws Error as `Client`'s verbs. Cancellation, Threads: as `Client`'s verbs.
template <std::same_as<Response> Answer = Response>
asio::awaitable<Answer> send(Request request, RequestOptions options = {}) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = detail::OneShotClientService<Client>::of(executor);
  co_return co_await client.send(std::move(request), options);
}

/// Sends one request with a client's options: headers, limits, observer and so on.
/// @throws Error as above, and `Errc::invalid_option`.
template <std::same_as<Response> Answer = Response>
asio::awaitable<Answer> send(Request request, RequestOptions options,
                             ClientOptions client_options) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = detail::one_off_client<Client>(executor, std::move(client_options));
  co_return co_await client.send(std::move(request), options);
}

/// Sends a GET like `ferry::send`. Here and below, a `ClientOptions` may follow.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> get(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::get(std::move(url)), options, std::move(own)...);
}
/// Sends a HEAD like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> head(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::head(std::move(url)), options, std::move(own)...);
}
/// Sends an OPTIONS like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> options(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::options(std::move(url)), options, std::move(own)...);
}
/// Sends a POST like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> post(std::string url, Body body = Body(),
                               const RequestOptions& options = {}, Own... own) {
  return send(Request::post(std::move(url), std::move(body)), options, std::move(own)...);
}
/// Sends a PUT like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> put(std::string url, Body body = Body(),
                              const RequestOptions& options = {}, Own... own) {
  return send(Request::put(std::move(url), std::move(body)), options, std::move(own)...);
}
/// Sends a PATCH like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> patch(std::string url, Body body = Body(),
                                const RequestOptions& options = {}, Own... own) {
  return send(Request::patch(std::move(url), std::move(body)), options, std::move(own)...);
}
/// Sends a DELETE like `ferry::send`.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> delete_(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::delete_(std::move(url)), options, std::move(own)...);
}

}  // namespace ferry
