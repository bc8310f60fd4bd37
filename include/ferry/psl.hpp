#pragma once

/// @file
/// Public suffixes, for cookies: needs libpsl (`dependency('ferry-psl')`).

#include <libpsl.h>
#include <string>
#include <string_view>

namespace ferry::psl {

/// True for a domain under which anyone can register a name: `co.uk`, `github.io`. Set it as
/// `CookieJarOptions::is_public_suffix`. It uses the list that libpsl was built with, or the
/// system's if that is newer.
///
/// @param domain the domain, lower-case, ASCII. Threads: any.
inline bool is_public_suffix(std::string_view domain) {
  static const psl_ctx_t* const list = psl_latest(nullptr);
  return psl_is_public_suffix(list, std::string(domain).c_str()) != 0;
}

}  // namespace ferry::psl
