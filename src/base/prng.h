// A small seeded generator: chance comes in from outside, so that a simulation is one seed. Never for secrets.
#pragma once

#include <cstdint>

#include "base/wide.h"

namespace tieline {

// SplitMix64 (Steele, Lea, Flood 2014). One per owner; not for sharing between threads.
class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); 0 when bound is 0.
  std::uint64_t below(std::uint64_t bound) {
    return bound == 0 ? 0 : static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  // True with probability numerator/denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) { return below(denominator) < numerator; }

 private:
  std::uint64_t state_;
};

}  // namespace tieline
