#pragma once

#include <cstdio>
#include <cstdlib>
#include <fuzzer/FuzzedDataProvider.h>
#include <random>
#include <string>

namespace fuzz {

/// Ends the run if an invariant does not hold; the fuzzer keeps the input.
inline void require(bool holds, const char* what, const std::string& a = {},
                    const std::string& b = {}) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n  %s\n  %s\n", what, a.c_str(), b.c_str());
  std::abort();
}

/// Sizes of pieces, small ones mostly, from a seed.
class Splits {
 public:
  explicit Splits(std::uint32_t seed) : random_(seed) {}
  std::size_t operator()() {
    const auto bits = random_();
    return 1 + (bits >> 8) % (bits % 4 == 0 ? 200 : 5);
  }

 private:
  std::minstd_rand random_;
};

}  // namespace fuzz
