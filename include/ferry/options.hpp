#pragma once

/// @file
/// The options of a client, a pool and one call, with `Timeouts` and `Limits`.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/content_coding.hpp>
#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/event.hpp>
#include <ferry/headers.hpp>
#include <ferry/result.hpp>
#include <ferry/version.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

class Authenticator;
class Connector;
class CookieStore;
class Middleware;
class Resolver;
class TlsContext;

/// The unit of every time limit and timing.
using Duration = std::chrono::nanoseconds;

/// A time limit that never passes.
inline constexpr Duration no_timeout = Duration::max();

/// A limit that is never reached.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// Time limits for each phase of a call. A limit of zero passes at once; a negative one is refused.
struct Timeouts {
  Duration pool = no_timeout;                   ///< Waiting for a place in the pool.
  Duration resolve = std::chrono::seconds(10);  ///< Looking up the host's name.
  Duration connect = std::chrono::seconds(
      10);  ///< Connecting, over all addresses; the same limit applies again to a proxy.
  Duration tls = std::chrono::seconds(10);    ///< The TLS handshake.
  Duration write = std::chrono::seconds(30);  ///< Sending, without a byte being accepted.
  /// Waiting for `100 Continue` before sending a body, if the request has `Expect: 100-continue`;
  /// after this time the body is sent without it.
  Duration expect_continue = std::chrono::seconds(1);
  Duration first_byte =
      std::chrono::seconds(30);  ///< From the request's end to the response's first byte.
  Duration read = std::chrono::seconds(30);  ///< Receiving, without a byte coming.
  Duration total = no_timeout;               ///< The whole call, retries included.

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};
static_assert(detail::co_await_safe<Timeouts>);

/// Limits on connections and responses.
struct Limits {
  std::size_t max_connections = 100;  ///< Connections open or being opened, over all hosts. Not 0.
  std::size_t max_connections_per_host = no_limit;  ///< Connections open or being opened to one
                                                    ///< origin. Not 0.
  std::size_t max_idle = no_limit;  ///< Connections kept for reuse, over all hosts; 0 keeps none.
  /// The longest time that a kept connection stays idle. If the server says how long it keeps the
  /// connection (`Keep-Alive: timeout=N`), N - 1 seconds apply instead, at most 10 minutes. If the
  /// pool's executor belongs to an `io_context` (or is a strand of one) that runs, the connection
  /// is closed at that time; otherwise, when a connection is next taken or given back.
  Duration idle_timeout = std::chrono::seconds(4);
  Duration max_lifetime = no_timeout;  ///< The age after which a connection is not used again.
  /// Bytes of a response's head, including the interim (1xx) heads before it; trailers have the
  /// same limit.
  std::size_t max_head_size = 64 * 1024;
  std::size_t max_fields = 128;  ///< Header fields of a response; the same limit applies to
                                 ///< trailers.
  std::uint64_t max_body_size = 256 * 1024 * 1024;  ///< Bytes of a collected body.

  friend bool operator==(const Limits&, const Limits&) = default;
};
static_assert(detail::co_await_safe<Limits>);

/// The redirects to follow. A redirect whose `Location` is empty or only a fragment leads to the
/// same URL, so it is the response. (RFC 9110 15.4)
struct Redirects {
  bool follow = true;            ///< False makes the 3xx the response.
  int max = 10;                  ///< The most redirects of one call.
  bool allow_downgrade = false;  ///< Allow a redirect from https to http, which is no longer
                                 ///< secured.

  friend bool operator==(const Redirects&, const Redirects&) = default;
};
static_assert(detail::co_await_safe<Redirects>);

/// Retries of failed requests, besides the stale retry: none unless `max` is set. Set its members
/// on a named variable.
///
/// A request is sent again if that is safe (its method is idempotent, it carries `Idempotency-Key`,
/// or nothing of it was sent) and its body can begin again. The reasons are: a connection that
/// could not be made or failed, a time limit of one phase (not the total one), a truncated
/// response, or one of `statuses`. The wait before a retry is a random time below `first_delay`,
/// then below twice that, and so on (exponential backoff, full jitter), or as long as `Retry-After`
/// says.
class Retries {
 public:
  Retries() {}

