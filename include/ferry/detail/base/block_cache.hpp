#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A thread's unused memory blocks of one size, for objects that are made and destroyed with every
/// request. The next connection or call on the thread takes them.
template <std::size_t Size>
class BlockCache {
 public:
  static std::unique_ptr<char[]> take() {
    BlockCache& mine = of_thread();
    if (!gone && mine.count_ > 0) return std::move(mine.blocks_[--mine.count_]);
    return std::make_unique_for_overwrite<char[]>(Size);
  }
  static void put(std::unique_ptr<char[]> block) noexcept {
    BlockCache& mine = of_thread();
    if (!gone && mine.count_ < mine.blocks_.size()) mine.blocks_[mine.count_++] = std::move(block);
  }

  BlockCache() = default;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache() { gone = true; }

 private:
  static BlockCache& of_thread() noexcept {
    thread_local BlockCache mine;
    return mine;
  }

  /// True after the destruction of the thread's cache, which global clients outlive.
  static inline constinit thread_local bool gone = false;
  std::array<std::unique_ptr<char[]>, 8> blocks_;
  std::size_t count_ = 0;
};

/// A base class that allocates its objects from the thread's cache.
template <class T>
class CacheAllocated {
 public:
  static void* operator new(std::size_t) { return BlockCache<sizeof(T)>::take().release(); }
  static void operator delete(void* memory) noexcept {
    BlockCache<sizeof(T)>::put(std::unique_ptr<char[]>(static_cast<char*>(memory)));
  }

 private:
  friend T;
  CacheAllocated() = default;
};

}  // namespace ferry::detail
