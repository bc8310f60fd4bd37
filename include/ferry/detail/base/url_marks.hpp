#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A function that finds the ASCII form of a host's name: `ferry::idna::to_ascii`, for example.
using HostToAscii = Result<std::string> (*)(std::string_view host);

/// The longest URL accepted, and the longest normal form.
inline constexpr std::size_t max_url_size = std::size_t{1} << 20;

/// The places of the parts in a URL in normal form.
struct UrlMarks {
  // The ends of scheme and host, and the beginnings of the other parts, with their marks.
  std::uint32_t scheme = 0;
  std::uint32_t host = 0;
  std::uint32_t path = 0;
  std::uint32_t fragment = 0;
  std::uint32_t query = 0;
  std::uint16_t port = 0;
};

}  // namespace ferry::detail
