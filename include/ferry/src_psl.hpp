#pragma once

/// @file
/// Definitions of `ferry/psl.hpp`, for programs that define `FERRY_SEPARATE_COMPILATION`. One
/// source file includes this header; link `psl`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src_psl.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/psl.ipp>
