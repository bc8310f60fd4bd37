#pragma once

/// @file
/// Public suffixes, for cookies. The definitions need libpsl (`dependency('ferry-psl')`); link
/// `psl` when you use this header.

#include <string_view>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::psl {

/// True for a domain under which anyone can register a name: `co.uk`, `github.io`. Set it as
/// `CookieJarOptions::is_public_suffix`. It uses the list that libpsl was built with, or the
/// system's if that is newer.
///
/// @param domain the domain, lower-case, ASCII. Threads: any.
bool is_public_suffix(std::string_view domain);

}  // namespace ferry::psl

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/psl.ipp>
#endif
