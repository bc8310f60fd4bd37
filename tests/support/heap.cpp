// Replaces `operator new`: it counts, and fails if a test wants it to.

#include "support/heap.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {

// Bytes before each allocation, which hold its size.
constexpr std::size_t prefix = alignof(std::max_align_t);

void* allocate(std::size_t size) {
  test::Heap& heap = test::heap;
  if (heap.countdown > 0 && --heap.countdown == 0) {
    heap.has_failed = true;
    throw std::bad_alloc();
  }
  auto* const memory = static_cast<char*>(std::malloc(size + prefix));
  if (!memory) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(memory) = size;
  ++heap.allocations;
  ++heap.alive;
  heap.in_use += size;
  heap.peak = std::max(heap.peak, heap.in_use);
  return memory + prefix;
}

void release(void* memory) noexcept {
  if (!memory) return;
  char* const start = static_cast<char*>(memory) - prefix;
  --test::heap.alive;
  test::heap.in_use -= *reinterpret_cast<std::size_t*>(start);
  std::free(start);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
