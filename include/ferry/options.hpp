#pragma once

/// @file
/// Everything that can be set: `Timeouts`, `Limits`, and the options of a client, a pool and one
/// call.

#include <algorithm>
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
#include <ferry/event.hpp>
#include <ferry/headers.hpp>
#include <ferry/result.hpp>
#include <ferry/version.hpp>

namespace ferry {

class Authenticator;
class Connector;
class CookieStore;
class Middleware;
class Resolver;
class TlsContext;

namespace detail {
class ProxyRule;
}

/// The unit of every time limit and timing.
using Duration = std::chrono::nanoseconds;

/// A time limit that never passes.
inline constexpr Duration no_timeout = Duration::max();

/// A limit that is never reached.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// How long each phase of a call may take. Zero has passed at once; a negative one is refused.
struct Timeouts {
  Duration pool = no_timeout;                   ///< Waiting for a place in the pool.
  Duration resolve = std::chrono::seconds(10);  ///< Looking up the host's name.
  Duration connect = std::chrono::seconds(
      10);  ///< Connecting, over all addresses; and the same for a proxy's part.
  Duration tls = std::chrono::seconds(10);    ///< The TLS handshake.
  Duration write = std::chrono::seconds(30);  ///< Sending, without a byte being taken.
  /// Waiting for the leave to send a body that the request asked for (`Expect: 100-continue`); then
  /// it is sent without.
  Duration expect_continue = std::chrono::seconds(1);
  Duration first_byte =
      std::chrono::seconds(30);  ///< From the request's end to the response's first byte.
  Duration read = std::chrono::seconds(30);  ///< Receiving, without a byte coming.
  Duration total = no_timeout;               ///< The whole call, retries included.

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};
static_assert(detail::co_await_safe<Timeouts>);

/// How much there may be of what.
struct Limits {
  std::size_t max_connections = 100;  ///< Open or being opened, over all hosts. Not 0.
  std::size_t max_connections_per_host = no_limit;  ///< Open or being opened to one origin. Not 0.
  std::size_t max_idle = no_limit;  ///< Kept for reuse, over all hosts; 0 keeps none.
  /// A kept connection is not used after this; where the server says how long it keeps it
  /// (`Keep-Alive: timeout=N`), N - 1 seconds stand instead, at most 10 minutes. It is closed then,
  /// without another request, if the pool's executor is an `io_context`'s or a strand's of one, and
  /// that context runs; elsewhere when next a connection is taken or given back.
  Duration idle_timeout = std::chrono::seconds(4);
  Duration max_lifetime = no_timeout;  ///< A connection is not used again after this.
  /// Bytes of a response's head, the interim (1xx) heads before it included; trailers have as much.
  std::size_t max_head_size = 64 * 1024;
  std::size_t max_fields = 128;  ///< Header fields of a response; likewise trailers.
  std::uint64_t max_body_size = 256 * 1024 * 1024;  ///< Bytes of a collected body.

  friend bool operator==(const Limits&, const Limits&) = default;
};
static_assert(detail::co_await_safe<Limits>);

/// Which redirects are followed. One whose `Location` is empty or only a fragment is the response:
/// it leads to what was asked for. (RFC 9110 15.4)
struct Redirects {
  bool follow = true;            ///< Else the 3xx is the response.
  int max = 10;                  ///< Of one call.
  bool allow_downgrade = false;  ///< From https to http: what was secured no longer is.

  friend bool operator==(const Redirects&, const Redirects&) = default;
};
static_assert(detail::co_await_safe<Redirects>);

/// Which failed requests are sent again, beyond the stale retry: none unless `max` is set. Set its
/// members on a named variable.
///
/// A request is sent again if that is safe (its method is idempotent, it carries `Idempotency-Key`,
/// or nothing of it was sent) and its body can begin again: after a failed or lost connection, a
/// time limit of one of its phases (the total one spans them all), a cut response, or one of
/// `statuses`. It waits a random time below `first_delay`, then below twice that, and so on
/// (exponential backoff, full jitter), or as long as `Retry-After` says.
class Retries {
 public:
  Retries() {}

