#pragma once

#include <cstddef>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// An element's links in one `IntrusiveList`.
template <class T>
struct ListLinks {
  T* previous = nullptr;
  T* next = nullptr;
};

/// A doubly linked list of elements that contain their own links: it allocates nothing, and any
/// element can be removed in O(1). The list does not own the elements.
template <class T, ListLinks<T> T::*Links>
class IntrusiveList {
 public:
  bool empty() const noexcept { return !front_; }
  std::size_t size() const noexcept { return size_; }
  T* front() const noexcept { return front_; }
  T* back() const noexcept { return back_; }
  static T* next(const T& item) noexcept { return (item.*Links).next; }
  static T* previous(const T& item) noexcept { return (item.*Links).previous; }

  void push_back(T& item) noexcept { insert(item, nullptr); }
  /// Inserts an element before another one, or at the end.
  void insert(T& item, T* before) noexcept {
    T* const after = before ? (before->*Links).previous : back_;
    (item.*Links) = {after, before};
    (after ? (after->*Links).next : front_) = &item;
    (before ? (before->*Links).previous : back_) = &item;
    ++size_;
  }
  void remove(T& item) noexcept {
    auto& links = item.*Links;
    (links.previous ? (links.previous->*Links).next : front_) = links.next;
    (links.next ? (links.next->*Links).previous : back_) = links.previous;
    links = {};
    --size_;
  }

 private:
  T* front_ = nullptr;
  T* back_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ferry::detail
