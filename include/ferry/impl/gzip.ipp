#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <zlib.h>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/gzip.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A decoder that uses zlib's inflate; it takes some 40 KiB.
class InflateDecoder final : public ContentDecoder {
 public:
  enum class Format { gzip, deflate };

  explicit InflateDecoder(Format format) : format_(format) {
    // The parameters are constants, so only memory can be lacking.
    if (inflateInit2(&stream_, format == Format::gzip ? gzip_wrapper : no_wrapper) != Z_OK)
      throw std::bad_alloc();
  }
  ~InflateDecoder() override { inflateEnd(&stream_); }

  Result<Progress> decode(std::string_view input, std::span<char> output) override {
    if (format_ == Format::gzip || told_apart_) return inflate_all(input, output);
    if (input.empty()) return Progress{};
    if (!held_ && input.size() == 1) {
      first_ = input.front();
      held_ = true;
      return Progress{1, 0, false};
    }
    const char first = held_ ? first_ : input[0];
    if (is_zlib_header(first, held_ ? input[0] : input[1])) inflateReset2(&stream_, zlib_wrapper);
    told_apart_ = true;
    if (!held_) return inflate_all(input, output);
    // The first byte gives no output in either format.
    if (const auto begun = inflate_all({&first_, 1}, output); !begun) return begun;
    return inflate_all(input, output);
  }

 private:
  // The values of inflateInit2's windowBits: a window of 32 KiB, and the kind of wrapper.
  static constexpr int no_wrapper = -15;
  static constexpr int zlib_wrapper = 15;
  static constexpr int gzip_wrapper = 15 + 16;

  /// True if the data begin with a zlib header. RFC 9110 8.4.1.2 says that "deflate" is the zlib
  /// format (RFC 1950), but so many servers sent plain deflate data (RFC 1951) that all clients
  /// accept both. Plain data that look like a zlib header would begin with a stored block whose
  /// padding is not zero, which no encoder makes.
  static bool is_zlib_header(char first, char second) noexcept {
    const unsigned cmf = static_cast<unsigned char>(first);
    const unsigned flg = static_cast<unsigned char>(second);
    return (cmf & 0x0F) == Z_DEFLATED && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0;
  }

  Result<Progress> inflate_all(std::string_view input, std::span<char> output) {
    Progress progress;
    while (progress.made < output.size()) {
      if (ended_) {
        if (progress.used == input.size()) break;
        if (format_ == Format::deflate)
          return undecodable(name(), "there are bytes behind the data");
        // The members of a gzip file follow each other directly (RFC 1952 2.2).
        inflateReset(&stream_);
        ended_ = false;
      }
      const std::string_view rest = input.substr(progress.used);
      const std::span<char> room = output.subspan(progress.made);
      // Without ZLIB_CONST, zlib's input pointer is not a pointer to const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
      stream_.avail_in = clamp(rest.size());
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = clamp(room.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      progress.used += clamp(rest.size()) - stream_.avail_in;
      progress.made += clamp(room.size()) - stream_.avail_out;
      if (code == Z_STREAM_END) {
        ended_ = true;
      } else if (code == Z_BUF_ERROR) {  // This is not an error: zlib needs more input.
        break;
      } else if (code == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (code == Z_NEED_DICT) {
        return undecodable(name(), "the data need a dictionary");
      } else if (code != Z_OK) {
        return undecodable(name(), stream_.msg ? stream_.msg : "the data are broken");
      }
    }
    progress.ended = ended_;
    return progress;
  }

  static uInt clamp(std::size_t size) noexcept {
    return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
  }
  std::string_view name() const noexcept { return format_ == Format::gzip ? "gzip" : "deflate"; }

  Format format_;
  z_stream stream_{};
  bool ended_ = false;
  // Used for deflate only: true once two bytes have shown which format it is.
  bool told_apart_ = false;
  bool held_ = false;
  char first_ = '\0';
};
static_assert(co_await_safe<InflateDecoder>);

FERRY_DEFINITION std::unique_ptr<ContentDecoder> make_gzip_decoder() {
  return std::make_unique<InflateDecoder>(InflateDecoder::Format::gzip);
}

FERRY_DEFINITION std::unique_ptr<ContentDecoder> make_deflate_decoder() {
  return std::make_unique<InflateDecoder>(InflateDecoder::Format::deflate);
}

}  // namespace ferry::detail
