#include "engine/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>

#include "async/manual_clock.h"
#include "async/task_group.h"

namespace tieline::engine {
namespace {

class BudgetTest : public testing::Test {
 protected:
  void make(std::vector<Bucket> buckets) {
    budget_ = std::make_unique<Budget>(clock_, 1, std::move(buckets));
    timers_.spawn(budget_->run());
    settle();
  }
  void TearDown() override {
    permits_.clear();
    if (budget_) budget_->refuse_waiters();
    stop(timers_);
    stop(tasks_);
  }
  void settle() {
    context_.restart();
    while (context_.poll() > 0) context_.restart();
  }
  void advance(Duration by) {
    const Instant end = clock_.instant() + by;
    settle();
    while (clock_.next_wake() && *clock_.next_wake() <= end) {
      clock_.advance_to(*clock_.next_wake());
      settle();
    }
    clock_.advance_to(end);
    settle();
  }
  void stop(TaskGroup& group) {
    TaskGroup stopper(context_.get_executor());
    stopper.spawn(group.stop());
    settle();
  }
  // Asks for a permit; it is found in permits_ once it is granted.
  void ask(std::vector<std::string> names) {
    tasks_.spawn(take(budget_.get(), std::move(names), &permits_, &refused_));
    settle();
  }
  static asio::awaitable<void> take(Budget* budget, std::vector<std::string> names, std::vector<Budget::Permit>* out,
                                    int* refused, Deadline deadline = Deadline::never()) {
    std::vector<Spend> spends;
    for (std::string& name : names) spends.push_back({std::move(name), {}, 1});
    co_await take_all(budget, std::move(spends), out, refused, deadline);
  }
  void ask_for(Spend spend) {
    std::vector<Spend> spends{std::move(spend)};
    tasks_.spawn(take_all(budget_.get(), std::move(spends), &permits_, &refused_, Deadline::never()));
    settle();
  }
  static asio::awaitable<void> take_all(Budget* budget, std::vector<Spend> spends, std::vector<Budget::Permit>* out,
                                        int* refused, Deadline deadline) {
    auto permit = co_await budget->acquire(std::move(spends), deadline);
    if (permit) {
      out->push_back(std::move(*permit));
    } else {
      ++*refused;
    }
  }
  static Bucket bucket(std::string name, double count, Duration window, Bucket::Kind kind,
                       std::uint32_t concurrent = 0) {
    Bucket out;
    out.name = std::move(name);
    out.count = count;
    out.window = window;
    out.kind = kind;
    out.concurrent = concurrent;
    return out;
  }

  asio::io_context context_;
  ManualClock clock_{Time()};
  TaskGroup timers_{context_.get_executor()}, tasks_{context_.get_executor()};
  std::unique_ptr<Budget> budget_;
  std::vector<Budget::Permit> permits_;
  int refused_ = 0;
};

TEST_F(BudgetTest, LetsOneWindowThroughAndThenWaits) {
  make({bucket("a", 2, 10s, Bucket::Kind::kRolling)});
  for (int i = 0; i < 3; ++i) ask({"a"});
  EXPECT_EQ(permits_.size(), 2u);
  permits_.clear();
  advance(9s);
  EXPECT_EQ(permits_.size(), 0u);
  advance(1s);
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, CountsFromTheEndOfACall) {
  make({bucket("a", 1, 10s, Bucket::Kind::kRolling)});
  ask({"a"});
  ask({"a"});
  advance(30s);  // the first one is under way all the time
  EXPECT_EQ(permits_.size(), 1u);
  permits_.clear();
  advance(9s);
  EXPECT_EQ(permits_.size(), 0u);
  advance(1s);
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, GivesUnusedUnitsBack) {
  make({bucket("a", 1, 10s, Bucket::Kind::kRolling)});
  ask({"a"});
  ask({"a"});
  permits_.front().unused();
  permits_.clear();
  settle();
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, LimitsHowManyAreUnderWay) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling, 2)});
  for (int i = 0; i < 5; ++i) ask({"a"});
  EXPECT_EQ(permits_.size(), 2u);
  permits_.pop_back();
  settle();
  EXPECT_EQ(permits_.size(), 2u);
  EXPECT_EQ(budget_->snapshot()[1].waiting, 2u);
}

