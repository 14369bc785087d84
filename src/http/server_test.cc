// The server's conversations, from the first byte to its end.
#include "http/server_fixture.h"

namespace tieline::http {
namespace {

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  listen();
  auto peer = connect();
  for (int i = 0; i < 3; ++i) {
    peer.forget();
    peer.send(kPost);
    ASSERT_TRUE(receives(peer, "POST abc"));
    EXPECT_EQ(
        peer.text(),
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Test: 1\r\nContent-Length: 8\r\n\r\nPOST abc");
  }
  EXPECT_EQ(server->stats().connections_accepted, 1u);
  EXPECT_EQ(server->stats().requests, 3u);
  EXPECT_EQ(seen[0].received, clock.now());
}

TEST_F(ServerTest, AReplyWithStatus0ClosesTheConnectionWithoutAnAnswer) {
  listen();
  auto peer = connect();
  peer.send(kPost);
  ASSERT_TRUE(receives(peer, "POST abc"));
  peer.forget();
  peer.send("GET /drop HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(ends(peer));
  EXPECT_EQ(peer.text(), "");
  EXPECT_EQ(seen.size(), 2u) << "it was handled";
}

TEST_F(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  listen();
  auto peer = connect();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const std::string body = std::to_string(i) + std::string(500, '.');
    all += "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  all += "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  peer.send(all);
  ASSERT_TRUE(ends(peer));
  ASSERT_EQ(seen.size(), 201u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(seen[i].body->substr(0, seen[i].body->find('.')), std::to_string(i));
  EXPECT_NE(peer.text().find("Connection: close\r\n\r\nGET "), std::string::npos);
}

TEST_F(ServerTest, ASlowHandlerHoldsBackOnlyItsOwnConnection) {
  listen();
  auto slow = connect();
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  auto quick = connect();
  settle();
  quick.send(kPost);
  ASSERT_TRUE(receives(quick, "POST abc"));
  EXPECT_EQ(slow.text(), "");
  EXPECT_EQ(server->stats().requests, 2u) << "the pipelined one waits for its turn";
  release.notify_all();
  EXPECT_TRUE(pump(io, [&] { return seen.size() == 3; }));
  EXPECT_EQ(seen[1].target, "/slow");
  EXPECT_EQ(seen[2].target, "/next");
}

TEST_F(ServerTest, HandlesEachKindOfConversation) {
  listen();
  const std::string large(1u << 20, 'b');
  const struct {
    const char* name;
    std::string sent, expected;
    bool closes;
  } cases[] = {
      {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n\r\nGET ", true},
      {"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive\r\n\r\nGET ",
       false},
      {"close is honoured", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "Connection: close\r\n\r\nGET ",
       true},
      {"HEAD has no body", "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       "Content-Length: 5\r\nConnection: close\r\n\r\n", true},
      {"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
       "POST abc", false},
      {"malformed", "nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", true},
      {"not HTTP", "\x16\x03\x01\x02", "HTTP/1.1 400 Bad Request\r\n", true},
      {"header too large", "GET / HTTP/1.1\r\nX: " + std::string(40'000, 'a'), "HTTP/1.1 431 ", true},
      {"header just below the limit", "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(32'000, 'a') + "\r\n\r\n",
       "GET ", false},
      {"body too large, announced",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n" + std::string(100'000, 'a'), "HTTP/1.1 413 ",
       true},
      {"body too large, chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
       "HTTP/1.1 413 ", true},
      {"both framings",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 400 ", true},
  };
  for (const auto& c : cases) {
    auto peer = connect();
    peer.send(c.sent);
    EXPECT_TRUE(receives(peer, c.expected)) << c.name << ": " << peer.text().substr(0, 200);
    if (c.closes) {
      peer.shutdown_send();
      EXPECT_TRUE(ends(peer)) << c.name;
    } else {
      peer.forget();
      peer.send(kPost);
      EXPECT_TRUE(receives(peer, "POST abc")) << c.name << ": the connection must stay";
    }
  }
}

TEST_F(ServerTest, TakesABodyInManyPieces) {
  listen();
  auto peer = connect();
  const std::string body(1u << 20, 'z');
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  std::size_t at = 0;
  ASSERT_TRUE(pump(io, [&] {
    if (at < body.size()) at += peer.send_some(std::string_view(body).substr(at, 50'000));
    return seen.size() == 1;
  }));
  EXPECT_EQ(*seen[0].body, body);
}

TEST_F(ServerTest, SendsALargeReplyToASlowReader) {
  listen();
  auto peer = connect();
  peer.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(pump(io, [&] { return seen.size() == 1; }));
  settle();
  ASSERT_TRUE(pump(io, [&] { return peer.text().size() > (8u << 20); }));
  EXPECT_TRUE(peer.text().ends_with("xxxx"));
}

TEST_F(ServerTest, SaysContinueOnlyWhenAskedAndTheBodyIsStillToCome) {
  listen();
  auto peer = connect();
  const std::string header = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  peer.send(header + "3\r\n\r\n");
  ASSERT_TRUE(receives(peer, "HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(peer.text(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("abc");
  ASSERT_TRUE(receives(peer, "POST abc"));
  peer.forget();
  peer.send(header + "3\r\n\r\nabc");
  ASSERT_TRUE(receives(peer, "POST abc"));
  EXPECT_EQ(peer.text().find("100 Continue"), std::string::npos);
  peer.forget();
  peer.send(header + "99999999\r\n\r\n");
  ASSERT_TRUE(receives(peer, "HTTP/1.1 413 "));
  EXPECT_EQ(peer.text().find("100 Continue"), std::string::npos);
}

TEST_F(ServerTest, SurvivesPeersThatVanish) {
  listen();
  for (const char* sent : {"", "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
                           "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    auto peer = connect();
    peer.send(sent);
    settle();
    peer.reset();
    settle();
    release.notify_all();
    EXPECT_TRUE(pump(io, [&] { return server->stats().connections_open == 0; })) << sent;
  }
}

TEST_F(ServerTest, StopLetsRequestsUnderWayEnd) {
  listen();
  auto idle = connect();
  auto slow = connect();
  auto partial = connect();
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  partial.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
  settle();
  const auto port = server->port();
  group.spawn(stop_server(this, clock.deadline_in(10s)));
  settle();
  EXPECT_FALSE(stopped);
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(RawPeer::connect(port).connected());
  partial.send("bc");
  ASSERT_TRUE(receives(partial, "Connection: close\r\n\r\nPOST abc"));
  release.notify_all();
  ASSERT_TRUE(receives(slow, "Connection: close\r\n\r\nGET "));
  slow.close();
  partial.close();
  EXPECT_TRUE(pump(io, [&] { return stopped; }));
  EXPECT_EQ(clock.next_wake(), std::nullopt);
}

TEST_F(ServerTest, BodiesOfStrangersTakeNoMoreThanTheirShare) {
  ServerOptions options;
  options.bodies_bytes_max = 1000;
  listen(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n";
  auto first = connect();
  first.send(head + std::string(600, 'a'));
  settle();
  auto second = connect();
  second.send(head + std::string(600, 'b'));
  ASSERT_TRUE(receives(second, "try again soon\n"));
  EXPECT_NE(second.text().find(" 503 "), std::string::npos);
  EXPECT_NE(second.text().find("Retry-After: 5"), std::string::npos);
  first.send(std::string(100, 'a'));  // who came first is served, and gives its share back
  ASSERT_TRUE(receives(first, std::string(100, 'a')));
  first.send(head + std::string(700, 'c'));
  ASSERT_TRUE(receives(first, std::string(100, 'c')));
  auto third = connect();
  third.send(head + std::string(700, 'd'));
  ASSERT_TRUE(receives(third, std::string(100, 'd')));
  third.close();
  first.close();
}

// A stranger who sends half a request must not hold up the end of everything.
TEST_F(ServerTest, StopDoesNotWaitForHalfARequest) {
  listen();
  auto header = connect();
  auto body = connect();
  header.send("POST / HTTP/1.1\r\nHost: x\r\n");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
  settle();
  group.spawn(stop_server(this, clock.deadline_in(10h)));
  settle();
  EXPECT_TRUE(header.ended());
  EXPECT_FALSE(stopped);
  for (int second = 0; second < 60 && !body.ended(); ++second) {
    clock.advance(1s);
    settle();
  }
  EXPECT_NE(body.text().find(" 408 "), std::string::npos) << body.text();
  body.close();
  EXPECT_TRUE(pump(io, [&] { return stopped; }));
}

TEST_F(ServerTest, StopCutsOffWhatOutlastsTheDeadline) {
  listen();
  auto slow = connect();
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  settle();
  group.spawn(stop_server(this, clock.deadline_in(10s)));
  settle();
  clock.advance(9s);
  settle();
  EXPECT_FALSE(stopped);
  clock.advance(1s);
  EXPECT_TRUE(pump(io, [&] { return stopped; }));
  EXPECT_TRUE(slow.ended());
  EXPECT_EQ(slow.text(), "");
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  listen();
  const auto handler = [this](InboundRequest request) { return handle(this, std::move(request)); };
  ServerOptions taken, wrong, no_certificate;
  taken.port = server->port();
  wrong.address = "door.example";
  no_certificate.certificate_file = "no-such.pem";
  no_certificate.key_file = "no-such.pem";
  const struct {
    ServerOptions options;
    Code code;
    std::string message;
  } cases[] = {
      {taken, Code::kUnavailable,
       "cannot listen on 127.0.0.1:" + std::to_string(taken.port) + ": Address already in use"},
      {wrong, Code::kInvalid, "cannot listen on door.example:0: door.example is not an IP address"},
      {no_certificate, Code::kInvalid, "cannot use certificate no-such.pem: "},
  };
  for (const auto& c : cases) {
    auto listening = HttpServer::listen(io.get_executor(), c.options, handler, clock);
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code, c.code);
    EXPECT_EQ(listening.error().message.find(c.message), 0u) << listening.error().message;
  }
}

TEST_F(ServerTest, SeveralShardsShareAPort) {
  ServerOptions options;
  options.reuse_port = true;
  listen(options);
  options.port = server->port();
  auto second = HttpServer::listen(
      io.get_executor(), options, [this](InboundRequest request) { return handle(this, std::move(request)); }, clock);
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_EQ((*second)->port(), server->port());
  struct Stop {
    static asio::awaitable<void> run(HttpServer& which, Clock& at) { co_await which.stop(at.deadline_in(0s)); }
  };
  group.spawn(Stop::run(**second, clock));
  EXPECT_TRUE(pump(io, [&] { return group.running() == 0; }));
}

}  // namespace
}  // namespace tieline::http
