#pragma once

#include <openssl/ssl.h>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/tls/openssl_context.hpp>
#include <ferry/tls.hpp>

namespace ferry::inline FERRY_CONFIGURATION::tls {

static_assert(static_cast<int>(Version::tls1_2) == TLS1_2_VERSION);
static_assert(static_cast<int>(Version::tls1_3) == TLS1_3_VERSION);

FERRY_DEFINITION std::shared_ptr<const TlsContext> context(Options options) {
  return std::make_shared<const detail::OpenSslContext>(std::move(options));
}

}  // namespace ferry::tls
