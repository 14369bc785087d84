// Priorities, quotas of a zone's days, shared ones, forecasts, and what survives the process.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "engine/budget.h"

namespace tieline::engine {
namespace {

class BudgetRecordTest : public testing::Test {
 protected:
  void make(std::vector<Bucket> buckets, bool remembers = false) {
    budget_ = std::make_unique<Budget>(clock_, 1, std::move(buckets));
    if (remembers) budget_->remember([this] { ++wanted_; });
    timers_ = std::make_unique<TaskGroup>(context_.get_executor());
    timers_->spawn(budget_->run());
    settle();
  }
  // Writes what is wanted, as often as it is.
  void write() {
    while (wanted_ > 0) {
      wanted_ = 0;
      durable_ = budget_->record(false);
      ++writes_;
      budget_->recorded();
      settle();
    }
  }
  // Another process, on what was durable.
  void crash(std::vector<Bucket> buckets) {
    end();
    make(std::move(buckets), true);
    budget_->restore(*json::parse(durable_));
    wanted_ = 0;
  }
  void end() {
    if (budget_) budget_->refuse_waiters();
    settle();
    permits_.clear();
    TaskGroup stopper(context_.get_executor());
    if (timers_) stopper.spawn(timers_->stop());
    settle();
    budget_.reset();
    got_.clear();
  }
  void TearDown() override { end(); }
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
  static asio::awaitable<void> take(BudgetRecordTest* test, std::string name, Priority priority, char mark) {
    std::vector<Spend> spends{{std::move(name), {}, 1}};
    auto permit = co_await test->budget_->acquire(std::move(spends), Deadline::never(), priority);
    if (!permit) co_return;
    test->got_ += mark;
    test->permits_.push_back(std::move(*permit));
  }
  void ask(const std::string& name, Priority priority = Priority::kNormal, char mark = 'x') {
    tasks_.spawn(take(this, name, priority, mark));
    settle();
  }
  // How many get through now.
  std::size_t drain(const std::string& name, int asked) {
    got_.clear();
    for (int i = 0; i < asked; ++i) {
      ask(name);
      write();
      permits_.clear();
      settle();
      write();
    }
    return got_.size();
  }
  static Bucket bucket(double count, Duration window, Bucket::Kind kind = Bucket::Kind::kRolling) {
    Bucket out;
    out.name = "b";
    out.count = count;
    out.window = window;
    out.kind = kind;
    return out;
  }

