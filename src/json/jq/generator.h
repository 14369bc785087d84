// Programs and documents by chance, for the tests that compare two implementations of the language: forms with
// placeholders, filled in by a seed. It must never make a program that could run for ever.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace tieline::json::jq {

enum Oracle : std::uint8_t { kLibjq = 1, kGojq = 2 };

// Where an oracle does otherwise than jq 1.8, on purpose or by a fault that 1.8 no longer has. A form or leaf that
// contains `part` is not generated for it.
struct OracleDifference {
  std::string_view part;
  std::uint8_t oracles;
  std::string_view reason;
};

std::span<const OracleDifference> oracle_differences();

class Generator {
 public:
  Generator(Oracle oracle, std::uint64_t seed) : oracle_(oracle), random_(seed) {}
  std::string document(int depth = 3);
  std::string program(int depth = 3);

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }
  template <std::size_t N>
  std::string one_of(const std::array<std::string_view, N>& from);
  // The form with each placeholder replaced (generator.cc says by what).
  std::string filled(std::string_view form, int depth);
  std::string placeholder(char kind, int depth);

  Oracle oracle_;
  std::mt19937_64 random_;
};

}  // namespace tieline::json::jq