  int max = 0;  ///< The most retries of one call.
  /// The statuses after which the request is sent again.
  std::vector<int> statuses = {429, 502, 503, 504};
  bool any_method = false;  ///< True to retry POST and the like too, which may then take effect
                            ///< twice.
  Duration first_delay = std::chrono::milliseconds(200);  ///< The first wait is below this.
  Duration max_delay = std::chrono::seconds(20);  ///< The longest wait; a longer `Retry-After` is
                                                  ///< not waited for.
  /// A client's retries may be about a tenth of its requests, plus this number: more retries would
  /// not help a server that is down. (a token bucket)
  int budget = 10;

  friend bool operator==(const Retries&, const Retries&) = default;
};
static_assert(detail::co_await_safe<Retries>);

/// The options of one call; a member that is not set takes the client's value.
/// `co_await client.get(url, {.timeout = 5s})`
struct RequestOptions {
  /// `Timeouts::total`, the time limit of the whole call.
  std::optional<Duration> timeout{};
  /// `Timeouts::pool`.
  std::optional<Duration> pool_timeout{};
  /// `Timeouts::resolve` of a connection that is opened for this call.
  std::optional<Duration> resolve_timeout{};
  /// `Timeouts::connect` of a connection that is opened for this call.
  std::optional<Duration> connect_timeout{};
  /// `Timeouts::tls` of a connection that is opened for this call.
  std::optional<Duration> tls_timeout{};
  /// `Timeouts::write`.
  std::optional<Duration> write_timeout{};
  /// `Timeouts::expect_continue`.
  std::optional<Duration> expect_continue_timeout{};
  /// `Timeouts::first_byte`.
  std::optional<Duration> first_byte_timeout{};
  /// `Timeouts::read`.
  std::optional<Duration> read_timeout{};
  /// `Limits::max_body_size`; without it, the body of a `client.stream()` has no limit.
  std::optional<std::uint64_t> max_body_size{};
  /// False leaves the body as it was received, without undoing any of `ClientOptions::codings`.
  bool decode = true;
  /// `ClientOptions::retry_stale`.
  std::optional<bool> retry_stale{};
  /// `Retries::max`.
  std::optional<int> max_retries{};
  /// `Redirects::follow`.
  std::optional<bool> follow_redirects{};
  /// `Redirects::max`.
  std::optional<int> max_redirects{};
};
static_assert(std::is_trivially_destructible_v<RequestOptions>);

/// The addresses of a host, used instead of a look-up, like curl's `--resolve`.
class HostAddresses {
 public:
  /// @param of,at,are the members.
  HostAddresses(std::string of, std::uint16_t at, std::vector<std::string> are)
      : host(std::move(of)), port(at), addresses(std::move(are)) {}

  std::string host;                    ///< The host as it is written in URLs.
  std::uint16_t port;                  ///< The port; 0 for any.
  std::vector<std::string> addresses;  ///< The numeric addresses, tried in this order.

  friend bool operator==(const HostAddresses&, const HostAddresses&) = default;
};
static_assert(detail::co_await_safe<HostAddresses>);

/// The options of TCP connections. Set its members on a named variable.
class TcpOptions {
 public:
  TcpOptions() {}

  /// Send at once (`TCP_NODELAY`): a request is written as a whole, so waiting would only delay it.
  bool no_delay = true;
  bool keep_alive = false;    ///< Let the system probe idle connections (`SO_KEEPALIVE`).
  int send_buffer = 0;        ///< Bytes (`SO_SNDBUF`); 0 leaves it to the system.
  int receive_buffer = 0;     ///< Bytes (`SO_RCVBUF`); 0 leaves it to the system.
  std::string local_address;  ///< The numeric address to connect from; limits connections to its
                              ///< family.
  std::string interface;      ///< The network interface to connect through (Linux, may need
                              ///< privileges).
  /// The time after which the next address is tried in parallel, if one has not answered (RFC 8305
  /// 5).
  Duration attempt_delay = std::chrono::milliseconds(250);
  /// The time for which the result of a look-up is kept; zero keeps none. At most 256 are kept.
  Duration dns_ttl = std::chrono::seconds(60);
  std::vector<HostAddresses> hosts;    ///< Hosts that are not looked up.
  std::shared_ptr<Resolver> resolver;  ///< Looks names up; if null, the system does.

  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};