TEST_F(BudgetTest, WaitsForAllOfItsBuckets) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling, 1), bucket("b", 0, 0s, Bucket::Kind::kRolling, 1)});
  ask({"a"});
  ask({"a", "b"});
  ask({"b"});  // behind the one that waits for both: first come, first served
  EXPECT_EQ(permits_.size(), 1u);
  permits_.clear();
  settle();
  EXPECT_EQ(permits_.size(), 1u);
  permits_.clear();
  settle();
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, AVendorsLimitShutsTheWholeBucketThenTriesWithOne) {
  make({bucket("a", 100, 10s, Bucket::Kind::kRolling)});
  ask({"a"});
  EXPECT_EQ(permits_.front().limited(Duration(5s)), Duration(5s));
  permits_.clear();
  for (int i = 0; i < 4; ++i) ask({"a"});
  advance(4s);
  EXPECT_EQ(permits_.size(), 0u);
  advance(1s);
  EXPECT_EQ(permits_.size(), 1u);
  permits_.front().served();
  permits_.clear();
  settle();
  EXPECT_EQ(permits_.size(), 3u);
}

TEST_F(BudgetTest, ShutsOnlyTheBucketThatTheVendorNames) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling), bucket("b", 0, 0s, Bucket::Kind::kRolling)});
  ask({"a", "b"});
  permits_.front().limited(Duration(5s), "b");
  permits_.clear();
  ask({"a"});
  ask({"b"});
  EXPECT_EQ(permits_.size(), 1u);
  permits_.front().limited(Duration(5s), "c");  // not one of its own: then all of those
  permits_.clear();
  ask({"a"});
  EXPECT_EQ(permits_.size(), 0u);
}

TEST_F(BudgetTest, WaitsLongerAfterEachLimitWithoutATime) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling)});
  Duration before{0};
  for (int i = 0; i < 8; ++i) {
    ask({"a"});
    ASSERT_EQ(permits_.size(), 1u);
    const Duration shut = permits_.front().limited(std::nullopt);
    EXPECT_LE(shut, Duration(60s));
    if (i % 2 == 0) {
      EXPECT_GT(shut, before);
      before = std::min(shut, Duration(29s));
    }
    permits_.clear();
    advance(shut);
  }
}

TEST_F(BudgetTest, AWaitOfNothingIsStillABackoff) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling)});
  Duration total{0};
  for (int i = 0; i < 8; ++i) {
    ask({"a"});
    ASSERT_EQ(permits_.size(), 1u);
    const Duration shut = permits_.front().limited(Duration(0));
    EXPECT_GE(shut, Duration(500ms));
    permits_.clear();
    total += shut;
    advance(shut);
  }
  EXPECT_GT(total, Duration(60s));
}

TEST_F(BudgetTest, AWaitEndsWithItsDeadline) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling, 1)});
  ask({"a"});
  tasks_.spawn(take(budget_.get(), {"a"}, &permits_, &refused_, clock_.deadline_in(5s)));
  ask({"a"});
  advance(4s);
  EXPECT_EQ(refused_, 0);
  advance(1s);
  EXPECT_EQ(refused_, 1);
  permits_.clear();  // who waits behind it is not held up
  settle();
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, RefusesWaitersWhenTold) {
  make({bucket("a", 0, 0s, Bucket::Kind::kRolling, 1)});
  ask({"a"});
  ask({"a"});
  budget_->refuse_waiters();
  settle();
  EXPECT_EQ(refused_, 1);
  ask({"a"});
  EXPECT_EQ(refused_, 2);
}

TEST_F(BudgetTest, KeepsWhatWasSpentOverAReload) {
  make({bucket("a", 5, 10s, Bucket::Kind::kRolling)});
  for (int i = 0; i < 5; ++i) ask({"a"});
  permits_.clear();
  budget_->set_buckets({bucket("a", 6, 10s, Bucket::Kind::kRolling)});
  for (int i = 0; i < 3; ++i) ask({"a"});
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, FixedWindowsBeginWithTheClock) {
  make({bucket("a", 2, 60s, Bucket::Kind::kFixed)});
  advance(50s);
  for (int i = 0; i < 2; ++i) ask({"a"});
  EXPECT_EQ(permits_.size(), 2u);
  permits_.clear();
  ask({"a"});
  advance(9s);
  EXPECT_EQ(permits_.size(), 0u);
  clock_.jump_wall(-std::chrono::hours(2));  // a jump of the wall clock opens no window
  advance(1s);
  EXPECT_EQ(permits_.size(), 1u);
}

