#pragma once

/// @file
/// HTTPS: `options.tls = ferry::tls::context()`. Of the public headers, only this, with
/// `ferry/tls_options.hpp`, and `ferry/digest.hpp` include OpenSSL, which then has to be linked
/// (`ssl` and `crypto`).

#include <memory>
#include <utility>

#include <ferry/detail/tls/openssl_context.hpp>
#include <ferry/tls_options.hpp>

namespace ferry::tls {

/// What secures a pool's connections: `options.tls = ferry::tls::context()`.
///
/// Servers have to show a certificate for the name, or the address, in the URL, which leads to a
/// root that the system trusts (RFC 9110 4.3.4). TLS 1.2 is the least that will do; `http/1.1` is
/// offered by ALPN. Sessions are resumed. What could not be secured is an error, and nothing is
/// sent.
///
/// @throws Error `Errc::invalid_option` for options that cannot be used: a file that cannot be
/// read,
///   a key that is not the certificate's.
/// Lifetime: pools share it. Pools that share one also share its sessions. Threads: safe to use by
/// any number at once.
inline std::shared_ptr<const TlsContext> context(Options options = Options()) {
  return std::make_shared<const detail::OpenSslContext>(std::move(options));
}

}  // namespace ferry::tls
