#pragma once

#include <ferry/detail/base/configuration.hpp>

/// @file
/// The library's version.

namespace ferry::inline FERRY_CONFIGURATION {

/// The version of these headers, as `major.minor.patch`. It also names ferry in the default
/// `User-Agent`.
inline constexpr const char* version = "0.1.0";

}  // namespace ferry
