#pragma once

/// @file
/// Definitions for programs that define `FERRY_SEPARATE_COMPILATION` for all of their source files.
/// One source file includes this header; the other files then compile in a fraction of the time.
/// The parts that need a library of their own have headers like this one: `src_tls.hpp` and so on.

#if !defined(FERRY_SEPARATE_COMPILATION)
#error "ferry/src.hpp is for programs that are compiled with FERRY_SEPARATE_COMPILATION defined"
#endif

#include <ferry/impl/async_stream.ipp>
#include <ferry/impl/auth.ipp>
#include <ferry/impl/authenticator.ipp>
#include <ferry/impl/blocking.ipp>
#include <ferry/impl/client.ipp>
#include <ferry/impl/connection_pool.ipp>
#include <ferry/impl/connector.ipp>
#include <ferry/impl/cookies.ipp>
#include <ferry/impl/download.ipp>
#include <ferry/impl/error.ipp>
#include <ferry/impl/event.ipp>
#include <ferry/impl/file.ipp>
#include <ferry/impl/form.ipp>
#include <ferry/impl/headers.ipp>
#include <ferry/impl/lines.ipp>
#include <ferry/impl/link.ipp>
#include <ferry/impl/method.ipp>
#include <ferry/impl/middleware.ipp>
#include <ferry/impl/multipart.ipp>
#include <ferry/impl/options.ipp>
#include <ferry/impl/request.ipp>
#include <ferry/impl/response.ipp>
#include <ferry/impl/response_stream.ipp>
#include <ferry/impl/sse.ipp>
#include <ferry/impl/stream.ipp>
#include <ferry/impl/text.ipp>
#include <ferry/impl/url.ipp>
