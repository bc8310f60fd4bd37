#pragma once

/// @file
/// `Client`: sends requests over connections that it keeps; and `ferry::get` and its like, which do
/// not.

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

/// An HTTP/1.1 client: a shared handle, copies of which share connections and options.
///
/// What not every program needs is a template that nobody has to name, so that who does not use it
/// does not wait for it to be compiled. Every verb returns an `asio::awaitable`. It runs in its
/// caller's coroutine, on its caller's executor, and takes all it needs by value: the client and
/// the arguments may go before it ends.
///
/// @throws Each verb's awaitable throws `Error`: for what was given (`Condition::invalid_request`),
/// before
///   anything is sent; for a connection that could not be made or was lost
///   (`Condition::connection_failed`); for a time limit (`Condition::timeout`); for a response that
///   is no HTTP (`Condition::protocol_error`) or too large (`Condition::too_large`);
///   `Errc::cancelled`; `Errc::client_closed`. A status of 400 or more is a response, not an error.
/// Cancellation: terminal, through any of Asio's ways; the request ends with `Errc::cancelled`, its
///   connection is closed, its place in the queue given up. Asio's default filter passes `terminal`
///   only.
/// Threads: safe to use by any number at once. Cancelling a request, or using
///   `awaitable_operators`, on an executor of several threads needs a strand, which is Asio's own
///   rule.
/// Lifetime: when the last handle dies, requests in flight finish and their connections close. The
///   executor's context must outlive all handles and requests, and be running while there are any.
class Client {
 public:
  /// A client with a pool of its own, on this executor.
  /// @throws Error `Errc::invalid_option` or `Errc::invalid_url` for options that make no sense.
  template <std::convertible_to<asio::any_io_executor> Executor>
  explicit Client(Executor executor, ClientOptions options = ClientOptions()) {
    ConnectionPool pool(std::move(executor), pool_options(options));
    make(std::move(pool), std::move(options), false);
  }

  /// A client with a pool of its own, on this context's executor.
  /// @throws Error as the other constructor.
  template <std::derived_from<asio::execution_context> Context>
  explicit Client(Context& context, ClientOptions options = ClientOptions())
      : Client(context.get_executor(), std::move(options)) {}

  /// A client on a pool that others may use as well.
  /// @throws Error as the other constructors, and `Errc::invalid_option` if the options set what
  ///   belongs to the pool: what is in `ConnectOptions`, or one of the limits of `PoolOptions`.
  explicit Client(ConnectionPool pool, ClientOptions options = ClientOptions()) {
    make(std::move(pool), std::move(options), true);
  }

  /// Another handle to the same client.
  Client(const Client&) noexcept = default;
  /// Becomes another handle to the same client.
  Client& operator=(const Client&) noexcept = default;
  /// As copying does: no handle is ever empty.
  Client(Client&& other) noexcept { *this = std::as_const(other); }
  /// As copying does.
  Client& operator=(Client&& other) noexcept { return *this = std::as_const(other); }

