#include <doctest/doctest.h>
#include <map>
#include <random>
#include <vector>

#include <ferry/detail/base/indexed_heap.hpp>

namespace {
struct Element {
  std::size_t heap_index = static_cast<std::size_t>(-1);
};
using Heap = ferry::detail::IndexedHeap<Element, int>;
}  // namespace

TEST_CASE("a heap gives its elements in the order of their keys") {
  Heap heap;
  CHECK(heap.empty());
  std::vector<Element> elements(7);
  const int keys[] = {5, 3, 8, 1, 9, 3, 4};
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK_FALSE(heap.contains(elements[i]));
    heap.push(elements[i], keys[i]);
    CHECK(heap.contains(elements[i]));
    CHECK(heap.key(elements[i]) == keys[i]);
  }
  std::vector<int> order;
  while (!heap.empty()) {
    order.push_back(heap.top_key());
    heap.remove(heap.top());
  }
  CHECK(order == std::vector<int>{1, 3, 3, 4, 5, 8, 9});
  for (const Element& element : elements) CHECK_FALSE(heap.contains(element));
}

TEST_CASE("an element moves in both directions when its key changes") {
  Heap heap;
  Element a, b, c;
  heap.push(a, 1);
  heap.push(b, 2);
  heap.push(c, 3);
  heap.update(c, 0);
  CHECK(&heap.top() == &c);
  heap.update(c, 9);
  CHECK(&heap.top() == &a);
  heap.update(a, 9);
  CHECK(&heap.top() == &b);
  heap.update(b, 2);
  CHECK(&heap.top() == &b);
}

TEST_CASE("random changes: the heap is as a sorted map") {
  std::mt19937 random(1);
  std::vector<Element> elements(50);
  std::map<Element*, int> model;
  Heap heap;
  heap.reserve(elements.size());
  for (int step = 0; step < 5000; ++step) {
    Element& element = elements[random() % elements.size()];
    const int key = static_cast<int>(random() % 30);
    if (!heap.contains(element)) {
      heap.push(element, key);
      model[&element] = key;
    } else if (random() % 2 == 0) {
      heap.update(element, key);
      model[&element] = key;
    } else {
      heap.remove(element);
      model.erase(&element);
    }
    REQUIRE(heap.size() == model.size());
    if (model.empty()) continue;
    int least = 30;
    for (const auto& [at, value] : model) {
      least = std::min(least, value);
      REQUIRE(heap.key(*at) == value);
    }
    REQUIRE(heap.top_key() == least);
    REQUIRE(model.at(&heap.top()) == least);
  }
  std::size_t count = 0;
  heap.for_each([&](Element& element) { count += model.count(&element); });
  CHECK(count == model.size());
}
