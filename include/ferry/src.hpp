#pragma once

/// @file
/// For programs whose source files are all compiled with `FERRY_SEPARATE_COMPILATION` defined: one
/// of them includes this, before anything else of ferry's, and has its definitions; the others
/// compile in a fraction of the time.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#elif defined(FERRY_EXTERN)
#error "ferry/src.hpp has to be included before anything else of ferry's"
#endif

#define FERRY_SOURCE
#include <ferry/ferry.hpp>
