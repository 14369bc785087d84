// The client: what it sends, how it reads an answer, whom it may dial, and that it can be given up.
#include <string>

#include "http/http_transport_fixture.h"

namespace tieline::http {
namespace {

TEST_F(ClientTest, SendsWhatIsAskedAndReturnsTheAnswer) {
  Request asked = request("POST", "/a/../b?c=%20d");
  asked.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}, {"Authorization", "Bearer t"}};
  Call& call = start(asked);
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "{\"a\":1}"));
  EXPECT_EQ(peer.text(),
            "POST /a/../b?c=%20d HTTP/1.1\r\nHost: " + where() +
                "\r\nAccept: */*\r\nContent-Type: application/json\r\nX-Empty:\r\nAuthorization: Bearer t\r\n"
                "Content-Length: 7\r\n\r\n{\"a\":1}");
  peer.send("HTTP/1.1 201 Created\r\nX-A:  one \r\nx-a: two\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(finishes(call));
  EXPECT_EQ(call.exchange.phase, Phase::kAnswered);
  EXPECT_EQ(call.exchange.response.status, 201);
  EXPECT_EQ(call.exchange.response.body, "ok");
  EXPECT_EQ(call.exchange.response.headers, (Headers{{"X-A", "one"}, {"x-a", "two"}, {"Content-Length", "2"}}));
  EXPECT_EQ(call.exchange.peer, "127.0.0.1");
}

TEST_F(ClientTest, FramesEachMethod) {
  const struct {
    const char *method, *body, *first_line;
    bool has_length;
  } cases[] = {
      {"GET", "", "GET / HTTP/1.1\r\n", false},       {"DELETE", "", "DELETE / HTTP/1.1\r\n", false},
      {"DELETE", "x", "DELETE / HTTP/1.1\r\n", true}, {"POST", "", "POST / HTTP/1.1\r\n", true},
      {"PUT", "x", "PUT / HTTP/1.1\r\n", true},       {"PUT", "", "PUT / HTTP/1.1\r\n", true},
      {"PATCH", "x", "PATCH / HTTP/1.1\r\n", true},   {"GET", "x", "GET / HTTP/1.1\r\n", true},
      {"HEAD", "", "HEAD / HTTP/1.1\r\n", false},     {"SEARCH", "", "SEARCH / HTTP/1.1\r\n", false},
  };
  for (const auto& c : cases) {
    Request asked = request(c.method);
    asked.body = c.body;
    asked.headers = {{"Content-Length", "99"}, {"Transfer-Encoding", "chunked"}};
    Call& call = start(asked);
    RawPeer peer = accept();
    ASSERT_TRUE(receives(peer, std::string("\r\n\r\n") + c.body)) << c.method;
    EXPECT_EQ(peer.text().find(c.first_line), 0u) << peer.text();
    const std::string length = "Content-Length: " + std::to_string(std::string(c.body).size()) + "\r\n";
    EXPECT_EQ(peer.text().find(length) != std::string::npos, c.has_length) << peer.text();
    EXPECT_EQ(peer.text().find(": 99\r\n"), std::string::npos) << peer.text();
    for (const char* never : {"Expect:", "Transfer-Encoding:", "Content-Type:"}) {
      EXPECT_EQ(peer.text().find(never), std::string::npos) << peer.text();
    }
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
    if (std::string(c.method) != "HEAD") peer.send("hello");
    ASSERT_TRUE(finishes(call)) << c.method;
    EXPECT_EQ(call.exchange.phase, Phase::kAnswered) << c.method << call.exchange.error.text();
  }
}

TEST_F(ClientTest, AnAnswerMayComeByteByByte) {
  Call& call = start(request());
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  for (const char c : std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")) {
    EXPECT_FALSE(call.done);
    peer.send(std::string_view(&c, 1));
    for (int i = 0; i < 3; ++i) io.poll();
  }
  ASSERT_TRUE(finishes(call));
  EXPECT_EQ(call.exchange.phase, Phase::kAnswered) << call.exchange.error.text();
  EXPECT_EQ(call.exchange.response.body, "hi");
}

