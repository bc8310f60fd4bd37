#pragma once

// Things that are one per process though several shared libraries include ferry's headers.

/// Gives default visibility where `-fvisibility=hidden` takes it away: to a static whose address is
/// an identity, a counter that hands out unique numbers, a type that is thrown. The dynamic linker
/// then finds one for all libraries, as far as it lets them see each other's symbols.
#if defined(__GNUC__) && !defined(_WIN32)
#define FERRY_VISIBLE __attribute__((visibility("default")))
#else
#define FERRY_VISIBLE
#endif
