#pragma once

/// @file
/// The content coding zstd: `options.codings = {ferry::zstd}`. The definitions need libzstd; link
/// `zstd` when you use this header.

#include <memory>

#include <ferry/content_coding.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

std::unique_ptr<ContentDecoder> make_zstd_decoder();

}  // namespace detail

/// The coding `zstd` (RFC 8878), with a window of at most 8 MiB (RFC 9659).
inline constexpr ContentCoding zstd{"zstd", "", &detail::make_zstd_decoder};

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/zstd.ipp>
#endif
