// Any bytes in any charset, under any content type: the result is UTF-8, not longer than it can be,
// or an error.

#include <ferry/text.hpp>

#include "fuzz/support.hpp"

namespace {

bool is_utf8(std::string_view text) {
  return ferry::detail::find_invalid_utf8(text) == text.size();
}

/// The standard's decoder (WHATWG Encoding 8.1.1), step by step.
std::string utf8_by_the_book(std::string_view bytes) {
  std::string out, pending;
  int needed = 0;
  unsigned lower = 0x80, upper = 0xBF;
  const auto replace = [&] {
    out += "\xEF\xBF\xBD";
    pending.clear();
    needed = 0;
    lower = 0x80;
    upper = 0xBF;
  };
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (needed > 0) {
      if (byte < lower || byte > upper) {
        replace();
        --i;
        continue;
      }
      lower = 0x80;
      upper = 0xBF;
      pending += bytes[i];
      if (--needed == 0) out += std::exchange(pending, {});
      continue;
    }
    if (byte < 0x80) {
      out += bytes[i];
      continue;
    }
    if (byte < 0xC2 || byte > 0xF4) {
      replace();
      continue;
    }
    needed = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    if (byte == 0xE0) lower = 0xA0;
    if (byte == 0xED) upper = 0x9F;
    if (byte == 0xF0) lower = 0x90;
    if (byte == 0xF4) upper = 0x8F;
    pending = bytes[i];
  }
  if (needed > 0) replace();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string charsets[] = {
      "utf-8",   "utf-16le", "utf-16be",    "latin1",        "shift_jis",    "euc-jp",
      "gb18030", "euc-kr",   "big5",        "iso-2022-jp",   "windows-1251", "windows-1258",
      "utf-32",  "ucs-4",    "iso-2022-kr", "tcvn",          "johab",        "hz",
      "cp437",   "cp949",    "'utf-8',x",   "x-user-defined"};
  FuzzedDataProvider input(data, size);
  const bool known = input.ConsumeIntegralInRange(0, 3) != 0;
  const auto charset =
      known ? input.PickValueInArray(charsets) : input.ConsumeRandomLengthString(30);
  const auto type = input.ConsumeRandomLengthString(60);
  const auto bytes = input.ConsumeRemainingBytesAsString();

  fuzz::require(ferry::detail::to_valid_utf8(bytes) == utf8_by_the_book(bytes),
                "the same as by the book", bytes);
  fuzz::require(ferry::charset_of(type).size() <= type.size(), "a charset is in its type", type);
  try {
    const auto text = ferry::to_utf8(bytes, charset);
    fuzz::require(is_utf8(text), "it is UTF-8", charset, text);
    fuzz::require(!known || text.size() <= 4 * bytes.size() + 8, "it is not larger than it can be",
                  charset);
  } catch (const ferry::Error& error) {
    fuzz::require(error.code() == ferry::Errc::undecodable_body, "its error is its own", charset);
  }
  try {
    fuzz::require(is_utf8(ferry::detail::Text::of(bytes, type)), "a body is UTF-8", type);
    const auto quoted = ferry::detail::Text::of(bytes, "a/b; x=\"" + type + "\"");
    fuzz::require(is_utf8(quoted), "a body is UTF-8 still", type);
  } catch (const ferry::Error& error) {
    fuzz::require(error.code() == ferry::Errc::undecodable_body, "its error is its own", type);
  }
  return 0;
}
