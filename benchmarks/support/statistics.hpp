#pragma once

/// @file
/// Medians and percentiles.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace benchmark {

/// The values, in ascending order.
inline std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

/// The value below which this fraction (0 to 1) of the values lies, interpolated between
/// neighbours. `ascending` is sorted and not empty.
inline double percentile(const std::vector<double>& ascending, double fraction) {
  const double position = fraction * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(ascending[below], ascending[above], position - std::floor(position));
}

/// The median of the values, in any order; there must be at least one.
inline double median(std::vector<double> values) {
  return percentile(sorted(std::move(values)), 0.5);
}

}  // namespace benchmark