static_assert(detail::co_await_safe<TcpOptions>);

/// The proxies that requests go through. Set its members on a named variable.
///
/// A proxy is `http://host:port`, `https://` (over TLS), `socks5://` (this side looks names up) or
/// `socks5h://` (the proxy looks names up), with `user:password@` if needed. Origins with
/// `https://` are reached through a tunnel, so the proxy sees only their host and port.
class ProxyOptions {
 public:
  ProxyOptions() {}
  /// Uses one proxy for all URLs.
  explicit ProxyOptions(const std::string& all) : http(all), https(all) {}
  /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; the lower-case names come
  /// first.
  ///
  /// `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: in a CGI program the field `Proxy` of a
  /// request would set it. `socks://`, which desktops set for a SOCKS proxy of any version, means
  /// `socks5h://`.
  ///
  /// An unusable proxy is not an error of the client: only the requests that would use it fail,
  /// with an error that names the variable. Meaningless entries of `no_proxy` go into `ignored`.
  static ProxyOptions from_environment();

  std::string http;   ///< The proxy for `http://` URLs; empty: none.
  std::string https;  ///< The proxy for `https://` URLs; empty: none.
  /// Authenticates to an HTTP proxy: `ferry::digest(user, password)`, for example. If it has
  /// credentials for this proxy, they override those in the proxy's URL.
  std::shared_ptr<Authenticator> auth;
  /// Hosts that are reached without a proxy, each in the syntax of `no_proxy`: a name, which
  /// includes all names below it; an address, in any of its spellings; a network (`10.0.0.0/8`,
  /// `fd00::/8`); `*`. A name or an address may have a port. A meaningless entry is
  /// `Errc::invalid_option`.
  std::vector<std::string> bypass;
  /// Meaningless entries of `no_proxy`, such as a URL. `from_environment` puts them here instead of
  /// into `bypass`, so that the program can report them. They are no error: other programs ignore
  /// them too.
  std::vector<std::string> ignored;

  friend bool operator==(const ProxyOptions&, const ProxyOptions&) = default;

 private:
  friend struct detail::access;

  /// An environment variable that a proxy was read from, and its value.
  struct Variable {
    std::string name;
    std::string value;

    friend bool operator==(const Variable&, const Variable&) = default;
  };
  Variable http_variable_;
  Variable https_variable_;
};
static_assert(detail::co_await_safe<ProxyOptions>);

/// The options for opening connections that `PoolOptions` and `ClientOptions` have in common. The
/// pool owns them.
class ConnectOptions {
 public:
  ConnectOptions() {}

  TcpOptions tcp;      ///< The options of TCP connections.
  ProxyOptions proxy;  ///< The proxies to use.
  /// The Unix socket to connect to, whatever host a URL names; `@name` is an abstract one (Linux).
  std::string unix_socket;
  /// Accept URLs that name a Unix socket: `http+unix://%2Frun%2Fapp.sock/path`, whose host is the
  /// socket's percent-encoded path. They do not use a proxy. If false, such a URL is an error:
  /// otherwise anyone who can choose a URL could reach every socket of this machine. A client's
  /// `base_url` that names a socket permits that socket all the same. In any case, a redirect leads
  /// to a socket only from that socket.
  bool unix_urls = false;
  /// Secures connections for `https://`: `ferry::tls::context()` of `ferry/tls.hpp`. If null, such
  /// a URL is an error.
  std::shared_ptr<const TlsContext> tls;
  /// Finds the ASCII form of hosts that are not ASCII: `ferry::idna::to_ascii` of `ferry/idna.hpp`.
  /// If null, such a URL is an error.
  Result<std::string> (*idna)(std::string_view host) = nullptr;
  /// Opens the connections, instead of TCP.
  std::shared_ptr<Connector> connector;

  friend bool operator==(const ConnectOptions&, const ConnectOptions&) = default;
};
static_assert(detail::co_await_safe<ConnectOptions>);

