#pragma once

/// @file
/// `Response`: a server's response, and how it was obtained.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/connection_info.hpp>
#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/options.hpp>
#include <ferry/status.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

class Response;

namespace detail {

struct ResponseState;
struct Text;

/// The error for a status. @param note explains the status, if its meaning is not plain.
Error status_error(int status, std::string_view reason, const Url& url, std::string_view note = {});

/// The error for a body that cannot be read because its content codings were not undone; nothing if
/// there are none.
std::optional<Error> still_coded(const ResponseState& response);

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
  int status() const noexcept;
  /// The reason phrase as the server sent it; may be empty (RFC 9112 4).
  const std::string& reason() const& noexcept;
  /// The reason phrase, moved out.
  std::string reason() &&;
  /// "HTTP/1.1" or "HTTP/1.0".
  std::string_view version() const noexcept;
  /// The header fields, in order.
  const Headers& headers() const& noexcept;
  /// The header fields, moved out.
  Headers headers() &&;
  /// The fields after a chunked body; never merged into `headers` (RFC 9110 6.5).
  const Headers& trailers() const& noexcept;
  /// The fields after the body, moved out.
  Headers trailers() &&;
  /// The content, with its transfer coding undone.
  const std::string& body() const& noexcept;
  /// The content, moved out.
  std::string body() && noexcept;
  /// The content as UTF-8, decoded from the charset of its byte order mark or of `Content-Type`;
  /// without either, from UTF-8. Needs `ferry/text.hpp`.
  /// @throws Error `Errc::undecodable_body` for an unknown charset, or for a content coding that
  ///   was not undone, unless the content is UTF-8; see `to_utf8`.
  template <class Text = detail::Text>
  std::string text() const {
    constexpr bool is_included = requires { sizeof(Text); };
    static_assert(is_included, "response.text() needs #include <ferry/text.hpp>");
    if constexpr (is_included)
      return Text::of(body(), headers().get("Content-Type"), detail::still_coded(state()));
    else
      return {};
  }
  /// The URL of the response, in normal form, without userinfo.
  const Url& url() const& noexcept;
  /// The URL, moved out.
  Url url() &&;

  /// True for a status below 400; false for 0, the status of an empty response.
  bool ok() const noexcept { return status() != 0 && status() < 400; }
  /// Returns the response itself if `ok()`.
  /// @throws Error `Errc::http_status` for a status of 400 or more, or 0.
  const Response& raise_for_status() const&;
  /// Returns the response itself, moved, if `ok()`: `(co_await client.get(url)).raise_for_status()`
  /// is a value, and does not dangle.
  /// @throws Error `Errc::http_status` for a status of 400 or more, or 0.
  Response raise_for_status() &&;

  /// The time from sending the request's first byte to parsing the response's head; without the
  /// body and the connection's set-up, like `elapsed` in Python's requests.
  Duration elapsed() const noexcept;
  /// The durations of the call's steps.
  const Timings& timings() const& noexcept;
  /// Overload for a temporary: returns by value.
  Timings timings() &&;
  /// The connection that carried the response, new or kept.
  const ConnectionInfo& connection() const& noexcept;
  /// Overload for a temporary: returns by value.
  ConnectionInfo connection() &&;
  /// The redirects that led to this response, the first one first, without their bodies.
  const std::vector<Response>& history() const& noexcept;
  /// The redirects, moved out.
  std::vector<Response> history() &&;

 private:
  friend struct detail::access;

  explicit Response(std::unique_ptr<detail::ResponseState> state) noexcept;

  const detail::ResponseState& state() const noexcept;

  std::unique_ptr<detail::ResponseState> state_;
};
static_assert(detail::co_await_safe<Response>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/response.ipp>
#endif
