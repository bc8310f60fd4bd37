// Any bytes through any chain of content codings: the same comes of them however they are split,
// and never more than is allowed. What was coded is what is decoded, and a part of it is an error.

#include <memory>
#include <string>
#include <vector>

#include <ferry/headers.hpp>

#include "fuzz/support.hpp"
#include "support/codings.hpp"

namespace {

using test::Decoded;

constexpr std::size_t limit = 64 * 1024;

ferry::detail::ContentDecoding decoding_of(const std::vector<ferry::ContentCoding>& chain) {
  ferry::Headers headers;
  for (const auto& coding : chain) headers.add("Content-Encoding", coding.name);
  auto decoding = ferry::detail::ContentDecoding::of(headers, test::all_codings).value();
  fuzz::require(decoding.is_active(), "known codings are undone");
  return decoding;
}

Decoded decode_whole(const std::vector<ferry::ContentCoding>& chain, std::string_view raw) {
  auto body = decoding_of(chain).decode_all(raw, limit);
  if (!body) return {{}, body.error().what()};
  fuzz::require(body->size() <= limit, "no more than the limit");
  fuzz::require(body->capacity() <= 2 * body->size() + 32, "twice as much memory at most");
  return {*body, {}};
}

/// Which error it is, if there are several, may depend on the pieces.
void require_same(const char* what, const Decoded& whole, const Decoded& pieces) {
  fuzz::require(whole.body == pieces.body && whole.error.empty() == pieces.error.empty(), what,
                whole.body + whole.error, pieces.body + pieces.error);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const bool is_round_trip = input.ConsumeIntegralInRange(0, 7) == 0;
  std::vector<ferry::ContentCoding> chain;
  for (int left = input.ConsumeIntegralInRange(1, 5); left > 0; --left)
    chain.push_back(test::all_codings[input.ConsumeIntegralInRange<std::size_t>(
        0, test::all_codings.size() - 1)]);
  fuzz::Splits input_splits(input.ConsumeIntegral<std::uint16_t>());
  fuzz::Splits output_splits(input.ConsumeIntegral<std::uint16_t>());
  const int times = is_round_trip ? input.ConsumeIntegralInRange(1, 15) : 1;
  const auto cut = input.ConsumeIntegral<std::uint16_t>();
  std::string bytes = input.ConsumeRemainingBytesAsString();

  if (is_round_trip) {
    std::string text;
    for (int i = 0; i < times; ++i) text += bytes;
    bytes = text;
    for (const auto& coding : chain) bytes = test::encoded(coding, bytes);
    fuzz::require(decode_whole(chain, bytes) == Decoded{text, {}},
                  "what was coded is what is decoded");
    const auto part = std::string_view(bytes).substr(0, cut % bytes.size());
    fuzz::require(decode_whole(chain, part).error.empty() == part.empty(),
                  "a part that is not nothing is an error");
  }

  const auto whole = decode_whole(chain, bytes);
  const auto one = [] { return std::size_t(1); };
  require_same("one byte at a time gives what all at once gives", whole,
               test::decode_in_pieces(decoding_of(chain), bytes, one, one, limit));
  require_same(
      "any pieces give what all at once gives", whole,
      test::decode_in_pieces(decoding_of(chain), bytes, input_splits, output_splits, limit));
  return 0;
}
