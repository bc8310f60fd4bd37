#pragma once

/// @file
/// Definitions of `ferry/zstd.hpp`, for programs that define `FERRY_SEPARATE_COMPILATION`. One
/// source file includes this header; link `zstd`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error \
    "ferry/src_zstd.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/zstd.ipp>
