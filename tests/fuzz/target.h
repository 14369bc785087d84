// What every fuzz target is made of: one function over any bytes, which must come back, and CHECK what must hold.
// A target must never read a clock, chance or a file: the same bytes must do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

namespace tieline::fuzz {
void run(std::string_view bytes);
}  // namespace tieline::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tieline::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
