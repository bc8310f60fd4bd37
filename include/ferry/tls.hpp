#pragma once

/// @file
/// HTTPS: `options.tls = ferry::tls::context()`. The definitions need OpenSSL; link `ssl` and
/// `crypto` when you use this header.

#include <memory>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/tls_options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::tls {

/// Makes a context that secures a pool's connections: `options.tls = ferry::tls::context()`.
///
/// A server must have a certificate for the name, or the address, in the URL, and the certificate
/// must lead to a root that the system trusts (RFC 9110 4.3.4). TLS 1.2 is the minimum; `http/1.1`
/// is offered by ALPN. Sessions are resumed. If a connection cannot be secured, the request fails
/// and nothing is sent.
///
/// @param options the options.
/// @throws Error `Errc::invalid_option` for options that cannot be used: a file that cannot be
///   read, a key that does not belong to the certificate.
/// Lifetime: shared by pools, which then share its sessions too. Threads: safe to use from any
/// number of threads at once.
std::shared_ptr<const TlsContext> context(Options options = Options());

}  // namespace ferry::tls

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/tls.ipp>
#endif
