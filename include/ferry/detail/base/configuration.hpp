#pragma once

#include <asio/version.hpp>

// Two ways to use the library: header-only, the default, and compiled.
//
// Public headers declare; the definitions that are no templates are in `ferry/impl/*.ipp`. By
// default each header includes its own definitions, which are then inline. With
// FERRY_SEPARATE_COMPILATION, in all source files of a program, it does not: `ferry/src.hpp` and
// its like compile the definitions once.
//
// FERRY_DEFINITION stands before such a definition. It also stands before the declaration of a
// virtual function that is defined so: if the function were not inline in its class, each file that
// includes the header would have to compile the class's table of virtual functions.
#if defined(FERRY_SEPARATE_COMPILATION)
#define FERRY_DEFINITION
#define FERRY_MODE compiled
#else
#define FERRY_DEFINITION inline
#define FERRY_MODE header_only
#endif

// The configuration is a part of the name of everything in ferry: an inline namespace. So source
// files that are compiled in different ways do not link into one program, and the linker's message
// names both configurations.
#if defined(ASIO_NO_DEPRECATED)
#define FERRY_ASIO_INTERFACE _no_deprecated
#else
#define FERRY_ASIO_INTERFACE
#endif
// Asio defines ASIO_HAS_IO_URING_AS_DEFAULT in the other case, but not before it is included.
#if defined(ASIO_HAS_IO_URING_AS_DEFAULT) || \
    (defined(ASIO_HAS_IO_URING) && defined(ASIO_DISABLE_EPOLL))
#define FERRY_ASIO_BACKEND _io_uring
#else
#define FERRY_ASIO_BACKEND
#endif
#if defined(ASIO_ENABLE_HANDLER_TRACKING)
#define FERRY_ASIO_TRACKING _tracking
#else
#define FERRY_ASIO_TRACKING
#endif
#if defined(ASIO_ENABLE_BUFFER_DEBUGGING)
#define FERRY_ASIO_BUFFERS _buffer_debugging
#else
#define FERRY_ASIO_BUFFERS
#endif
// The version of `ferry/version.hpp`.
#define FERRY_VERSION_NAME 0_1_0
#define FERRY_JOIN_EXPANDED(mode, version, asio, a, b, c, d) \
  mode##_##version##_with_asio_##asio##a##b##c##d
#define FERRY_JOIN(mode, version, asio, a, b, c, d) \
  FERRY_JOIN_EXPANDED(mode, version, asio, a, b, c, d)
#define FERRY_CONFIGURATION                                                      \
  FERRY_JOIN(FERRY_MODE, FERRY_VERSION_NAME, ASIO_VERSION, FERRY_ASIO_INTERFACE, \
             FERRY_ASIO_BACKEND, FERRY_ASIO_TRACKING, FERRY_ASIO_BUFFERS)
