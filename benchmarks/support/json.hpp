#pragma once

/// @file
/// `JsonWriter`: writes indented JSON.

#include <concepts>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace benchmark {

/// Writes one JSON object to a stream, member by member; the destructor ends it.
class JsonWriter {
 public:
  /// Starts the object.
  explicit JsonWriter(std::ostream& out) : out_{out} {
    out_.precision(9);
    open('{');
  }
  ~JsonWriter() { close("}\n"); }

  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  /// Writes a member whose value is a number, a text or a Boolean.
  template <class Value>
  void member(std::string_view name, const Value& value) {
    key(name);
    if constexpr (std::same_as<Value, bool>) {
      out_ << (value ? "true" : "false");
    } else if constexpr (std::integral<Value> || std::floating_point<Value>) {
      out_ << value;
    } else {
      quote(value);
    }
  }

  /// Writes a member that is an object; `write()` writes its members.
  template <class Write>
  void object(std::string_view name, Write write) {
    key(name);
    open('{');
    write();
    close("}");
  }

  /// Writes a member that is an array of objects; `write(element)` writes the members of each.
  template <class Range, class Write>
  void array(std::string_view name, const Range& elements, Write write) {
    key(name);
    open('[');
    for (const auto& element : elements) {
      separate();
      open('{');
      write(element);
      close("}");
    }
    close("]");
  }

 private:
  void open(char bracket) {
    out_ << bracket;
    ++depth_;
    first_ = true;
  }

  void close(std::string_view bracket) {
    --depth_;
    if (!first_) indent();
    out_ << bracket;
    first_ = false;
  }

  void separate() {
    if (!first_) out_ << ',';
    first_ = false;
    indent();
  }

  void indent() { out_ << '\n' << std::string(2 * depth_, ' '); }

  void key(std::string_view name) {
    separate();
    quote(name);
    out_ << ": ";
  }

  void quote(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out_ << '"';
    for (const char c : text) {
      const auto code = static_cast<unsigned char>(c);
      if (code < 0x20) {
        out_ << "\\u00" << digits[code / 16] << digits[code % 16];
      } else {
        if (c == '"' || c == '\\') out_ << '\\';
        out_ << c;
      }
    }
    out_ << '"';
  }

  std::ostream& out_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

}  // namespace benchmark
