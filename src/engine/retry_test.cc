#include "engine/retry.h"

#include <gtest/gtest.h>

namespace tieline::engine {
namespace {

constexpr Duration kHour = std::chrono::hours(1);

struct RetryCase {
  const char* name;
  std::uint32_t tries_max, tries;
  Duration spent, standing;
  std::optional<Duration> asked;
  bool retry;
  Duration wait_min, wait_max;
};

class Retry : public testing::TestWithParam<RetryCase> {};

TEST_P(Retry, FollowsThePolicy) {
  const RetryCase& c = GetParam();
  RetryPolicy policy;
  policy.first = 5s;
  policy.max = 60s;
  policy.keep_for = kHour;
  policy.tries = c.tries_max;
  const Time now = from_unix_us(1'000'000'000'000);
  AttemptHistory history;
  history.tries = c.tries;
  history.first = now - c.spent;
  history.standing = c.standing;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    const NextAttempt next = next_attempt(policy, history, c.asked, 600s, now, prng);
    EXPECT_EQ(next.retry, c.retry) << next.reason;
    EXPECT_EQ(next.reason.empty(), c.retry);
    EXPECT_GE(next.wait, c.wait_min);
    EXPECT_LE(next.wait, c.wait_max);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, Retry,
    testing::Values(RetryCase{"first_wait", 0, 1, 0s, 0s, {}, true, 0s, 5s},
                    RetryCase{"grows", 0, 3, 0s, 0s, {}, true, 0s, 20s},
                    RetryCase{"is_capped", 0, 30, 0s, 0s, {}, true, 0s, 60s},
                    RetryCase{"never_overflows", 0, 4'000'000, 0s, 0s, {}, true, 0s, 60s},
                    RetryCase{"honours_retry_after", 0, 1, 0s, 0s, Duration(90s), true, 90s, 90s},
                    RetryCase{"clamps_retry_after", 0, 1, 0s, 0s, Duration(7200s), true, 600s, 600s},
                    RetryCase{"short_retry_after_is_a_floor_only", 0, 3, 0s, 0s, Duration(1s), true, 1s, 20s},
                    RetryCase{"one_try_left", 3, 2, 0s, 0s, {}, true, 0s, 10s},
                    RetryCase{"no_try_left", 3, 3, 0s, 0s, {}, false, 0s, 0s},
                    RetryCase{"time_is_up", 0, 5, kHour + 1s, 0s, {}, false, 0s, 0s},
                    RetryCase{"would_end_too_late", 0, 5, kHour - 1s, 0s, Duration(30s), false, 0s, 0s},
                    RetryCase{"standing_still_does_not_count", 0, 1, 10 * kHour, 9 * kHour + 1800s, {}, true, 0s, 5s}),
    [](const auto& test) { return std::string(test.param.name); });

// With the defaults, whatever the dice say: the last try is exactly a day after the first one.
TEST(RetryDefault, LastsADay) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    Prng prng(seed);
    const RetryPolicy policy;
    AttemptHistory history;
    history.first = from_unix_us(1'000'000'000'000);
    Time now = *history.first;
    while (true) {
      ++history.tries;
      const NextAttempt next = next_attempt(policy, history, {}, kHour, now, prng);
      if (!next.retry) break;
      now += next.wait;
    }
    EXPECT_EQ(now - *history.first, 24 * kHour) << "seed " << seed;
    EXPECT_GT(history.tries, 30u);
  }
}

TEST(RetryJitter, SpreadsOverTheWholeWait) {
  RetryPolicy policy;
  policy.first = 8s;
  AttemptHistory history;
  history.tries = 1;
  int low = 0, high = 0;
  Prng prng(7);
  for (int i = 0; i < 400; ++i) {
    const Duration wait = next_attempt(policy, history, {}, kHour, Time(), prng).wait;
    low += wait < 2s ? 1 : 0;
    high += wait > 6s ? 1 : 0;
  }
  EXPECT_GT(low, 60);
  EXPECT_GT(high, 60);
}

}  // namespace
}  // namespace tieline::engine
