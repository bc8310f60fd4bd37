#pragma once

#include <memory>

#include <ferry/content_coding.hpp>

namespace test {

/// The function for `ContentCoding::decoder` that makes a decoder of this class.
template <class Decoder>
std::unique_ptr<ferry::ContentDecoder> make_decoder() {
  return std::make_unique<Decoder>();
}

}  // namespace test
