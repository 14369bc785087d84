// Time and durations, to the microsecond, and the texts people write for them. It must never read a clock: time comes
// in from outside (async/clock.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline {

using Duration = std::chrono::microseconds;
// Wall time, UTC: what is written down.
using Time = std::chrono::sys_time<Duration>;

using namespace std::chrono_literals;

inline std::int64_t to_unix_us(Time t) { return t.time_since_epoch().count(); }
inline Time from_unix_us(std::int64_t us) { return Time(Duration(us)); }

// "2026-11-23T21:44:00.123456Z"; whole seconds without a fraction.
std::string format_time(Time t);
// ISO 8601 / RFC 3339 with `Z` or an offset ("2026-11-23T16:44:00-05:00"). kInvalid otherwise, offsets are required.
Result<Time> parse_time(std::string_view text);

// "250ms", "5s", "10m", "24h", "30d": a positive whole number and a unit (us ms s m h d). kInvalid otherwise.
Result<Duration> parse_duration(std::string_view text);
// The shortest exact form: "1h30m" is "90m"; zero is "0s".
std::string format_duration(Duration d);
// For people: "3.2 ms", "1.5 s", "4 min", "2 h", "3 d".
std::string humane_duration(Duration d);

}  // namespace tieline
