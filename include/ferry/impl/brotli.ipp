#pragma once

#include <brotli/decode.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include <ferry/brotli.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A decoder that uses libbrotli. Its window has at most 16 MiB (RFC 7932 9.1); memory grows only
/// as far as the data fill the window.
class BrotliContentDecoder final : public ContentDecoder {
 public:
  BrotliContentDecoder() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
    if (!state_) throw std::bad_alloc();
  }

  Result<Progress> decode(std::string_view input, std::span<char> output) override {
    if (ended_) {
      if (!input.empty()) return undecodable("br", "there are bytes behind the data");
      return Progress{0, 0, true};
    }
    std::size_t input_left = input.size();
    std::size_t output_left = output.size();
    const auto* in = reinterpret_cast<const std::uint8_t*>(input.data());
    auto* out = reinterpret_cast<std::uint8_t*>(output.data());
    const BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state_.get(), &input_left, &in, &output_left, &out, nullptr);
    if (result == BROTLI_DECODER_RESULT_ERROR) return failure();
    ended_ = result == BROTLI_DECODER_RESULT_SUCCESS;
    return Progress{input.size() - input_left, output.size() - output_left, ended_};
  }

 private:
  struct Destroy {
    void operator()(BrotliDecoderState* state) const noexcept {
      BrotliDecoderDestroyInstance(state);
    }
  };

  Error failure() const {
    const BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state_.get());
    if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
        code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES)
      throw std::bad_alloc();
    return undecodable("br", "the data are broken");
  }

  std::unique_ptr<BrotliDecoderState, Destroy> state_;
  bool ended_ = false;
};
static_assert(co_await_safe<BrotliContentDecoder>);

FERRY_DEFINITION std::unique_ptr<ContentDecoder> make_brotli_decoder() {
  return std::make_unique<BrotliContentDecoder>();
}

}  // namespace ferry::detail
