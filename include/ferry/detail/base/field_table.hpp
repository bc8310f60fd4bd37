#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Fields in one block of memory: text from its front, and from its back one slot per field, with
/// the positions of the field's name and value in the text. A parser can thus take over a head's
/// text unchanged, and a head costs one allocation. A value type.
class FieldTable {
 public:
  /// Position of a field in the text.
  struct Slot {
    std::size_t name = 0;
    std::size_t value = 0;
    std::uint32_t name_size = 0;
    std::uint32_t value_size = 0;
  };

  FieldTable() = default;
  FieldTable(const FieldTable& other) { take_over(other, other.live_text(), other.count_); }
  FieldTable(FieldTable&& other) noexcept
      : block_(std::move(other.block_)),
        capacity_(std::exchange(other.capacity_, 0)),
        text_size_(std::exchange(other.text_size_, 0)),
        count_(std::exchange(other.count_, 0)) {}
  FieldTable& operator=(const FieldTable& other) { return *this = FieldTable(other); }
  FieldTable& operator=(FieldTable&& other) noexcept {
    block_ = std::move(other.block_);
    capacity_ = std::exchange(other.capacity_, 0);
    text_size_ = std::exchange(other.text_size_, 0);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }

  std::size_t count() const noexcept { return count_; }
  /// The whole text, including text that no longer belongs to a field.
  std::string_view text() const noexcept { return {block_.get(), text_size_}; }
  std::string_view name(std::size_t i) const noexcept {
    const Slot at = slot(i);
    return {block_.get() + at.name, at.name_size};
  }
  std::string_view value(std::size_t i) const noexcept {
    const Slot at = slot(i);
    return {block_.get() + at.value, at.value_size};
  }

  /// Adds a field. The views must not point into the table.
  void add(std::string_view name, std::string_view value) {
    if (!has_room(name.size() + value.size(), 1)) compact(name.size() + value.size(), 1);
    const std::size_t at = put(name);
    push({at, put(value), static_cast<std::uint32_t>(name.size()),
          static_cast<std::uint32_t>(value.size())});
  }
  /// Replaces the value of a field. `value` must not point into the table.
  void set_value(std::size_t i, std::string_view value) {
    if (value.size() > slot(i).value_size) {
      if (!has_room(value.size(), 0)) compact(value.size(), 0);
      Slot moved = slot(i);
      moved.value = text_size_;
      text_size_ += value.size();
      set_slot(i, moved);
    }
    Slot at = slot(i);
    if (!value.empty()) std::memcpy(block_.get() + at.value, value.data(), value.size());
    at.value_size = static_cast<std::uint32_t>(value.size());
    set_slot(i, at);
  }
  void remove(std::size_t i) noexcept {
    char* const last = slot_at(count_ - 1);
    std::memmove(last + sizeof(Slot), last, (count_ - 1 - i) * sizeof(Slot));
    --count_;
  }

  // Functions for a parser, whose fields may come before their text.

  /// Removes the fields but keeps the memory.
  void clear() noexcept { text_size_ = count_ = 0; }
  void reserve(std::size_t text, std::size_t fields) {
    if (!has_room(text, fields)) move_to(text_size_ + text, count_ + fields);
  }
  /// Adds a field whose text is already in the table, or will be.
  void push(const Slot& field) {
    if (!has_room(0, 1)) move_to(2 * text_size_, 2 * count_ + 8);
    ++count_;
    set_slot(count_ - 1, field);
  }
  void append(std::string_view text) {
    if (!has_room(text.size(), 0)) move_to(2 * (text_size_ + text.size()), count_ + 8);
    put(text);
  }
  Slot slot(std::size_t i) const noexcept {
    Slot slot;
    std::memcpy(&slot, slot_at(i), sizeof slot);
    return slot;
  }
  void set_slot(std::size_t i, const Slot& slot) noexcept {
    std::memcpy(slot_at(i), &slot, sizeof slot);
  }
  char* data() noexcept { return block_.get(); }

 private:
  char* slot_at(std::size_t i) const noexcept {
    return block_.get() + capacity_ - (i + 1) * sizeof(Slot);
  }
  bool has_room(std::size_t text, std::size_t fields) const noexcept {
    return text_size_ + text + (count_ + fields) * sizeof(Slot) <= capacity_;
  }
  std::size_t put(std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(block_.get() + text_size_, text.data(), text.size());
    return std::exchange(text_size_, text_size_ + text.size());
  }
  std::size_t live_text() const noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i < count_; ++i) size += slot(i).name_size + slot(i).value_size;
    return size;
  }

  /// Moves to a larger block, with the text unchanged.
  void move_to(std::size_t text, std::size_t fields) {
    const std::size_t capacity = text + fields * sizeof(Slot);
    auto block = std::make_unique_for_overwrite<char[]>(capacity);
    if (text_size_ > 0) std::memcpy(block.get(), block_.get(), text_size_);
    const std::size_t slots = count_ * sizeof(Slot);
    if (slots > 0)
      std::memcpy(block.get() + capacity - slots, block_.get() + capacity_ - slots, slots);
    block_ = std::move(block);
    capacity_ = capacity;
  }
  /// Makes room for this much more by leaving out unused text, so that repeated changes of a field
  /// do not take more and more memory.
  void compact(std::size_t text, std::size_t fields) {
    FieldTable compacted;
    compacted.take_over(*this, 2 * (live_text() + text), 2 * (count_ + fields));
    *this = std::move(compacted);
  }
  /// Copies another table, with room for this much.
  void take_over(const FieldTable& other, std::size_t text, std::size_t fields) {
    if (fields > 0) move_to(text, fields);
    for (std::size_t i = 0; i < other.count_; ++i) {
      Slot slot = other.slot(i);
      slot.name = put(other.name(i));
      slot.value = put(other.value(i));
      ++count_;
      set_slot(i, slot);
    }
  }

  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t text_size_ = 0;
  std::size_t count_ = 0;
};

}  // namespace ferry::detail
