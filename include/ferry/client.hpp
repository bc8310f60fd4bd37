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
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/middleware.hpp>
#include <ferry/options.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/response_stream.hpp>
#include <ferry/result.hpp>
#include <ferry/upgraded.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {
struct Download;
struct OwnedExecutor;
}  // namespace detail

/// An HTTP/1.1 client: a shared handle; copies share connections and options.
///
/// Every verb returns an `asio::awaitable`, which runs in its
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
  explicit Client(asio::any_io_executor executor, ClientOptions options = ClientOptions());

  /// Makes a client with its own pool, on this context's executor.
  /// @throws Error as the other constructor.
  template <std::derived_from<asio::execution_context> Context>
  explicit Client(Context& context, ClientOptions options = ClientOptions())
      : Client(context.get_executor(), std::move(options)) {}

  /// Makes a client on a pool that other clients may use as well.
  /// @throws Error as the other constructors, and `Errc::invalid_option` if the options set
  ///   anything that belongs to the pool: a member of `ConnectOptions`, or one of the limits of
  ///   `PoolOptions`.
  explicit Client(ConnectionPool pool, ClientOptions options = ClientOptions());

  /// Makes another handle to the same client.
  Client(const Client&) noexcept = default;
  /// Becomes another handle to the same client.
  Client& operator=(const Client&) noexcept = default;
  /// Copies: a handle is never empty.
  Client(Client&& other) noexcept { *this = std::as_const(other); }
  /// Copies: a handle is never empty.
  Client& operator=(Client&& other) noexcept { return *this = std::as_const(other); }

  /// Sends a GET. Here and below, `url` may be relative to `ClientOptions::base_url`.
  asio::awaitable<Response> get(std::string url, const RequestOptions& options = {}) const;
  /// Sends a HEAD.
  asio::awaitable<Response> head(std::string url, const RequestOptions& options = {}) const;
  /// Sends an OPTIONS.
  asio::awaitable<Response> options(std::string url, const RequestOptions& options = {}) const;
  /// Sends a POST.
  asio::awaitable<Response> post(std::string url, Body body = Body(),
                                 const RequestOptions& options = {}) const;
  /// Sends a PUT.
  asio::awaitable<Response> put(std::string url, Body body = Body(),
                                const RequestOptions& options = {}) const;
  /// Sends a PATCH.
  asio::awaitable<Response> patch(std::string url, Body body = Body(),
                                  const RequestOptions& options = {}) const;
  /// Sends a DELETE.
  asio::awaitable<Response> delete_(std::string url, const RequestOptions& options = {}) const;

  /// Sends any request.
  asio::awaitable<Response> send(Request request, const RequestOptions& options = {}) const;

  /// Sends a GET for the URL of an earlier response:
  /// `page = co_await client.refresh(std::move(page))`.
  ///
  /// The new response reuses the memory of the old one, so a program that asks for the same URL
  /// again and again allocates nothing. Only the URL is kept, with its user and password; fields
  /// and other credentials are the client's. If a redirect had led to the URL from another origin,
  /// the request is sent as after a redirect: without the client's `Authorization`, `Cookie` and
  /// `Host`, and authenticators are asked accordingly. This also holds for a refresh of the new
  /// response. A response made by other code counts as one that no redirect led to.
  asio::awaitable<Response> refresh(Response page, const RequestOptions& options = {}) const;

  /// Sends any request; a failure is in the result. The awaitable throws only for a lack of memory,
  /// and any exception other than `Error` from your own code: an authenticator, a middleware.
  asio::awaitable<Result<Response>> try_send(Request request,
                                             const RequestOptions& options = {}) const;

  /// Sends any request, and returns when the response's head is complete. The body is read from the
  /// stream, as fast as the caller asks for it.
  ///
  /// `Timeouts::total` holds until the body's end; `Timeouts::read` holds while a read waits. The
  /// body's size has no limit unless this call sets one.
  /// @throws Error as the verbs, and for a `Content-Encoding` of too many codings.
  asio::awaitable<ResponseStream> stream(Request request, const RequestOptions& options = {}) const;
  /// Sends a GET and streams its response.
  asio::awaitable<ResponseStream> stream(std::string url, const RequestOptions& options = {}) const;

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
  asio::awaitable<Upgraded> upgrade(Request request, const RequestOptions& options = {}) const;

  /// Ends this client's requests, in flight and later ones, with `Errc::client_closed`. If the pool
  /// is the client's own, its idle connections are closed too. Calling `close` again does nothing.
  void close() const noexcept;

  /// The client's pool.
  const ConnectionPool& pool() const& noexcept;
  /// Overload for a temporary: returns by value.
  ConnectionPool pool() && { return std::as_const(*this).pool(); }

 private:
  friend struct detail::access;

  struct Handle;

  /// Makes a client that keeps its executor's context alive.
  Client(detail::OwnedExecutor executor, ClientOptions options);
  void make(ConnectionPool pool, ClientOptions options, bool shares_pool);

  std::shared_ptr<Handle> handle_;
};
static_assert(detail::co_await_safe<Client>);

