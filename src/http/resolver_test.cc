#include "http/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "async/manual_clock.h"
#include "http/raw_peer.h"

namespace tieline::http {
namespace {

Address loopback(std::uint8_t last) {
  Address out;
  auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
  out.size = sizeof *in;
  return out;
}

struct Asking final : Resolver::Asker {
  void resolved(const Addresses& addresses) override { got = addresses; }
  std::optional<Addresses> got;
};

// Names are looked up when the test lets them be.
struct Names {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> asked;
  bool answers = true;

  Addresses look_up(const std::string& host) {
    std::unique_lock lock(mutex);
    asked.push_back(host);
    changed.wait(lock, [this] { return answers; });
    if (host == "unknown.example") return {};
    return {loopback(1), loopback(2)};
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return asked.size();
  }
  void answer(bool now) {
    const std::lock_guard lock(mutex);
    answers = now;
    changed.notify_all();
  }
};

struct ResolverTest : testing::Test {
  std::shared_ptr<Names> names = std::make_shared<Names>();  // its threads may outlive the test
  boost::asio::io_context io;
  ManualClock clock{Time{}};
  Poller poller{io.get_executor()};
  std::optional<Resolver> resolver;

  void SetUp() override {
    resolver.emplace(poller, clock, [shared = names](const std::string& host) { return shared->look_up(host); });
    poller.begin();
  }
  void TearDown() override {
    names->answer(true);
    resolver.reset();
    poller.end();
  }
};

TEST_F(ResolverTest, KnowsAddressesAndLocalhostByItself) {
  for (const char* host : {"127.0.0.1", "10.1", "0x7f000001", "::1", "2001:db8::1"}) {
    const Addresses* known = resolver->known(host);
    ASSERT_NE(known, nullptr) << host;
    EXPECT_EQ(known->size(), 1u) << host;
  }
  for (const char* host : {"localhost", "LocalHost.", "shop.localhost"}) {
    const Addresses* known = resolver->known(host);
    ASSERT_NE(known, nullptr) << host;
    EXPECT_EQ(known->size(), 2u) << host;
  }
  EXPECT_EQ(resolver->known("localhost.example"), nullptr);
  EXPECT_EQ(resolver->known("1.2.3.4.example"), nullptr);
  EXPECT_EQ(names->count(), 0u);
}

TEST_F(ResolverTest, AsksOnceForManyAndKnowsItForAMinute) {
  names->answer(false);
  Asking one, two;
  resolver->ask("a.example", one);
  resolver->ask("a.example", two);
  names->answer(true);
  ASSERT_TRUE(pump(io, [&] { return one.got && two.got; }));
  EXPECT_EQ(one.got->size(), 2u);
  EXPECT_EQ(names->count(), 1u);
  clock.advance(59s);
  EXPECT_NE(resolver->known("a.example"), nullptr);
  clock.advance(2s);
  EXPECT_EQ(resolver->known("a.example"), nullptr);
}

TEST_F(ResolverTest, ForgetsWhatWasOfNoUse) {
  Asking one;
  resolver->ask("a.example", one);
  ASSERT_TRUE(pump(io, [&] { return one.got.has_value(); }));
  resolver->forget("a.example");
  resolver->forget("a.example");
  EXPECT_EQ(resolver->known("a.example"), nullptr);
}

TEST_F(ResolverTest, AnUnknownNameHasNoAddressesAndIsAskedForAgain) {
  for (std::size_t i = 1; i <= 2; ++i) {
    Asking one;
    resolver->ask("unknown.example", one);
    ASSERT_TRUE(pump(io, [&] { return one.got.has_value(); }));
    EXPECT_TRUE(one.got->empty());
    EXPECT_EQ(resolver->known("unknown.example"), nullptr);
    EXPECT_EQ(names->count(), i);
  }
}

TEST_F(ResolverTest, WhoGaveUpIsNotTold) {
  names->answer(false);
  Asking one, two;
  resolver->ask("a.example", one);
  resolver->ask("a.example", two);
  resolver->give_up(one);
  names->answer(true);
  ASSERT_TRUE(pump(io, [&] { return two.got.has_value(); }));
  EXPECT_FALSE(one.got);
}

TEST_F(ResolverTest, ManyNamesThatHangDoNotStartThreadsWithoutEnd) {
  names->answer(false);
  std::vector<Asking> askers(40);
  for (std::size_t i = 0; i < askers.size(); ++i) resolver->ask(std::to_string(i) + ".example", askers[i]);
  ASSERT_TRUE(pump(io, [&] { return names->count() == 16; }));
  io.poll();
  EXPECT_EQ(names->count(), 16u);
  names->answer(true);
  ASSERT_TRUE(pump(io, [&] { return askers.back().got.has_value(); }));
  ASSERT_TRUE(pump(io, [&] {
    return std::all_of(askers.begin(), askers.end(), [](const Asking& one) { return one.got.has_value(); });
  }));
}

TEST_F(ResolverTest, EndsWhileALookUpHangs) {
  names->answer(false);
  Asking one;
  resolver->ask("a.example", one);
  ASSERT_TRUE(pump(io, [&] { return names->count() == 1; }));
  resolver.reset();  // returns
  EXPECT_FALSE(one.got);
}

}  // namespace
}  // namespace tieline::http
