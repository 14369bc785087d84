// Small text tools shared by every room: splitting, trimming, case, percent-encoding, and "did you mean".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tieline {

std::string_view trim(std::string_view text);  // ASCII white space
std::vector<std::string_view> split(std::string_view text, char separator);
std::string to_lower(std::string_view text);                      // ASCII
bool equals_ignore_case(std::string_view a, std::string_view b);  // ASCII
std::string join(std::span<const std::string> parts, std::string_view separator);

// RFC 3986 unreserved characters stand, all else becomes %XX.
std::string percent_encode(std::string_view text);
// application/x-www-form-urlencoded, too: '+' is a space when `plus_is_space`. kInvalid on a broken escape.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// The candidate nearest to `word` (edit distance at most a third of its length, at least 1), or empty.
std::string nearest(std::string_view word, std::span<const std::string> candidates);
// `; did you mean "x"?` or empty: to be appended to an error message.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

// A whole number and nothing else.
std::optional<std::uint64_t> whole_number(std::string_view text);
// "4,180".
std::string with_commas(std::uint64_t number);
// "1 flow", "2 flows".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

// What a terminal would obey is a space: control characters, line breaks among them but for `kept`.
std::string without_controls(std::string_view text, char kept = ' ');

// At most `bytes_max` bytes, cut between UTF-8 characters, with "… (N bytes more)" where something was cut. A text that
// is longer by less than that notice is left whole.
std::string truncated(std::string_view text, std::size_t bytes_max);
bool valid_utf8(std::string_view text);

}  // namespace tieline
