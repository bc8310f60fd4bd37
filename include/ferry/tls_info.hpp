#pragma once

/// @file
/// `TlsInfo`: what a TLS handshake has agreed on.

#include <string>

#include <ferry/detail/base/co_await_safe.hpp>

namespace ferry {

/// What TLS has agreed on for a connection. Lifetime: owns its text. Threads: a value.
class TlsInfo {
 public:
  TlsInfo() {}

  std::string version;               ///< `TLSv1.3`, say.
  std::string cipher;                ///< The cipher suite, in OpenSSL's words.
  std::string application_protocol;  ///< What ALPN chose (RFC 7301); empty if the server did not.
  std::string subject;               ///< Of the server's certificate.
  bool resumed = false;              ///< It continues an earlier session, whose certificate counts.
  bool verified = false;             ///< The certificate was checked, and so was the name.
};
static_assert(detail::co_await_safe<TlsInfo>);

}  // namespace ferry
