#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Splits bytes in any pieces into lines, which end with LF, CR LF or CR:
///
///     splitter.feed(piece);
///     for (;;) { auto line = splitter.next(); if (!line || !*line) break; ... }
///
/// A line that ends with CR is returned at once; an LF after it is skipped later. A line is a view
/// into the piece, or into memory of the splitter if it comes in several pieces, and is valid until
/// the next call. Every byte is checked once.
class LineSplitter {
 public:
  /// @param max_size the maximum length of a line in bytes, without its end.
  explicit LineSplitter(std::size_t max_size) noexcept : max_size_(max_size) {}

  /// Takes the next piece, which must stay valid until `next` has returned nothing. Call this only
  /// after `next` has returned nothing for the previous piece.
  void feed(std::string_view piece) noexcept { rest_ = piece; }

  /// The next line, without its end; nothing if more bytes are needed.
  /// @return `Errc::body_too_large` for a line that is too long, and in all later calls.
  Result<std::optional<std::string_view>> next() {
    if (too_long_) return error();
    forget_delivered();
    if (after_cr_ && !rest_.empty()) {
      after_cr_ = false;
      if (rest_.front() == '\n') rest_.remove_prefix(1);
    }
    const auto end = find_end(rest_);
    if (end > max_size_ - held_.size()) {
      too_long_ = true;
      return error();
    }
    if (end == rest_.size()) {
      held_ += rest_;
      rest_ = {};
      return std::optional<std::string_view>();
    }
    std::string_view line = rest_.substr(0, end);
    after_cr_ = rest_[end] == '\r';
    rest_.remove_prefix(end + 1);
    if (!held_.empty()) {
      held_ += line;
      line = held_;
      delivered_ = true;
    }
    return std::optional<std::string_view>(line);
  }

  /// The text after the end of the last line, once all bytes have been fed; nothing if it is empty.
  std::optional<std::string_view> last() {
    if (too_long_) return std::nullopt;
    forget_delivered();
    if (held_.empty()) return std::nullopt;
    delivered_ = true;
    return held_;
  }

 private:
  /// The position of a line's end; the text's size if there is none.
  static std::size_t find_end(std::string_view text) noexcept {
    std::size_t i = 0;
    while (i < text.size() && text[i] != '\n' && text[i] != '\r') ++i;
    return i;
  }

  void forget_delivered() noexcept {
    if (delivered_) held_.clear();
    delivered_ = false;
  }

  Error error() const {
    return Error(Errc::body_too_large,
                 "a line in it is longer than " + std::to_string(max_size_) + " bytes");
  }

  std::size_t max_size_;
  std::string_view rest_;
  std::string held_;        ///< Beginning of a line, from earlier pieces.
  bool delivered_ = false;  ///< True if `held_` is a line that was returned.
  bool after_cr_ = false;   ///< True if the last line ended with CR, to which an LF may belong.
  bool too_long_ = false;
};
static_assert(co_await_safe<LineSplitter>);

}  // namespace ferry::detail
