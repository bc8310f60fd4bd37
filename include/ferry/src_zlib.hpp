#pragma once

/// @file
/// Definitions of `ferry/gzip.hpp`, for programs that define `FERRY_SEPARATE_COMPILATION`. One
/// source file includes this header; link `z`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error \
    "ferry/src_zlib.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/gzip.ipp>
