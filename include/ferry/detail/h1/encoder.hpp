#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/byte_buffer.hpp>
#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/url.hpp>

// The encoder for the head of an HTTP/1.1 request (RFC 9112 sections 2, 3 and 6).
namespace ferry::detail {

/// All parts of a request's head. Everything referred to outlives the call.
struct RequestHead {
  const Method& method;
  const Url& url;
  const Headers& headers;           ///< The request's own fields.
  const Headers& defaults;          ///< The client's fields; the request's own override them.
  std::string_view user_agent{};    ///< Empty: no User-Agent.
  std::string_view content_type{};  ///< The body's type; a given Content-Type overrides it.
  /// Content codings; a given Accept-Encoding or Range overrides them.
  std::string_view accept_encoding{};
  std::string_view authorization{};  ///< Overrides given Authorization fields; empty: none.
  std::string_view cookie{};         ///< Value from the cookie store; empty: none.
  /// Body size in bytes; nothing: unknown, the body is sent in chunks.
  std::optional<std::uint64_t> body_size = 0;
  bool has_body = false;
  bool close = false;    ///< True to announce that the request is the connection's last.
  bool expect = false;   ///< True if the body waits for `100 Continue`.
  bool upgrade = false;  ///< True if another protocol may take over the connection.
  bool to_proxy =
      false;  ///< True if a proxy forwards the request: in absolute form (RFC 9112 3.2.2).
  std::string_view proxy_authorization{};  ///< Credentials for that proxy; empty: none.
  std::string_view
      default_head_fields{};  ///< Result of `default_head_fields()` for the client; empty: unknown.
};

/// True for `host[:port]`, in the form that a URL allows.
inline bool is_authority(std::string_view text) {
  if (text.empty() || text.find_first_of("/?#@\\") != std::string_view::npos) return false;
  return Url::parse("http://" + std::string(text)).has_value();
}

/// Checks that these fields can be sent together with this body. Only the library writes the fields
/// that frame a message: framing written twice allows request smuggling (RFC 9112 6.2, 11.2).
/// @param body_size the body's size in bytes; 0 for none, nothing if it is not known.
/// @return the failure, or nothing.
inline std::optional<Error> check_framing_fields(const Headers& headers,
                                                 std::optional<std::uint64_t> body_size) {
  int hosts = 0;
  int lengths = 0;
  for (const auto [name, value] : headers) {
    if (iequals(name, "Transfer-Encoding"))
      return Error(Errc::invalid_header, "Transfer-Encoding is set by the library, from the body");
    if (iequals(name, "Proxy-Authorization"))
      return Error(Errc::invalid_header,
                   "Proxy-Authorization could reach the origin: put user and password into the "
                   "proxy's URL");
    if (iequals(name, "Host") && ++hosts > 1)
      return Error(Errc::invalid_header, "more than one Host");
    if (iequals(name, "Host") && !is_authority(value))
      return Error(Errc::invalid_header, "Host is not host[:port]");
    if (!iequals(name, "Content-Length")) continue;
    if (++lengths > 1) return Error(Errc::invalid_header, "more than one Content-Length");
    if (body_size && parse_decimal(value) == body_size) continue;
    return Error(Errc::invalid_header,
                 body_size ? "Content-Length is not the size of the body, which is " +
                                 std::to_string(*body_size)
                           : "Content-Length, for a body whose size is not known");
  }
  return std::nullopt;
}

/// True if the fields announce that the request is the connection's last.
inline bool announces_close(const RequestHead& head) noexcept {
  const Headers& sent = head.headers.contains("Connection") ? head.headers : head.defaults;
  return sent.has_token("Connection", "close");
}

/// True if the fields say that the body waits for `100 Continue` (RFC 9110 10.1.1).
inline bool expects_continue(const Headers& headers, const Headers& defaults) noexcept {
  const Headers& sent = headers.contains("Expect") ? headers : defaults;
  return sent.has_token("Expect", "100-continue");
}

/// Appends the fields after Host, and the empty line. A field with an empty value is not sent, and
/// suppresses the default for its name.
inline void encode_fields(const RequestHead& head, ByteBuffer& out) {
  const auto field = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  const auto given = [&head](std::string_view name) {
    return head.headers.contains(name) || head.defaults.contains(name);
  };

  if (!head.user_agent.empty() && !given("User-Agent")) field("User-Agent", head.user_agent);
  if (!given("Accept")) field("Accept", "*/*");
  if (!head.proxy_authorization.empty()) field("Proxy-Authorization", head.proxy_authorization);
  if (!head.authorization.empty()) field("Authorization", head.authorization);
  if (!head.cookie.empty()) field("Cookie", head.cookie);
  if (!head.accept_encoding.empty() && !given("Accept-Encoding") && !given("Range"))
    field("Accept-Encoding", head.accept_encoding);
  const auto given_field = [&](std::string_view name, std::string_view value) {
    if (value.empty() || iequals(name, "Host") || iequals(name, "Content-Length")) return;
    if (!head.authorization.empty() && iequals(name, "Authorization")) return;
    field(name, value);
  };
  for (const auto [name, value] : head.defaults) {
    // RFC 9110 10.1.1: Expect needs content.
    const bool is_out_of_place = !head.has_body && iequals(name, "Expect");
    if (!head.headers.contains(name) && !is_out_of_place) given_field(name, value);
  }
  for (const auto [name, value] : head.headers) given_field(name, value);
  if (!head.content_type.empty() && !given("Content-Type"))
    field("Content-Type", head.content_type);
  if (head.has_body && !head.body_size) {
    field("Transfer-Encoding", "chunked");
  } else if (head.has_body || head.method.expects_body()) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, head.body_size.value_or(0)).ptr;
    field("Content-Length", {digits, static_cast<std::size_t>(end - digits)});
  }
  // HTTP/1.0 servers keep a connection only if asked to, and only then Apache says for how long.
  if (head.close ? !announces_close(head) : !given("Connection"))
    field("Connection", head.close ? "close" : "keep-alive");
  out.append("\r\n");
}

