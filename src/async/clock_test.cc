#include "async/clock.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <vector>

#include "async/manual_clock.h"
#include "async/task_group.h"

namespace tieline {
namespace {

struct Woken {
  int who;
  Duration at;
  friend bool operator==(const Woken&, const Woken&) = default;
};

asio::awaitable<void> sleep_and_note(Clock& clock, Duration d, int who, std::vector<Woken>& woken) {
  co_await clock.sleep(d);
  woken.push_back(Woken{who, clock.instant().time_since_epoch()});
}

struct ManualClockTest : testing::Test {
  void poll() {
    io.restart();
    io.poll();
  }
  asio::io_context io;
  ManualClock clock{Time(1000s)};
  TaskGroup group{io.get_executor()};
  std::vector<Woken> woken;
};

TEST_F(ManualClockTest, WakesInTheOrderOfTimesThenOfArrival) {
  group.spawn(sleep_and_note(clock, 3s, 1, woken));
  group.spawn(sleep_and_note(clock, 1s, 2, woken));
  group.spawn(sleep_and_note(clock, 3s, 3, woken));
  group.spawn(sleep_and_note(clock, 2s, 4, woken));
  poll();
  clock.advance(5s);
  EXPECT_TRUE(woken.empty()) << "nobody runs inside advance";
  poll();
  EXPECT_EQ(woken, (std::vector<Woken>{{2, 5s}, {4, 5s}, {1, 5s}, {3, 5s}}));
}

TEST_F(ManualClockTest, JumpsFromWakeToWake) {
  group.spawn(sleep_and_note(clock, 3s, 1, woken));
  group.spawn(sleep_and_note(clock, 1s, 2, woken));
  poll();
  while (auto next = clock.next_wake()) {
    clock.advance_to(*next);
    poll();
  }
  EXPECT_EQ(woken, (std::vector<Woken>{{2, 1s}, {1, 3s}}));
}

TEST_F(ManualClockTest, ASleeperDueExactlyNowWakes) {
  group.spawn(sleep_and_note(clock, 2s, 1, woken));
  poll();
  clock.advance(2s - Duration(1));
  poll();
  EXPECT_TRUE(woken.empty());
  clock.advance(Duration(1));
  poll();
  EXPECT_EQ(woken, (std::vector<Woken>{{1, 2s}}));
}

TEST_F(ManualClockTest, AMomentThatHasPassedDoesNotSleep) {
  group.spawn(sleep_and_note(clock, 0s, 1, woken));
  group.spawn(sleep_and_note(clock, -5s, 2, woken));
  poll();
  EXPECT_EQ(woken.size(), 2u);
}

asio::awaitable<void> sleep_for_ever(Clock& clock) { co_await clock.sleep_until(Instant::max()); }

TEST_F(ManualClockTest, NeverIsNoMomentToJumpTo) {
  group.spawn(sleep_for_ever(clock));
  poll();
  EXPECT_EQ(clock.next_wake(), std::nullopt);
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  EXPECT_EQ(group.running(), 0u);
}

TEST_F(ManualClockTest, ACancelledSleeperIsForgotten) {
  group.spawn(sleep_and_note(clock, 1s, 1, woken));
  poll();
  EXPECT_EQ(clock.next_wake(), Instant(1s));
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  EXPECT_EQ(clock.next_wake(), std::nullopt);
  clock.advance(2s);
  poll();
  EXPECT_TRUE(woken.empty());
}

TEST_F(ManualClockTest, TheWallMayJumpWhileSteadyTimeDoesNot) {
  clock.advance(5s);
  EXPECT_EQ(clock.now(), Time(1005s));
  clock.jump_wall(-100s);
  EXPECT_EQ(clock.now(), Time(905s));
  EXPECT_EQ(clock.instant(), Instant(5s));
}

TEST(SystemClock, StandsNearTheMachinesTimeAndGrows) {
  auto clock = make_system_clock();
  EXPECT_GT(clock->now(), Time(std::chrono::sys_days(std::chrono::year(2020) / 1 / 1)));
  auto before = clock->instant();
  EXPECT_GE(clock->instant(), before);
}

TEST(SystemClock, SleepsAtLeastUntilTheMoment) {
  auto clock = make_system_clock();
  asio::io_context io;
  TaskGroup group(io.get_executor());
  std::vector<Woken> woken;
  auto begin = clock->instant();
  group.spawn(sleep_and_note(*clock, 2ms, 1, woken));
  io.run();
  ASSERT_EQ(woken.size(), 1u);
  EXPECT_GE(woken[0].at, (begin + 2ms).time_since_epoch());
}

asio::awaitable<void> stop_group(TaskGroup& group) { co_await group.stop(); }

TEST(SystemClock, SleepingForEverCanBeCancelled) {
  auto clock = make_system_clock();
  asio::io_context io;
  TaskGroup group(io.get_executor());
  TaskGroup outer(io.get_executor());
  group.spawn(sleep_for_ever(*clock));
  io.poll();
  outer.spawn(stop_group(group));
  io.run();
  EXPECT_EQ(group.running(), 0u);
}

}  // namespace
}  // namespace tieline
