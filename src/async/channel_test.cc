#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "async/sync.h"
#include "async/task_group.h"

namespace tieline {
namespace {

using Item = std::unique_ptr<int>;

asio::awaitable<void> send_range(Channel<Item>& channel, int from, int to, int& sent, int& refused) {
  for (int i = from; i < to; ++i) {
    auto item = std::make_unique<int>(i);
    const bool taken = co_await channel.send(std::move(item));
    ++(taken ? sent : refused);
  }
}

asio::awaitable<void> receive_all(Channel<Item>& channel, std::vector<int>& got, int& ends) {
  while (true) {
    auto item = co_await channel.receive();
    if (!item) break;
    got.push_back(**item);
  }
  ++ends;
}

struct ChannelTest : testing::Test {
  void poll() {
    io.restart();
    io.poll();
  }
  asio::io_context io;
  TaskGroup group{io.get_executor()};
  Channel<Item> channel{3};
  std::vector<int> got;
  int sent = 0, refused = 0, ends = 0;
};

TEST_F(ChannelTest, AFullOneMakesTheSenderWait) {
  group.spawn(send_range(channel, 0, 10, sent, refused));
  poll();
  EXPECT_EQ(sent, 3);
  EXPECT_EQ(channel.size(), 3u);
  auto item = channel.try_receive();
  ASSERT_TRUE(item);
  EXPECT_EQ(**item, 0);
  poll();
  EXPECT_EQ(sent, 4);
  channel.close();
  poll();
  EXPECT_EQ(refused, 6);
}

TEST_F(ChannelTest, KeepsTheOrderAndLosesNothing) {
  group.spawn(receive_all(channel, got, ends));
  group.spawn(send_range(channel, 0, 100, sent, refused));
  poll();
  channel.close();
  poll();
  std::vector<int> expected;
  for (int i = 0; i < 100; ++i) expected.push_back(i);
  EXPECT_EQ(got, expected);
  EXPECT_EQ(ends, 1);
}

TEST_F(ChannelTest, CloseLetsWhatIsInsideOutAndEndsAllReceivers) {
  group.spawn(send_range(channel, 0, 3, sent, refused));
  poll();
  channel.close();
  channel.close();
  for (int i = 0; i < 3; ++i) group.spawn(receive_all(channel, got, ends));
  poll();
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(ends, 3);
  EXPECT_FALSE(channel.try_receive());
}

TEST_F(ChannelTest, TrySendLeavesTheItemWhenItIsRefused) {
  for (int i = 0; i < 3; ++i) {
    auto item = std::make_unique<int>(i);
    EXPECT_TRUE(channel.try_send(item));
  }
  auto item = std::make_unique<int>(7);
  EXPECT_FALSE(channel.try_send(item));
  EXPECT_TRUE(item);
  channel.close();
  (void)channel.try_receive();
  EXPECT_FALSE(channel.try_send(item));
}

TEST_F(ChannelTest, ManySendersAndReceiversUnderCancellationKeepTheBound) {
  TaskGroup doomed(io.get_executor());
  TaskGroup outer(io.get_executor());
  for (int i = 0; i < 4; ++i) doomed.spawn(send_range(channel, 0, 10, sent, refused));
  poll();
  outer.spawn(doomed.stop());
  poll();
  EXPECT_EQ(doomed.running(), 0u);
  EXPECT_EQ(channel.size(), 3u);
  group.spawn(receive_all(channel, got, ends));
  poll();
  EXPECT_EQ(got.size(), 3u);
  group.spawn(send_range(channel, 100, 105, sent, refused));
  poll();
  EXPECT_EQ(got.size(), 8u);
  channel.close();
  poll();
}

}  // namespace
}  // namespace tieline