  /// Requests with these methods; `url` may be relative to `ClientOptions::base_url`.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> get(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::get(), std::move(url));
  }
  /// A HEAD.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> head(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::head(), std::move(url));
  }
  /// An OPTIONS.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> options(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::options(), std::move(url));
  }
  /// A POST.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> post(std::string url, Body body = Body(),
                               const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::post(), std::move(url), std::move(body));
  }
  /// A PUT.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> put(std::string url, Body body = Body(),
                              const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::put(), std::move(url), std::move(body));
  }
  /// A PATCH.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> patch(std::string url, Body body = Body(),
                                const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::patch(), std::move(url), std::move(body));
  }
  /// A DELETE.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> delete_(std::string url, const RequestOptions& options = {}) const {
    return ask<Answer>(options, Method::delete_(), std::move(url));
  }

  /// Sends any request.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> send(Request request, const RequestOptions& options = {}) const {
    return ask<Answer>(options, std::move(request));
  }

  /// A GET for the URL of a response once more: `page = co_await client.refresh(std::move(page))`.
  ///
  /// The new response takes over the memory of the old one, so that what asks for the same thing
  /// again and again allocates nothing. Only the URL is the same, with the user and the password
  /// that it had: fields and other credentials are the client's. If a redirect had led to it from
  /// another origin, what stayed behind there stays behind here, too: neither `Authorization` nor
  /// `Cookie` nor `Host` of the client's is sent, and authenticators are asked as after a redirect.
  /// So it is for a refresh of the new response. A response that was put together by other code
  /// counts as one whose URL was asked for.
  template <std::same_as<Response> Answer = Response>
  asio::awaitable<Answer> refresh(Answer page, const RequestOptions& options = {}) const {
    if (has_middleware()) {
      const detail::ResponseState& state = state_of(std::as_const(page));
      return ask<Answer>(options, get_again(state.url.str(), state.userinfo, state.left_origin));
    }
    return detail::send_again(handle_->core, options, std::move(page));
  }

  /// Sends any request; failures come back in the result. Throws nothing but what a lack of memory
  /// throws, and what code of yours does that is no `Error`: an authenticator, a middleware.
  template <std::same_as<Result<Response>> Answer = Result<Response>>
  asio::awaitable<Answer> try_send(Request request, const RequestOptions& options = {}) const {
    if (has_middleware()) return detail::try_chain<Response>(chain(options), std::move(request));
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }

  /// Sends any request, and returns when the response's head is in: its body is read from the
  /// stream, as fast as it is asked for.
  ///
  /// `Timeouts::total` holds until the body's end; `Timeouts::read` while a read waits. There is no
  /// limit on the body's size unless this call sets one.
  /// @throws Error as the verbs, and for a `Content-Encoding` of too many codings.
  template <std::same_as<ResponseStream> Answer = ResponseStream>
  asio::awaitable<Answer> stream(Request request, const RequestOptions& options = {}) const {
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }
  /// Streams a GET.
  template <std::same_as<ResponseStream> Answer = ResponseStream>
  asio::awaitable<Answer> stream(std::string url, const RequestOptions& options = {}) const {
    return stream<Answer>(Request::get(std::move(url)), options);
  }

  /// Writes the body of a response to a file, which appears under its name when it is whole.
  ///
  /// Until then it is `path.part`, which nobody else's download can write meanwhile. A later
  /// download goes on from there, if the server says that what it has is still the same; in any
  /// other case it begins again. `path.part.validator` says what the part is of. Both are used only
  /// if they are regular files of this user's own: a link of that name is not followed, but
  /// removed. Two writers are kept apart only where the file system has locks (flock(2)). Needs
  /// `ferry/download.hpp`. Writing blocks the thread, as files do.
  /// @param options a `DownloadOptions`.
  /// @return a `Downloaded`: how large the file is, and how much of it was there before.
  /// @throws Error as the verbs; `Errc::http_status` for a status other than 2xx;
  ///   `Errc::file_failed`, also while another download writes the file: it names the process, if
  ///   the system knows it; also if the part has another size at the end than was written;
  ///   `Errc::invalid_header` for a request with a `Range`, which is the download's own;
  ///   `Errc::malformed_response` for a part that nothing whole can be made of. The bytes that have
  ///   come are kept for the next time. Cancellation: terminal, likewise.
  template <class Download = detail::Download>
  auto download(Request request, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return Download::run(*this, std::move(request), std::move(path), std::move(options));
  }
  /// As above, of a GET.
  template <class Download = detail::Download>
  auto download(std::string url, std::string path,
                typename Download::Options options = typename Download::Options()) const {
    return Download::run(*this, Request::get(std::move(url)), std::move(path), std::move(options));
  }

  /// Asks the server to go on in another protocol (RFC 9110 7.8), which the request's field
  /// `Upgrade` names: `websocket`, say. `Connection: Upgrade` is added.
  ///
  /// @return the connection and what has come over it already, if the server has switched; else its
  ///   answer, over a connection that is kept as after any other.
  /// @throws Error as the verbs, and `Errc::invalid_header` for a request without `Upgrade`.
  template <std::same_as<Upgraded> Answer = Upgraded>
  asio::awaitable<Answer> upgrade(Request request, const RequestOptions& options = {}) const {
    if (!request.headers().has_token("Connection", "Upgrade"))
      request.add_header("Connection", "Upgrade");
    return detail::send<Answer>(handle_->core, options, nullptr, std::move(request));
  }

  /// Ends this client's requests, in flight and later ones, with `Errc::client_closed`; closes the
  /// pool's idle connections too if the pool is its own. Calling it again does nothing.
  void close() const noexcept {
    handle_->core->closed = true;
    if (handle_->shares_pool)
      handle_->pool.shared_core()->deadlines().close(handle_->core.get());
    else
      handle_->pool.close();
  }

  /// The pool that it uses.
  const ConnectionPool& pool() const& noexcept { return handle_->pool; }
  /// The same, of a temporary: by value.
  ConnectionPool pool() && { return handle_->pool; }

 private:
  friend detail::ClientCore& core_of(Client& client) noexcept { return *client.handle_->core; }

  struct Handle {
    ConnectionPool pool;
    std::shared_ptr<detail::ClientCore> core;
    bool shares_pool;
  };

  /// Sends the request that is made of these.
  template <class Answer, class... What>
  asio::awaitable<Answer> ask(const RequestOptions& options, What&&... what) const {
    if (has_middleware()) return chain(options)(Request(std::forward<What>(what)...));
    return detail::send<Answer>(handle_->core, options, nullptr, std::forward<What>(what)...);
  }
  bool has_middleware() const noexcept { return !handle_->core->options.middleware.empty(); }
  Next chain(const RequestOptions& options) const { return Next(handle_->core, options); }

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
    auto core = std::make_shared<detail::ClientCore>(pool.shared_core());
    if (!options.base_url.empty()) {
      auto base = Url::parse(options.base_url, core->pool->host_to_ascii());
      if (!base) throw base.error();
      core->base = std::move(*base);
    }
    core->accept_encoding = detail::accept_encoding(options.codings);
    core->usual_fields =
        detail::usual_fields(options.headers, options.user_agent, core->accept_encoding);
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
  core_of(client).one_off = true;
  return client;
}

