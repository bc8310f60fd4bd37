#pragma once

#include <fcntl.h>

namespace ferry::detail {

/// What files are opened with beside their mode: bytes as they are, and not for child processes.
#if defined(_WIN32)
inline constexpr int file_flags = O_BINARY | O_NOINHERIT;
#else
inline constexpr int file_flags = O_CLOEXEC | O_NOCTTY;
#endif

}  // namespace ferry::detail
