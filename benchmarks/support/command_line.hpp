#pragma once

/// @file
/// `CommandLine`: reads `--option value` and `--option=value`.

#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace benchmark {

/// An error in the command line; `what()` names the option and the values that it takes.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Iterates over a program's options: `while (line.next()) if (line.option() == "--body") ...`.
///
/// Every member except `option` throws `UsageError` for input that it cannot accept.
class CommandLine {
 public:
  CommandLine(int count, char** arguments) : next_{arguments + 1}, end_{arguments + count} {}

  /// Advances to the next option. @return false if there is none.
  bool next() {
    if (unread_value_) throw UsageError{option_ + ": takes no value"};
    if (next_ == end_) return false;
    const std::string_view argument = *next_++;
    if (!argument.starts_with("-")) {
      throw UsageError{"\"" + std::string{argument} + "\" is not an option"};
    }
    const std::size_t equals = argument.find('=');
    option_ = argument.substr(0, equals);
    if (equals != argument.npos) unread_value_ = argument.substr(equals + 1);
    return true;
  }

  /// The option's name, with its dashes.
  const std::string& option() const { return option_; }

  /// The option's value.
  std::string text() {
    if (!unread_value_ && next_ != end_) unread_value_ = *next_++;
    const std::optional<std::string> value = std::exchange(unread_value_, std::nullopt);
    if (!value || value->empty()) throw UsageError{option_ + ": needs a value"};
    return *value;
  }

  /// The option's value, a whole number within these bounds.
  std::uint64_t number(std::uint64_t lowest, std::uint64_t highest) {
    const std::string value = text();
    const char* end = value.data() + value.size();
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error == std::errc{} && stop == end && number >= lowest && number <= highest) return number;
    throw UsageError{option_ + ": \"" + value + "\" is not a number from " +
                     std::to_string(lowest) + " to " + std::to_string(highest)};
  }

 private:
  char** next_;
  char** end_;
  std::string option_;
  std::optional<std::string> unread_value_;
};

}  // namespace benchmark
