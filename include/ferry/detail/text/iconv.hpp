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
#include <ferry/detail/base/utf8.hpp>

#if __has_include(<iconv.h>)
#include <iconv.h>
#endif

// Charsets that the system knows.
namespace ferry::detail {

#if __has_include(<iconv.h>)

/// One conversion of iconv's.
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

  /// Converts everything; what is none of the charset's characters becomes U+FFFD.
  std::string convert(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() + bytes.size() / 2);
    for (;;) {
      const auto before = bytes.size();
      const int error = step(&bytes, out);
      if (error == 0) break;
      if (error == E2BIG) {
        if (bytes.size() == before && produced_ == 0) break;  // It would not fit anywhere.
        continue;
      }
      out += replacement_character;
      if (error != EILSEQ || bytes.empty()) break;  // The text ends within a character.
      bytes.remove_prefix(1);
    }
    // Some charsets keep a character back, to see whether an accent follows.
    step(nullptr, out);
    return to_valid_utf8(out);
  }

  /// Converts to UTF-32LE; 0 unless the bytes are one character.
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
  /// POSIX has `char**` for the input, older systems have `const char**`.
  struct Input {
    const char** text;
    operator char**() const noexcept { return const_cast<char**>(text); }
    operator const char**() const noexcept { return text; }
  };

  /// One call; without bytes, the last one.
  /// @return 0 when it has read everything, or why not.
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

/// There is no iconv here.
class Iconv {
 public:
  explicit Iconv(const char*, const char* = "UTF-8") {}
  bool is_open() const noexcept { return false; }
  std::string convert(std::string_view) { return {}; }
  char32_t character(std::string_view) { return 0; }
};

#endif

/// True for names that iconv may be given. It reads more into others (`//TRANSLIT`, the locale's
/// charset for an empty one), some are this machine's own, and UTF-7 and its like hide ASCII from
/// filters.
inline bool is_charset_name(std::string_view lower) noexcept {
  for (const char c : lower)
    if (!is_alpha(c) && !is_digit(c) && c != '_' && c != '.' && c != ':' && c != '-') return false;
  for (const auto part : {"utf-7", "utf7", "internal", "swapped"})
    if (lower.find(part) != lower.npos) return false;
  for (const auto name : {"", "char", "wchar_t", "hz", "java", "c99"})
    if (lower == name) return false;
  return true;
}

/// Converts from any charset that the system knows; nothing if it knows none of this name.
inline std::optional<std::string> from_system_charset(std::string_view bytes,
                                                      const std::string& lower) {
  if (!is_charset_name(lower)) return std::nullopt;
  Iconv iconv(lower.c_str());
  if (!iconv.is_open()) return std::nullopt;
  return iconv.convert(bytes);
}

}  // namespace ferry::detail
