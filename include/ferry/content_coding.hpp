#pragma once

/// @file
/// `ContentCoding`: a coding that servers apply to bodies, and its decoder.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Undoes a content coding for one body, piece by piece.
///
/// The decoder gets the whole coded body in order. No call marks the body's end: the caller looks
/// at the last `Progress::ended` to see whether the coded data are complete. A body without a byte
/// is never passed to the decoder, and is empty. The decoder's memory is bounded, whatever the data
/// are. Threads: used by one at a time.
class ContentDecoder {
 public:
  /// The result of one call.
  struct Progress {
    std::size_t used = 0;  ///< Bytes of the input that were consumed.
    std::size_t made = 0;  ///< Bytes of the output that were filled. If fewer than its size, no
                           ///< more output is pending.
    bool ended = false;    ///< True if the coded data are complete, provided that no more input
                           ///< comes.
  };

  ContentDecoder() = default;
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;
  virtual ~ContentDecoder() = default;

  /// Fills the output as far as possible, and consumes as much input as that needs.
  ///
  /// @param input the unconsumed rest of the earlier input, perhaps with more after it. Empty to
  ///   ask only for more output, after a call that filled its output.
  /// @param output not empty.
  /// @return the progress, or `Errc::undecodable_body`, after which the decoder is not called
  ///   again. Bytes after the end of the coded data are an error too.
  /// @throws std::bad_alloc
  virtual Result<Progress> decode(std::string_view input, std::span<char> output) = 0;
};
static_assert(detail::co_await_safe<ContentDecoder>);
static_assert(detail::co_await_safe<ContentDecoder::Progress>);

/// A content coding: its names and its decoder. The usual ones are in `ferry/gzip.hpp`,
/// `ferry/brotli.hpp` and `ferry/zstd.hpp`. (RFC 9110 8.4.1)
///
/// Lifetime: the names are views, usually of literals. Threads: a value.
struct ContentCoding {
  std::string_view name;                         ///< The name in `Accept-Encoding`: "gzip".
  std::string_view alias;                        ///< Another name that servers may use, or empty.
  std::unique_ptr<ContentDecoder> (*decoder)();  ///< Makes a decoder for one body. Neither is null.

  friend bool operator==(const ContentCoding&, const ContentCoding&) = default;
};
static_assert(detail::co_await_safe<ContentCoding>);

namespace detail {

/// The error of a coding whose data are malformed.
inline Error undecodable(std::string_view coding, std::string_view why) {
  return Error(Errc::undecodable_body, std::string(coding) + ": " + std::string(why));
}

}  // namespace detail

}  // namespace ferry