  int max = 0;  ///< Of one call.
  /// Answers after which the request is sent again.
  std::vector<int> statuses = {429, 502, 503, 504};
  bool any_method = false;  ///< POST and the like too: they may then happen twice.
  Duration first_delay = std::chrono::milliseconds(200);  ///< The first one is below this.
  Duration max_delay = std::chrono::seconds(20);  ///< A longer `Retry-After` is not waited for.
  /// Of all requests of a client, about one in ten may be a retry, and this many beside: a server
  /// that is down is not helped by more. (a token bucket)
  int budget = 10;

  friend bool operator==(const Retries&, const Retries&) = default;
};
static_assert(detail::co_await_safe<Retries>);

/// What one call does differently from its client; what is not set is the client's.
/// `co_await client.get(url, {.timeout = 5s})`
struct RequestOptions {
  /// `Timeouts::total`, the whole call.
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
  /// `Limits::max_body_size`; the only limit on the body of a `client.stream()`.
  std::optional<std::uint64_t> max_body_size{};
  /// False leaves the body as it came over the wire, whatever `ClientOptions::codings` could do.
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

/// Where a host is, whatever a look-up would say: as curl's `--resolve`.
class HostAddresses {
 public:
  /// @param of,at,are its members.
  HostAddresses(std::string of, std::uint16_t at, std::vector<std::string> are)
      : host(std::move(of)), port(at), addresses(std::move(are)) {}

  std::string host;                    ///< As it stands in URLs.
  std::uint16_t port;                  ///< 0 for any.
  std::vector<std::string> addresses;  ///< Numeric, to be tried in this order.

  friend bool operator==(const HostAddresses&, const HostAddresses&) = default;
};
static_assert(detail::co_await_safe<HostAddresses>);

/// How TCP connections are opened. Set its members on a named variable.
class TcpOptions {
 public:
  TcpOptions() {}

  /// Send at once (`TCP_NODELAY`): a request is written whole, waiting could only delay it.
  bool no_delay = true;
  bool keep_alive = false;    ///< Let the system probe idle connections (`SO_KEEPALIVE`).
  int send_buffer = 0;        ///< Bytes (`SO_SNDBUF`); 0 leaves it to the system.
  int receive_buffer = 0;     ///< Bytes (`SO_RCVBUF`); 0 leaves it to the system.
  std::string local_address;  ///< Connect from this numeric address; only to its own family then.
  std::string interface;      ///< Connect over this network interface (Linux, may need privileges).
  /// Where an address has not answered after this long, the next is tried beside it (RFC 8305 5).
  Duration attempt_delay = std::chrono::milliseconds(250);
  /// How long the answer of a look-up is kept; zero: not at all. At most 256 are kept.
  Duration dns_ttl = std::chrono::seconds(60);
  std::vector<HostAddresses> hosts;    ///< These are not looked up.
  std::shared_ptr<Resolver> resolver;  ///< Looks names up; the system does if there is none.

  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};
static_assert(detail::co_await_safe<TcpOptions>);

/// Through which proxies requests go. Set its members on a named variable.
///
/// A proxy is `http://host:port`, `https://` (over TLS), `socks5://` (names are looked up here) or
/// `socks5h://` (by the proxy), with `user:password@` if it wants them. `https://` origins are
/// reached through a tunnel, of which the proxy sees host and port alone.
class ProxyOptions {
 public:
  ProxyOptions() {}
  /// One proxy for all.
  explicit ProxyOptions(const std::string& all) : http(all), https(all) {}
  /// What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, lower-case ones first.
  ///
  /// `HTTP_PROXY` is not looked at where `REQUEST_METHOD` is set: in a CGI program a request's
  /// field `Proxy` would set it. `socks://`, which desktops set for a SOCKS proxy of any version,
  /// is taken for `socks5h://`.
  ///
  /// A proxy that cannot be used is no error of the client: only requests that it would be for
  /// fail, with one that names the variable. Entries of `no_proxy` that can mean nothing are in
  /// `ignored`.
  static ProxyOptions from_environment();