TEST_F(BudgetTest, TakesSeveralUnitsAndWaitsForAFullBucket) {
  make({bucket("a", 10, 10s, Bucket::Kind::kRolling)});
  ask_for(Spend{"a", {}, 7});
  ask_for(Spend{"a", {}, 4});
  EXPECT_EQ(permits_.size(), 1u);
  permits_.clear();
  advance(10s);
  EXPECT_EQ(permits_.size(), 1u);
  ask_for(Spend{"a", {}, 25});  // more than it holds
  permits_.clear();
  advance(9s);
  EXPECT_EQ(permits_.size(), 0u);
  advance(1s);
  EXPECT_EQ(permits_.size(), 1u);
  EXPECT_EQ(budget_->snapshot()[1].used, 25);
}

TEST_F(BudgetTest, CountsForEachKeyAndForgetsIdleOnes) {
  make({bucket("a", 1, 10s, Bucket::Kind::kRolling)});
  ask_for(Spend{"a", "x", 1});
  ask_for(Spend{"a", "x", 1});
  ask_for(Spend{"a", "y", 1});
  EXPECT_EQ(permits_.size(), 2u);
  permits_.clear();
  advance(10s);
  EXPECT_EQ(permits_.size(), 1u);
  permits_.clear();
  for (std::size_t i = 0; i < kCountersMax + 10; ++i) {
    ask_for(Spend{"a", std::to_string(i), 1});
    if (permits_.size() > 100) permits_.clear();
  }
  // The last ones share one counter, which had room for one.
  permits_.clear();
  EXPECT_EQ(budget_->snapshot()[1].waiting, 10u);
  for (int i = 0; i < 11; ++i) {
    advance(10s);
    EXPECT_LE(permits_.size(), 1u);
    permits_.clear();
  }
  ask_for(Spend{"a", "new", 1});
  EXPECT_EQ(permits_.size(), 1u);
}

BudgetReading reading(std::optional<double> limit, std::optional<double> used, std::optional<double> left) {
  BudgetReading out;
  out.bucket = "a";
  out.limit = limit;
  out.used = used;
  out.left = left;
  return out;
}

TEST_F(BudgetTest, ReadingsCorrectDownwardsAtOnceAndUpwardsToTheLimit) {
  for (const Bucket::Kind kind : {Bucket::Kind::kRolling, Bucket::Kind::kFixed, Bucket::Kind::kRestore}) {
    if (budget_) TearDown();
    make({bucket("a", 10, 1000s, kind)});
    ask({"a"});
    permits_.front().observed({reading({}, 8.0, {})});  // somebody else spends, too
    permits_.clear();
    for (int i = 0; i < 3; ++i) ask({"a"});
    EXPECT_EQ(permits_.size(), 2u);
    permits_[0].observed({reading({}, {}, 9.0)});
    permits_.erase(permits_.begin());
    settle();
    EXPECT_EQ(permits_.size(), 2u);
    permits_[0].observed({reading({}, {}, 900.0)});  // more than it can have
    permits_.clear();
    for (int i = 0; i < 30; ++i) ask({"a"});
    EXPECT_LE(permits_.size(), 10u);
    permits_.clear();
    budget_->refuse_waiters();
    settle();
  }
}

TEST_F(BudgetTest, AReadingDoesNotForgetWhatEndedSinceItsCallLeft) {
  make({bucket("a", 10, 1000s, Bucket::Kind::kRolling)});
  for (int i = 0; i < 10; ++i) ask({"a"});
  Budget::Permit slow = std::move(permits_.front());
  permits_.clear();                       // nine ended
  slow.observed({reading({}, 1.0, {})});  // as it was when the vendor answered
  slow = Budget::Permit();
  EXPECT_EQ(budget_->snapshot()[1].used, 10);
}

