#pragma once

#include <libpsl.h>
#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/psl.hpp>

namespace ferry::inline FERRY_CONFIGURATION::psl {

FERRY_DEFINITION bool is_public_suffix(std::string_view domain) {
  static const psl_ctx_t* const list = psl_latest(nullptr);
  return psl_is_public_suffix(list, std::string(domain).c_str()) != 0;
}

}  // namespace ferry::psl
