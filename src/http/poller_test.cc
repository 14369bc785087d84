#include "http/poller.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <functional>
#include <vector>

#include "http/raw_peer.h"

namespace tieline::http {
namespace {

struct Told final : Poller::Watcher {
  void ready(std::uint32_t happened) override {
    events.push_back(happened);
    if (then) then();
  }
  std::vector<std::uint32_t> events;
  std::function<void()> then;
};

struct Ringing final : Poller::Alarm {
  Ringing(std::vector<int>& o, int n) : order(o), number(n) {}
  void rings() override {
    order.push_back(number);
    if (then) then();
  }
  std::vector<int>& order;
  int number;
  std::function<void()> then;
};

struct PollerTest : testing::Test {
  boost::asio::io_context io;
  Poller poller{io.get_executor()};
  std::vector<int> order;

  struct Pair {
    int mine = -1;
    RawPeer other;
  };
  static Pair pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {ends[0], RawPeer(ends[1])};
  }
};

TEST_F(PollerTest, TellsWhatIsReadyAsLongAsItIs) {
  Pair one = pair();
  Told told;
  poller.begin();
  poller.watch(one.mine, told, EPOLLIN);
  io.poll();
  EXPECT_TRUE(told.events.empty());
  one.other.send("x");
  EXPECT_TRUE(pump(io, [&] { return told.events.size() >= 2; }));
  EXPECT_EQ(told.events[0], static_cast<std::uint32_t>(EPOLLIN));
  poller.watch(one.mine, told, EPOLLOUT);
  told.events.clear();
  EXPECT_TRUE(pump(io, [&] { return !told.events.empty(); }));
  EXPECT_EQ(told.events[0], static_cast<std::uint32_t>(EPOLLOUT));
  poller.close(one.mine);
  EXPECT_TRUE(pump(io, [&] { return one.other.ended(); }));
  poller.end();
}

// A descriptor's number is given to the next socket at once: what happened to the one before is not its business.
TEST_F(PollerTest, AnEventOfAClosedSocketIsNotToldToTheNext) {
  Pair one = pair(), two = pair();
  Told first, second, next;
  Pair three;
  const auto replace = [&](int other) {
    if (three.mine >= 0) return;
    poller.close(other);
    three = pair();
    poller.watch(three.mine, next, EPOLLIN);
  };
  first.then = [&] { replace(two.mine); };
  second.then = [&] { replace(one.mine); };
  poller.begin();
  poller.watch(one.mine, first, EPOLLIN);
  poller.watch(two.mine, second, EPOLLIN);
  one.other.send("x");
  two.other.send("x");
  EXPECT_TRUE(pump(io, [&] { return first.events.size() + second.events.size() >= 3; }));
  EXPECT_TRUE(three.mine == one.mine || three.mine == two.mine);
  EXPECT_TRUE(next.events.empty());
  poller.close(first.events.empty() ? two.mine : one.mine);
  poller.close(three.mine);
  poller.end();
}

TEST_F(PollerTest, AlarmsRingInTheirOrderAndOnce) {
  Ringing first(order, 1), second(order, 2), third(order, 3), fourth(order, 4);
  const SteadyTime now = poller.now();
  poller.begin();
  poller.set(third, now + std::chrono::milliseconds(3));
  poller.set(first, now + std::chrono::milliseconds(1));
  poller.set(fourth, now + std::chrono::milliseconds(1));
  poller.set(second, now + std::chrono::hours(1));
  poller.set(second, now + std::chrono::milliseconds(2));
  poller.clear(fourth);
  poller.clear(fourth);
  first.then = [&] { poller.set(fourth, now + std::chrono::milliseconds(4)); };
  EXPECT_TRUE(pump(io, [&] { return order.size() == 4; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
  poller.end();
}

TEST_F(PollerTest, AnAlarmThatAnotherClearsDoesNotRing) {
  Ringing first(order, 1), second(order, 2);
  first.then = [&] { poller.clear(second); };
  poller.begin();
  poller.set(first, poller.now() - std::chrono::milliseconds(2));
  poller.set(second, poller.now() - std::chrono::milliseconds(1));
  EXPECT_TRUE(pump(io, [&] { return !order.empty(); }));
  io.poll();
  EXPECT_EQ(order, std::vector<int>{1});
  poller.end();
}

TEST_F(PollerTest, KeepsTheLoopOnlyWhileSomethingRuns) {
  Pair one = pair();
  Told told;
  poller.watch(one.mine, told, EPOLLIN);
  io.run();  // returns: nothing runs
  poller.begin();
  io.restart();
  EXPECT_EQ(io.run_for(std::chrono::milliseconds(1)), 0u);
  EXPECT_FALSE(io.stopped());
  poller.end();
  io.run();
  EXPECT_TRUE(io.stopped());
  poller.close(one.mine);
}

}  // namespace
}  // namespace tieline::http
