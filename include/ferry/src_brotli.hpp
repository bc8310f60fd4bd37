#pragma once

/// @file
/// Definitions of `ferry/brotli.hpp`, for programs that define `FERRY_SEPARATE_COMPILATION`. One
/// source file includes this header; link `brotlidec`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error \
    "ferry/src_brotli.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/brotli.ipp>
