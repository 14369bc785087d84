#include "async/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>

#include "async/manual_clock.h"
#include "async/sync.h"

namespace tieline {
namespace {

asio::awaitable<void> sleep_then(ManualClock& clock, Duration d, int& ended, int& unwound) {
  try {
    co_await clock.sleep(d);
    ++ended;
  } catch (...) {
    ++unwound;
    throw;
  }
}

struct TaskGroupTest : testing::Test {
  void poll() {
    io.restart();
    io.poll();
  }
  asio::io_context io;
  ManualClock clock{Time{}};
  TaskGroup group{io.get_executor()};
  int ended = 0;
  int unwound = 0;
};

asio::awaitable<void> spawn_inside(TaskGroup& group, int& order, int& inner_ran_at, int& outer_went_on_at) {
  struct Inner {
    static asio::awaitable<void> run(int& counter, int& at) {
      at = ++counter;
      co_return;
    }
  };
  group.spawn(Inner::run(order, inner_ran_at));
  outer_went_on_at = ++order;
  co_return;
}

TEST_F(TaskGroupTest, StartsATaskThroughTheExecutorNeverInsideSpawn) {
  int order = 0, inner = 0, outer = 0;
  group.spawn(spawn_inside(group, order, inner, outer));
  EXPECT_EQ(order, 0);
  poll();
  EXPECT_EQ(outer, 1);
  EXPECT_EQ(inner, 2);
}

TEST_F(TaskGroupTest, StopCancelsAllAndReturnsWhenNothingRuns) {
  for (int i = 0; i < 5; ++i) group.spawn(sleep_then(clock, 1s, ended, unwound));
  poll();
  EXPECT_EQ(group.running(), 5u);
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(outer.running(), 0u);
  EXPECT_EQ(unwound, 5);
  EXPECT_EQ(ended, 0);
}

TEST_F(TaskGroupTest, StopReachesTasksThatHaveNotBegun) {
  group.spawn(sleep_then(clock, 1s, ended, unwound));
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(ended, 0);
}

TEST_F(TaskGroupTest, DrainWaitsWithoutCancelling) {
  group.spawn(sleep_then(clock, 1s, ended, unwound));
  group.spawn(sleep_then(clock, 2s, ended, unwound));
  TaskGroup outer(io.get_executor());
  outer.spawn(group.drain());
  poll();
  clock.advance(1s);
  poll();
  EXPECT_EQ(outer.running(), 1u);
  clock.advance(1s);
  poll();
  EXPECT_EQ(outer.running(), 0u);
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(unwound, 0);
}

asio::awaitable<void> spawn_when_cancelled(TaskGroup& group, ManualClock& clock, int& ended, int& unwound) {
  try {
    co_await clock.sleep(1s);
  } catch (...) {
    group.spawn(sleep_then(clock, 1s, ended, unwound));
    throw;
  }
}

TEST_F(TaskGroupTest, WhatIsSpawnedWhileStoppingIsCancelledToo) {
  group.spawn(spawn_when_cancelled(group, clock, ended, unwound));
  poll();
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  EXPECT_EQ(group.running(), 0u);
  EXPECT_EQ(ended, 0);
}

TEST_F(TaskGroupTest, WorksAgainAfterAStop) {
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  poll();
  group.spawn(sleep_then(clock, 1s, ended, unwound));
  poll();
  clock.advance(1s);
  poll();
  EXPECT_EQ(ended, 1);
}

asio::awaitable<void> stop_and_note(TaskGroup& group, bool& stopped) {
  co_await group.stop();
  stopped = true;
}

asio::awaitable<void> yield_many_times(int times, int& left) {
  for (left = times; left > 0; --left) co_await asio::post(asio::use_awaitable);
}

TEST_F(TaskGroupTest, StopsATaskThatNeverSleeps) {
  int left = 0;
  bool stopped = false;
  group.spawn(yield_many_times(1000, left));
  TaskGroup outer(io.get_executor());
  outer.spawn(stop_and_note(group, stopped));
  poll();
  EXPECT_TRUE(stopped);
  EXPECT_GT(left, 900);
}

asio::awaitable<void> throw_error() {
  co_await asio::post(asio::use_awaitable);
  throw std::runtime_error("no such thing");
}

using TaskGroupDeathTest = TaskGroupTest;
TEST_F(TaskGroupDeathTest, AnExceptionThatIsNotCancellationIsABug) {
  EXPECT_DEATH(
      {
        group.spawn(throw_error());
        poll();
      },
      "no such thing");
}

TEST_F(TaskGroupDeathTest, DyingWithRunningTasksIsABug) {
  EXPECT_DEATH(
      {
        TaskGroup inner(io.get_executor());
        inner.spawn(sleep_then(clock, 1s, ended, unwound));
        poll();
      },
      "CHECK failed");
}

}  // namespace
}  // namespace tieline
