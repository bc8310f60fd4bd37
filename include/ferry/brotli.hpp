#pragma once

/// @file
/// The content coding br: `options.codings = {ferry::brotli}`. The definitions need brotli; link
/// `brotlidec` when you use this header.

#include <memory>

#include <ferry/content_coding.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

std::unique_ptr<ContentDecoder> make_brotli_decoder();

}  // namespace detail

/// The coding `br` (RFC 7932).
inline constexpr ContentCoding brotli{"br", "", &detail::make_brotli_decoder};

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/brotli.ipp>
#endif
