#pragma once

/// @file
/// Definitions of `ferry/tls.hpp` and `ferry/digest.hpp`, for programs that define
/// `FERRY_SEPARATE_COMPILATION`. One source file includes this header; link `ssl` and `crypto`.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src_tls.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/digest.ipp>
#include <ferry/impl/tls.ipp>
#include <ferry/impl/tls_options.ipp>
