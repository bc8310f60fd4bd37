#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/percent.hpp>

using namespace ferry::detail;
using namespace std::string_literals;

TEST_CASE("percent-encoding is undone where it is one") {
  CHECK(unescaped("") == "");
  CHECK(unescaped("a%20b") == "a b");
  CHECK(unescaped("%41%4a%4A") == "AJJ");
  CHECK(unescaped("%00%ff") == "\0\xFF"s);
  CHECK(unescaped("%2541") == "%41");  // Once, not twice.
  for (const char* text : {"%", "%%", "%4", "a%4", "%4g", "%g4", "% 41", "+"})
    CHECK(unescaped(text) == text);
  CHECK(unescaped("%%41%4") == "%A%4");
  CHECK(is_escape_at("a%41", 1));
  CHECK_FALSE(is_escape_at("a%41", 0));
  CHECK_FALSE(is_escape_at("a%4", 1));
}

TEST_CASE("a component keeps only what needs no encoding, and reads back as itself") {
  std::string all, out;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  append_component(out, all);
  CHECK(unescaped(out) == all);
  std::string plain;
  for (const char c : all) {
    std::string one;
    append_component(one, {&c, 1});
    CHECK((one.size() == 1 || one.size() == 3));
    if (one.size() == 1) plain += one;
  }
  CHECK(plain == "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");
  out = "kept";
  append_component(out, " /\xC3\xA9");
  CHECK(out == "kept%20%2F%C3%A9");
}
