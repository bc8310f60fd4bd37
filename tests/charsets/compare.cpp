// Compares `to_utf8` with a decoder that is trusted: reads label, bytes and text from standard
// input, each after its length. A text of length 0xFFFFFFFF stands for an error.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/text.hpp>

namespace {

std::optional<std::uint32_t> read_length() {
  char bytes[4];
  if (!std::cin.read(bytes, 4)) return std::nullopt;
  std::uint32_t out = 0;
  for (std::size_t i = 4; i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

std::string read_string(std::uint32_t length) {
  std::string out(length, '\0');
  std::cin.read(out.data(), static_cast<std::streamsize>(length));
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, 24)) {
    char two[4];
    std::snprintf(two, sizeof two, "%02X ", static_cast<unsigned char>(c));
    out += two;
  }
  return out;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::map<std::string, int> cases, failures;
  while (const auto length = read_length()) {
    const auto label = read_string(*length);
    const auto bytes = read_string(read_length().value_or(0));
    const auto text_length = read_length().value_or(0);
    const bool refused = text_length == 0xFFFFFFFF;
    const auto expected = refused ? "an error" : read_string(text_length);
    std::string actual;
    try {
      actual = ferry::to_utf8(bytes, label);
    } catch (const ferry::Error&) {
      actual = "an error";
    }
    ++cases[label];
    if (actual == expected || ++failures[label] > 5) continue;
    std::size_t at = 0;
    while (at < actual.size() && at < expected.size() && actual[at] == expected[at]) ++at;
    std::cout << "FAIL  " << label << ": " << hex(bytes) << "is at " << at << ' '
              << hex(actual.substr(at)) << "not " << hex(expected.substr(at)) << '\n';
  }
  int sum = 0, failed = 0;
  for (const auto& [label, count] : cases) sum += count;
  for (const auto& [label, count] : failures) failed += count;
  std::cout << sum << " texts, " << cases.size() << " labels\n"
            << (cases.size() - failures.size()) << " passed, " << failures.size() << " failed\n";
  return failed == 0 && sum > 0 ? 0 : 1;
}
