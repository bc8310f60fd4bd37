#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Checks the first bytes of a head, up to the status code (RFC 9112 4). llhttp is too liberal
/// here: it skips any number of line ends, and accepts other protocols and any status number.
class StatusLineStart {
 public:
  /// Takes the next bytes of the head; bytes after the status code are not checked.
  /// @return false if a head of HTTP/1.0 or HTTP/1.1 cannot begin so.
  bool take(std::string_view bytes) noexcept {
    if (matched_ == 0 && is_whole(bytes)) {
      matched_ = pattern.size();
      return true;
    }
    for (const char c : bytes) {
      if (matched_ == pattern.size()) return true;
      if (!matches(c, pattern[matched_])) return false;
      ++matched_;
    }
    return true;
  }

  /// Says why `take` has returned false.
  /// @param head all bytes of the head that have arrived.
  static std::string problem(std::string_view head) {
    // A TLS alert or handshake record begins with these bytes.
    if (head.starts_with('\x15') || head.starts_with('\x16'))
      return "the server speaks TLS on this port: the URL begins with https://";
    return "it does not start with a status line of HTTP/1.0 or HTTP/1.1, but with " +
           in_quotes(head.substr(0, 40));
  }

 private:
  // "v": the minor version; "s": the first digit of the status code; "d": another one.
  static constexpr std::string_view pattern = "HTTP/1.v sdd";

  static bool matches(char c, char expected) noexcept {
    switch (expected) {
      case 'v': return c == '0' || c == '1';
      case 's': return c >= '1' && c <= '9';
      case 'd': return is_digit(c);
      default: return c == expected;
    }
  }

  /// True if the bytes have everything that the pattern asks for: the usual case, and a fast one.
  static bool is_whole(std::string_view bytes) noexcept {
    return bytes.size() >= pattern.size() && std::memcmp(bytes.data(), pattern.data(), 7) == 0 &&
           matches(bytes[7], 'v') && bytes[8] == ' ' && matches(bytes[9], 's') &&
           is_digit(bytes[10]) && is_digit(bytes[11]);
  }

  std::size_t matched_ = 0;  // Number of bytes that match the pattern.
};

}  // namespace ferry::detail
