#pragma once

#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/form.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// Encodes text like the standard's serializer: a space becomes `+`; letters, digits and `*-._`
/// stay; every other byte becomes `%XX`.
inline void append_form_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '*' || c == '-' || c == '.' || c == '_') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      append_escaped(out, c);
    }
  }
}

}  // namespace detail

FERRY_DEFINITION Form& Form::add(std::string_view name, std::string_view value) & {
  // Both are read before the text grows: they may be views into the text.
  std::string pair;
  if (!text_.empty()) pair += '&';
  detail::append_form_text(pair, name);
  pair += '=';
  detail::append_form_text(pair, value);
  text_ += pair;
  return *this;
}

}  // namespace ferry
