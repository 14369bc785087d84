#include "async/waiter.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "async/task_group.h"

namespace tieline {
namespace {

asio::awaitable<void> note_after(Waiter& waiter, std::vector<std::string>& notes, std::string name) {
  try {
    co_await waiter.wait();
    notes.push_back(name + " woke");
  } catch (...) {
    notes.push_back(name + " unwound");
    throw;
  }
}

struct WaiterTest : testing::Test {
  void poll() {
    io.restart();
    io.poll();
  }
  asio::io_context io;
  TaskGroup group{io.get_executor()};
  std::vector<std::string> notes;
};

asio::awaitable<void> woken_between(Waiter& waiter, std::vector<std::string>& notes) {
  auto waiting = waiter.wait();
  waiter.wake();
  co_await std::move(waiting);
  notes.emplace_back("woke");
}

TEST_F(WaiterTest, IsNotLostBetweenTheCallAndItsAwaiting) {
  Waiter waiter;
  group.spawn(woken_between(waiter, notes));
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"woke"});
}

TEST_F(WaiterTest, ReturnsAtOnceWhenWokenBefore) {
  Waiter waiter;
  waiter.wake();
  group.spawn(note_after(waiter, notes, "a"));
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"a woke"});
}

TEST_F(WaiterTest, ResumesThroughTheExecutorAndOnlyOnce) {
  Waiter waiter;
  group.spawn(note_after(waiter, notes, "a"));
  poll();
  EXPECT_TRUE(waiter.waiting());
  waiter.wake();
  waiter.wake();
  EXPECT_TRUE(notes.empty());
  EXPECT_FALSE(waiter.waiting());
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"a woke"});
}

TEST_F(WaiterTest, ResumesInTheOrderOfTheWakes) {
  Waiter first, second, third;
  group.spawn(note_after(first, notes, "1"));
  group.spawn(note_after(second, notes, "2"));
  group.spawn(note_after(third, notes, "3"));
  poll();
  third.wake();
  first.wake();
  second.wake();
  poll();
  EXPECT_EQ(notes, (std::vector<std::string>{"3 woke", "1 woke", "2 woke"}));
}

TEST_F(WaiterTest, CancellationUnwindsAndALaterWakeDoesNothing) {
  Waiter waiter;
  group.spawn(note_after(waiter, notes, "a"));
  poll();
  TaskGroup stopper(io.get_executor());
  stopper.spawn(group.stop());
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"a unwound"});
  waiter.wake();
  poll();
  EXPECT_EQ(notes.size(), 1u);
}

TEST_F(WaiterTest, AWakeBeforeTheCancellationWins) {
  Waiter waiter;
  group.spawn(note_after(waiter, notes, "a"));
  poll();
  TaskGroup stopper(io.get_executor());
  stopper.spawn(group.stop());
  waiter.wake();
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"a woke"});
  EXPECT_EQ(group.running(), 0u);
}

using WaiterDeathTest = WaiterTest;
TEST_F(WaiterDeathTest, DyingWhileAwaitedIsABug) {
  EXPECT_DEATH(
      {
        Waiter waiter;
        group.spawn(note_after(waiter, notes, "a"));
        poll();
      },
      "CHECK failed");
}

}  // namespace
}  // namespace tieline
