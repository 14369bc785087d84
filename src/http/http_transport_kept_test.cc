// Connections that the client keeps: which are used again, when a request goes out twice, and how many there are.
#include <string>
#include <utility>

#include "http/http_transport_fixture.h"
#include "http/server.h"

namespace tieline::http {
namespace {

TEST_F(ClientTest, ConnectionsInDoubtAreNotUsedAgain) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const struct {
    const char* name;
    std::string answer;
    Headers headers;
  } cases[] = {
      {"closing", ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", {}},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", {}},
      {"more than the answer", ok + "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", {}},
      {"two framings", ok + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {}},
      {"asked to close", ok + "Content-Length: 0\r\n\r\n", {{"connection", "Close"}}},
  };
  for (const auto& c : cases) {
    Request asked = request();
    asked.headers = c.headers;
    Call& call = start(asked);
    RawPeer peer = accept();
    ASSERT_TRUE(receives(peer, "\r\n\r\n")) << c.name;
    peer.send(c.answer);
    ASSERT_TRUE(finishes(call)) << c.name;
    EXPECT_EQ(call.exchange.phase, Phase::kAnswered) << c.name;
    EXPECT_TRUE(pump(io, [&] { return peer.ended(); })) << c.name;
  }
}

TEST_F(ClientTest, AConnectionThatWasAllowedIsNotLentToARequestThatIsNot) {
  Call& allowed = start(request());
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(finishes(allowed));
  Request asked = request();
  asked.private_addresses = false;
  Call& denied = start(asked);
  ASSERT_TRUE(finishes(denied));
  EXPECT_EQ(denied.exchange.error.code, Code::kDenied);
}

// A server that answers once, then waits for the next request on the same connection and closes without an answer.
struct KeptConnectionTest : ClientTest {
  RawPeer peer;
  void use_once() {
    Call& first = start(request());
    peer = accept();
    ASSERT_TRUE(receives(peer, "\r\n\r\n"));
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(finishes(first));
    peer.forget();
  }
};

TEST_F(KeptConnectionTest, IsUsedAgain) {
  use_once();
  Call& second = start(request("POST"));
  ASSERT_TRUE(receives(peer, "{\"a\":1}"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kAnswered);
  EXPECT_FALSE(listener.accept().connected());
}

TEST_F(KeptConnectionTest, OneThatWasClosedMeanwhileIsReplaced) {
  use_once();
  peer.close();
  Call& second = start(request("POST"));
  RawPeer next = accept();
  ASSERT_TRUE(receives(next, "{\"a\":1}"));
  next.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kAnswered);
}

TEST_F(KeptConnectionTest, AnUnsafeRequestIsNeverSentTwice) {
  for (const char* body : {"{\"a\":1}", ""}) {
    for (bool resets : {false, true}) {
      use_once();
      Request asked = request("POST");
      asked.body = body;
      Call& second = start(asked);
      ASSERT_TRUE(receives(peer, std::string("\r\n\r\n") + body));
      resets ? peer.reset() : peer.close();
      ASSERT_TRUE(finishes(second));
      EXPECT_EQ(second.exchange.phase, Phase::kSent) << resets;
      EXPECT_EQ(second.exchange.error.code, Code::kUnavailable);
      RawPeer again = listener.accept();
      EXPECT_EQ(again.text(), "") << "the request must not stand on another connection";
    }
  }
}

// What a method promises, an action may deny; and a POST may be one that only reads.
TEST_F(KeptConnectionTest, AnActionSaysWhetherItMayBeSentAgain) {
  use_once();
  Request asked = request("PUT");
  asked.body = "{\"a\":1}";
  asked.repeatable = false;
  Call& second = start(asked);
  ASSERT_TRUE(receives(peer, "\r\n\r\n" + asked.body));
  peer.close();
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kSent);
}

TEST_F(KeptConnectionTest, ARepeatableRequestIsSentAgain) {
  for (const char* method : {"GET", "PUT", "DELETE", "POST"}) {
    use_once();
    Request asked = request(method);
    if (asked.method == "POST") asked.repeatable = true;
    if (asked.method == "PUT") asked.body = "{\"a\":1}";
    Call& second = start(asked);
    ASSERT_TRUE(receives(peer, "\r\n\r\n" + asked.body));
    peer.close();
    RawPeer next = accept();
    ASSERT_TRUE(receives(next, "\r\n\r\n" + asked.body));
    next.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(finishes(second));
    EXPECT_EQ(second.exchange.phase, Phase::kAnswered) << method << second.exchange.error.text();
  }
}

// Its end was noticed before anybody wanted it: an unsafe request goes out once, on another.
TEST_F(KeptConnectionTest, OneOnWhichSomethingHappenedIsNotUsed) {
  for (const bool noticed : {false, true}) {
    for (const char* said : {"", "HTTP/1.1 408 Request Timeout\r\n\r\n"}) {
      use_once();
      peer.send(said);
      if (*said == '\0') peer.close();
      Call* other = nullptr;
      RawPeer busy;
      if (noticed) {  // something must run for events to come
        other = &start(request());
        busy = accept();
        ASSERT_TRUE(receives(busy, "\r\n\r\n"));
      }
      Call& second = start(request("POST"));
      RawPeer next = accept();
      ASSERT_TRUE(receives(next, "{\"a\":1}"));
      next.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      ASSERT_TRUE(finishes(second));
      EXPECT_EQ(second.exchange.phase, Phase::kAnswered) << second.exchange.error.text();
      EXPECT_EQ(peer.text(), "");
      EXPECT_FALSE(listener.accept().connected());
      busy.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      ASSERT_TRUE(!noticed || finishes(*other));
    }
  }
}

