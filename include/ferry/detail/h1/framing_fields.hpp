#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/message.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The fields of a response's head that delimit its body (RFC 9112 6).
struct FramingFields {
  int codings = 0;       ///< Number of Transfer-Encoding fields.
  bool chunked = false;  ///< True if the last Transfer-Encoding is "chunked".
  int lengths = 0;       ///< Number of Content-Length fields.
  /// Value of the last Content-Length, in bytes; nothing if it is not a number.
  std::optional<std::uint64_t> length;

  /// True for the name of a field that this class takes.
  static constexpr bool is_name(std::string_view name) noexcept {
    return iequals(name, "Content-Length") || iequals(name, "Transfer-Encoding");
  }

  /// Takes a field of the head.
  /// @return false if the field has another name.
  bool take(std::string_view name, std::string_view value) noexcept {
    if (iequals(name, "Content-Length")) {
      ++lengths;
      length = parse_decimal(value);
    } else if (iequals(name, "Transfer-Encoding")) {
      ++codings;
      chunked = iequals(value, "chunked");
    } else {
      return false;
    }
    return true;
  }

  /// Looks for fields that two parsers could read differently.
  /// @param seen_as_chunked true if llhttp, which decides by its own rules, takes the body for a
  ///   chunked one, or if the response has no body. A response on which the two disagree is
  ///   refused.
  /// @return the reason; empty if there is none.
  std::string_view ambiguity(bool is_http_1_0, bool seen_as_chunked) const noexcept {
    if (codings > 1) return "more than one Transfer-Encoding";
    if (lengths > 1) return "more than one Content-Length";
    if (lengths > 0 && !length) return "Content-Length is not a number";
    // RFC 9112 6.3: such a message "ought to be handled as an error".
    if (codings > 0 && lengths > 0) return "both Transfer-Encoding and Content-Length";
    if (codings > 0 && (!chunked || !seen_as_chunked))
      return "Transfer-Encoding is not \"chunked\" alone";
    // RFC 9112 6.1: the framing of such a message is faulty.
    if (codings > 0 && is_http_1_0) return "Transfer-Encoding in a response of HTTP/1.0";
    return {};
  }

  /// The way in which the fields, if they are not ambiguous, delimit a body (RFC 9112 6.3).
  Framing framing() const noexcept {
    if (codings > 0) return Framing::chunked;
    return length ? Framing::length : Framing::until_close;
  }
};

}  // namespace ferry::detail