  asio::io_context context_;
  ManualClock clock_{*parse_time("2026-10-24T20:00:00Z")};
  TaskGroup tasks_{context_.get_executor()};
  std::unique_ptr<TaskGroup> timers_;
  std::unique_ptr<Budget> budget_;
  std::vector<Budget::Permit> permits_;
  std::string got_;
  Bytes durable_;
  int wanted_ = 0, writes_ = 0;
};

TEST_F(BudgetRecordTest, PrioritiesShareSixteenToFourToOne) {
  Bucket one;
  one.name = "b";
  one.concurrent = 1;
  make({one});
  ask("b");
  for (int i = 0; i < 60; ++i) ask("b", Priority::kLow, 'l');
  for (int i = 0; i < 60; ++i) ask("b", Priority::kNormal, 'n');
  for (int i = 0; i < 60; ++i) ask("b", Priority::kHigh, 'h');
  got_.clear();
  for (int i = 0; i < 63; ++i) {
    permits_.erase(permits_.begin());
    settle();
  }
  EXPECT_NEAR(static_cast<double>(std::count(got_.begin(), got_.end(), 'h')), 48, 2);
  EXPECT_NEAR(static_cast<double>(std::count(got_.begin(), got_.end(), 'n')), 12, 2);
  EXPECT_NEAR(static_cast<double>(std::count(got_.begin(), got_.end(), 'l')), 3, 1);
  // One that comes now goes before the low ones that have waited all the time.
  got_.clear();
  ask("b", Priority::kHigh, 'H');
  for (int i = 0; i < 30; ++i) {
    permits_.erase(permits_.begin());
    settle();
  }
  EXPECT_NE(got_.find('H'), std::string::npos);
}

TEST_F(BudgetRecordTest, ADayOfAZoneBeginsAtItsMidnightAlsoWhereClocksAreChanged) {
  Bucket day = bucket(3, 24h, Bucket::Kind::kFixed);
  day.zone = *json::find_zone("Europe/Berlin");
  make({day});
  // 22:00 in Berlin, on the eve of the day that has 25 hours.
  EXPECT_EQ(drain("b", 5), 3u);
  got_.clear();
  permits_.clear();
  advance(1h + 59min);
  EXPECT_EQ(got_, "");
  advance(1min);
  permits_.clear();
  settle();
  EXPECT_EQ(got_, "xx");
  EXPECT_EQ(drain("b", 3), 1u);
  permits_.clear();
  got_.clear();
  advance(24h);  // 23:00
  EXPECT_EQ(got_, "");
  advance(1h);
  EXPECT_EQ(got_, "xx");
}

TEST_F(BudgetRecordTest, ASharedBucketLeavesATenthAndBelievesOnlyWhatIsMore) {
  Bucket shared = bucket(100, 1h);
  shared.shared = true;
  make({shared});
  EXPECT_EQ(drain("b", 100), 90u);
  EXPECT_NEAR(budget_->snapshot()[1].used, 90, 0.1);
}

TEST_F(BudgetRecordTest, SaysWhenAQuotaEndsAtThePresentRate) {
  make({bucket(1'000, 24h, Bucket::Kind::kFixed)});
  advance(4h);  // midnight UTC
  for (int i = 0; i < 240; ++i) {
    ask("b");
    permits_.clear();
    advance(30s);
  }
  const auto ends = budget_->snapshot()[1].ends;
  ASSERT_TRUE(ends.has_value());
  // 760 are left, at about 120 an hour.
  EXPECT_NEAR(static_cast<double>((*ends - clock_.now()).count()) / 3.6e9, 760.0 / 120, 1.5);
  advance(2h);
  EXPECT_FALSE(budget_->snapshot()[1].ends.has_value());  // so slowly it does not end today
}

TEST_F(BudgetRecordTest, ACrashNeverLetsMoreThroughThanTheWindowHolds) {
  for (const Bucket::Kind kind : {Bucket::Kind::kRolling, Bucket::Kind::kFixed, Bucket::Kind::kRestore}) {
    make({bucket(100, 1h, kind)}, true);
    std::size_t all = 0;
    for (int life = 0; life < 5; ++life) {
      all += drain("b", 15);
      const std::size_t before = all;
      crash({bucket(100, 1h, kind)});
      EXPECT_LE(before, 100u);
    }
    all += drain("b", 100);
    EXPECT_LE(all, 100u) << static_cast<int>(kind);
    EXPECT_GE(all, 70u) << static_cast<int>(kind);  // a crash costs a lease, not the window
    end();
    advance(3h);
  }
}

TEST_F(BudgetRecordTest, ARecordUnderWayCoversWhatTheLeaseBeforeItStillLetsGo) {
  make({bucket(1'000, 1h)}, true);
  EXPECT_EQ(drain("b", 1), 1u);
  budget_->set_buckets({bucket(30, 1h)});
  durable_ = budget_->record(false);  // and the process ends before it hears so
  got_.clear();
  for (int i = 0; i < 15; ++i) ask("b");
  const std::size_t before = 1 + got_.size();
  EXPECT_EQ(before, 16u);
  crash({bucket(30, 1h)});
  EXPECT_LE(before + drain("b", 30), 30u);
}

TEST_F(BudgetRecordTest, WhoWaitsWhenABucketGetsALimitIsServed) {
  Bucket one = bucket(0, 0s);
  one.concurrent = 1;
  make({one}, true);
  ask("b");
  ask("b");
  EXPECT_EQ(got_, "x");
  one = bucket(100, 1h);
  one.concurrent = 1;
  budget_->set_buckets({one});
  write();
  permits_.clear();
  settle();
  write();
  EXPECT_EQ(got_, "xx");
}

TEST_F(BudgetRecordTest, ACleanEndCostsNothing) {
  make({bucket(100, 1h)}, true);
  EXPECT_EQ(drain("b", 40), 40u);
  durable_ = budget_->record(true);
  crash({bucket(100, 1h)});
  EXPECT_EQ(drain("b", 100), 60u);
}

TEST_F(BudgetRecordTest, WritesOnceForManyCalls) {
  make({bucket(1'000, 1h)}, true);
  EXPECT_EQ(drain("b", 1'000), 1'000u);
  EXPECT_LE(writes_, 100);  // a lease of 20, asked for when half of the last one is used
}

TEST_F(BudgetRecordTest, AShortWindowIsWaitedForAfterACrash) {
  make({bucket(10, 1s)}, true);
  EXPECT_EQ(drain("b", 5), 5u);
  EXPECT_EQ(writes_, 1);
  crash({bucket(10, 1s)});
  EXPECT_EQ(drain("b", 10), 0u);
  advance(1s);
  permits_.clear();
  settle();
  EXPECT_EQ(got_.size(), 10u);
}

TEST_F(BudgetRecordTest, AToldWaitSurvives) {
  make({bucket(100, 1h)}, true);
  ask("b");
  write();
  ASSERT_EQ(permits_.size(), 1u);
  permits_.front().limited(Duration(600s));
  permits_.clear();
  write();
  crash({bucket(100, 1h)});
  ask("b");
  write();
  advance(599s);
  EXPECT_EQ(got_, "");
  advance(1s);
  EXPECT_EQ(got_, "x");
}

TEST_F(BudgetRecordTest, ARampDoublesNothingByItself) {
  make({bucket(0, 0s)});
  budget_->ramp(2);
  for (int i = 0; i < 5; ++i) ask("b");
  EXPECT_EQ(got_, "xx");
  permits_.erase(permits_.begin());
  settle();
  EXPECT_EQ(got_, "xxx");
  budget_->ramp(0);
  settle();
  EXPECT_EQ(got_, "xxxxx");
}

}  // namespace
}  // namespace tieline::engine
