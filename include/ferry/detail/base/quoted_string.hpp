#pragma once

#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>

// Quoted strings of fields (RFC 9110 5.6.4).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Takes the quoted string at the beginning of a text, and returns it without quotes and escapes.
/// An unclosed one ends with the text.
/// @param last_backslash the meaning of a backslash that the text ends with: nothing in RFC 8288's
///   B.3, itself in WHATWG's MIME types.
inline std::string take_quoted_string(std::string_view& text,
                                      std::string_view last_backslash = {}) {
  std::string value;
  text.remove_prefix(1);
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '"') break;
    if (c == '\\') {
      if (text.empty()) return value.append(last_backslash);
      c = text.front();
      text.remove_prefix(1);
    }
    value += c;
  }
  return value;
}

/// Appends a text as a quoted string.
inline void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace ferry::detail
