#pragma once

/// @file
/// `Sabotage`: faults that the soak can be given on purpose, because a check that never fails
/// proves nothing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace soak {

enum class Sabotage : std::uint8_t {
  none,
  wrong,       ///< Answers carry the token of another request.
  lost,        ///< Answers are entered in the ledger, but not sent.
  doubled,     ///< Requests are entered twice.
  leak,        ///< Memory leaks.
  descriptor,  ///< Descriptors leak.
};

inline constexpr std::array<std::string_view, 6> sabotages{"none",    "wrong", "lost",
                                                           "doubled", "leak",  "descriptor"};

inline std::optional<Sabotage> sabotage_named(std::string_view name) {
  for (std::size_t i = 0; i < sabotages.size(); ++i)
    if (sabotages[i] == name) return static_cast<Sabotage>(i);
  return std::nullopt;
}

}  // namespace soak
