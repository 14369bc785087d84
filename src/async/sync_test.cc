#include "async/sync.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "async/manual_clock.h"
#include "async/task_group.h"

namespace tieline {
namespace {

struct SyncTest : testing::Test {
  void poll() {
    io.restart();
    io.poll();
  }
  void stop(TaskGroup& which) {
    outer.spawn(which.stop());
    poll();
  }
  asio::io_context io;
  ManualClock clock{Time{}};
  TaskGroup outer{io.get_executor()};
  TaskGroup group{io.get_executor()};
  TaskGroup others{io.get_executor()};
  std::vector<std::string> notes;
};

using SignalTest = SyncTest;
using GateTest = SyncTest;

asio::awaitable<void> wait_signal(Signal& signal, std::vector<std::string>& notes, std::string name) {
  co_await signal.wait();
  notes.push_back(name);
}

asio::awaitable<void> wait_until(Signal& signal, Clock& clock, Deadline deadline, std::vector<std::string>& notes) {
  const bool notified = co_await signal.wait(clock, deadline);
  notes.push_back(notified ? "notified" : "too late");
}

TEST_F(SignalTest, WakesAllInTheirOrder) {
  Signal signal;
  group.spawn(wait_signal(signal, notes, "a"));
  group.spawn(wait_signal(signal, notes, "b"));
  poll();
  signal.notify_all();
  poll();
  EXPECT_EQ(notes, (std::vector<std::string>{"a", "b"}));
}

TEST_F(SignalTest, DoesNotRememberANotification) {
  Signal signal;
  signal.notify_all();
  group.spawn(wait_signal(signal, notes, "a"));
  poll();
  EXPECT_TRUE(notes.empty());
  stop(group);
  EXPECT_TRUE(notes.empty());
  signal.notify_all();
}

struct DeadlineCase {
  const char* name;
  Duration notify_at, deadline;
  const char* expected;
};

TEST_F(SignalTest, TheEarlierOfNotificationAndDeadlineDecides) {
  const DeadlineCase cases[] = {
      {"notified in time", 1s, 2s, "notified"},
      {"deadline first", 2s, 1s, "too late"},
      {"deadline has passed", 1s, 0s, "too late"},
      {"no deadline", 1s, Duration::max(), "notified"},
  };
  for (const auto& c : cases) {
    notes.clear();
    Signal signal;
    ManualClock time(Time{});
    const Deadline deadline = c.deadline == Duration::max() ? Deadline::never() : time.deadline_in(c.deadline);
    group.spawn(wait_until(signal, time, deadline, notes));
    poll();
    for (Duration now{0}; now < 3s; now += 500ms) {
      if (now == c.notify_at) signal.notify_all();
      poll();
      time.advance(500ms);
      poll();
    }
    EXPECT_EQ(notes, std::vector<std::string>{c.expected}) << c.name;
    EXPECT_EQ(time.next_wake(), std::nullopt) << c.name << ": the losing wait must be gone";
  }
}

TEST_F(SignalTest, CancellingAWaitWithADeadlineUnwindsAsCancellation) {
  Signal signal;
  group.spawn(wait_until(signal, clock, clock.deadline_in(1s), notes));
  poll();
  stop(group);
  EXPECT_EQ(group.running(), 0u);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(clock.next_wake(), std::nullopt);
}

asio::awaitable<void> enter_gate(Gate& gate, std::vector<std::string>& notes, std::string name) {
  co_await gate.enter();
  notes.push_back(name);
}

TEST_F(GateTest, LetsInAtMostTheLimitFirstComeFirstServed) {
  Gate gate(2);
  for (const char* name : {"a", "b", "c", "d"}) group.spawn(enter_gate(gate, notes, name));
  poll();
  EXPECT_EQ(notes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(gate.waiting(), 2u);
  EXPECT_FALSE(gate.try_enter());
  gate.leave();
  EXPECT_FALSE(gate.try_enter()) << "the place belongs to the one who waited";
  poll();
  EXPECT_EQ(notes, (std::vector<std::string>{"a", "b", "c"}));
  gate.leave();
  gate.leave();
  poll();
  EXPECT_EQ(notes.size(), 4u);
  EXPECT_TRUE(gate.try_enter());
}

TEST_F(GateTest, ACancelledWaitTakesNoPlace) {
  Gate gate(1);
  ASSERT_TRUE(gate.try_enter());
  group.spawn(enter_gate(gate, notes, "cancelled"));
  poll();
  others.spawn(enter_gate(gate, notes, "next"));
  poll();
  stop(group);
  EXPECT_EQ(gate.waiting(), 1u);
  gate.leave();
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"next"});
}

asio::awaitable<void> stop_then_leave(TaskGroup& group, Gate& gate) {
  struct Leave {
    Gate& gate;
    static asio::awaitable<void> run(Gate& g) {
      g.leave();
      co_return;
    }
  };
  TaskGroup leaver(co_await asio::this_coro::executor);
  leaver.spawn(Leave::run(gate));  // runs after the cancellation below was sent, before the cancelled one unwinds
  co_await group.stop();
  co_await leaver.drain();
}

TEST_F(GateTest, APlaceHandedToACancelledOneGoesOnToTheNext) {
  Gate gate(1);
  ASSERT_TRUE(gate.try_enter());
  group.spawn(enter_gate(gate, notes, "cancelled"));
  poll();
  others.spawn(enter_gate(gate, notes, "next"));
  poll();
  outer.spawn(stop_then_leave(group, gate));
  poll();
  EXPECT_EQ(notes, std::vector<std::string>{"next"});
  gate.leave();
  EXPECT_TRUE(gate.try_enter());
  EXPECT_FALSE(gate.try_enter());
}

}  // namespace
}  // namespace tieline
