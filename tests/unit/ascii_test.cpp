#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/base/ascii.hpp>

using namespace ferry::detail;
using namespace std::string_literals;

TEST_CASE("classes of characters, for every byte") {
  const std::string digits = "0123456789", letters = "abcdefghijklmnopqrstuvwxyz",
                    capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const auto in = [](const std::string& set, char c) { return set.find(c) != std::string::npos; };
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    CAPTURE(byte);
    CHECK(is_digit(c) == in(digits, c));
    CHECK(is_alpha(c) == (in(letters, c) || in(capitals, c)));
    CHECK(is_hex(c) == in(digits + "abcdefABCDEF", c));
    CHECK(is_token_char(c) == in(digits + letters + capitals + "!#$%&'*+-.^_`|~", c));
    CHECK(is_control(c) == (byte < 32 || byte == 127));
    CHECK(is_ows(c) == (byte == ' ' || byte == '\t'));
    CHECK((to_lower(c) != c) == in(capitals, c));
    CHECK((to_upper(c) != c) == in(letters, c));
    CHECK(to_lower(to_upper(c)) == to_lower(c));
  }
  for (int value = 0; value < 16; ++value) {
    CHECK(hex_value("0123456789abcdef"[value]) == value);
    CHECK(hex_value("0123456789ABCDEF"[value]) == value);
  }
}

TEST_CASE("tokens, and text without regard to case") {
  CHECK(is_token("GET"));
  CHECK_FALSE(is_token(""));
  CHECK_FALSE(is_token("a b"));
  CHECK_FALSE(is_token("a\xC3\xA4"));
  CHECK(iequals("", ""));
  CHECK(iequals("Content-Length", "content-lENGTH"));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK_FALSE(iequals("@", "`"));        // Characters that differ in the bit of case alone,
  CHECK_FALSE(iequals("[", "{"));        // but are no letters.
  CHECK_FALSE(iequals("\xC4", "\xE4"));  // Likewise in Latin-1.
  CHECK(iequals("a\0B"s, "A\0b"s));
  static_assert(iequals("Close", "cLOSE") && !iequals("close", "closed"));
}

TEST_CASE("lists of tokens, with white space and empty elements") {
  CHECK(trim_ows(" \t a b\t ") == "a b");
  CHECK(trim_ows(" \t ").empty());
  CHECK(trim_ows("\r\na") == "\r\na");
  CHECK(list_has_token("close", "close"));
  CHECK(list_has_token("a,,\tCLOSE ,b", "close"));
  CHECK(list_has_token("a, close", "close"));
  CHECK_FALSE(list_has_token("", "close"));
  CHECK_FALSE(list_has_token("not-close, closed, clo se", "close"));
}

TEST_CASE("decimal numbers up to 2^63 - 1") {
  CHECK(parse_decimal("0") == 0);
  CHECK(parse_decimal("007") == 7);
  CHECK(parse_decimal("9223372036854775807") == INT64_MAX);
  for (const char* text :
       {"", "9223372036854775808", "99999999999999999999", "-1", "+1", " 1", "1 ", "0x1", "1.0"})
    CHECK_FALSE(parse_decimal(text));
}

TEST_CASE("input in an error's text cannot break out of its quotes") {
  CHECK(in_quotes("") == "\"\"");
  CHECK(in_quotes("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(in_quotes("\r\n\0\x7F\xC3"s) == "\"\\x0d\\x0a\\x00\\x7f\\xc3\"");
  CHECK(in_quotes(std::string(80, 'x')) == "\"" + std::string(80, 'x') + "\"");
  CHECK(in_quotes(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "\"...");
}
