#pragma once

/// @file
/// Definitions for programs that define `FERRY_SEPARATE_COMPILATION` for all of their source files.
/// One source file includes this header, before any other of ferry's; the other files then compile
/// in a fraction of the time.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#elif defined(FERRY_EXTERN)
#error "ferry/src.hpp has to be included before anything else of ferry's"
#endif

#define FERRY_SOURCE
#include <ferry/ferry.hpp>
