#pragma once

#include <cstddef>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Removes the extensions from the size lines of chunks: a client does not need extensions, and
/// llhttp refuses some of their allowed forms.
///
///     chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )  (RFC 9112 7.1.1)
///
/// The states follow this rule from left to right; a CR after a name or a value leads outside. A
/// bare LF, or another control character but HTAB, is part of no extension.
///
///     outside       not in a size line, or after its extensions
///     failed        in an extension that is malformed
///     before_size   at the beginning of a size line
///     size          after a digit of the size
///     gap           after a size or a value, in white space before ";"
///     before_name   after ";"
///     name          in a name
///     after_name    after a name, in white space before "=" or ";"
///     before_value  after "="
///     value         in a value that is a token
///     quoted        in a quoted string
///     escaped       after "\" in a quoted string
///     after_quoted  after a quoted string
class ChunkExtensions {
 public:
  /// The division of the next bytes: `kept` go to llhttp, then `skipped` belong to an extension.
  struct Part {
    std::size_t kept;
    std::size_t skipped;
  };

  /// Starts a size line.
  void begin_line() noexcept { state_ = State::before_size; }

  /// Divides the next bytes, up to the end of an extension or to an error in it.
  Part take(std::string_view bytes) noexcept {
    std::size_t kept = 0;
    std::size_t taken = 0;
    while (taken < bytes.size() && state_ > State::failed) {
      state_ = next(bytes[taken]);
      if (state_ > State::failed) ++taken;
      if (state_ == State::size) kept = taken;
    }
    // The rest has no extension: llhttp checks it.
    if (state_ == State::outside && taken == kept) kept = taken = bytes.size();
    return {kept, taken - kept};
  }

  /// True once an extension is malformed, at the next byte.
  bool failed() const noexcept { return state_ == State::failed; }

 private:
  enum class State {
    outside,
    failed,
    before_size,
    size,
    gap,
    before_name,
    name,
    after_name,
    before_value,
    value,
    quoted,
    escaped,
    after_quoted,
  };

  State next(char c) const noexcept {
    const bool is_text = !is_control(c) || c == '\t';
    switch (state_) {
      case State::before_size: return is_hex(c) ? State::size : State::outside;
      case State::size:
        if (is_hex(c)) return State::size;
        return is_ows(c) ? State::gap : c == ';' ? State::before_name : State::outside;
      case State::gap:
        return is_ows(c) ? State::gap : c == ';' ? State::before_name : State::failed;
      case State::before_name:
        if (is_ows(c)) return State::before_name;
        return is_token_char(c) ? State::name : State::failed;
      case State::name:
        if (is_token_char(c)) return State::name;
        if (c == '\r') return State::outside;
        [[fallthrough]];
      case State::after_name:
        if (is_ows(c)) return State::after_name;
        return c == '=' ? State::before_value : c == ';' ? State::before_name : State::failed;
      case State::before_value:
        if (is_ows(c)) return State::before_value;
        return c == '"' ? State::quoted : is_token_char(c) ? State::value : State::failed;
      case State::quoted:
        if (c == '"') return State::after_quoted;
        return c == '\\' ? State::escaped : is_text ? State::quoted : State::failed;
      case State::escaped: return is_text ? State::quoted : State::failed;
      case State::value:
        if (is_token_char(c)) return State::value;
        [[fallthrough]];
      case State::after_quoted:
        if (c == '\r') return State::outside;
        return is_ows(c) ? State::gap : c == ';' ? State::before_name : State::failed;
      case State::outside:
      case State::failed: break;
    }
    return state_;
  }

  State state_ = State::outside;
};

}  // namespace ferry::detail
