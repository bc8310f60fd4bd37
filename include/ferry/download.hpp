#pragma once

/// @file
/// `client.download()`: writes a response's body to a file, and resumes an earlier attempt.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <ferry/client.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The options of a download. Set its members on a named variable.
class DownloadOptions {
 public:
  DownloadOptions() {}

  /// Called as bytes are written, with the file's size so far and its final size, if known. An
  /// exception from it ends the download.
  std::function<void(std::uint64_t size, std::optional<std::uint64_t> total)> progress;
  /// Resume an earlier download if the server still has the same content: the same strong validator
  /// (an `ETag`, or a `Last-Modified` that is a second older than its response) and the same size
  /// (RFC 9110 13.1.5, 15.3.7.3). Only a GET is resumed.
  bool resume = true;
  /// Time limits and other options of each request that the download makes; `timeout` is for all of
  /// them together.
  RequestOptions request;
};
static_assert(detail::co_await_safe<DownloadOptions>);

/// The result of a download.
struct Downloaded {
  std::uint64_t size = 0;          ///< The file's size in bytes.
  std::uint64_t resumed_from = 0;  ///< Bytes that were already there.
};
static_assert(detail::co_await_safe<Downloaded>);

namespace detail {

/// The download that `Client::download` makes. It is a type so that `Client` can name it before its
/// definition.
struct Download {
  using Options = DownloadOptions;

  static asio::awaitable<Downloaded> run(Client client, Request request, std::string path,
                                         DownloadOptions options);
};

}  // namespace detail

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/download.ipp>
#endif
