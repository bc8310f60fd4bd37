// Any bytes as a response: it comes to the same however they are split.

#include "fuzz/support.hpp"
#include "support/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const bool head_request = input.ConsumeBool();
  const auto limits =
      input.ConsumeBool() ? test::default_limits : ferry::detail::ParserLimits{200, 5, 100};
  fuzz::Splits splits(input.ConsumeIntegral<std::uint32_t>());
  const auto bytes = input.ConsumeRemainingBytesAsString();

  const auto whole = test::parse(bytes, bytes.size() + 1, head_request, limits);
  const auto single = test::parse(bytes, 1, head_request, limits);
  fuzz::require(single == whole, "one byte at a time gives what all at once gives", single, whole);
  const auto pieces = test::parse_in_pieces(bytes, splits, head_request, limits);
  fuzz::require(pieces == whole, "any pieces give what all at once gives", pieces, whole);
  return 0;
}
