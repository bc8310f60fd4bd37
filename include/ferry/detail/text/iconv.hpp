#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/utf8.hpp>

#if __has_include(<iconv.h>)
#include <iconv.h>
#endif

// Charsets that the system knows.
namespace ferry::inline FERRY_CONFIGURATION::detail {

#if __has_include(<iconv.h>)

/// One conversion by iconv.
class Iconv {
 public:
  explicit Iconv(const char* from, const char* to = "UTF-8") : handle_(::iconv_open(to, from)) {
    if (!is_open() && errno == ENOMEM) throw std::bad_alloc();
  }
  Iconv(const Iconv&) = delete;
  Iconv& operator=(const Iconv&) = delete;
  ~Iconv() {
    if (is_open()) ::iconv_close(handle_);
  }
  bool is_open() const noexcept { return handle_ != reinterpret_cast<iconv_t>(-1); }

  /// Converts everything; bytes that are not a character of the charset become U+FFFD.
  std::string convert(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + bytes.size() / 2);
    for (;;) {
      const auto before = bytes.size();
      const int error = step(&bytes, out);
      if (error == 0) break;
      if (error == E2BIG) {
        // The next character does not fit even an empty buffer.
        if (bytes.size() == before && produced_ == 0) break;
        continue;
      }
      out += replacement_character;
      if (error != EILSEQ || bytes.empty()) break;  // The text ends within a character.
      bytes.remove_prefix(1);
    }
    // Some charsets hold back a character, to see whether an accent follows.
    step(nullptr, out);
    return to_valid_utf8(out);
  }

  /// Converts one character to UTF-32; 0 if the bytes are not exactly one character.
  char32_t character(std::string_view bytes) {
    std::string out;
    const int error = step(&bytes, out);
    step(nullptr, out);
    if (error != 0 || !bytes.empty() || out.size() != 4) return 0;
    char32_t c = 0;
    for (std::size_t i = 4; i-- > 0;) c = c << 8 | static_cast<unsigned char>(out[i]);
    return c;
  }

 private:
  /// Converts to the input type of `iconv`: `char**` in POSIX, `const char**` on older systems.
  struct Input {
    const char** text;
    operator char**() const noexcept { return const_cast<char**>(text); }
    operator const char**() const noexcept { return text; }
  };

  /// One call of `iconv`; without bytes, the final one.
  /// @return 0 if all bytes were read, else the error number.
  int step(std::string_view* bytes, std::string& out) {
    std::array<char, 4096> buffer;
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const char* from = bytes ? bytes->data() : nullptr;
    std::size_t left = bytes ? bytes->size() : 0;
    const auto result = ::iconv(handle_, bytes ? Input{&from} : Input{nullptr}, &left, &to, &room);
    const int error = result == static_cast<std::size_t>(-1) ? errno : 0;
    produced_ = buffer.size() - room;
    out.append(buffer.data(), produced_);
    if (bytes) bytes->remove_prefix(bytes->size() - left);
    return error;
  }

  iconv_t handle_;
  std::size_t produced_ = 0;
};

#else

/// Replacement for systems without iconv: knows no charset.
class Iconv {
 public:
  explicit Iconv(const char*, const char* = "UTF-8") {}
  bool is_open() const noexcept { return false; }
  std::string convert(std::string_view) { return {}; }
  char32_t character(std::string_view) { return 0; }
};

#endif

/// True for names that may be passed to iconv. Other names have a special meaning (`//TRANSLIT`,
/// the locale's charset for an empty name), depend on the machine, or mean UTF-7 and the like,
/// which hide ASCII from filters.
inline bool is_charset_name(std::string_view lower) noexcept {
  for (const char c : lower)
    if (!is_alpha(c) && !is_digit(c) && c != '_' && c != '.' && c != ':' && c != '-') return false;
  for (const auto part : {"utf-7", "utf7", "internal", "swapped"})
    if (lower.find(part) != lower.npos) return false;
  for (const auto name : {"", "char", "wchar_t", "hz", "java", "c99"})
    if (lower == name) return false;
  return true;
}

/// Converts from any charset that the system knows; nothing if it does not know this name.
inline std::optional<std::string> from_system_charset(std::string_view bytes,
                                                      const std::string& lower) {
  if (!is_charset_name(lower)) return std::nullopt;
  Iconv iconv(lower.c_str());
  if (!iconv.is_open()) return std::nullopt;
  return iconv.convert(bytes);
}

}  // namespace ferry::detail