  std::string http;   ///< For `http://` URLs; empty: none.
  std::string https;  ///< For `https://` URLs; empty: none.
  /// Proves to the proxy, one that speaks HTTP, who is asking: `ferry::digest(user, password)`,
  /// say, in the place of what its URL has, if it has credentials for this proxy.
  std::shared_ptr<Authenticator> auth;
  /// Hosts that are reached without a proxy, each in the words of `no_proxy`: a name, which also
  /// means all names below it; an address, in any of its spellings; a network (`10.0.0.0/8`,
  /// `fd00::/8`); `*`. A name or an address may have a port. One that can mean nothing is
  /// `Errc::invalid_option`.
  std::vector<std::string> bypass;
  /// Entries of `no_proxy` that can mean nothing, a URL, say: `from_environment` puts
  /// them here, for the program to tell of, instead of into `bypass`. Other programs pass over them
  /// as well, so they are no error.
  std::vector<std::string> ignored;

  friend bool operator==(const ProxyOptions&, const ProxyOptions&) = default;

 private:
  friend class detail::ProxyRule;

  /// The variable that a proxy was read from, and its value.
  struct Variable {
    std::string name;
    std::string value;

    friend bool operator==(const Variable&, const Variable&) = default;
  };
  Variable http_variable_;
  Variable https_variable_;
};
static_assert(detail::co_await_safe<ProxyOptions>);

/// How connections are opened: what `PoolOptions` and `ClientOptions` have in common. It belongs to
/// the pool.
class ConnectOptions {
 public:
  ConnectOptions() {}

  TcpOptions tcp;      ///< How TCP connections are opened.
  ProxyOptions proxy;  ///< Through which proxies.
  /// Connect to this Unix socket, whichever host a URL names; `@name` is an abstract one (Linux).
  std::string unix_socket;
  /// Take URLs that name a Unix socket by themselves: `http+unix://%2Frun%2Fapp.sock/path`, the
  /// host being its percent-encoded path. They go past a proxy. Off, such a URL is an error:
  /// whoever can choose a URL could reach every socket of this machine. A client's `base_url` that
  /// names a socket permits that one all the same. Whatever is set, a redirect leads to a socket
  /// from that socket only.
  bool unix_urls = false;
  /// Secures connections for `https://`: `ferry::tls::context()` of `ferry/tls.hpp`. Without it
  /// such a URL is an error.
  std::shared_ptr<const TlsContext> tls;
  /// Finds the ASCII form of hosts that are not ASCII: `ferry::idna::to_ascii` of `ferry/idna.hpp`.
  /// Without it such a URL is an error.
  Result<std::string> (*idna)(std::string_view host) = nullptr;
  /// Opens the connections, in the place of TCP.
  std::shared_ptr<Connector> connector;

  friend bool operator==(const ConnectOptions&, const ConnectOptions&) = default;
};
static_assert(detail::co_await_safe<ConnectOptions>);

/// What belongs to a `ConnectionPool`. Set its members on a named variable.
class PoolOptions : public ConnectOptions {
 public:
  PoolOptions() {}

  /// `max_connections`, `max_connections_per_host`, `max_idle`, `idle_timeout` and `max_lifetime`
  /// are the pool's; the others belong to its clients and are not looked at here.
  Limits limits;
  /// `pool`, `resolve`, `connect`, `tls` and `total` hold for `acquire` and `warm`; a client's
  /// requests bring their own.
  Timeouts timeouts;
  /// Told of connections being opened, failing and being closed. May be called on any thread.
  Observer observer;
};
static_assert(detail::co_await_safe<PoolOptions>);

/// What belongs to a `Client`. Set its members on a named variable.
class ClientOptions : public ConnectOptions {
 public:
  ClientOptions() {}

