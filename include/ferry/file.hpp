#pragma once

/// @file
/// `file`: a file as a request's body, read while it is sent.

#include <string>

#include <ferry/body.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A body that is a file: `co_await client.put("/backup", ferry::file("backup.tar"))`.
///
/// The file is opened for every attempt to send the request, read piece by piece, and not copied
/// into memory. A regular file has a size, which is sent as `Content-Length`; if the file grows or
/// shrinks meanwhile, the request fails. A pipe or a device has no size: it is sent in chunks, and
/// only once.
///
/// Reading blocks the thread for as long as the disk, or the writer of the pipe, takes. If that is
/// a problem, run the client on its own thread.
/// @param path the path, in the system's encoding.
/// @param content_type the `Content-Type`; sent as given, and not guessed from the name.
/// @return a body. Sending it fails with `Errc::invalid_body`, and the system's error as its cause,
///   if the file does not exist, is a directory, or cannot be opened; nothing is sent then.
///   Lifetime: holds a descriptor from the beginning of an attempt to the file's end. Threads: as
///   `BodySource`.
Body file(std::string path, std::string content_type = "application/octet-stream");

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/file.ipp>
#endif