// While anything is under way, the end of an unused one is noticed.
TEST_F(KeptConnectionTest, OneThatItsPeerEndsIsClosed) {
  use_once();
  Call &one = start(request()), &two = start(request());
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  RawPeer other = accept();
  ASSERT_TRUE(receives(other, "\r\n\r\n"));
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(finishes(one));
  peer.shutdown_send();
  EXPECT_TRUE(pump(io, [&] { return peer.ended(); }));
  EXPECT_FALSE(two.done);
  other.close();
  ASSERT_TRUE(pump(io, [&] {
    if (!other.connected()) other = listener.accept();
    if (other.text().ends_with("\r\n\r\n")) other.send("HTTP/1.1 204 No Content\r\n\r\n");
    return two.done;
  }));
}

TEST_F(KeptConnectionTest, TimeRunsOutOnItToo) {
  use_once();
  Request asked = request("POST");
  asked.timeout = kShort;
  Call& second = start(asked);
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kSent);
  EXPECT_EQ(second.exchange.error.message, "no whole answer from " + where() + " within 60 ms");
  EXPECT_TRUE(pump(io, [&] { return peer.ended(); }));
}

TEST_F(KeptConnectionTest, AnOldOneIsNotUsed) {
  use_once();
  clock.advance(55s);
  Call& second = start(request("POST"));
  ASSERT_TRUE(receives(peer, "{\"a\":1}"));
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(finishes(second));
  clock.advance(56s);
  start(request("POST"));
  RawPeer next = accept();
  ASSERT_TRUE(receives(next, "{\"a\":1}"));
  EXPECT_TRUE(peer.ended());
  next.close();
  ASSERT_TRUE(finishes(calls.back()));
}

// The second time, too, it may be in vain: then the first still may have had an effect.
TEST_F(KeptConnectionTest, SentAgainInVainItWasSent) {
  use_once();
  Call& second = start(request("GET"));
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  listener.close();
  peer.close();
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kSent);
  EXPECT_EQ(second.exchange.error.code, Code::kUnavailable);
  EXPECT_EQ(second.exchange.error.message, where() +
                                               " closed a kept connection without an answer; again: could not "
                                               "connect to " +
                                               where() + ": connection refused");
}

TEST_F(KeptConnectionTest, ARequestIsSentAgainOnce) {
  use_once();
  Call& second = start(request("GET"));
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  peer.close();
  RawPeer next = accept();
  ASSERT_TRUE(receives(next, "\r\n\r\n"));
  next.close();
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kSent);
  EXPECT_EQ(second.exchange.error.message, where() + " closed the connection without an answer");
  EXPECT_FALSE(listener.accept().connected());
}

TEST_F(KeptConnectionTest, AnswerThatBeganIsNotAskedForAgain) {
  use_once();
  Call& second = start(request("GET"));
  ASSERT_TRUE(receives(peer, "\r\n\r\n"));
  peer.send("HTTP");
  peer.close();
  ASSERT_TRUE(finishes(second));
  EXPECT_EQ(second.exchange.phase, Phase::kSent);
  EXPECT_EQ(second.exchange.error.message, "the answer of " + where() + " was cut short");
  EXPECT_FALSE(listener.accept().connected());
}

struct Load {
  int next = 0, answered = 0, wrong = 0;
};

asio::awaitable<void> work(Transport& transport, std::string url, int total, Load& load) {
  while (load.next < total) {
    const std::string number = std::to_string(load.next++);
    Request request;
    request.method = "POST";
    request.url = url;
    request.private_addresses = true;
    request.body = number;
    auto sending = transport.send(std::move(request), Deadline::never());
    const Exchange exchange = co_await std::move(sending);
    ++load.answered;
    if (exchange.phase != Phase::kAnswered || exchange.response.body != number) ++load.wrong;
  }
}

asio::awaitable<Reply> echo(InboundRequest request) {
  Reply reply;
  reply.body = *request.body;
  co_return reply;
}

TEST_F(ClientTest, CompletesManyRequestsInFlight) {
  auto server = HttpServer::listen(io.get_executor(), {}, &echo, clock);
  ASSERT_TRUE(server);
  Load load;
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  for (int i = 0; i < 64; ++i) group.spawn(work(transport, url, 2000, load));
  EXPECT_TRUE(pump(io, [&] { return load.answered == 2000; })) << load.answered;
  EXPECT_EQ(load.wrong, 0);
  EXPECT_LE((*server)->stats().connections_accepted, 64u);
  group.spawn((*server)->stop(clock.deadline_in(0s)));
  EXPECT_TRUE(pump(io, [&] { return group.running() == 0; }));
}

// As many at once as there are, of which few connections are kept.
TEST_F(ClientTest, KeepsNoMoreConnectionsThanItMay) {
  auto server = HttpServer::listen(io.get_executor(), {}, &echo, clock);
  ASSERT_TRUE(server);
  HttpTransport thrifty(io.get_executor(), clock, {.kept_connections_max = 16});
  Load load;
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  for (int i = 0; i < 300; ++i) group.spawn(work(thrifty, url, 1000, load));
  EXPECT_TRUE(pump(io, [&] { return load.answered == 1000; })) << load.answered;
  EXPECT_EQ(load.wrong, 0);
  EXPECT_TRUE(pump(io, [&] { return (*server)->stats().connections_open == 16; }))
      << (*server)->stats().connections_open;
  group.spawn((*server)->stop(clock.deadline_in(0s)));
  EXPECT_TRUE(pump(io, [&] { return group.running() == 0; }));
}

}  // namespace
}  // namespace tieline::http
