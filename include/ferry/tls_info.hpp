#pragma once

/// @file
/// `TlsInfo`: the result of a TLS handshake.

#include <string>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The result of a connection's TLS handshake. Lifetime: owns its text. Threads: a value.
class TlsInfo {
 public:
  TlsInfo() {}

  std::string version;               ///< The version, such as `TLSv1.3`.
  std::string cipher;                ///< The cipher suite, by OpenSSL's name.
  std::string application_protocol;  ///< The protocol chosen by ALPN (RFC 7301); empty if there is
                                     ///< none.
  std::string subject;               ///< The subject of the server's certificate.
  bool resumed = false;              ///< True if an earlier session was resumed; its certificate
                                     ///< counts.
  bool verified = false;             ///< True if the certificate and the name in it were verified.
};
static_assert(detail::co_await_safe<TlsInfo>);

}  // namespace ferry
