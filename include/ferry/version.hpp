#pragma once

/// @file
/// The library's version.

namespace ferry {

/// The version of these headers, as `major.minor.patch`. It also names ferry in the default
/// `User-Agent`.
inline constexpr const char* version = "0.1.0";

}  // namespace ferry
