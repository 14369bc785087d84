#include "engine/retry.h"

#include <algorithm>

namespace tieline::engine {
namespace {

// Without overflow: the product stops growing once it has passed the maximum.
Duration backoff_cap(const RetryPolicy& policy, std::uint32_t tries) {
  double us = static_cast<double>(policy.first.count());
  const double max = static_cast<double>(policy.max.count());
  const double multiplier = std::max(1.0, policy.multiplier);
  for (std::uint32_t i = 1; i < tries && us < max && multiplier > 1.0; ++i) us *= multiplier;
  return us >= max ? policy.max : Duration(static_cast<std::int64_t>(us));
}

}  // namespace

NextAttempt next_attempt(const RetryPolicy& policy, const AttemptHistory& history, std::optional<Duration> asked,
                         Duration asked_max, Time now, Prng& prng) {
  NextAttempt next;
  if (policy.tries != 0 && history.tries >= policy.tries) {
    next.reason = "gave up after " + std::to_string(history.tries) + (history.tries == 1 ? " try" : " tries");
    return next;
  }
  const Duration cap = std::max(backoff_cap(policy, history.tries), Duration(0));
  next.wait = Duration(static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(cap.count()) + 1)));
  if (asked) next.wait = std::max(next.wait, std::clamp(*asked, Duration(0), asked_max));
  const Duration spent = history.first ? now - *history.first - history.standing : Duration(0);
  const Duration left = policy.keep_for - spent;
  const bool asked_beyond = asked && std::min(*asked, asked_max) > left;
  if (next.wait > left && left > Duration(0) && !asked_beyond) next.wait = left;
  if (spent + next.wait > policy.keep_for || left <= Duration(0)) {
    next.wait = Duration(0);
    next.reason = "gave up after " + humane_duration(policy.keep_for) + " of trying";
    return next;
  }
  next.retry = true;
  return next;
}

}  // namespace tieline::engine
