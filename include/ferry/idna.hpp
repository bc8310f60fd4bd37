#pragma once

/// @file
/// The ASCII form of hosts that are not ASCII: `options.idna = ferry::idna::to_ascii`. The
/// definitions need libidn2; link `idn2` when you use this header.

#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION::idna {

/// The ASCII form of a host's name, `xn--bcher-kva.example` for `b\u00FCcher.example` (IDNA2008
/// with the mapping of UTS #46, non-transitional).
///
/// @param host the host in UTF-8, without a port.
/// @return the name, which is a valid host; or `Errc::invalid_url` for a name that may not be
///   registered, or that the mapping turns into an invalid host (a fullwidth colon becomes a colon,
///   for example). Threads: any.
Result<std::string> to_ascii(std::string_view host);

}  // namespace ferry::idna

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/idna.ipp>
#endif
