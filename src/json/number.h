// Decimal numbers as texts: compared, tested and printed exactly; private to src/json.
// Nothing here may round, except where a function says that it gives a double.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tieline::json {

// True if the whole of `text` is one JSON number (RFC 8259 §6).
bool is_json_number(std::string_view text);

// By value: "1" equals "1.0" and "10e-1", at any size. Both must be JSON numbers.
bool equal_numbers(std::string_view a, std::string_view b);

// -1, 0 or 1: `a` is less than, equal to, or greater than `b`, exactly at any size.
int compare_numbers(std::string_view a, std::string_view b);

// True if `text` is a whole number, however it is written: 3, 3.0 and 3e2 are.
bool is_whole(std::string_view text);

// True if `text` is a whole number of times `divisor`, exactly at any size. The divisor must be above 0.
bool is_multiple(std::string_view text, std::string_view divisor);

// The integer that `text` is exactly, where it fits.
std::optional<std::int64_t> exact_int64(std::string_view text);

// The nearest double; the largest of its sign beyond the range of doubles.
double nearest_double(std::string_view text);

// True unless a double holds the number: integers beyond 2^53 written as such, and whatever reads back as another
// number after the way through the nearest double and its shortest text.
bool is_inexact(std::string_view text);

// The shortest text that reads back as `value`, whole numbers up to 2^53 without an exponent. NaN is "null", and
// infinity the largest double (as jq prints them).
std::string shortest_text(double value);

}  // namespace tieline::json
