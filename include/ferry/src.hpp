#pragma once

/// @file
/// Definitions for programs that define `FERRY_SEPARATE_COMPILATION` for all of their source files.
/// One source file includes this header; the other files then compile in a fraction of the time.
/// The parts that need a library of their own have headers like this one: `src_tls.hpp` and so on.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/auth.ipp>
#include <ferry/impl/blocking.ipp>
#include <ferry/impl/client.ipp>
#include <ferry/impl/connection_pool.ipp>
#include <ferry/impl/middleware.ipp>
#include <ferry/impl/response_stream.ipp>
