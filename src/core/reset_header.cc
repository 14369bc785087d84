#include "core/reset_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/text.h"

namespace tieline {
namespace {

// Beyond this a number of seconds is a moment: 2001-09-09. In milliseconds moments begin here.
constexpr double kEpochFrom = 1e9, kMillisecondsFrom = 1e11;
// A moment so far behind us is not one that has just passed.
constexpr Duration kPastMax{60'000'000};

std::optional<Duration> read(std::string_view text, Time now) {
  text = trim(text);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number))
    return until_reset(number, now);
  const auto moment = parse_time(text);
  return moment ? std::optional(Duration(*moment - now)) : std::nullopt;
}

// `limit=100, remaining=0, reset=30`, or `"default";r=0;t=30`.
std::string_view member(std::string_view text) {
  for (const char separator : {',', ';'}) {
    for (const std::string_view part : split(text, separator)) {
      const std::string_view one = trim(part);
      if (one.starts_with("reset=")) return one.substr(6);
      if (one.starts_with("t=")) return one.substr(2);
    }
  }
  return {};
}

}  // namespace

std::optional<Duration> until_reset(double number, Time now) {
  if (!std::isfinite(number) || number < 0) return std::nullopt;
  if (number >= kMillisecondsFrom) number /= 1'000;
  // What is beyond all clocks is a very long wait.
  const auto us = static_cast<std::int64_t>(std::min(number, 1e12) * 1e6);
  return number < kEpochFrom ? Duration(us) : Duration(from_unix_us(us) - now);
}

std::optional<Duration> reset_after(const Headers& headers, Time now, Duration wait_max) {
  constexpr std::array<std::string_view, 4> kNames{"RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset",
                                                   "RateLimit"};
  for (const std::string_view name : kNames) {
    std::string_view text = find_header(headers, name);
    if (name == "RateLimit") text = member(text);
    if (text.empty()) continue;
    const auto wait = read(text, now);
    if (!wait || *wait < -kPastMax) continue;
    return std::clamp(*wait, Duration(0), std::max(wait_max, Duration(0)));
  }
  return std::nullopt;
}

}  // namespace tieline
