#pragma once

/// @file
/// Definitions of `ferry/idna.hpp`, for programs that define `FERRY_SEPARATE_COMPILATION`. One
/// source file includes this header; link `idn2`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error \
    "ferry/src_idna.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/idna.ipp>
