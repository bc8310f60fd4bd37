#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/field_table.hpp>
#include <ferry/detail/h1/framing_fields.hpp>
#include <ferry/detail/http/connection_fields.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The fields of a response's head as they arrive, and then those of its trailers.
///
///     expect, (take_name... take_value... end_field)..., keep  ----+   for each piece of bytes
///        ^                                                         |
///        +---------------------------------------------------------+
///     then parse_fast or finish_head; release
///     the same with finish_trailers; release
///
/// Invariants:
/// 1. The names and values are places in `table_.text()`, which is the kept bytes, unchanged: no
///    field is copied by itself.
/// 2. The bytes announced by `expect` are placed after the kept ones, and are kept (up to where
///    llhttp stopped) before the next ones are announced.
/// 3. A field is refused when it is complete; before, the result would depend on the split.
/// 4. Values are as they came, with white space after them and line ends in them, until one of the
///    `finish` functions, or the success of `parse_fast`.
class FieldSection {
 public:
  /// @param memory its memory is used again, its fields are removed.
  FieldSection(FieldTable&& memory, std::size_t max_fields) noexcept
      : table_(std::move(memory)), max_fields_(max_fields) {
    table_.clear();
  }

  /// The kept bytes.
  std::string_view text() const noexcept { return table_.text(); }
  /// Number of complete fields.
  std::size_t count() const noexcept { return table_.count(); }
  /// True if no field has begun.
  bool is_empty() const noexcept { return !is_open_ && table_.count() == 0; }

  void reserve(std::size_t bytes, std::size_t fields) { table_.reserve(bytes, fields); }

  /// Announces the bytes that are parsed next.
  void expect(std::string_view bytes) noexcept { expected_ = bytes.data(); }
  /// Keeps the bytes that were parsed.
  void keep(std::string_view bytes) { table_.append(bytes); }

  /// Takes a piece of a field's name.
  void take_name(std::string_view piece) noexcept {
    if (!is_open_) {
      is_open_ = true;
      field_ = FieldTable::Slot();
      field_.name = place_of(piece);
    }
    field_.name_size += static_cast<std::uint32_t>(piece.size());
  }
  /// Takes a piece of a field's value.
  void take_value(std::string_view piece) noexcept {
    if (piece.empty()) return;
    const std::size_t begin = place_of(piece);
    if (field_.value_size == 0) field_.value = begin;
    // Pieces that do not adjoin were separated by a line end: obs-fold.
    if (begin != field_.value + field_.value_size) has_fold_ = true;
    field_.value_size = static_cast<std::uint32_t>(begin - field_.value + piece.size());
  }
  /// Adds the field that was arriving.
  /// @return false, with an error, if the field is refused.
  bool end_field() {
    is_open_ = false;
    if (field_.name_size == 0) return fail(Errc::malformed_response, "a field has no name");
    if (table_.count() == max_fields_) return fail_count();
    table_.push(field_);
    return true;
  }
  /// The error after `end_field` has returned false.
  const Error& error() const noexcept { return *error_; }

  /// Checks a whole head of the usual form: each field is a name, a colon, an optional space, a
  /// value, and CR LF. Such a head is finished, and its line ends are checked.
  /// @return false for any other form, which needs the slower checks.
  bool parse_fast(std::string_view head) noexcept {
    is_finished_ = !has_fold_ && take_usual_form(head);
    return is_finished_;
  }

  /// Finishes the head's values, and notes the fields about the framing and the connection.
  /// @param seen_as_chunked see `FramingFields::ambiguity`.
  /// @return the reason why two parsers could read the framing differently; empty if there is none.
  std::string finish_head(bool is_http_1_0, bool seen_as_chunked) {
    std::string ambiguity;
    if (!is_finished_) {
      framing_ = FramingFields();  // `parse_fast` may have noted some of the fields.
      connection_ = ConnectionFields();
      ambiguity = finish_trailers();
      for (std::size_t i = 0; i < table_.count(); ++i) {
        const std::string_view name = table_.name(i);
        if (is_of_interest(name.size())) note(name, table_.value(i));
      }
    }
    const std::string_view reason = framing_.ambiguity(is_http_1_0, seen_as_chunked);
    if (ambiguity.empty() && !reason.empty()) ambiguity = reason;
    return ambiguity;
  }
  /// Finishes the trailers' values, and notes nothing: the framing is decided before them.
  /// @return the reason if a folded field is one about the framing; empty if there is none.
  std::string finish_trailers() {
    std::string ambiguity;
    for (std::size_t i = 0; i < table_.count(); ++i) {
      FieldTable::Slot field = table_.slot(i);
      const bool was_folded = unfold(field);
      // White space after a value is not part of it (RFC 9112 5.1).
      const char* const value = table_.data() + field.value;
      while (field.value_size > 0 && is_ows(value[field.value_size - 1])) --field.value_size;
      table_.set_slot(i, field);
      const std::string_view name = table_.name(i);
      if (was_folded && ambiguity.empty() && FramingFields::is_name(name))
        ambiguity.append(name).append(" is folded over two lines");
    }
    return ambiguity;
  }