/// The output of `encode_fields` for a request that has neither fields nor content of its own. Most
/// requests are like this, so a client computes the output once.
inline std::string default_head_fields(const Headers& defaults, std::string_view user_agent,
                                       std::string_view accept_encoding) {
  ByteBuffer fields;
  encode_fields({.method = Method::get(),
                 .url = Url(),
                 .headers = Headers(),
                 .defaults = defaults,
                 .user_agent = user_agent,
                 .accept_encoding = accept_encoding},
                fields);
  return std::string(fields.view());
}

/// True if `default_head_fields()` is right for this request.
inline bool is_usual(const RequestHead& head) noexcept {
  return head.headers.empty() && !head.has_body && !head.method.expects_body() && !head.close &&
         head.authorization.empty() && head.cookie.empty() && head.proxy_authorization.empty();
}

/// Appends the head to `out`. Everything in the head was checked before, so nothing can fail here.
inline void encode_head(const RequestHead& head, ByteBuffer& out) {
  out.append(head.method.token()).append(" ");
  if (head.to_proxy) out.append(head.url.origin());
  // Host comes first, as RFC 9110 7.2 asks.
  const auto own_host = head.headers.get("Host");
  const auto host = own_host ? own_host : head.defaults.get("Host");
  const bool is_unix = head.url.scheme() == unix_scheme;
  out.append(head.url.target())
      .append(" HTTP/1.1\r\nHost: ")
      .append(host.value_or(is_unix ? "localhost" : head.url.authority()))
      .append("\r\n");
  if (!head.default_head_fields.empty() && is_usual(head))
    out.append(head.default_head_fields);
  else
    encode_fields(head, out);
}

}  // namespace ferry::detail
