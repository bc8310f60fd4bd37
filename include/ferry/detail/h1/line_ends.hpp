#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Checks that CR stands before every LF, in bytes of any pieces: a parser that takes a bare LF for
/// a line end may see another message (RFC 9112 2.2). llhttp 8 lets some bare LFs pass.
class LineEnds {
 public:
  /// Takes the next bytes.
  /// @return false if one is a bare LF.
  bool take(std::string_view bytes) noexcept {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    for (const char* p = begin; p < end; ++p) {
      p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
      if (!p) break;
      if ((p == begin ? last_ : p[-1]) != '\r') return false;
    }
    if (begin < end) last_ = end[-1];
    return true;
  }

 private:
  char last_ = '\0';  // Last byte taken.
};

}  // namespace ferry::detail