TEST_F(BudgetTest, AFixedWindowEndsWhenTheVendorSaysSoInWhateverForm) {
  clock_.jump_wall(from_unix_us(1'796'040'020'000'000) - clock_.now());  // twenty seconds into a minute
  for (const double reset : {10.0, 1'796'040'030.0, 1'796'040'030'000.0}) {
    if (budget_) TearDown();
    make({bucket("a", 2, 60s, Bucket::Kind::kFixed)});
    ask({"a"});
    BudgetReading told = reading({}, 2.0, {});
    told.reset = reset;
    permits_.front().observed({told});
    permits_.clear();
    ask({"a"});
    advance(9s);
    EXPECT_EQ(permits_.size(), 0u) << reset;
    advance(1s);
    EXPECT_EQ(permits_.size(), 1u) << reset;
    permits_.clear();
    clock_.jump_wall(-Duration(10s));
  }
}

TEST_F(BudgetTest, ActualReplacesTheEstimateAndAToldLimitTheSize) {
  make({bucket("a", 2, 2s, Bucket::Kind::kRestore)});
  ask({"a"});
  BudgetReading cheap = reading(40, {}, 39.5);
  cheap.actual = 0.5;
  permits_.front().observed({cheap});
  permits_.clear();
  EXPECT_EQ(budget_->snapshot()[1].used, 0.5);
  for (int i = 0; i < 50; ++i) ask({"a"});
  EXPECT_EQ(permits_.size(), 39u);
  permits_.clear();
  advance(10s);  // a unit a second, as configured
  EXPECT_GE(permits_.size(), 10u);
  EXPECT_LE(permits_.size(), 11u);
}

TEST_F(BudgetTest, RemembersLongWindowsInFewMoments) {
  make({bucket("a", 2'000, 10'000s, Bucket::Kind::kRolling)});
  for (int i = 0; i < 2'000; ++i) {
    ask({"a"});
    permits_.clear();
    advance(1s);
  }
  ask({"a"});
  EXPECT_EQ(permits_.size(), 0u);
  advance(8'000s + 16s);
  EXPECT_EQ(permits_.size(), 1u);
}

// The vendor as strict as can be: it counts each call at some moment of its flight that the caller does not know.
struct StrictCase {
  const char* name;
  Bucket::Kind kind;
  double count;
  Duration window;
  std::uint32_t concurrent;
};
class BudgetStrict : public BudgetTest, public testing::WithParamInterface<StrictCase> {};

asio::awaitable<void> one_call(Budget* budget, ManualClock* clock, Prng* prng, std::vector<Instant>* arrivals,
                               std::uint32_t* under_way, std::uint32_t* most) {
  std::vector<Spend> spends(1, Spend{"a", {}, 1});
  auto permit = co_await budget->acquire(std::move(spends));
  if (!permit) co_return;
  ++*under_way;
  *most = std::max(*most, *under_way);
  const Duration there(static_cast<std::int64_t>(prng->below(3'000'000)));
  co_await clock->sleep(there);
  arrivals->push_back(clock->instant());
  const Duration back(static_cast<std::int64_t>(prng->below(3'000'000)));
  co_await clock->sleep(back);
  --*under_way;
}

TEST_P(BudgetStrict, IsNeverOverByOne) {
  const StrictCase& c = GetParam();
  make({bucket("a", c.count, c.window, c.kind, c.concurrent)});
  Prng prng(42);
  std::vector<Instant> arrivals;
  std::uint32_t under_way = 0, most = 0;
  for (int i = 0; i < 300; ++i) {
    tasks_.spawn(one_call(budget_.get(), &clock_, &prng, &arrivals, &under_way, &most));
    if (prng.chance(1, 4)) advance(Duration(static_cast<std::int64_t>(prng.below(2'000'000))));
  }
  for (int i = 0; i < 10'000 && arrivals.size() < 300; ++i) advance(1s);
  ASSERT_EQ(arrivals.size(), 300u);
  if (c.concurrent != 0) {
    EXPECT_LE(most, c.concurrent);
  }
  std::sort(arrivals.begin(), arrivals.end());
  double level = 0;
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    std::size_t in_window = 0;
    for (std::size_t j = i; j < arrivals.size() && arrivals[j] < arrivals[i] + c.window; ++j) {
      const bool same = c.kind == Bucket::Kind::kRolling ||
                        arrivals[j].time_since_epoch() / c.window == arrivals[i].time_since_epoch() / c.window;
      in_window += same ? 1 : 0;
    }
    if (c.kind != Bucket::Kind::kRestore) {
      EXPECT_LE(in_window, static_cast<std::size_t>(c.count));
      continue;
    }
    const Duration since = i == 0 ? Duration(0) : Duration(arrivals[i] - arrivals[i - 1]);
    level = std::max(0.0, level - c.count * static_cast<double>(since.count()) / static_cast<double>(c.window.count()));
    level += 1;
    EXPECT_LE(level, c.count + 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, BudgetStrict,
                         testing::Values(StrictCase{"rolling", Bucket::Kind::kRolling, 7, 10s, 0},
                                         StrictCase{"rolling_concurrent", Bucket::Kind::kRolling, 7, 5s, 3},
                                         StrictCase{"fixed", Bucket::Kind::kFixed, 7, 10s, 0},
                                         StrictCase{"restore", Bucket::Kind::kRestore, 8, 20s, 0}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace tieline::engine