TEST_F(ClientTest, ALongBodyLeavesPieceByPiece) {
  Request asked = request("PUT");
  for (int i = 0; asked.body.size() < (8u << 20); ++i) asked.body += std::to_string(i) + ' ';
  Call& call = start(asked);
  RawPeer peer = accept();
  ASSERT_TRUE(pump(io, [&] { return peer.text().size() >= asked.body.size() && peer.text().ends_with(asked.body); }));
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(finishes(call));
  EXPECT_EQ(call.exchange.phase, Phase::kAnswered) << call.exchange.error.text();
  Call& next = start(request());
  ASSERT_TRUE(receives(peer, "GET / HTTP/1.1\r\n"));
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(finishes(next));
}

// A server that does not want a body says so before it has read it, and closes.
TEST_F(ClientTest, AnAnswerThatComesBeforeTheBodyHasLeftIsTaken) {
  for (const char* then : {"stays", "ends", "resets"}) {
    Request asked = request("POST");
    asked.body = std::string(32u << 20, 'x');
    Call& call = start(asked);
    RawPeer peer = accept();
    ASSERT_TRUE(receives(peer, "\r\n\r\n"));
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n");
    if (*then == 'e') peer.shutdown_send();
    if (*then == 'r') peer.close();  // with bytes unread
    ASSERT_TRUE(finishes(call)) << then;
    EXPECT_EQ(call.exchange.phase, Phase::kAnswered) << then << call.exchange.error.text();
    EXPECT_EQ(call.exchange.response.status, 413);
    EXPECT_EQ(call.exchange.response.body, "no\n");
    Call& next = start(request());
    RawPeer other = accept();
    ASSERT_TRUE(receives(other, "\r\n\r\n"));
    other.send("HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_TRUE(finishes(next));
    other.close();
  }
}

TEST_F(ClientTest, StopsReadingAtTheCap) {
  Request asked = request();
  asked.response_bytes_max = 1u << 20;
  Call& call = start(asked);
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  const std::string piece(64u << 10, 'x');
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
  std::size_t sent = 0;
  ASSERT_TRUE(pump(io, [&] {
    sent += peer.send_some(piece);
    return call.done;
  }));
  EXPECT_EQ(call.exchange.phase, Phase::kSent);
  EXPECT_EQ(call.exchange.error.code, Code::kTooLarge);
  EXPECT_LE(call.exchange.response.body.size(), asked.response_bytes_max);
  EXPECT_LT(sent, 30u << 20);
}

TEST_F(ClientTest, SendsItsNameUnlessTheRequestHasOne) {
  HttpTransport named(io.get_executor(), clock, {.user_agent = "tieline"});
  Call& call = calls.emplace_back();
  group.spawn(run(named, request(), Deadline::never(), call));
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  EXPECT_NE(peer.text().find("\r\nUser-Agent: tieline\r\n"), std::string::npos) << peer.text();
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(finishes(call));
}

TEST_F(ClientTest, DialsPrivateAddressesOnlyWhenAsked) {
  for (const char* host : {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0",
                           "0x7f.1", "2130706433", "[64:ff9b::7f00:1]", "[fe80::1]", "255.255.255.255"}) {
    Request asked = request("POST");
    asked.private_addresses = false;
    asked.url = std::string("http://") + host + ":" + std::to_string(listener.port()) + "/";
    Call& call = start(asked);
    ASSERT_TRUE(finishes(call)) << host;
    EXPECT_EQ(call.exchange.phase, Phase::kNotSent) << host;
    EXPECT_EQ(call.exchange.error.code, Code::kDenied) << host << ": " << call.exchange.error.message;
  }
  EXPECT_FALSE(listener.accept().connected());
}

TEST_F(ClientTest, CancellationEndsTheTransfer) {
  start(request("POST"));
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "{\"a\":1}"));
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  ASSERT_TRUE(pump(io, [&] { return outer.running() == 0; }));
  EXPECT_FALSE(calls[0].done);
  EXPECT_TRUE(pump(io, [&] { return peer.ended(); }));
  Call& next = start(request("POST"));
  RawPeer again = accept();
  ASSERT_TRUE(receives(again, "{\"a\":1}"));
  again.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(finishes(next));
}

TEST_F(ClientTest, CancellationDoesNotWaitForANameLookup) {
  Request asked = request();
  asked.url = "http://nowhere.invalid/";
  start(asked);
  io.poll();
  TaskGroup outer(io.get_executor());
  outer.spawn(group.stop());
  ASSERT_TRUE(pump(io, [&] { return outer.running() == 0; }));
}

}  // namespace
}  // namespace tieline::http
