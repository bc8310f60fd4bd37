#pragma once

#include <cstddef>
#include <vector>

namespace ferry::detail {

/// A binary min-heap of pointers whose elements know their place (`std::size_t heap_index`), so
/// that any of them can be moved or taken out in O(log n). It owns nothing.
template <class T, class Less>
class IndexedHeap {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  T& top() const noexcept { return *items_.front(); }
  static bool contains(const T& item) noexcept { return item.heap_index != npos; }
  /// All elements, in no particular order.
  const std::vector<T*>& items() const noexcept { return items_; }

  void push(T& item) {
    items_.push_back(&item);
    up(items_.size() - 1);
  }
  void remove(T& item) noexcept {
    const std::size_t hole = item.heap_index;
    item.heap_index = npos;
    T* last = items_.back();
    items_.pop_back();
    if (last == &item) return;
    place(hole, last);
    update(*last);
  }
  /// To be called after an element's order has changed.
  void update(T& item) noexcept {
    up(item.heap_index);
    down(item.heap_index);
  }

 private:
  void place(std::size_t i, T* item) noexcept {
    items_[i] = item;
    item->heap_index = i;
  }
  void up(std::size_t i) noexcept {
    T* item = items_[i];
    for (; i > 0 && Less{}(*item, *items_[(i - 1) / 2]); i = (i - 1) / 2)
      place(i, items_[(i - 1) / 2]);
    place(i, item);
  }
  void down(std::size_t i) noexcept {
    T* item = items_[i];
    for (std::size_t child; (child = 2 * i + 1) < items_.size(); i = child) {
      if (child + 1 < items_.size() && Less{}(*items_[child + 1], *items_[child])) ++child;
      if (!Less{}(*items_[child], *item)) break;
      place(i, items_[child]);
    }
    place(i, item);
  }

  std::vector<T*> items_;
};

}  // namespace ferry::detail
