#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The limits of a response's head: one for the head together with the interim ones before it, and
/// one for its status line. Sizes are in bytes.
class HeadBudget {
 public:
  explicit HeadBudget(std::size_t max_head_size) noexcept : max_head_size_(max_head_size) {}

  /// The number of bytes by which the head may grow.
  /// @param size the head's size so far.
  std::size_t room(std::size_t size, bool in_status_line) const noexcept {
    const std::size_t room = max_head_size_ - std::min(max_head_size_, interim_size_ + size);
    return in_status_line ? std::min(room, max_status_line - size) : room;
  }

  /// True if the head may be as large as it is.
  bool allows(std::size_t size, bool in_status_line) const noexcept {
    return interim_size_ + size <= max_head_size_ && (!in_status_line || size <= max_status_line);
  }
  /// The error if the head may not be so large.
  Error error(std::size_t size) const {
    if (interim_size_ + size <= max_head_size_)
      return Error(Errc::head_too_large, "the status line is longer than 8 KiB");
    return Error(Errc::head_too_large,
                 "the head, with the interim ones before it, is larger than " +
                     std::to_string(max_head_size_) + " bytes (limits.max_head_size)");
  }

  /// Counts the head of an interim response.
  void spend(std::size_t size) noexcept { interim_size_ += size; }

 private:
  static constexpr std::size_t max_status_line = 8 * 1024;

  std::size_t max_head_size_;
  std::size_t interim_size_ = 0;  // Size of all interim heads.
};

}  // namespace ferry::detail
