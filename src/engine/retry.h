// When a call is tried again, as a pure judgement of its policy and history. It must never read a clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/prng.h"
#include "base/time.h"
#include "core/flow.h"

namespace tieline::engine {

// What counts of a call's attempts so far, the one just ended included.
struct AttemptHistory {
  std::uint32_t tries = 0;    // without those that the vendor's limits turned away
  std::optional<Time> first;  // when the first one began
  Duration standing{0};       // of the time since then: limited, held
};

struct NextAttempt {
  bool retry = false;
  Duration wait{0};    // with retry
  std::string reason;  // without: "gave up after 5 tries", "gave up after 24h"
};

// The wait is uniform in [0, min(max, first·multiplier^(tries-1))] (full jitter), at least `asked` (what the vendor
// asks for, clamped to `asked_max`). Gives up after policy.tries, or after policy.keep_for of trying: a wait that would
// end later ends then, for a last try, unless the vendor asked for it.
NextAttempt next_attempt(const RetryPolicy& policy, const AttemptHistory& history, std::optional<Duration> asked,
                         Duration asked_max, Time now, Prng& prng);

}  // namespace tieline::engine
