#pragma once

/// @file
/// `Event`: a step in the life of a request or a connection; `log_to` prints events.

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/tls_info.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

struct Timings;
class ConnectionInfo;
class Headers;

/// The reason why a connection was closed.
enum class CloseReason {
  idle_expired,       ///< Idle for longer than `Limits::idle_timeout` or the server's hint.
  lifetime_expired,   ///< Open for longer than `Limits::max_lifetime`.
  closed_by_peer,     ///< Closed by the server while idle.
  surplus_bytes,      ///< Bytes came that no request had asked for.
  idle_cap,           ///< More than `Limits::max_idle` connections were idle.
  evicted,            ///< Closed to make room for another connection.
  not_kept,           ///< Ended by request or response: `Connection: close`, HTTP/1.0, no length.
  failed,             ///< The exchange on it failed, timed out or was cancelled.
  client_closed,      ///< The client or the pool was closed, or its last handle died.
  unread,             ///< A response was not read to its end: a dropped stream, or a redirect,
                      ///< refusal or failure that another request follows.
  upgraded,           ///< Taken over by another protocol; the pool no longer owns it.
  inherited,          ///< Inherited by a child process; the connection belongs to the parent.
  ambiguous_framing,  ///< A response without a body had contradictory length fields.
};

/// The reason's name, as used in logs.
constexpr std::string_view to_string(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::idle_expired: return "idle for too long";
    case CloseReason::lifetime_expired: return "open for too long";
    case CloseReason::closed_by_peer: return "closed by the server";
    case CloseReason::surplus_bytes: return "unexpected bytes from the server";
    case CloseReason::idle_cap: return "too many idle";
    case CloseReason::evicted: return "made room for another";
    case CloseReason::not_kept: return "not to be kept";
    case CloseReason::failed: return "its exchange failed";
    case CloseReason::client_closed: return "client closed";
    case CloseReason::unread: return "its response was not read to the end";
    case CloseReason::upgraded: return "taken over by another protocol";
    case CloseReason::inherited: return "the parent process's";
    case CloseReason::ambiguous_framing: return "contradictory framing fields";
  }
  return "unknown";
}

/// A step in the life of a request or a connection. Members that do not apply are empty or zero.
///
/// Lifetime: the views and pointers are valid only during the observer's call.
struct Event {
  /// The kind of an event. Each kind lists the members that are set besides `kind`, `origin` and
  /// `method`.
  enum class Kind {
    /// Opening a connection (a dial) begins. `number`
    connection_opening,
    /// The dial succeeded. `number`, `connection`, `duration` (resolving, connecting, securing),
    /// `tls`
    connection_opened,
    /// The dial failed; with `Errc::cancelled` if it was given up because no request needed it.
    /// `number`, `error`
    connection_failed,
    /// A request got a kept connection. `connection`, `duration` (the time it was idle)
    connection_reused,
    /// A connection was closed. `connection`, `reason`, `duration` (the time it was open)
    connection_closed,
    /// A request has waited 10 s for a place in the pool. `duration`
    waiting_long,
    /// The system has accepted the whole request. `method`, `target`, `connection`
    request_sent,
    /// An interim response (1xx) was received: 103 Early Hints, for example. `status`, `headers`,
    /// `duration`
    interim_received,
    /// A response's head was received. `status`, `version`, `headers`, `duration` (elapsed)
    head_received,
    /// A response was received in full. `method`, `target`, `status`, `version`, `body_size`,
    /// `duration` (the call so far)
    response_received,
    /// An attempt failed and another begins. `attempt` (the one that failed), `error`
    request_retried,
    /// A redirect is followed. `method`, `target`, `status`, `location`
    redirected,
    /// The call ends with an error. A call that is refused before it begins has no event. A stream
    /// that is dropped ends with `Errc::cancelled`. `attempt`, `error`, `duration` (the call so
    /// far)
    request_failed,
  };

  /// The kind of this event.
  Kind kind;
  std::string_view origin{};     ///< `scheme://host[:port]`
  std::uint64_t connection = 0;  ///< The connection's id, unique in the process.
  std::uint64_t number = 0;      ///< Connections opened to this origin so far, this one included.
  /// The request's method.
  std::string_view method{};
  std::string_view target{};  ///< The request's path and query; the query may hold secrets.
  /// The next URL of a redirect; its query and its fragment may hold secrets.
  std::string_view location{};
  /// The response's status.
  int status = 0;
  std::string_view version{};  ///< "HTTP/1.1" or "HTTP/1.0".
  /// The size of the response's body in bytes, as received.
  std::uint64_t body_size = 0;
  /// The attempt's number within the call, from 1.
  int attempt = 0;
  /// The reason why the connection was closed.
  CloseReason reason{};
  /// A duration, whose meaning depends on `kind`; see `Kind`.
  std::chrono::nanoseconds duration{};
  /// The received head; null for other events.
  const Headers* headers = nullptr;
  /// The failure; null for other events.
  const Error* error = nullptr;
  const Timings* timings = nullptr;      ///< The duration of each step; see `response.hpp`.
  const ConnectionInfo* info = nullptr;  ///< The connection, new or kept; see `response.hpp`.
  const TlsInfo* tls = nullptr;          ///< The result of the TLS handshake; see `tls_info.hpp`.
};
static_assert(detail::co_await_safe<Event>);

/// A function that is called with each event, on the thread on which the event happens, without any
/// lock of ferry's held. It should be quick; its exceptions are dropped. Several threads may call
/// it at once if they use the client at once.
using Observer = std::function<void(const Event&)>;

/// The options of `log_to`.
struct LogOptions {
  bool verbose = false;  ///< True to print all events, not only new connections, responses and
                         ///< failures.
  /// True to print queries and fragments, secrets included (`?token=...`, `#access_token=...`);
  /// false to print `?...` and `#...`.
  bool show_query = false;
};
static_assert(detail::co_await_safe<LogOptions>);

namespace detail {

/// Calls an observer; its exceptions are dropped.
void observe(const Observer& observer, const Event& event) noexcept;

}  // namespace detail

/// An observer that prints each event on one line, in a wording like urllib3's.
///
/// @param out the stream; it must outlive the client. Lines of one printer never mix, whatever the
///   number of threads.
/// @param options the options.
Observer log_to(std::ostream& out, LogOptions options = {});

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/event.ipp>
#endif