  /// Relative URLs are resolved against it (RFC 3986 section 5); empty means that there are none.
  /// One that names a Unix socket permits URLs of that socket, and of no other: see `unix_urls`.
  std::string base_url;
  /// Sent with every request, unless the request has a field of the same name: if that one's
  /// value is empty, none is sent.
  Headers headers;
  /// Appended to every request's query, before its own: names and values, percent-encoded as
  /// needed.
  std::vector<std::pair<std::string, std::string>> query;
  /// `User-Agent`, unless `headers` or the request has one; empty sends none.
  std::string user_agent = std::string("ferry/") + version;
  /// What servers may encode bodies with, which is undone then: `ferry::gzip`, of `ferry/gzip.hpp`,
  /// and so on, in the order of preference. A request of its own `Accept-Encoding`, or for a
  /// `Range`, does not say so.
  std::vector<ContentCoding> codings;
  /// How long the phases of a call may take; each call may say otherwise.
  Timeouts timeouts;
  /// What its connections and responses are held to.
  Limits limits;
  /// Which redirects are followed.
  Redirects redirects;
  /// Which failures are tried again.
  Retries retries;
  /// Proves to servers who is asking: `ferry::basic(user, password)` and so on, of
  /// `ferry/auth.hpp`. It is asked about the origin that a request is for, not about those that
  /// redirects lead to. A request's own goes before it, and so does a field `Authorization`. Where
  /// it has no credentials for the host, a user and a password in the URL are sent, as Basic.
  std::shared_ptr<Authenticator> auth;
  /// Where cookies are kept: `std::make_shared<ferry::CookieJar>()`, of `ferry/cookies.hpp`. None
  /// keeps none. A request's own field `Cookie` is sent in the place of those kept: if it is
  /// empty, none.
  std::shared_ptr<CookieStore> cookies;
  /// Code around every `send`, the first one outermost: see `ferry/middleware.hpp`.
  std::vector<std::shared_ptr<const Middleware>> middleware;
  /// Send a request once more on a new connection when a kept one turns out to have been closed, if
  /// that is safe: not one byte of a response came, and the method is idempotent, or the request
  /// carries `Idempotency-Key`, or nothing of it had been written.
  bool retry_stale = true;
  /// Told of every step; may be called on any thread on which a request runs.
  Observer observer;
};
static_assert(detail::co_await_safe<ClientOptions>);

namespace detail {

/// The limits that a pool owns, apart from those of an exchange.
inline bool same_pool_limits(const Limits& a, const Limits& b) noexcept {
  return a.max_connections == b.max_connections &&
         a.max_connections_per_host == b.max_connections_per_host && a.max_idle == b.max_idle &&
         a.idle_timeout == b.idle_timeout && a.max_lifetime == b.max_lifetime;
}

/// A client's time limits with those of one call in their place.
inline Timeouts merged(Timeouts timeouts, const RequestOptions& options) noexcept {
  timeouts.pool = options.pool_timeout.value_or(timeouts.pool);
  timeouts.resolve = options.resolve_timeout.value_or(timeouts.resolve);
  timeouts.connect = options.connect_timeout.value_or(timeouts.connect);
  timeouts.tls = options.tls_timeout.value_or(timeouts.tls);
  timeouts.write = options.write_timeout.value_or(timeouts.write);
  timeouts.expect_continue = options.expect_continue_timeout.value_or(timeouts.expect_continue);
  timeouts.first_byte = options.first_byte_timeout.value_or(timeouts.first_byte);
  timeouts.read = options.read_timeout.value_or(timeouts.read);
  timeouts.total = options.timeout.value_or(timeouts.total);
  return timeouts;
}

}  // namespace detail

}  // namespace ferry
