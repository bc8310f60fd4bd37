#pragma once

/// @file
/// `Headers`: header fields as an ordered, case-insensitive multimap that holds only fields that
/// can be sent.

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/field_table.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// The reason why this field cannot be sent, or nothing. The name must be a token, and the value
/// must be free of control characters other than HTAB (RFC 9110 5.1, 5.5). The message never quotes
/// the value, which may be a secret.
std::optional<Error> check_field(std::string_view name, std::string_view value);

}  // namespace detail

/// Header fields, in the order in which they were added; names compare without regard to case.
///
/// Every field in it may be sent: `add` and `set` refuse bad names and values. Lifetime: owns its
/// bytes; the views returned are valid until it is changed, moved or destroyed. Threads: a value.
/// (RFC 9110 section 5)
class Headers {
 public:
  /// One field, as views into the `Headers`.
  struct Field {
    /// The name as it was written.
    std::string_view name;
    /// The value without white space around it.
    std::string_view value;
  };

  /// Walks over the fields in order.
  class const_iterator {
   public:
    /// The type of a field.
    using value_type = Field;
    /// The type of a distance, which the standard library requires.
    using difference_type = std::ptrdiff_t;
    /// An input iterator: each field is made when it is accessed.
    using iterator_category = std::input_iterator_tag;

    const_iterator() = default;
    /// The field.
    Field operator*() const noexcept { return {table_->name(at_), table_->value(at_)}; }
    /// Advances to the next field.
    const_iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    /// Advances to the next field, and returns the old position.
    const_iterator operator++(int) noexcept {
      auto before = *this;
      ++*this;
      return before;
    }
    /// Compares positions in the same `Headers`.
    friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept {
      return a.at_ == b.at_;
    }

   private:
    friend Headers;
    const_iterator(const detail::FieldTable* table, std::size_t at) : table_(table), at_(at) {}
    const detail::FieldTable* table_ = nullptr;
    std::size_t at_ = 0;
  };

  Headers() = default;

  /// Adds a field at the end, even if there is one of the same name.
  /// @throws Error `Errc::invalid_header`; nothing has changed then.
  Headers& add(std::string_view name, std::string_view value);

  /// Makes this the only field of its name, at the position of the first one, if there was any.
  /// @throws Error `Errc::invalid_header`; nothing has changed then.
  Headers& set(std::string_view name, std::string_view value);

  /// Removes all fields of this name. @return the number of fields removed.
  std::size_t remove(std::string_view name);

  /// The value of the first field of this name, or nothing.
  std::optional<std::string_view> get(std::string_view name) const& noexcept;
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::optional<std::string_view> get(std::string_view name) const&& = delete;

  /// The values of all fields of this name, in order.
  std::vector<std::string_view> get_all(std::string_view name) const&;
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::vector<std::string_view> get_all(std::string_view name) const&& = delete;

  /// True if there is a field of this name.
  bool contains(std::string_view name) const noexcept { return !empty() && find(name) != end(); }

  /// True if a field of this name has this token in its comma-separated list, in any line and
  /// position, without regard to case: `has_token("Connection", "close")`.
  bool has_token(std::string_view name, std::string_view token) const noexcept {
    return !empty() && finds_token(name, token);
  }

  /// The number of fields.
  std::size_t size() const noexcept { return table_.count(); }
  /// True if there is no field.
  bool empty() const noexcept { return size() == 0; }

  /// The first field.
  const_iterator begin() const& noexcept { return {&table_, 0}; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const_iterator begin() const&& = delete;
  /// The end of the fields.
  const_iterator end() const& noexcept { return {&table_, table_.count()}; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const_iterator end() const&& = delete;

  /// The first field of this name, or `end()`.
  const_iterator find(std::string_view name) const& noexcept;
  /// Deleted: the result would dangle when the temporary is destroyed.
  const_iterator find(std::string_view name) const&& = delete;

 private:
  friend struct detail::access;

  bool finds_token(std::string_view name, std::string_view token) const noexcept;

  /// True for a view into these fields, which a change would move.
  bool is_own(std::string_view text) const noexcept;

  std::size_t remove_from(std::size_t first, std::string_view name);

  detail::FieldTable table_;
};

static_assert(detail::co_await_safe<Headers>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/headers.ipp>
#endif
