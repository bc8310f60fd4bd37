#pragma once

/// @file
/// The TLS setup of a benchmark.

#include <memory>

#include <ferry/connector.hpp>

#include "keep_alive_server.hpp"

namespace benchmark {

/// Both ends of TLS. Empty if built without OpenSSL.
struct Tls {
  KeepAliveServer::Serve serve;                    ///< The embedded server's end.
  std::shared_ptr<const ferry::TlsContext> fresh;  ///< The client's end, without resumption.
  std::shared_ptr<const ferry::TlsContext>
      resuming;  ///< The client's end, resuming earlier sessions.
};

/// @param embedded true to trust only the embedded server; false to trust the system's roots.
/// @throws UsageError if built without OpenSSL.
Tls make_tls(bool embedded);

}  // namespace benchmark
