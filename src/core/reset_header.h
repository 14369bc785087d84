// When a vendor that turned a call away says that its window ends, in the headers that are in use beside Retry-After.
#pragma once

#include <optional>

#include "base/time.h"
#include "core/transport.h"

namespace tieline {

// What a vendor writes of the end of its window as one number: seconds from now, or a moment in seconds or milliseconds
// since 1970 (below zero: it is over). Nothing of what is negative or no number. Pure.
std::optional<Duration> until_reset(double number, Time now);

// Of `RateLimit-Reset`, `X-RateLimit-Reset`, `X-Rate-Limit-Reset`, `RateLimit` (its `reset=` or `t=`) the first that
// can be read: seconds from now, or a moment as seconds or milliseconds since 1970 or as RFC 3339 has it. Clamped to
// [0, wait_max]; nothing when there is none, or it is long past: then it is of another clock. Pure.
std::optional<Duration> reset_after(const Headers& headers, Time now, Duration wait_max);

}  // namespace tieline
