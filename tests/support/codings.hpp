#pragma once

#include <array>
#include <brotli/encode.h>
#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>
#include <zlib.h>
#include <zstd.h>

#include <ferry/brotli.hpp>
#include <ferry/detail/http/content_decoding.hpp>
#include <ferry/gzip.hpp>
#include <ferry/zstd.hpp>

namespace test {

inline constexpr std::array all_codings{ferry::gzip, ferry::deflate, ferry::brotli, ferry::zstd};

/// Aborts if a condition that a helper needs does not hold.
inline void need(bool holds) {
  if (!holds) std::abort();
}

/// The text, repeated `times` times, as the library's own encoder writes it.
inline std::string deflated(std::string_view text, int window_bits, int times = 1) {
  z_stream stream{};
  need(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  std::vector<char> buffer(64 * 1024);
  for (int left = times; left > 0; --left) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      deflate(&stream, left > 1 ? Z_NO_FLUSH : Z_FINISH);
      out.append(buffer.data(), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return out;
}
inline std::string gzipped(std::string_view text, int times = 1) {
  return deflated(text, 31, times);
}
inline std::string zlibbed(std::string_view text, int times = 1) {
  return deflated(text, 15, times);
}

inline std::string brotlied(std::string_view text, int times = 1) {
  BrotliEncoderState* state = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
  need(state != nullptr);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5);
  std::string out;
  std::vector<char> buffer(64 * 1024);
  for (int left = times; left > 0; --left) {
    std::size_t in_left = text.size();
    const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
    do {
      std::size_t out_left = buffer.size();
      auto* to = reinterpret_cast<std::uint8_t*>(buffer.data());
      need(BrotliEncoderCompressStream(
               state, left > 1 ? BROTLI_OPERATION_PROCESS : BROTLI_OPERATION_FINISH, &in_left, &in,
               &out_left, &to, nullptr) == BROTLI_TRUE);
      out.append(buffer.data(), buffer.size() - out_left);
    } while (in_left > 0 || BrotliEncoderHasMoreOutput(state));
  }
  BrotliEncoderDestroyInstance(state);
  return out;
}

/// One frame, with a checksum. The header states the size only if `size_in_header` is set.
inline std::string zstandard(std::string_view text, int times = 1, int window_log = 0,
                             bool size_in_header = false) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  need(context != nullptr);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  if (window_log != 0) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  if (size_in_header)
    ZSTD_CCtx_setPledgedSrcSize(context, text.size() * static_cast<unsigned>(times));
  std::string out;
  std::vector<char> buffer(64 * 1024);
  for (int left = times; left > 0; --left) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (std::size_t more = 1; more > 0;) {
      ZSTD_outBuffer to{buffer.data(), buffer.size(), 0};
      more = ZSTD_compressStream2(context, &to, &in, left > 1 ? ZSTD_e_continue : ZSTD_e_end);
      need(!ZSTD_isError(more));
      if (left > 1) more = in.size - in.pos;
      out.append(buffer.data(), to.pos);
    }
  }
  ZSTD_freeCCtx(context);
  return out;
}

/// The text in this coding, which must be one of `all_codings`.
inline std::string encoded(const ferry::ContentCoding& coding, std::string_view text,
                           int times = 1) {
  if (coding == ferry::gzip) return gzipped(text, times);
  if (coding == ferry::deflate) return zlibbed(text, times);
  if (coding == ferry::brotli) return brotlied(text, times);
  need(coding == ferry::zstd);
  return zstandard(text, times);
}

/// Encodes texts so that each can be decoded before the next one is added.
class Flushing {
 public:
  /// @param coding one of `all_codings`.
  explicit Flushing(const ferry::ContentCoding& coding) {
    if (coding == ferry::brotli)
      brotli_ = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
    else if (coding == ferry::zstd)
      zstd_ = ZSTD_createCCtx();
    else
      need(deflateInit2(&zlib_, 9, Z_DEFLATED, coding == ferry::gzip ? 31 : 15, 8,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  }
  Flushing(const Flushing&) = delete;
  Flushing& operator=(const Flushing&) = delete;
  ~Flushing() {
    if (brotli_) BrotliEncoderDestroyInstance(brotli_);
    if (zstd_) ZSTD_freeCCtx(zstd_);
    if (!brotli_ && !zstd_) deflateEnd(&zlib_);
  }

  /// The encoded bytes of the text, which must be short.
  std::string add(std::string_view text) {
    std::string out(10'000, '\0');
    if (brotli_) {
      std::size_t in_left = text.size(), out_left = out.size();
      const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
      auto* to = reinterpret_cast<std::uint8_t*>(out.data());
      need(BrotliEncoderCompressStream(brotli_, BROTLI_OPERATION_FLUSH, &in_left, &in, &out_left,
                                       &to, nullptr) == BROTLI_TRUE);
      out.resize(out.size() - out_left);
    } else if (zstd_) {
      ZSTD_inBuffer in{text.data(), text.size(), 0};
      ZSTD_outBuffer to{out.data(), out.size(), 0};
      need(ZSTD_compressStream2(zstd_, &to, &in, ZSTD_e_flush) == 0);
      out.resize(to.pos);
    } else {
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
      zlib_.avail_in = static_cast<uInt>(text.size());
      zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
      zlib_.avail_out = static_cast<uInt>(out.size());
      need(deflate(&zlib_, Z_SYNC_FLUSH) == Z_OK);
      out.resize(out.size() - zlib_.avail_out);
    }
    return out;
  }

 private:
  z_stream zlib_{};
  BrotliEncoderState* brotli_ = nullptr;
  ZSTD_CCtx* zstd_ = nullptr;
};

/// The result of decoding a body: the bytes, or the error.
struct Decoded {
  std::string body;
  std::string error;

  friend bool operator==(const Decoded&, const Decoded&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
    if (!decoded.error.empty()) return out << decoded.error;
    return out << decoded.body.size() << " bytes: " << decoded.body.substr(0, 50);
  }
};

/// Undoes these codings; each piece of the input is freed before the next one is fed.
/// @param input_size returns the size of the next piece.
/// @param output_size returns the number of bytes to ask for.
template <class Sizes, class MoreSizes>
Decoded decode_in_pieces(ferry::detail::ContentDecoding decoding, std::string_view raw,
                         Sizes input_size, MoreSizes output_size,
                         std::size_t limit = std::string::npos) {
  Decoded result;
  std::vector<char> out;
  while (!raw.empty()) {
    const auto taken = raw.substr(0, input_size());
    raw.remove_prefix(taken.size());
    const std::vector<char> piece(taken.begin(), taken.end());
    decoding.feed({piece.data(), piece.size()});
    for (;;) {
      if (const std::size_t size = output_size(); size != out.size()) out = std::vector<char>(size);
      const auto made = decoding.read(out);
      if (!made) return {{}, made.error().what()};
      if (*made == 0) break;
      need(*made <= out.size());
      if (*made > limit - result.body.size()) return {{}, "too large"};
      result.body.append(out.data(), *made);
    }
  }
  if (const auto error = decoding.finish()) return {{}, error->what()};
  return result;
}

}  // namespace test
