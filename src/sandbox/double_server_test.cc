#include "sandbox/double_server.h"

#include "async/task_group.h"
#include "http/raw_peer.h"
#include "sandbox/double_fixture.h"

namespace tieline::sandbox {
namespace {

struct DoubleServerTest : testing::Test {
  void start(const Faults& faults = {}) {
    DoubleOptions options;
    options.rules = manifest_rules("hubspot");
    options.faults = faults;
    auto started = DoubleServer::start(io.get_executor(), make_hubspot_double(std::move(options), clock), clock);
    ASSERT_TRUE(started) << started.error().text();
    server = std::move(*started);
    ASSERT_EQ(server->url(), "http://127.0.0.1:" + std::to_string(server->port()));
  }
  // Sends, and returns what came when the answer is whole or the connection is over.
  std::string exchange(http::RawPeer& peer, const std::string& text) {
    peer.forget();
    peer.send(text);
    EXPECT_TRUE(http::pump(io, [&] { return peer.ended() || whole(peer.text()); }));
    return peer.text();
  }
  static bool whole(const std::string& text) {
    const std::size_t body = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
    if (body == std::string::npos) return false;
    return length == std::string::npos || text.size() >= body + 4 + std::stoul(text.substr(length + 16));
  }
  std::string deal() {
    const std::string body = R"({"properties": {"shopify_order_id": "1"}, "associations": []})";
    return "POST /crm/v3/objects/0-3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Type: "
           "application/json\r\n"
           "Content-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::size_t deals() const {
    const json::Document state = server->vendor().state();
    return state.root()["deals"].size();
  }
  static asio::awaitable<void> stop(DoubleServerTest* self) {
    const Deadline now = self->clock.deadline_in(0s);
    co_await self->server->stop(now);
    self->stopped = true;
  }
  void end() {
    stopped = false;
    group.spawn(stop(this));
    ASSERT_TRUE(http::pump(io, [&] { return stopped; }));
    server.reset();
  }
  void TearDown() override {
    if (server) end();
    http::pump(io, [&] { return group.running() == 0; });
  }

  asio::io_context io;
  ManualClock clock{Time(1'793'000'000s)};
  TaskGroup group{io.get_executor()};
  std::unique_ptr<DoubleServer> server;
  bool stopped = false;
};

TEST_F(DoubleServerTest, ServesTheVendorAndItsOwnPaths) {
  start();
  auto peer = http::RawPeer::connect(server->port());
  EXPECT_NE(exchange(peer, deal()).find("HTTP/1.1 201 Created"), std::string::npos);
  const std::string state = exchange(peer, "GET /_double/state HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(state.find("\"requests\":1"), std::string::npos) << state;
  EXPECT_NE(state.find("\"shopify_order_id\":\"1\""), std::string::npos) << state;
}

TEST_F(DoubleServerTest, EachFaultIsSeenByTheClient) {
  const struct {
    const char* name;
    Faults faults;
    const char* begins;  // of the answer; empty: closed without one
    std::size_t deals;
  } cases[] = {
      {"rate_limited", {.rate_limited = 1000}, "HTTP/1.1 429", 0},
      {"unavailable", {.unavailable = 1000}, "HTTP/1.1 503", 0},
      {"reset_before", {.reset_before = 1000}, "", 0},
      {"reset_after", {.reset_after = 1000}, "", 1},
  };
  for (const auto& one : cases) {
    start(one.faults);
    auto peer = http::RawPeer::connect(server->port());
    const std::string text = exchange(peer, deal());
    if (*one.begins == '\0') {
      EXPECT_EQ(text, "") << one.name;
      EXPECT_TRUE(peer.ended()) << one.name;
    } else {
      EXPECT_TRUE(text.starts_with(one.begins)) << one.name << text;
    }
    EXPECT_EQ(deals(), one.deals) << one.name;
    end();
  }
}

TEST_F(DoubleServerTest, ATimeoutAndASlowAnswerKeepTheClientWaiting) {
  const struct {
    Faults faults;
    Duration after;
    const char* begins;
  } cases[] = {{{.timeout = 1000}, 60s, ""}, {{.slow = 1000}, 2s, "HTTP/1.1 201"}};
  for (const auto& one : cases) {
    start(one.faults);
    auto peer = http::RawPeer::connect(server->port());
    peer.send(deal());
    ASSERT_TRUE(http::pump(io, [&] { return deals() == 1; })) << "it happened";
    http::pump(io, [&] { return io.poll() == 0; });
    EXPECT_EQ(peer.text(), "");
    EXPECT_FALSE(peer.ended());
    clock.advance(one.after);
    ASSERT_TRUE(http::pump(io, [&] { return peer.ended() || whole(peer.text()); }));
    EXPECT_TRUE(peer.text().starts_with(one.begins));
    EXPECT_EQ(peer.ended(), *one.begins == '\0');
    end();
  }
}

TEST_F(DoubleServerTest, APortInUseIsSaid) {
  start();
  auto second = DoubleServer::start(io.get_executor(), make_hubspot_double({}, clock), clock, server->port());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace tieline::sandbox
