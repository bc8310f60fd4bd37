#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/block_cache.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Bytes read from a connection but not taken yet, and room for more after them.
///
/// Most connections wait most of the time, so a buffer that is put aside returns to the thread's
/// block cache until another one is needed.
class ReadBuffer {
 public:
  std::string_view unread() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const noexcept { return begin_ == end_; }
  void take(std::size_t count) noexcept { begin_ += count; }
  void clear() noexcept { begin_ = end_ = 0; }

  /// The space for the next bytes. After a read that has filled the buffer, the buffer grows.
  asio::mutable_buffer room() {
    if (!bytes_) {
      bytes_ = BlockCache<usual_size>::take();
      size_ = usual_size;
    }
    const bool was_filled = end_ == size_;
    const std::size_t kept = end_ - begin_;
    if (was_filled || kept == 0) {
      if (was_filled && size_ < kept + largest_read) {
        const std::size_t size = kept + std::max(kept, largest_read);
        auto larger = std::make_unique_for_overwrite<char[]>(size);
        std::memcpy(larger.get(), bytes_.get() + begin_, kept);
        bytes_ = std::move(larger);
        size_ = size;
      } else if (kept > 0) {
        std::memmove(bytes_.get(), bytes_.get() + begin_, kept);
      }
      begin_ = 0;
      end_ = kept;
    }
    return asio::buffer(bytes_.get() + end_, size_ - end_);
  }
  /// Reports that this many bytes were written into `room`.
  void fill(std::size_t count) noexcept { end_ += count; }

  /// Frees the memory, because nothing is read for a while. There must be no unread bytes; views
  /// into the buffer become invalid.
  void put_aside() noexcept {
    if (size_ == usual_size) BlockCache<usual_size>::put(std::move(bytes_));
    bytes_.reset();
    begin_ = end_ = size_ = 0;
  }

 private:
  static constexpr std::size_t usual_size = 8 * 1024;
  static constexpr std::size_t largest_read = 64 * 1024;

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace ferry::detail
