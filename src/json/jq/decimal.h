// Decimal numbers, digit by digit; private to src/json.
// None may pass through a double here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tieline::json::jq {

// digits × 10^-scale; the digits have no leading zeros, except that zero is "0".
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t scale = 0;
};

// Nothing unless the text is a JSON number whose exponent is at most 1000 either way.
std::optional<Decimal> decimal_of(std::string_view text);

// Half away from zero, to exactly that many decimals. False if `exact` is asked and something would be lost.
bool rescale(Decimal& d, std::int64_t scale, bool exact);

}  // namespace tieline::json::jq
