#include "json/jq/decimal.h"

#include <algorithm>
#include <charconv>

#include "json/number.h"

namespace tieline::json::jq {
namespace {

constexpr std::int64_t kScaleMax = 1000;

}  // namespace

std::optional<Decimal> decimal_of(std::string_view text) {
  if (!is_json_number(text)) return std::nullopt;
  Decimal d;
  if (text.front() == '-') {
    d.negative = true;
    text.remove_prefix(1);
  }
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  if (e < text.size()) {
    std::string_view power = text.substr(e + 1);
    if (power.front() == '+') power.remove_prefix(1);
    std::int64_t exponent = 0;
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc() || exponent > kScaleMax || exponent < -kScaleMax) return std::nullopt;
    d.scale = -exponent;
  }
  bool fraction = false;
  for (const char c : text.substr(0, e)) {
    if (c == '.') {
      fraction = true;
    } else {
      d.digits += c;
      if (fraction) ++d.scale;
    }
  }
  if (d.scale < 0) {
    d.digits.append(static_cast<std::size_t>(-d.scale), '0');
    d.scale = 0;
  }
  d.digits.erase(0, std::min(d.digits.find_first_not_of('0'), d.digits.size() - 1));
  return d;
}

bool rescale(Decimal& d, std::int64_t scale, bool exact) {
  if (scale >= d.scale) {
    d.digits.append(static_cast<std::size_t>(scale - d.scale), '0');
    d.scale = scale;
    d.digits.erase(0, std::min(d.digits.find_first_not_of('0'), d.digits.size() - 1));
    return true;
  }
  const auto cut = static_cast<std::size_t>(d.scale - scale);
  if (d.digits.size() <= cut) d.digits.insert(0, cut + 1 - d.digits.size(), '0');
  const std::string lost = d.digits.substr(d.digits.size() - cut);
  if (exact && lost.find_first_not_of('0') != std::string::npos) return false;
  d.digits.resize(d.digits.size() - cut);
  d.scale = scale;
  if (lost.front() >= '5') {
    std::size_t at = d.digits.size();
    while (at != 0 && d.digits[at - 1] == '9') d.digits[--at] = '0';
    if (at == 0) {
      d.digits.insert(0, 1, '1');
    } else {
      ++d.digits[at - 1];
    }
  }
  d.digits.erase(0, std::min(d.digits.find_first_not_of('0'), d.digits.size() - 1));
  return true;
}

}  // namespace tieline::json::jq