/// The options of a `ConnectionPool`. Set its members on a named variable.
class PoolOptions : public ConnectOptions {
 public:
  PoolOptions();
  /// Copies all options.
  PoolOptions(const PoolOptions& other);
  /// Moves all options.
  PoolOptions(PoolOptions&& other) noexcept;
  /// Copies all options.
  PoolOptions& operator=(const PoolOptions& other);
  /// Moves all options.
  PoolOptions& operator=(PoolOptions&& other) noexcept;
  ~PoolOptions();

  /// The pool's limits: `max_connections`, `max_connections_per_host`, `max_idle`, `idle_timeout`
  /// and `max_lifetime`. The other members belong to the pool's clients and are ignored here.
  Limits limits;
  /// The time limits of `acquire` and `warm`: `pool`, `resolve`, `connect`, `tls` and `total`. A
  /// client's requests have their own.
  Timeouts timeouts;
  /// Called when connections are being opened, have failed or are closed, on any thread.
  Observer observer;
};
static_assert(detail::co_await_safe<PoolOptions>);

/// The options of a `Client`. Set its members on a named variable.
class ClientOptions : public ConnectOptions {
 public:
  ClientOptions();
  /// Copies all options.
  ClientOptions(const ClientOptions& other);
  /// Moves all options.
  ClientOptions(ClientOptions&& other) noexcept;
  /// Copies all options.
  ClientOptions& operator=(const ClientOptions& other);
  /// Moves all options.
  ClientOptions& operator=(ClientOptions&& other) noexcept;
  ~ClientOptions();

  /// The URL that relative URLs are resolved against (RFC 3986 section 5); if empty, they are an
  /// error. If it names a Unix socket, it permits URLs of that socket, and of no other: see
  /// `unix_urls`.
  std::string base_url;
  /// Fields sent with every request, unless the request has a field of the same name; if the value
  /// of that field is empty, none is sent.
  Headers headers;
  /// Pairs of names and values that are put before each request's own query, percent-encoded as
  /// needed.
  std::vector<std::pair<std::string, std::string>> query;
  /// The field `User-Agent`, unless `headers` or the request has one; if empty, none is sent.
  std::string user_agent = std::string("ferry/") + version;
  /// The codings that servers may apply to bodies, in the order of preference: `ferry::gzip` of
  /// `ferry/gzip.hpp`, and so on. The client undoes them. They are not announced for a request that
  /// has its own `Accept-Encoding` or a `Range`.
  std::vector<ContentCoding> codings;
  /// The time limits of the phases of a call; each call may override them.
  Timeouts timeouts;
  /// The limits on connections and responses.
  Limits limits;
  /// The redirects to follow.
  Redirects redirects;
  /// The failures to retry.
  Retries retries;
  /// Authenticates to servers: `ferry::basic(user, password)` and so on, of `ferry/auth.hpp`. It is
  /// asked about the origin of a request, but not about origins that redirects lead to. A request's
  /// own authenticator overrides it, and so does a field `Authorization`. If it has no credentials
  /// for the host, a user and a password in the URL are sent, as Basic.
  std::shared_ptr<Authenticator> auth;
  /// Keeps cookies: `std::make_shared<ferry::CookieJar>()`, of `ferry/cookies.hpp`. If null, none
  /// are kept. A request's own field `Cookie` is sent instead of the kept ones; if it is empty,
  /// none is sent.
  std::shared_ptr<CookieStore> cookies;
  /// Code around every `send`, the first one outermost: see `ferry/middleware.hpp`.
  std::vector<std::shared_ptr<const Middleware>> middleware;
  /// Send a request once more on a new connection if a kept one turns out to be closed, and that is
  /// safe: no byte of a response came, and the method is idempotent, or the request carries
  /// `Idempotency-Key`, or nothing of it had been written.
  bool retry_stale = true;
  /// Called for every step, on any thread on which a request runs.
  Observer observer;
};
static_assert(detail::co_await_safe<ClientOptions>);

namespace detail {

/// True if the limits that a pool owns are equal.
bool same_pool_limits(const Limits& a, const Limits& b) noexcept;

/// A client's time limits, overridden by those of one call.
Timeouts merged(Timeouts timeouts, const RequestOptions& options) noexcept;

}  // namespace detail

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/options.ipp>
#endif