/// Sends one request over a new connection, which is closed afterwards: no `Client` is needed.
///
/// The address of a host is kept for later calls, for `TcpOptions::dns_ttl`.
/// @throws Error as `Client`'s verbs. Cancellation, Threads: as `Client`'s verbs.
asio::awaitable<Response> send(Request request, const RequestOptions& options = {});
/// Sends one request with a client's options: headers, limits, observer and so on.
/// @throws Error as above, and `Errc::invalid_option`.
asio::awaitable<Response> send(Request request, const RequestOptions& options,
                               ClientOptions client_options);

/// Sends a GET like `ferry::send`. Here and below, a `ClientOptions` may follow.
asio::awaitable<Response> get(std::string url, const RequestOptions& options = {});
/// Sends a GET with a client's options.
asio::awaitable<Response> get(std::string url, const RequestOptions& options,
                              ClientOptions client_options);
/// Sends a HEAD like `ferry::send`.
asio::awaitable<Response> head(std::string url, const RequestOptions& options = {});
/// Sends a HEAD with a client's options.
asio::awaitable<Response> head(std::string url, const RequestOptions& options,
                               ClientOptions client_options);
/// Sends an OPTIONS like `ferry::send`.
asio::awaitable<Response> options(std::string url, const RequestOptions& options = {});
/// Sends an OPTIONS with a client's options.
asio::awaitable<Response> options(std::string url, const RequestOptions& options,
                                  ClientOptions client_options);
/// Sends a POST like `ferry::send`.
asio::awaitable<Response> post(std::string url, Body body = Body(),
                               const RequestOptions& options = {});
/// Sends a POST with a client's options.
asio::awaitable<Response> post(std::string url, Body body, const RequestOptions& options,
                               ClientOptions client_options);
/// Sends a PUT like `ferry::send`.
asio::awaitable<Response> put(std::string url, Body body = Body(),
                              const RequestOptions& options = {});
/// Sends a PUT with a client's options.
asio::awaitable<Response> put(std::string url, Body body, const RequestOptions& options,
                              ClientOptions client_options);
/// Sends a PATCH like `ferry::send`.
asio::awaitable<Response> patch(std::string url, Body body = Body(),
                                const RequestOptions& options = {});
/// Sends a PATCH with a client's options.
asio::awaitable<Response> patch(std::string url, Body body, const RequestOptions& options,
                                ClientOptions client_options);
/// Sends a DELETE like `ferry::send`.
asio::awaitable<Response> delete_(std::string url, const RequestOptions& options = {});
/// Sends a DELETE with a client's options.
asio::awaitable<Response> delete_(std::string url, const RequestOptions& options,
                                  ClientOptions client_options);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/client.ipp>
#endif
