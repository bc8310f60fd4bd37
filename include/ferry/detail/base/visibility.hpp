#pragma once

// One object per process, even if several shared libraries include ferry's headers.

/// Gives default visibility despite `-fvisibility=hidden`, for a static whose address is an
/// identity, a counter of unique numbers, or a type that is thrown. The dynamic linker then uses
/// one object for all libraries that can see each other's symbols.
#if defined(__GNUC__) && !defined(_WIN32)
#define FERRY_VISIBLE __attribute__((visibility("default")))
#else
#define FERRY_VISIBLE
#endif
