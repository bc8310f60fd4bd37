#pragma once

/// @file
/// `Response`: a server's response, and how it was obtained.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/options.hpp>
#include <ferry/status.hpp>
#include <ferry/tls_info.hpp>
#include <ferry/url.hpp>

namespace ferry {

/// The durations of a call's steps. A step that did not happen has duration zero: a kept connection
/// is not resolved or connected again.
struct Timings {
  Duration queued{};      ///< Waiting for a connection, dialling included.
  Duration resolve{};     ///< Looking up the host's name for the connection opened for this call.
  Duration connect{};     ///< Opening that connection.
  Duration tls{};         ///< The TLS handshake of that connection.
  Duration send{};        ///< From the request's first byte to its last.
  Duration first_byte{};  ///< From the request's last byte to the response's first.
  Duration receive{};     ///< From the response's first byte to its last.
  Duration total{};       ///< The whole call, retries and redirects included.
};
static_assert(detail::co_await_safe<Timings>);

class Response;

namespace detail {

struct Text;

/// The facts that stay the same over a connection's life.
struct ConnectionFacts {
  std::uint64_t id = 0;
  std::string local_endpoint;
  std::string remote_endpoint;
  std::optional<TlsInfo> tls;
};

}  // namespace detail

/// The connection that carried a response, and how the request got it.
///
/// Lifetime: owns what it hands out. Threads: a value.
class ConnectionInfo {
 public:
  ConnectionInfo() = default;

  bool reused = false;               ///< True if the connection was kept from an earlier request.
  std::uint64_t request_number = 0;  ///< The request's number on this connection, from 1.
  Duration idle_for{};               ///< The time for which the connection was idle before.
  /// The reason why the request was sent once more; empty if it was not. Static text.
  std::string_view retry_reason;

