#include "http/dialer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "http/raw_peer.h"

namespace tieline::http {
namespace {

Address address(const char* text) {
  Address out;
  auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    out.size = sizeof *four;
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text, &six->sin6_addr), 1) << text;
    six->sin6_family = AF_INET6;
    out.size = sizeof *six;
  }
  return out;
}

struct DialerTest : testing::Test, Dialer::Caller {
  boost::asio::io_context io;
  Poller poller{io.get_executor()};
  RawListener listener;  // on 127.0.0.1
  std::optional<Dialer> dialer;
  int descriptor = -1, number = -1;
  std::string peer;
  bool denied = false, failed = false;
  int failures = 0;

  void connected(int with, std::string to) override {
    descriptor = with;
    peer = std::move(to);
    dialer.reset();
  }
  void not_connected(int why, bool was_denied) override {
    number = why;
    denied = was_denied;
    failed = true;
    ++failures;
  }
  void dial(Addresses addresses, bool private_addresses = true) {
    Dialer::Caller& caller = *this;
    dialer.emplace(poller, caller, std::move(addresses), listener.port(), private_addresses);
    dialer->start();
  }
  bool ends() {
    return pump(io, [this] { return descriptor >= 0 || failed; });
  }
  void SetUp() override { poller.begin(); }
  void TearDown() override {
    dialer.reset();
    if (descriptor >= 0) poller.close(descriptor);
    poller.end();
  }
};

TEST_F(DialerTest, TheNextAddressIsDialledWhenOneRefuses) {
  dial({address("127.0.0.2"), address("127.0.0.3"), address("127.0.0.1")});
  ASSERT_TRUE(ends());
  EXPECT_EQ(peer, "127.0.0.1");
  EXPECT_FALSE(failed);
}

TEST_F(DialerTest, TheNextAddressIsDialledWhenOneIsSilent) {
  const SilentListener silent(2, listener.port());
  dial({address("127.0.0.2"), address("127.0.0.1")});
  io.poll();
  EXPECT_FALSE(listener.accept().connected());
  ASSERT_TRUE(ends());
  EXPECT_EQ(peer, "127.0.0.1");
}

TEST_F(DialerTest, FamiliesTakeTurns) {
  const SilentListener silent(2, listener.port());
  const int six = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Address at = address("::1");
  reinterpret_cast<sockaddr_in6*>(&at.storage)->sin6_port = htons(listener.port());
  if (six < 0 || ::bind(six, at.get(), at.size) != 0 || ::listen(six, 8) != 0) GTEST_SKIP() << "no IPv6 here";
  dial({address("127.0.0.2"), address("127.0.0.1"), address("::1")});
  ASSERT_TRUE(ends());
  EXPECT_EQ(peer, "::1");
  ::close(six);
}

TEST_F(DialerTest, SaysWhyTheLastOneFailed) {
  dial({address("127.0.0.2"), address("127.0.0.3")});
  ASSERT_TRUE(ends());
  EXPECT_TRUE(failed);
  EXPECT_EQ(number, ECONNREFUSED);
  EXPECT_FALSE(denied);
}

TEST_F(DialerTest, ItFailsOnce) {
  struct : Poller::Alarm {
    void rings() override { rang = true; }
    bool rang = false;
  } later;
  dial({address("127.0.0.2"), address("255.255.255.255")});  // refuses in a moment, and at once
  ASSERT_TRUE(ends());
  poller.set(later, poller.now() + std::chrono::milliseconds(260));  // beyond the time for each address
  ASSERT_TRUE(pump(io, [&] { return later.rang; }));
  EXPECT_EQ(failures, 1);
}

TEST_F(DialerTest, WithoutAddressesItFailsAtOnce) {
  dial({});
  EXPECT_TRUE(failed);
}

TEST_F(DialerTest, AddressesThatAreNotPublicAreNotDialled) {
  dial({address("127.0.0.1"), address("::1"), address("10.0.0.1")}, false);
  ASSERT_TRUE(failed);
  EXPECT_TRUE(denied);
  EXPECT_FALSE(listener.accept().connected());
}

TEST_F(DialerTest, GivenUpItClosesWhatItBegan) {
  dial({address("127.0.0.1")});
  dialer.reset();
  RawPeer peer_socket = listener.accept();
  ASSERT_TRUE(peer_socket.connected());
  EXPECT_TRUE(pump(io, [&] { return peer_socket.ended(); }));
  EXPECT_EQ(descriptor, -1);
}

}  // namespace
}  // namespace tieline::http
