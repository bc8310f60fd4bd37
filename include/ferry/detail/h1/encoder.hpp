#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include <ferry/detail/base/byte_buffer.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/url_text.hpp>
#include <ferry/detail/http/request_head.hpp>

// The encoder for the head of an HTTP/1.1 request (RFC 9112 sections 2, 3 and 6).
namespace ferry::inline FERRY_CONFIGURATION::detail {

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
