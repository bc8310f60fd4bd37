#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/line_splitter.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/error.hpp>
#include <ferry/result.hpp>
#include <ferry/server_event.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Parses server-sent events from bytes in any pieces (WHATWG HTML 9.2.5 and 9.2.6):
///
///     parser.feed(piece);
///     for (;;) { auto event = parser.next(); if (!event || !*event) break; ... }
///
/// An incomplete event at the end of the stream is dropped.
class SseParser {
 public:
  /// @param max_size the maximum size of an event in bytes: of its data, type and id together, and
  ///   of each of its lines. An id has at most 8 KiB in any case.
  explicit SseParser(std::size_t max_size) : max_size_(max_size), lines_(max_size) {}

  /// Takes the next piece, which must stay valid until `next` has returned nothing. Call this only
  /// after `next` has returned nothing for the previous piece.
  void feed(std::string_view piece) noexcept { lines_.feed(piece); }

  /// The next event; nothing if more bytes are needed.
  /// @return `Errc::body_too_large` for an event or a line that is too large, and in all later
  ///   calls.
  Result<std::optional<ServerEvent>> next() {
    while (!error_) {
      const auto line = lines_.next();
      if (!line) {
        error_ = line.error();
        break;
      }
      if (!*line) return std::optional<ServerEvent>();
      if (auto event = take(**line)) return event;
    }
    return *error_;
  }

  /// The last id that took effect; empty if there was none.
  const std::string& last_event_id() const noexcept { return last_id_; }

  /// The delay before connecting again, if the stream has set one: at most a day, because a longer
  /// one would be a mistake and could overflow clocks.
  std::optional<std::chrono::milliseconds> retry() const noexcept { return retry_; }

 private:
  static constexpr std::size_t max_id_size = 8192;

  std::optional<ServerEvent> take(std::string_view line) {
    if (!std::exchange(begun_, true) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (line.empty()) return dispatch();
    // A comment is a line that begins with a colon: a field with an empty name, which is ignored.
    const auto colon = std::min(line.find(':'), line.size());
    auto value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    take_field(line.substr(0, colon), value);
    return std::nullopt;
  }

  /// Takes a field. Names are case-sensitive.
  void take_field(std::string_view name, std::string_view value) {
    if (name == "data") {
      data_.append(value) += '\n';
    } else if (name == "event") {
      type_ = value;
    } else if (name == "id") {
      // An id with NUL cannot be sent back as a header field.
      if (value.find('\0') != std::string_view::npos) return;
      // Every later event carries the id: a few bytes of events must not cost megabytes.
      if (value.size() > max_id_size) return refuse("the id of an event", max_id_size);
      id_ = value;
      id_is_new_ = true;
    } else if (name == "retry") {
      const bool digits = !value.empty() && std::all_of(value.begin(), value.end(), is_digit);
      constexpr std::uint64_t day = 24 * 60 * 60 * 1000;
      if (digits)
        retry_ = std::chrono::milliseconds(std::min(parse_decimal(value).value_or(day), day));
    }
    // The size does not include the last LF of the data, which is removed.
    const auto size = data_.size() - (data_.empty() ? 0 : 1) + type_.size() + id_.size();
    if (size > max_size_) refuse("an event", max_size_);
  }

  void refuse(const char* what, std::size_t limit) {
    error_ = Error(Errc::body_too_large,
                   std::string(what) + " in it is larger than " + std::to_string(limit) + " bytes");
  }

  /// Ends an event. An event without data is dropped, but its id takes effect.
  std::optional<ServerEvent> dispatch() {
    if (std::exchange(id_is_new_, false)) last_id_ = to_valid_utf8(id_);
    std::optional<ServerEvent> event;
    if (!data_.empty()) {
      data_.pop_back();
      event.emplace();
      event->data = to_valid_utf8(data_);
      if (!type_.empty()) event->type = to_valid_utf8(type_);
      event->id = last_id_;
    }
    data_.clear();
    type_.clear();
    return event;
  }

  std::size_t max_size_;
  LineSplitter lines_;
  bool begun_ = false;
  bool id_is_new_ = false;
  std::string data_, type_, id_;
  std::string last_id_;
  std::optional<std::chrono::milliseconds> retry_;
  std::optional<Error> error_;
};
static_assert(co_await_safe<SseParser>);

}  // namespace ferry::detail
