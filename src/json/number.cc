#include "json/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/wide.h"

namespace tieline::json {
namespace {

constexpr double kTwo53 = 9007199254740992.0;

bool digit(char c) { return c >= '0' && c <= '9'; }

// 0.DIGITS × 10^exponent; the digits (without zeros at either end) still have the point among them.
struct Decimal {
  bool negative = false;
  std::string_view digits;  // empty: zero
  std::int64_t exponent = 0;
  bool exponent_known = true;  // false when the exponent itself is beyond 64 bits
};

Decimal decimal_of(std::string_view text) {
  Decimal d;
  if (!text.empty() && text.front() == '-') {
    d.negative = true;
    text.remove_prefix(1);
  }
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  std::string_view mantissa = text.substr(0, e);
  if (e < text.size()) {
    std::string_view power = text.substr(e + 1);
    if (!power.empty() && power.front() == '+') power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), d.exponent);
    constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max() / 4;
    d.exponent_known = error == std::errc() && d.exponent > -kFar && d.exponent < kFar;
    if (!d.exponent_known) d.exponent = 0;
  }
  const std::size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return Decimal{};  // zero has no sign and no exponent here
  const std::size_t last = mantissa.find_last_of("123456789");
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const auto shift = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  d.exponent += first < point ? shift : shift + 1;
  d.digits = mantissa.substr(first, last - first + 1);
  return d;
}

bool same_digits(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  for (;; ++i, ++j) {
    if (i < a.size() && a[i] == '.') ++i;
    if (j < b.size() && b[j] == '.') ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (a[i] != b[j]) return false;
  }
}

// The digits alone.
std::string digits_of(const Decimal& d) {
  std::string out;
  for (const char c : d.digits) {
    if (c != '.') out += c;
  }
  return out;
}

// The remainder of a number, digit by digit, divided by one of any length: both as decimal digits.
class Remainder {
 public:
  explicit Remainder(std::string_view divisor) : divisor_(divisor) {
    if (divisor_.size() > 18) return;
    for (const char c : divisor_) small_ = small_ * 10 + static_cast<std::uint64_t>(c - '0');
  }
  void add(char c) {
    const auto value = static_cast<unsigned>(c - '0');
    if (small_ != 0) {
      rest_small_ = static_cast<std::uint64_t>((static_cast<Wide>(rest_small_) * 10 + value) % small_);
      return;
    }
    if (!rest_.empty() || c != '0') rest_ += c;
    while (larger_or_equal()) subtract();
  }
  bool zero() const { return small_ != 0 ? rest_small_ == 0 : rest_.empty(); }

 private:
  bool larger_or_equal() const {
    return rest_.size() != divisor_.size() ? rest_.size() > divisor_.size() : rest_ >= divisor_;
  }
  void subtract() {
    int borrow = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      char& at = rest_[rest_.size() - 1 - i];
      int value = at - '0' - borrow - (i < divisor_.size() ? divisor_[divisor_.size() - 1 - i] - '0' : 0);
      borrow = value < 0 ? 1 : 0;
      if (value < 0) value += 10;
      at = static_cast<char>('0' + value);
    }
    rest_.erase(0, std::min(rest_.find_first_not_of('0'), rest_.size()));
  }

  std::string divisor_, rest_;
  std::uint64_t small_ = 0, rest_small_ = 0;
};

// Of what is a JSON number. A search for other characters would call memchr for each digit.
bool plain_integer(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return digit(c) || c == '-'; });
}

}  // namespace

