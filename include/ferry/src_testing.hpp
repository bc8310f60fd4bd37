#pragma once

/// @file
/// Definitions of the headers in `ferry/testing/`, for programs that define
/// `FERRY_SEPARATE_COMPILATION`. One source file of the tests includes this header.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error \
    "ferry/src_testing.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/testing/mock_transport.ipp>
#include <ferry/impl/testing/scripted_stream.ipp>
