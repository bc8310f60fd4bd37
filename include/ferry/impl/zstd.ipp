#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <zstd.h>
#include <zstd_errors.h>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>
#include <ferry/zstd.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A decoder that uses libzstd; it takes some 8.5 MiB at most. Frames with a larger window are
/// refused, as RFC 9659 3 requires.
class ZstdDecoder final : public ContentDecoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, max_window_log);
  }

  Result<Progress> decode(std::string_view input, std::span<char> output) override {
    ZSTD_inBuffer in{input.data(), 0, 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    // If libzstd is called with nothing to do, it reports an error after a while.
    while (out.pos < out.size && (more_output_ || in.pos < input.size())) {
      // A frame's header is passed byte by byte. If libzstd sees a small frame as a whole, it
      // decodes the frame at once, whatever its window is, and accepts frames of formats before the
      // standard. Refusal would then depend on how the input was split.
      const std::size_t left = input.size() - in.pos;
      in.size = in.pos + (header_left_ > 0 ? std::min<std::size_t>(left, 1) : left);
      const std::size_t before = in.pos;
      const std::size_t code = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(code)) {
        if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation) throw std::bad_alloc();
        return undecodable("zstd", ZSTD_getErrorName(code));
      }
      ended_ = code == 0;
      // Another frame may follow (RFC 8878 3.1).
      header_left_ = ended_ ? max_header : header_left_ - std::min(header_left_, in.pos - before);
      more_output_ = !ended_ && out.pos == out.size;
    }
    return Progress{in.pos, out.pos, ended_};
  }

 private:
  static constexpr int max_window_log = 23;      // 8 MiB.
  static constexpr std::size_t max_header = 18;  // Includes the magic number (RFC 8878 3.1.1).

  struct Free {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };

  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::size_t header_left_ = max_header;
  bool more_output_ = false;
  bool ended_ = false;
};
static_assert(co_await_safe<ZstdDecoder>);

FERRY_DEFINITION std::unique_ptr<ContentDecoder> make_zstd_decoder() {
  return std::make_unique<ZstdDecoder>();
}

}  // namespace ferry::detail