  /// The connection's number, unique in the process.
  std::uint64_t id() const noexcept { return facts_ ? facts_->id : 0; }
  /// `address:port` of this end; empty if it has none.
  std::string_view local_endpoint() const& noexcept {
    return facts_ ? std::string_view(facts_->local_endpoint) : std::string_view();
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view local_endpoint() const&& = delete;
  /// `address:port` of the server's end; empty if it has none.
  std::string_view remote_endpoint() const& noexcept {
    return facts_ ? std::string_view(facts_->remote_endpoint) : std::string_view();
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view remote_endpoint() const&& = delete;

  /// The result of the TLS handshake; null for a connection without TLS. Valid as long as this
  /// object.
  const TlsInfo* tls() const& noexcept { return facts_ && facts_->tls ? &*facts_->tls : nullptr; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const TlsInfo* tls() const&& = delete;

 private:
  friend struct detail::access;

  std::shared_ptr<const detail::ConnectionFacts> facts_;
};
static_assert(detail::co_await_safe<ConnectionInfo>);

namespace detail {

/// The error for a status. @param note explains the status, if its meaning is not plain.
inline Error status_error(int status, std::string_view reason, const Url& url,
                          std::string_view note = {}) {
  if (status == 0)
    return Error(Errc::http_status,
                 "there is no response: this one was moved from, or not sent for");
  std::string what = std::to_string(status);
  what.append(" ").append(reason.empty() ? reason_phrase(status) : reason).append(" for ");
  what.append(url.origin()).append(url.path()).append(note);
  return Error::of_status(status, std::move(what), std::string(url.origin()));
}

/// All data of a `Response`, in a separate allocation, so that the code that fills them need not
/// move them.
struct ResponseState : CacheAllocated<ResponseState> {
  ResponseMessage message;
  Url url;
  Duration elapsed{};
  Timings timings;
  ConnectionInfo connection;
  std::vector<Response> history;
  /// True if a redirect has led away from the origin of the request, whose credentials must never
  /// be sent again. `Client::refresh` needs this.
  bool left_origin = false;
  std::string userinfo;     ///< The userinfo of the request's URL, unless a redirect left its
                            ///< origin; never shown.
  bool is_decoded = false;  ///< True if the content codings of the body have been undone.

  /// Clears everything, but keeps the memory.
  void clear() noexcept;
};

/// True for the codings that IANA registers, and their old names (RFC 9110 8.4.1). Servers also
/// send names that are not codings, such as `aws-chunked`, `utf-8` or `none`.
inline bool is_content_coding(std::string_view name) noexcept {
  for (const auto known :
       {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"})
    if (iequals(name, known)) return true;
  return false;
}

/// The error for a body that cannot be read because its content codings were not undone; nothing if
/// there are none.
inline std::optional<Error> still_coded(const ResponseState& response) {
  if (response.is_decoded) return std::nullopt;
  for (std::string_view list = response.message.headers.get("Content-Encoding").value_or("");
       !list.empty();) {
    const auto comma = std::min(list.find(','), list.size());
    const auto coding = trim_ows(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!is_content_coding(coding)) continue;
    const bool is_part = response.message.status == 206;
    return Error(
        Errc::undecodable_body,
        "its content coding " + in_quotes(coding) + " was not undone: " +
            (is_part ? "this is a part of the coded body (206)"
                     : "options.codings has no decoder for it (ferry/gzip.hpp, "
                       "ferry/brotli.hpp, ferry/zstd.hpp), or the call has decode = false"));
  }
  return std::nullopt;
}

}  // namespace detail

/// A response with its whole body. A response may have any status: see `ok` and `raise_for_status`.
///
/// Lifetime: owns all data, and depends on no client. Moving it copies no data, and leaves an empty
/// response of status 0. Threads: a value.
class Response {
 public:
  /// An empty response of status 0.
  Response() noexcept;
  /// Makes a response from its parts; for transports and tests. The body must have no content
  /// coding.
  Response(detail::ResponseMessage message, Url url, Duration elapsed, Timings timings,
           ConnectionInfo connection);
  /// Moves the other response's data.
  Response(Response&&) noexcept;
  /// Moves the other response's data.
  Response& operator=(Response&&) noexcept;
  /// Copies the other response's data.
  Response(const Response& other);
  /// Copies the other response's data.
  Response& operator=(const Response& other) { return *this = Response(other); }
  ~Response();

  /// The status code, from 200 (RFC 9110 15).
  int status() const noexcept { return state().message.status; }
  /// The reason phrase as the server sent it; may be empty (RFC 9112 4).
  const std::string& reason() const& noexcept { return state().message.reason; }
  /// The reason phrase, moved out.
  std::string reason() && { return state_ ? std::move(state_->message.reason) : std::string(); }
  /// "HTTP/1.1" or "HTTP/1.0".
  std::string_view version() const noexcept { return state().message.version(); }
  /// The header fields, in order.
  const Headers& headers() const& noexcept { return state().message.headers; }
  /// The header fields, moved out.
  Headers headers() && { return state_ ? std::move(state_->message.headers) : Headers(); }
  /// The fields after a chunked body; never merged into `headers` (RFC 9110 6.5).
  const Headers& trailers() const& noexcept { return state().message.trailers; }
  /// The fields after the body, moved out.
  Headers trailers() && { return state_ ? std::move(state_->message.trailers) : Headers(); }
  /// The content, with its transfer coding undone.
  const std::string& body() const& noexcept { return state().message.body; }
  /// The content, moved out.
  std::string body() && noexcept {
    return state_ ? std::move(state_->message.body) : std::string();
  }
  /// The content as UTF-8, decoded from the charset of its byte order mark or of `Content-Type`;
  /// without either, from UTF-8. Needs `ferry/text.hpp`.
  /// @throws Error `Errc::undecodable_body` for an unknown charset, or for a content coding that
  ///   was not undone, unless the content is UTF-8; see `to_utf8`.
  template <class Text = detail::Text>
  std::string text() const {
    return Text::of(body(), headers().get("Content-Type"), detail::still_coded(state()));
  }
  /// The URL of the response, in normal form, without userinfo.
  const Url& url() const& noexcept { return state().url; }
  /// The URL, moved out.
  Url url() && { return state_ ? std::move(state_->url) : Url(); }

  /// True for a status below 400; false for 0, the status of an empty response.
  bool ok() const noexcept { return status() != 0 && status() < 400; }
  /// Returns the response itself if `ok()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more, or 0.
  const Response& raise_for_status() const& {
    if (!ok()) throw detail::status_error(status(), state().message.reason, state().url);
    return *this;
  }
  /// Returns the response itself, moved, if `ok()`: `(co_await client.get(url)).raise_for_status()`
  /// is a value, and does not dangle.
  /// @throws Error `Errc::http_status` for a status of 400 or more, or 0.
  Response raise_for_status() && {
    if (!ok()) throw detail::status_error(status(), state().message.reason, state().url);
    return std::move(*this);
  }

  /// The time from sending the request's first byte to parsing the response's head; without the
  /// body and the connection's set-up, like `elapsed` in Python's requests.
  Duration elapsed() const noexcept { return state().elapsed; }
  /// The durations of the call's steps.
  const Timings& timings() const& noexcept { return state().timings; }
  /// Overload for a temporary: returns by value.
  Timings timings() && { return state().timings; }
  /// The connection that carried the response, new or kept.
  const ConnectionInfo& connection() const& noexcept { return state().connection; }
  /// Overload for a temporary: returns by value.
  ConnectionInfo connection() && { return state().connection; }
  /// The redirects that led to this response, the first one first, without their bodies.
  const std::vector<Response>& history() const& noexcept { return state().history; }
  /// The redirects, moved out.
  std::vector<Response> history() && {
    return state_ ? std::move(state_->history) : std::vector<Response>();
  }

 private:
  friend struct detail::access;

  explicit Response(std::unique_ptr<detail::ResponseState> state) noexcept;

  const detail::ResponseState& state() const noexcept { return state_ ? *state_ : none(); }
  static const detail::ResponseState& none() noexcept {
    static const detail::ResponseState nothing;
    return nothing;
  }

  std::unique_ptr<detail::ResponseState> state_;
};
static_assert(detail::co_await_safe<Response>);

// These definitions are here because the types of the members are complete here.
inline Response::Response() noexcept = default;
inline Response::Response(std::unique_ptr<detail::ResponseState> state) noexcept
    : state_(std::move(state)) {
  if (state_) detail::access::userinfo(state_->url).clear();
}
inline Response::Response(detail::ResponseMessage message, Url url, Duration elapsed,
                          Timings timings, ConnectionInfo connection)
    : state_(std::make_unique<detail::ResponseState>()) {
  state_->message = std::move(message);
  state_->url = std::move(url);
  state_->elapsed = elapsed;
  state_->timings = timings;
  state_->connection = std::move(connection);
  state_->is_decoded = true;
}
inline Response::Response(Response&&) noexcept = default;
inline Response& Response::operator=(Response&&) noexcept = default;
inline Response::Response(const Response& other)
    : state_(other.state_ ? std::make_unique<detail::ResponseState>(*other.state_) : nullptr) {}
inline Response::~Response() = default;

inline void detail::ResponseState::clear() noexcept {
  message.clear();
  elapsed = {};
  timings = {};
  connection = {};
  history.clear();
  is_decoded = false;
}

}  // namespace ferry
