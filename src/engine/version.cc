#include "engine/version.h"

#include <algorithm>
#include <string>

#include "base/time.h"

namespace tieline::engine {
namespace {

// A JSON number as sign, digits without leading or trailing zeros, and the power of ten of its first digit.
struct Decimal {
  bool negative = false;
  std::string digits;  // empty: zero
  std::int64_t magnitude = 0;
};

Decimal decimal_of(std::string_view text) {
  Decimal out;
  if (!text.empty() && text[0] == '-') {
    out.negative = true;
    text.remove_prefix(1);
  }
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    bool negative = false;
    for (const char c : text.substr(e + 1)) {
      if (c == '-') negative = true;
      if (c >= '0' && c <= '9' && exponent < 1'000'000'000'000) exponent = exponent * 10 + (c - '0');
    }
    if (negative) exponent = -exponent;
    text = text.substr(0, e);
  }
  std::int64_t whole = 0;
  bool point = false;
  for (const char c : text) {
    if (c == '.') {
      point = true;
      continue;
    }
    out.digits += c;
    if (!point) ++whole;
  }
  const std::size_t leading = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, leading);
  while (!out.digits.empty() && out.digits.back() == '0') out.digits.pop_back();
  out.magnitude = whole - static_cast<std::int64_t>(leading) + exponent;
  if (out.digits.empty()) return Decimal();
  return out;
}

std::weak_ordering compare_numbers(json::Value a, json::Value b) {
  const auto left = a.as_int64(), right = b.as_int64();
  if (left && right) return *left <=> *right;
  const Decimal x = decimal_of(a.number_text()), y = decimal_of(b.number_text());
  const int sign_x = x.digits.empty() ? 0 : (x.negative ? -1 : 1);
  const int sign_y = y.digits.empty() ? 0 : (y.negative ? -1 : 1);
  if (sign_x != sign_y || sign_x == 0) return sign_x <=> sign_y;
  std::weak_ordering order = x.magnitude <=> y.magnitude;
  if (order == 0) order = x.digits.compare(y.digits) <=> 0;  // no trailing zeros: a prefix is the smaller one
  return sign_x > 0 ? order : 0 <=> order;
}

std::weak_ordering compare_strings(std::string_view a, std::string_view b) {
  const auto left = parse_time(a), right = parse_time(b);
  if (left && right) return *left <=> *right;
  return a.compare(b) <=> 0;
}

}  // namespace

std::weak_ordering compare_versions(json::Value a, json::Value b) {
  if (a.kind() != b.kind()) return a.kind() <=> b.kind();
  switch (a.kind()) {
    case json::Kind::kNull:
    case json::Kind::kObject: return std::weak_ordering::equivalent;
    case json::Kind::kBool: return static_cast<int>(a.as_bool()) <=> static_cast<int>(b.as_bool());
    case json::Kind::kNumber: return compare_numbers(a, b);
    case json::Kind::kString: return compare_strings(a.as_string(), b.as_string());
    case json::Kind::kArray: break;
  }
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (const auto order = compare_versions(a.at(i), b.at(i)); order != 0) return order;
  }
  return a.size() <=> b.size();
}

}  // namespace tieline::engine
