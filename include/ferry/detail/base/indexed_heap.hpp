#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A binary min-heap of pointers. Each element stores its position (`std::size_t heap_index`), so
/// any element can be moved or removed in O(log n). The heap stores the keys, so comparisons do not
/// touch the elements. The heap does not own the elements.
template <class T, class Key>
class IndexedHeap {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  T& top() const noexcept { return *items_.front().element; }
  const Key& top_key() const noexcept { return items_.front().key; }
  static bool contains(const T& element) noexcept { return element.heap_index != npos; }

  /// Makes room for `count` elements in all: `push` does not allocate up to this number.
  void reserve(std::size_t count) {
    if (count > items_.capacity()) items_.reserve(std::max(count, 2 * items_.capacity()));
  }
  void push(T& element, Key key) {
    items_.push_back({key, &element});
    up(items_.size() - 1);
  }
  void remove(T& element) noexcept {
    const std::size_t hole = element.heap_index;
    element.heap_index = npos;
    const Item last = items_.back();
    items_.pop_back();
    if (last.element == &element) return;
    items_[hole] = last;
    settle(hole);
  }
  /// Changes the key of an element.
  void update(T& element, Key key) noexcept {
    items_[element.heap_index].key = key;
    settle(element.heap_index);
  }
  const Key& key(const T& element) const noexcept { return items_[element.heap_index].key; }

  /// Calls the function for every element, in no particular order.
  template <class Function>
  void for_each(Function function) const {
    for (const Item& item : items_) function(*item.element);
  }

 private:
  struct Item {
    Key key;
    T* element;
  };

  void place(std::size_t i, const Item& item) noexcept {
    items_[i] = item;
    item.element->heap_index = i;
  }
  void settle(std::size_t i) noexcept { down(up(i)); }
  std::size_t up(std::size_t i) noexcept {
    const Item item = items_[i];
    for (; i > 0 && item.key < items_[(i - 1) / 2].key; i = (i - 1) / 2)
      place(i, items_[(i - 1) / 2]);
    place(i, item);
    return i;
  }
  void down(std::size_t i) noexcept {
    const Item item = items_[i];
    const std::size_t start = i;
    for (std::size_t child; (child = 2 * i + 1) < items_.size(); i = child) {
      if (child + 1 < items_.size() && items_[child + 1].key < items_[child].key) ++child;
      if (!(items_[child].key < item.key)) break;
      place(i, items_[child]);
    }
    if (i != start) place(i, item);
  }

  std::vector<Item> items_;
};

}  // namespace ferry::detail