bool is_json_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t before = at;
    while (at < text.size() && digit(text[at])) ++at;
    return at != before;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const bool zero = at < text.size() && text[at] == '0';
  const std::size_t whole = at;
  if (!digits() || (zero && at != whole + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

bool equal_numbers(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const Decimal x = decimal_of(a), y = decimal_of(b);
  if (x.digits.empty() || y.digits.empty()) return x.digits.empty() && y.digits.empty();
  // An exponent beyond 64 bits is compared by its text alone, which was done above.
  if (!x.exponent_known || !y.exponent_known) return false;
  return x.negative == y.negative && x.exponent == y.exponent && same_digits(x.digits, y.digits);
}

int compare_numbers(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const Decimal x = decimal_of(a), y = decimal_of(b);
  const auto sign = [](const Decimal& d) { return d.digits.empty() ? 0 : d.negative ? -1 : 1; };
  if (sign(x) != sign(y)) return sign(x) < sign(y) ? -1 : 1;
  if (sign(x) == 0) return 0;
  const int larger = sign(x);  // what it means when x is the larger one without signs
  const auto power = [](const Decimal& d, std::string_view text) {
    if (d.exponent_known) return d.exponent;
    const bool small = text.find("e-") != text.npos || text.find("E-") != text.npos;
    return small ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  };
  const std::int64_t px = power(x, a), py = power(y, b);
  if (px != py) return px > py ? larger : -larger;
  std::size_t i = 0, j = 0;
  for (;; ++i, ++j) {
    if (i < x.digits.size() && x.digits[i] == '.') ++i;
    if (j < y.digits.size() && y.digits[j] == '.') ++j;
    const bool x_ends = i >= x.digits.size(), y_ends = j >= y.digits.size();
    if (x_ends || y_ends) return x_ends && y_ends ? 0 : y_ends ? larger : -larger;
    if (x.digits[i] != y.digits[j]) return x.digits[i] > y.digits[j] ? larger : -larger;
  }
}

bool is_whole(std::string_view text) {
  if (plain_integer(text)) return true;
  const Decimal d = decimal_of(text);
  if (d.digits.empty()) return true;
  if (!d.exponent_known) return text.find("e-") == text.npos && text.find("E-") == text.npos;
  const auto digits = static_cast<std::int64_t>(digits_of(d).size());
  return digits <= d.exponent;
}

bool is_multiple(std::string_view text, std::string_view divisor) {
  const Decimal a = decimal_of(text), b = decimal_of(divisor);
  if (a.digits.empty()) return true;
  const std::string number = digits_of(a), by = digits_of(b);
  // number × 10^p and by × 10^q; neither ends in a zero, so that number × 10^-n is no multiple of any whole number.
  const auto shift = [](const Decimal& d, std::string_view written, const std::string& digits) {
    if (d.exponent_known) return d.exponent - static_cast<std::int64_t>(digits.size());
    const bool small = written.find("e-") != written.npos || written.find("E-") != written.npos;
    return std::numeric_limits<std::int64_t>::max() / (small ? -2 : 2);
  };
  const std::int64_t zeros = shift(a, text, number) - shift(b, divisor, by);
  if (zeros < 0) return false;
  Remainder rest(by);
  for (const char c : number) rest.add(c);
  // More tens than the divisor has twos and fives change nothing.
  const std::int64_t enough = std::min(zeros, static_cast<std::int64_t>(4 * by.size()));
  for (std::int64_t i = 0; i < enough && !rest.zero(); ++i) rest.add('0');
  return rest.zero();
}

std::optional<std::int64_t> exact_int64(std::string_view text) {
  std::int64_t value = 0;
  if (plain_integer(text)) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
  }
  const Decimal d = decimal_of(text);
  if (d.digits.empty()) return 0;
  if (!d.exponent_known || d.exponent > 19 || d.exponent < 1) return std::nullopt;
  std::array<char, 24> whole{};
  std::size_t size = 0;
  if (d.negative) whole[size++] = '-';
  const std::size_t end = size + static_cast<std::size_t>(d.exponent);
  for (const char c : d.digits) {
    if (c == '.') continue;
    if (size == end) return std::nullopt;  // a fraction remains
    whole[size++] = c;
  }
  while (size < end) whole[size++] = '0';
  const auto [stop, error] = std::from_chars(whole.data(), whole.data() + size, value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

double nearest_double(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  const Decimal d = decimal_of(text);
  const bool small = d.exponent_known ? d.exponent < 0 : text.find("e-") != text.npos || text.find("E-") != text.npos;
  const double size = small ? 0.0 : std::numeric_limits<double>::max();
  return d.negative ? -size : size;
}

bool is_inexact(std::string_view text) {
  if (plain_integer(text)) {
    if (text.size() <= 15) return false;
    const auto value = exact_int64(text);
    return !value || *value > static_cast<std::int64_t>(kTwo53) || *value < -static_cast<std::int64_t>(kTwo53);
  }
  // 15 digits and a point always come back from a double.
  if (text.size() <= 16 && text.find_first_of("eE") == std::string_view::npos) return false;
  const double value = nearest_double(text);
  return !equal_numbers(shortest_text(value), text);
}

std::string shortest_text(double value) {
  if (std::isnan(value)) return "null";
  value = std::clamp(value, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
  std::array<char, 40> text{};
  if (std::abs(value) <= kTwo53 && value == std::trunc(value) && !(value == 0 && std::signbit(value))) {
    const auto whole = std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(value));
    return {text.data(), whole.ptr};
  }
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), written.ptr};
}

}  // namespace tieline::json
