// What the server does not wait for, refuses, and makes room for.
#include "http/server_fixture.h"

namespace tieline::http {
namespace {

struct Silence {
  const char* name;
  std::string sent;
  Duration patience;     // of the server
  const char* expected;  // begins the answer; nullptr: none
};

TEST_F(ServerTest, EndsWhatIsTooSlow) {
  ServerOptions options;
  options.header_timeout = 10s;
  options.body_timeout = 30s;
  options.idle_timeout = 75s;
  listen(options);
  const Silence cases[] = {
      {"nothing at all", "", 10s, nullptr},
      {"half a header", "GET / HTTP/1.1\r\nHo", 10s, "HTTP/1.1 408 "},
      {"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", 30s, "HTTP/1.1 408 "},
      {"half a chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 30s, "HTTP/1.1 408 "},
      {"idle after a request", kPost, 75s, "HTTP/1.1 200 "},
  };
  for (const auto& c : cases) {
    auto peer = connect();
    peer.send(c.sent);
    settle();
    clock.advance(c.patience - 1ms);
    settle();
    EXPECT_FALSE(peer.ended()) << c.name;
    clock.advance(2s);
    settle();
    clock.advance(3s);  // one that lingers
    EXPECT_TRUE(ends(peer)) << c.name;
    if (c.expected == nullptr) {
      EXPECT_EQ(peer.text(), "") << c.name;
    } else {
      EXPECT_EQ(peer.text().find(c.expected), 0u) << c.name << ": " << peer.text();
      EXPECT_EQ(peer.text().find("HTTP/1.1", 1), std::string::npos) << c.name << ": " << peer.text();
    }
  }
  settle();
  EXPECT_EQ(server->stats().connections_open, 0u);
}

TEST_F(ServerTest, TellsWhatItRefusedAndWhereItWasGoing) {
  std::vector<std::string> told;
  ServerOptions options;
  options.limits.headers_max = 4;
  options.on_refused = [&](const UnreadRequest& request) {
    EXPECT_NE(request.message, "");
    told.push_back(std::to_string(request.status) + " " + request.target);
  };
  listen(options);
  struct Case {
    std::string sent;
    const char* told;
  };
  const std::string post = "POST /hooks/shop?a=b HTTP/1.1\r\nHost: x\r\n";
  const Case cases[] = {
      {post + "Content-Length: 1048577\r\n\r\n", "413 /hooks/shop?a=b"},
      {post + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", "413 /hooks/shop?a=b"},
      {post + "X: " + std::string(40'000, 'a'), "431 /hooks/shop?a=b"},
      {post + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", "431 /hooks/shop?a=b"},
      {post + "Content-Length: x\r\n\r\n", "400 /hooks/shop?a=b"},
      {post + "Expect: the-worst\r\n\r\n", "417 /hooks/shop?a=b"},
      {post + "X: y\n\r\n", "400 /hooks/shop?a=b"},
      {"GET http://x/hooks/shop HTTP/1.1\r\n\r\n", "400 /hooks/shop"},  // no Host
      {"POST /" + std::string(40'000, 'a'), "431 "},                    // it may go on
      {"\x16\x03\x01\x02", "400 "},
      {"POST /hooks/shop?a=b HTTP/1.1\r\nX-Slow", "408 /hooks/shop?a=b"},
      {"POST /hooks/sh", "408 "},
      {post + "Content-Length: 3\r\n\r\nab", "408 /hooks/shop?a=b"},
      {kPost + "POST /second HTTP/1.1\r\nHost : x\r\n\r\n", "400 /second"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.sent.substr(0, 90));
    told.clear();
    auto peer = connect();
    peer.send(c.sent);
    settle();
    if (c.told[0] == '4' && c.told[2] == '8') clock.advance(31s);
    ASSERT_TRUE(pump(io, [&] { return !told.empty(); }));
    EXPECT_EQ(told, (std::vector<std::string>{c.told}));
    peer.close();
    settle();
  }
  EXPECT_EQ(server->stats().refused, std::size(cases));
  // What the handler answers, and who only hangs up, is not refused here.
  told.clear();
  auto peer = connect();
  peer.send(kPost);
  ASSERT_TRUE(receives(peer, "POST abc"));
  peer.send("POST /hooks/shop HTTP/1.1\r\nHo");
  settle();
  peer.close();
  settle();
  EXPECT_TRUE(told.empty());
}

TEST_F(ServerTest, ATrickleDoesNotExtendTheDeadline) {
  listen();
  auto peer = connect();
  const std::string header = "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(100, 'a');
  std::size_t sent = 0;
  for (; sent < header.size() && !peer.ended(); ++sent) {
    peer.send(header.substr(sent, 1));
    settle();
    clock.advance(1s);
    settle();
  }
  EXPECT_LT(sent, 15u);
  EXPECT_EQ(peer.text().find("HTTP/1.1 408 "), 0u);
}

TEST_F(ServerTest, APeerThatDoesNotReadIsCutOff) {
  listen();
  auto peer = connect();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(pump(io, [&] { return seen.size() == 1; }));
  settle();
  EXPECT_EQ(server->stats().connections_open, 1u);
  clock.advance(32s);
  EXPECT_TRUE(pump(io, [&] { return server->stats().connections_open == 0; }));
}

TEST_F(ServerTest, HoldsAtMostItsConnectionsAndLetsIdleOnesMakeRoom) {
  ServerOptions options;
  options.connections_max = 2;
  listen(options);
  auto first = connect();
  first.send(kPost);
  ASSERT_TRUE(receives(first, "POST abc"));
  auto second = connect();
  second.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  settle();
  auto third = connect();
  third.send(kPost);
  settle();
  EXPECT_EQ(server->stats().connections_open, 2u);
  EXPECT_EQ(third.text(), "");
  clock.advance(1s);
  ASSERT_TRUE(receives(third, "POST abc"));
  EXPECT_TRUE(first.ended());
  EXPECT_FALSE(second.ended()) << "it is not idle";
}

}  // namespace
}  // namespace tieline::http
