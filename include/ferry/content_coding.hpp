#pragma once

/// @file
/// `ContentCoding`: a coding in which servers send bodies, and how to undo it.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry {

/// Undoes a content coding for one body, piece by piece.
///
/// It is given the whole coded body in order, and is told of its end by nothing: whether that was
/// the end, `Progress::ended` has said. A body without a byte is never shown to it, and is empty.
/// Its memory has a bound, whatever the data are. Threads: used by one at a time.
class ContentDecoder {
 public:
  /// What one call came to.
  struct Progress {
    std::size_t used = 0;  ///< Bytes of the input that are done with.
    std::size_t made = 0;  ///< Bytes of the output that were filled. If not all: nothing is left.
    bool ended = false;    ///< The coded data are complete, if no more input comes.
  };

  ContentDecoder() = default;
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;
  virtual ~ContentDecoder() = default;

  /// Fills the output as far as it can, and takes as much input as that needs.
  ///
  /// @param input what was not used of the input before, and perhaps more. Empty to ask for output
  ///   only, after a call that filled its output.
  /// @param output not empty.
  /// @return how far it came, or `Errc::undecodable_body`, after which it is not called again. What
  ///   stands behind the end of the coded data is an error, too.
  /// @throws std::bad_alloc
  virtual Result<Progress> decode(std::string_view input, std::span<char> output) = 0;
};
static_assert(detail::co_await_safe<ContentDecoder>);
static_assert(detail::co_await_safe<ContentDecoder::Progress>);

/// A content coding: its names, and how to undo it. `ferry/gzip.hpp`, `ferry/brotli.hpp` and
/// `ferry/zstd.hpp` have those in use. (RFC 9110 8.4.1)
///
/// Lifetime: the names are views, of literals as a rule. Threads: a value.
struct ContentCoding {
  std::string_view name;                         ///< As it stands in `Accept-Encoding`: "gzip".
  std::string_view alias;                        ///< Another that servers may use, or empty.
  std::unique_ptr<ContentDecoder> (*decoder)();  ///< Makes a decoder for one body. Neither is null.

  friend bool operator==(const ContentCoding&, const ContentCoding&) = default;
};
static_assert(detail::co_await_safe<ContentCoding>);

namespace detail {

/// The error of a coding whose data are not what they should be.
inline Error undecodable(std::string_view coding, std::string_view why) {
  return Error(Errc::undecodable_body, std::string(coding) + ": " + std::string(why));
}

/// What `ContentCoding::decoder` points to: a function of the same address everywhere, which a
/// lambda in a header is not with every compiler.
template <class Decoder, auto... arguments>
std::unique_ptr<ContentDecoder> make_decoder() {
  return std::make_unique<Decoder>(arguments...);
}

}  // namespace detail

}  // namespace ferry