/// That of a context: what calls share that ask for no client of their own. It keeps no connection,
/// but need not be made for each of them.
template <class Client>
class OneOffs final : public asio::execution_context::service {
 public:
  using key_type = OneOffs;
  static inline asio::execution_context::id id;

  explicit OneOffs(asio::execution_context& context)
      : service(context),
        client_(one_off_client<Client>(static_cast<asio::io_context&>(context).get_executor(),
                                       options())) {}

  static Client of(const asio::any_io_executor& executor) {
    const auto own = io_context_executor(executor);
    if (!own) return one_off_client<Client>(executor, options());
    asio::execution_context& context = own->context();
    return *asio::use_service<OneOffs>(context).client_;
  }

 private:
  static ClientOptions options() {
    ClientOptions options;
    options.limits.max_connections = no_limit;  // They do not know of each other.
    return options;
  }
  void shutdown() noexcept override { client_.reset(); }

  std::optional<Client> client_;
};

}  // namespace detail

/// Sends one request over a new connection, which is closed after it: what a `Client` saves you.
///
/// What was looked up for one is known to those that follow, `TcpOptions::dns_ttl` long.
/// @throws Error as `Client`'s verbs. Cancellation, Threads: as `Client`'s verbs.
template <std::same_as<Response> Answer = Response>
asio::awaitable<Answer> send(Request request, RequestOptions options = {}) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = detail::OneOffs<Client>::of(executor);
  co_return co_await client.send(std::move(request), options);
}

/// The same with a client's options: headers, limits, observer and so on.
/// @throws Error as above, and `Errc::invalid_option`.
template <std::same_as<Response> Answer = Response>
asio::awaitable<Answer> send(Request request, RequestOptions options,
                             ClientOptions client_options) {
  const auto executor = co_await asio::this_coro::executor;
  const Client client = detail::one_off_client<Client>(executor, std::move(client_options));
  co_return co_await client.send(std::move(request), options);
}

/// As `ferry::send`, with these methods. A `ClientOptions` may follow.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> get(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::get(std::move(url)), options, std::move(own)...);
}
/// A HEAD.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> head(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::head(std::move(url)), options, std::move(own)...);
}
/// An OPTIONS.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> options(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::options(std::move(url)), options, std::move(own)...);
}
/// A POST.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> post(std::string url, Body body = Body(),
                               const RequestOptions& options = {}, Own... own) {
  return send(Request::post(std::move(url), std::move(body)), options, std::move(own)...);
}
/// A PUT.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> put(std::string url, Body body = Body(),
                              const RequestOptions& options = {}, Own... own) {
  return send(Request::put(std::move(url), std::move(body)), options, std::move(own)...);
}
/// A PATCH.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> patch(std::string url, Body body = Body(),
                                const RequestOptions& options = {}, Own... own) {
  return send(Request::patch(std::move(url), std::move(body)), options, std::move(own)...);
}
/// A DELETE.
template <std::same_as<ClientOptions>... Own>
asio::awaitable<Response> delete_(std::string url, const RequestOptions& options = {}, Own... own) {
  return send(Request::delete_(std::move(url)), options, std::move(own)...);
}

}  // namespace ferry
