#pragma once

/// @file
/// What a benchmark over TLS needs.

#include <memory>

#include <ferry/connector.hpp>

#include "keep_alive_server.hpp"

namespace benchmark {

/// Both ends of TLS. Without OpenSSL there is none.
struct Tls {
  KeepAliveServer::Serve serve;                    ///< The embedded server's end.
  std::shared_ptr<const ferry::TlsContext> fresh;  ///< The client's, each connection by itself.
  std::shared_ptr<const ferry::TlsContext>
      resuming;  ///< The client's, continuing earlier sessions.
};

/// @param embedded trust the embedded server alone; otherwise whom the system trusts.
/// @throws UsageError if this was built without OpenSSL.
Tls make_tls(bool embedded);

}  // namespace benchmark
