#pragma once

#include <ferry/options.hpp>
#include <ferry/tls.hpp>

#include "certificates.hpp"

namespace test {

/// TLS options that trust only the root of certificates.sh.
inline ferry::tls::Options trusting_tls() {
  ferry::tls::Options tls;
  tls.system_roots = false;
  tls.roots.push_back(ferry::tls::Pem::file(certificates::ca));
  return tls;
}

/// A client's options with these TLS options.
inline ferry::ClientOptions trusting(ferry::tls::Options tls = trusting_tls()) {
  ferry::ClientOptions options;
  options.tls = ferry::tls::context(std::move(tls));
  return options;
}

}  // namespace test
