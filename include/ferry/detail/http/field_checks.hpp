#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

// Checks of a request's fields before anything is sent.
namespace ferry::inline FERRY_CONFIGURATION::detail {

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

/// The name of the field, as it is usually written, if the field frames, routes or authenticates a
/// message and so cannot be a trailer (RFC 9110 6.5.1); else empty.
inline std::string_view forbidden_trailer(std::string_view name) noexcept {
  for (const std::string_view early :
       {"Content-Length", "Transfer-Encoding", "Host", "Content-Type", "Content-Encoding",
        "Content-Range", "Trailer", "Authorization", "Proxy-Authorization", "Cookie", "Expect",
        "Connection", "Range", "TE", "Upgrade", "Cache-Control"})
    if (iequals(name, early)) return early;
  return {};
}

}  // namespace ferry::detail
