#pragma once

#include <fcntl.h>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Flags for every opened file, beside its mode: no text conversion, and not inherited by child
/// processes.
#if defined(_WIN32)
inline constexpr int file_flags = O_BINARY | O_NOINHERIT;
#else
inline constexpr int file_flags = O_CLOEXEC | O_NOCTTY;
#endif

}  // namespace ferry::detail
