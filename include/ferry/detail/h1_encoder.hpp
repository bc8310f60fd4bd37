#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/url.hpp>

// The head of an HTTP/1.1 request (RFC 9112 sections 2, 3 and 6).
namespace ferry::detail {

/// All that a request's head is made of. The parts are referred to and must outlive the call.
struct RequestHead {
  const Method& method;
  const Url& url;
  const Headers& headers;         ///< The request's own.
  const Headers& defaults;        ///< The client's; each gives way to a field of the same name.
  std::string_view user_agent;    ///< Empty: none.
  std::string_view content_type;  ///< The body's own; gives way to a field of the request's.
  std::uint64_t body_size;
  bool has_body;
  bool close;     ///< Announce that this request is the connection's last.
  bool upgrade;   ///< Another protocol may take over the connection.
  bool to_proxy;  ///< It goes to a proxy that forwards it: in absolute form (RFC 9112 3.2.2).
  std::string_view proxy_authorization;  ///< For that proxy; empty: none.
};

/// True for `host[:port]`, as a URL may have it.
inline bool is_authority(std::string_view text) {
  if (text.empty() || text.find_first_of("/?#@\\") != std::string_view::npos) return false;
  return Url::parse("http://" + std::string(text)).has_value();
}

/// Why these fields cannot be sent together with this body, if they cannot: what frames the message
/// is the library's to say, and saying it twice is how requests are smuggled (RFC 9112 6.2, 11.2).
inline std::optional<Error> check_framing_fields(const Headers& headers, bool has_body,
                                                 std::uint64_t body_size) {
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
    const auto declared = parse_decimal(value);
    if (!declared || *declared != (has_body ? body_size : 0))
      return Error(Errc::invalid_header, "Content-Length is not the size of the body, which is " +
                                             std::to_string(has_body ? body_size : 0));
  }
  return std::nullopt;
}

/// True if the fields say that the request is the connection's last.
inline bool announces_close(const RequestHead& head) noexcept {
  const Headers& sent = head.headers.contains("Connection") ? head.headers : head.defaults;
  return sent.has_token("Connection", "close");
}

/// Appends the head to `out`. Everything in it has been checked before: nothing can fail here.
inline void encode_head(const RequestHead& head, std::string& out) {
  const auto field = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  const auto given = [&head](std::string_view name) {
    return head.headers.contains(name) || head.defaults.contains(name);
  };

  out.append(head.method.token()).append(" ");
  if (head.to_proxy) out.append(head.url.origin());
  out.append(head.url.target()).append(" HTTP/1.1\r\n");
  // Host comes first, as RFC 9110 7.2 asks.
  const auto own_host = head.headers.get("Host");
  const auto host = own_host ? own_host : head.defaults.get("Host");
  const bool is_unix = head.url.scheme() == unix_scheme;
  field("Host", host.value_or(is_unix ? "localhost" : head.url.authority()));
  if (!head.user_agent.empty() && !given("User-Agent")) field("User-Agent", head.user_agent);
  if (!given("Accept")) field("Accept", "*/*");
  if (!head.proxy_authorization.empty()) field("Proxy-Authorization", head.proxy_authorization);
  for (const auto [name, value] : head.defaults)
    if (!head.headers.contains(name) && !iequals(name, "Host") && !iequals(name, "Content-Length"))
      field(name, value);
  for (const auto [name, value] : head.headers)
    if (!iequals(name, "Host") && !iequals(name, "Content-Length")) field(name, value);
  if (!head.content_type.empty() && !given("Content-Type"))
    field("Content-Type", head.content_type);
  if (head.has_body || head.method.expects_body()) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, head.body_size).ptr;
    field("Content-Length", {digits, static_cast<std::size_t>(end - digits)});
  }
  // Servers of HTTP/1.0 keep a connection, and Apache says for how long it does, only if asked to.
  if (head.close ? !announces_close(head) : !given("Connection"))
    field("Connection", head.close ? "close" : "keep-alive");
  out.append("\r\n");
}

}  // namespace ferry::detail