  /// Gives away the finished fields. Those of the trailers may follow.
  FieldTable release() noexcept {
    is_finished_ = false;
    return std::move(table_);
  }

  /// The head's fields about the framing, once it is finished.
  const FramingFields& framing() const noexcept { return framing_; }
  /// The head's fields about the connection, once it is finished.
  const ConnectionFields& connection() const noexcept { return connection_; }

 private:
  std::size_t place_of(std::string_view piece) const noexcept {
    return table_.text().size() + static_cast<std::size_t>(piece.data() - expected_);
  }

  bool fail(Errc code, std::string detail) {
    error_.emplace(code, std::move(detail));
    return false;
  }
  bool fail_count() {
    return fail(Errc::head_too_large, "there are more than " + std::to_string(max_fields_) +
                                          " fields (limits.max_fields)");
  }

  bool take_usual_form(std::string_view head) noexcept {
    const char* const text = head.data();
    std::size_t end = 0;
    for (std::size_t i = 0; i < table_.count(); ++i) {
      const FieldTable::Slot field = table_.slot(i);
      const std::size_t name_end = field.name + field.name_size;
      if (i > 0 && field.name != end + 2) return false;
      if (text[field.name - 2] != '\r' || text[field.name - 1] != '\n') return false;
      if (field.value_size == 0 || field.value - name_end > 2) return false;
      end = field.value + field.value_size;
      if (is_ows(text[end - 1])) return false;
      if (is_of_interest(field.name_size))
        note({text + field.name, field.name_size}, {text + field.value, field.value_size});
    }
    return (end == 0 || head.size() == end + 4) && head.ends_with("\r\n\r\n");
  }

  /// Joins a value that is folded over several lines: each line end, with the white space around
  /// it, becomes one SP (RFC 9112 5.2).
  /// @return false if the value is not folded.
  bool unfold(FieldTable::Slot& field) noexcept {
    if (field.value_size == 0) return false;
    char* const text = table_.data();
    char* out = text + field.value;
    const char* const end = out + field.value_size;
    const char* const name_end = text + field.name + field.name_size;
    if (std::find(name_end, end, '\n') == end) return false;
    const char* const begin = out;
    const auto is_space = [](char c) { return is_ows(c) || c == '\r' || c == '\n'; };
    for (const char* p = begin; p < end;) {
      const char* const line_end = std::find(p, end, '\r');
      const char* const word = std::find_if_not(line_end, end, is_space);
      out = std::copy(p, line_end, out);
      while (out > begin && is_ows(out[-1])) --out;
      if (out > begin && word < end) *out++ = ' ';
      p = word;
    }
    field.value_size = static_cast<std::uint32_t>(out - begin);
    return true;
  }

  /// True for the length of a name that `note` knows; most names have another length.
  static constexpr bool is_of_interest(std::size_t name_size) noexcept {
    return name_size == 10 || name_size == 14 || name_size == 17;
  }
  void note(std::string_view name, std::string_view value) noexcept {
    if (!framing_.take(name, value)) connection_.take(name, value);
  }

  FieldTable table_;
  std::size_t max_fields_;
  FieldTable::Slot field_;          // The field that is arriving, or the last one.
  const char* expected_ = nullptr;  // Begin of the bytes that are parsed next.
  std::optional<Error> error_;
  FramingFields framing_;
  ConnectionFields connection_;
  bool is_open_ = false;      // True while a field is arriving.
  bool has_fold_ = false;     // True if a value has come in pieces that do not adjoin.
  bool is_finished_ = false;  // True if `parse_fast` has finished the head.
};

}  // namespace ferry::detail
