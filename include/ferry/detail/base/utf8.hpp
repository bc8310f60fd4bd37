#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>

// UTF-8, written and checked as in the WHATWG Encoding Standard (section 8.1).
namespace ferry::inline FERRY_CONFIGURATION::detail {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD.

/// Appends a Unicode scalar value: below 0x110000 and not a surrogate.
inline void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&](std::uint32_t bits) { out += static_cast<char>(0x80 | (bits & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(c);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(c >> 6);
    tail(c);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(c >> 12);
    tail(c >> 6);
    tail(c);
  }
}

/// The first sequence of a non-empty text: `size` bytes, at least one.
struct Utf8Sequence {
  std::size_t size = 1;
  bool valid = false;  ///< True for a character; false if the bytes become one U+FFFD.
};

constexpr Utf8Sequence utf8_sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true};
  const std::size_t size = lead >= 0xC2 && lead <= 0xDF   ? 2
                           : lead >= 0xE0 && lead <= 0xEF ? 3
                           : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                          : 0;
  if (size == 0) return {1, false};
  // The second byte excludes overlong forms, surrogates, and values above U+10FFFF.
  unsigned lowest = 0x80, highest = 0xBF;
  if (lead == 0xE0) lowest = 0xA0;
  if (lead == 0xED) highest = 0x9F;
  if (lead == 0xF0) lowest = 0x90;
  if (lead == 0xF4) highest = 0x8F;
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size() || byte(i) < lowest || byte(i) > highest) return {i, false};
    lowest = 0x80;
    highest = 0xBF;
  }
  return {size, true};
}

/// The position of the first invalid sequence; the text's size if there is none.
constexpr std::size_t find_invalid_utf8(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto sequence = utf8_sequence(text.substr(at));
    if (!sequence.valid) return at;
    at += sequence.size;
  }
  return at;
}

/// The text with each maximal invalid part replaced by U+FFFD.
inline std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto valid = find_invalid_utf8(text);
    out += text.substr(0, valid);
    text.remove_prefix(valid);
    if (text.empty()) break;
    out += replacement_character;
    text.remove_prefix(utf8_sequence(text).size);
  }
  return out;
}

}  // namespace ferry::detail
