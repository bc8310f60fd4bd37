#pragma once

/// @file
/// The content codings gzip and deflate: `options.codings = {ferry::gzip, ferry::deflate}`. The
/// definitions need zlib; link `z` when you use this header.

#include <memory>

#include <ferry/content_coding.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

std::unique_ptr<ContentDecoder> make_gzip_decoder();
std::unique_ptr<ContentDecoder> make_deflate_decoder();

}  // namespace detail

/// The coding `gzip`, also known as `x-gzip` (RFC 9110 8.4.1.3, RFC 1952).
inline constexpr ContentCoding gzip{"gzip", "x-gzip", &detail::make_gzip_decoder};

/// The coding `deflate`: the zlib format, and also plain deflate data, which some servers send
/// under that name (RFC 9110 8.4.1.2).
inline constexpr ContentCoding deflate{"deflate", "", &detail::make_deflate_decoder};

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/gzip.ipp>
#endif
