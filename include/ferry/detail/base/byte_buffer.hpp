#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A buffer for many small appended pieces, faster than a `std::string`, which fills its
/// memory with zeros and whose functions are calls. A value type.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(const ByteBuffer& other) { append(other.view()); }
  ByteBuffer(ByteBuffer&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBuffer& operator=(const ByteBuffer& other) { return *this = ByteBuffer(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  char* data() noexcept { return bytes_.get(); }
  const char* data() const noexcept { return bytes_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }

  /// Removes the bytes but keeps the memory.
  void clear() noexcept { size_ = 0; }
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) grow(capacity);
  }

  /// Adds room for `count` bytes at the end.
  /// @return the begin of the new bytes.
  char* extend(std::size_t count) {
    if (count > capacity_ - size_) grow(std::max(2 * capacity_, size_ + count));
    return bytes_.get() + std::exchange(size_, size_ + count);
  }
  ByteBuffer& append(std::string_view piece) {
    if (!piece.empty()) std::memcpy(extend(piece.size()), piece.data(), piece.size());
    return *this;
  }

  /// Replaces `count` bytes with a piece.
  void replace(std::size_t at, std::size_t count, std::string_view piece) {
    const std::size_t behind = size_ - at - count;
    if (piece.size() > count) extend(piece.size() - count);
    char* const place = bytes_.get() + at;
    std::memmove(place + piece.size(), place + count, behind);
    if (!piece.empty()) std::memcpy(place, piece.data(), piece.size());
    size_ = at + piece.size() + behind;
  }

 private:
  void grow(std::size_t capacity) {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ferry::detail
