#include <cstdint>
#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/utf8.hpp>

using namespace ferry::detail;

TEST_CASE("UTF-8: every character is written as one valid sequence") {
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    if (c == 0xD800) c = 0xE000;  // Surrogates are no characters.
    std::string text;
    append_utf8(text, c);
    const auto sequence = utf8_sequence(text);
    if (!sequence.valid || sequence.size != text.size()) FAIL("character " << c);
  }
  std::string text;
  for (const std::uint32_t c : {0x24u, 0xE9u, 0x20ACu, 0x1F600u}) append_utf8(text, c);
  CHECK(text == "$\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST_CASE("UTF-8: an invalid sequence is as long as its valid beginning") {
  const auto invalid = [](std::string_view text, std::size_t size) {
    const auto sequence = utf8_sequence(text);
    return !sequence.valid && sequence.size == size;
  };
  CHECK(invalid("\x80", 1));
  CHECK(invalid("\xC0\x80", 1));  // An overlong form.
  CHECK(invalid("\xC1\xBF", 1));
  CHECK(invalid("\xE0\x9F\xBF", 1));
  CHECK(invalid("\xF0\x8F\xBF\xBF", 1));
  CHECK(invalid("\xED\xA0\x80", 1));      // A surrogate.
  CHECK(invalid("\xF4\x90\x80\x80", 1));  // A value above U+10FFFF.
  CHECK(invalid("\xF5\x80\x80\x80", 1));
  CHECK(invalid("\xFF", 1));
  CHECK(invalid("\xC3", 1));  // A text that ends too early.
  CHECK(invalid("\xE2\x82", 2));
  CHECK(invalid("\xF0\x9F\x98", 3));
  CHECK(invalid("\xE2\x82z", 2));
  CHECK(invalid("\xF0\x9F\xC3\xA9", 2));
}

TEST_CASE("UTF-8: what is invalid is found and replaced") {
  CHECK(find_invalid_utf8("") == 0);
  CHECK(find_invalid_utf8("\xC3\xA9z") == 3);
  CHECK(find_invalid_utf8("\xC3\xA9\xE2\x82") == 2);
  CHECK(to_valid_utf8("") == "");
  CHECK(to_valid_utf8("\xC3\xA9") == "\xC3\xA9");
  CHECK(to_valid_utf8("a\xE2\x82\xF0z\xFF") == "a\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD");
  CHECK(find_invalid_utf8(to_valid_utf8("\xED\xA0\x80\xC0\xAF")) == 5 * 3);
}
