#include "http/http_transport.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "http/raw_peer.h"
#include "http/server.h"

namespace tieline::http {
namespace {

struct Call {
  bool done = false;
  Exchange exchange;
};

// Timeouts count on the machine's clock: those that must come are short, all others are far away.
constexpr Duration kShort = 60ms;

struct ClientTest : testing::Test {
  asio::io_context io;
  ManualClock clock{Time{}};
  TaskGroup group{io.get_executor()};
  HttpTransport transport{io.get_executor(), clock};
  RawListener listener;
  std::deque<Call> calls;

  static asio::awaitable<void> run(Transport& transport, Request request, Deadline deadline, Call& call) {
    call.exchange = co_await transport.send(std::move(request), deadline);
    call.done = true;
  }
  Request request(std::string method = "GET", std::string path = "/") {
    Request out;
    out.method = std::move(method);
    out.url = "http://127.0.0.1:" + std::to_string(listener.port()) + path;
    out.private_addresses = true;
    if (out.method == "POST") out.body = "{\"a\":1}";
    return out;
  }
  Call& start(Request what, Deadline deadline = Deadline::never()) {
    Call& call = calls.emplace_back();
    group.spawn(run(transport, std::move(what), deadline, call));
    return call;
  }
  bool finishes(Call& call) {
    return pump(io, [&] { return call.done; });
  }
  RawPeer accept() {
    RawPeer peer;
    pump(io, [&] {
      if (!peer.connected()) peer = listener.accept();
      return peer.connected();
    });
    return peer;
  }
  // Waits for a whole request.
  bool receives(RawPeer& peer, std::string_view what) {
    return pump(io, [&] { return peer.text().find(what) != std::string::npos; });
  }
  std::string where() const { return "127.0.0.1:" + std::to_string(listener.port()); }
};

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

// What a server does with a POST after it has read all of it, and what the exchange must say.
struct Fault {
  const char* name;
  std::string answer;
  bool resets, closes;
  Phase phase;
  Code code;
  const char* message;  // behind host and port, or with them in it as %
  int status;
};

TEST_F(ClientTest, SaysHowFarAFailedExchangeCame) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Fault faults[] = {
      {"never answers", "", false, false, Phase::kSent, Code::kTimeout, "no whole answer from % within", 0},
      {"closes without an answer", "", false, true, Phase::kSent, Code::kUnavailable,
       "% closed the connection without an answer", 0},
      {"resets without an answer", "", true, true, Phase::kSent, Code::kUnavailable, "% broke the connection", 0},
      {"resets inside the header", "HTTP/1.1 200 OK\r\nX-", true, true, Phase::kSent, Code::kUnavailable,
       "% broke the connection", 200},
      {"closes inside the body", ok + "Content-Length: 10\r\n\r\nabc", false, true, Phase::kSent, Code::kUnavailable,
       "the answer of % was cut short", 200},
      {"resets inside the body", ok + "Content-Length: 10\r\n\r\nabc", true, true, Phase::kSent, Code::kUnavailable,
       "% broke the connection", 200},
      {"trickles beyond the deadline", ok + "Content-Length: 10\r\n\r\nabc", false, false, Phase::kSent, Code::kTimeout,
       "no whole answer from % within", 200},
      {"chunked garbage", ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", false, false, Phase::kSent,
       Code::kUnavailable, "the answer of % is broken", 200},
      {"chunked and cut short", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", false, true, Phase::kSent,
       Code::kUnavailable, "the answer of % was cut short", 200},
      {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", false, true, Phase::kSent, Code::kUnavailable,
       "% did not answer in HTTP/1.1", 0},
      {"announces too much", ok + "Content-Length: 104857600\r\n\r\n" + std::string(2000, 'x'), false, false,
       Phase::kSent, Code::kTooLarge, "the answer of % is larger than 1000 bytes", 200},
      {"sends too much in chunks", ok + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'x'), false,
       false, Phase::kSent, Code::kTooLarge, "the answer of % is larger than 1000 bytes", 200},
      {"sends endless headers",
       ok + "X: " + std::string(90'000, 'x') + "\r\nX: " + std::string(90'000, 'x') +
           "\r\nX: " + std::string(90'000, 'x') + "\r\n",
       false, false, Phase::kSent, Code::kTooLarge, "the answer of % is larger", 200},
      {"a redirect is an answer", "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", false, false,
       Phase::kAnswered, Code::kInternal, "", 302},
      {"1xx before the answer", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false,
       false, Phase::kAnswered, Code::kInternal, "", 204},
      {"an answer that the close ends", ok + "\r\nabc", false, true, Phase::kAnswered, Code::kInternal, "", 200},
      {"a body at the cap", ok + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x'), false, false,
       Phase::kAnswered, Code::kInternal, "", 200},
  };
  for (const auto& fault : faults) {
    Request asked = request("POST");
    asked.response_bytes_max = 1000;
    if (fault.code == Code::kTimeout) asked.timeout = kShort;
    Call& call = start(asked);
    RawPeer peer = accept();
    ASSERT_TRUE(receives(peer, "{\"a\":1}")) << fault.name;
    std::string_view left = fault.answer;
    ASSERT_TRUE(pump(io, [&] {
      left.remove_prefix(peer.send_some(left));
      return left.empty() || call.done;
    })) << fault.name;
    // Bytes that a RST overtakes are lost: the client has to read them first.
    if (fault.resets) {
      for (int i = 0; i < 5; ++i) io.poll();
      peer.reset();
    } else if (fault.closes) {
      peer.close();
    }
    ASSERT_TRUE(finishes(call)) << fault.name;
    const Exchange& got = call.exchange;
    EXPECT_EQ(got.phase, fault.phase) << fault.name << ": " << got.error.text();
    EXPECT_EQ(got.response.status, fault.status) << fault.name;
    if (fault.phase == Phase::kAnswered) continue;
    EXPECT_EQ(got.error.code, fault.code) << fault.name << ": " << got.error.text();
    std::string message = fault.message;
    if (const auto at = message.find('%'); at != std::string::npos) message.replace(at, 1, where());
    EXPECT_EQ(got.error.message.find(message), 0u) << fault.name << ": " << got.error.message;
  }
}

TEST_F(ClientTest, KnowsWhatNeverLeft) {
  RawListener closed;
  const auto port = std::to_string(closed.port());
  closed.close();
  const auto with = [&](std::string url, Headers headers = {}, std::string method = "POST") {
    Request out = request(std::move(method));
    out.url = std::move(url);
    out.headers = std::move(headers);
    return out;
  };
  const std::string here = request().url;
  const struct {
    const char* name;
    Request request;
    Code code;
    std::string message;
  } cases[] = {
      {"refused", with("http://127.0.0.1:" + port + "/secret"), Code::kUnavailable,
       "could not connect to 127.0.0.1:" + port + ": connection refused"},
      {"unknown host", with("https://nowhere.invalid/secret"), Code::kUnavailable,
       "could not find the host of nowhere.invalid:443"},
      {"other scheme", with("ftp://127.0.0.1/"), Code::kInvalid, "the url is neither http nor https"},
      {"file", with("file:///etc/passwd"), Code::kInvalid, "the url is neither http nor https"},
      {"no url", with(""), Code::kInvalid, "the url is malformed"},
      {"url with a line break", with("http://127.0.0.1/a\r\nX: b"), Code::kInvalid, "the url is malformed"},
      {"url with a user", with("http://a:b@127.0.0.1/"), Code::kInvalid, "the url must not carry a user name"},
      {"header with a line break", with(here, {{"X", "a\r\nY: b"}}), Code::kInvalid,
       "the header X has a line break in it"},
      {"header with a NUL", with(here, {{"X", std::string("a\0b", 3)}}), Code::kInvalid,
       "the header X has a line break in it"},
      {"header without a name", with(here, {{"", "a"}}), Code::kInvalid, "\"\" is not the name of a header"},
      {"header name with a colon", with(here, {{"X: y", "a"}}), Code::kInvalid, "\"X: y\" is not the name of a header"},
      {"method with a space", with(here, {}, "GET /x"), Code::kInvalid, "\"GET /x\" is not an HTTP method"},
  };
  for (const auto& c : cases) {
    Call& call = start(c.request);
    ASSERT_TRUE(finishes(call)) << c.name;
    EXPECT_EQ(call.exchange.phase, Phase::kNotSent) << c.name;
    EXPECT_EQ(call.exchange.error.code, c.code) << c.name << ": " << call.exchange.error.message;
    EXPECT_EQ(call.exchange.error.message, c.message) << c.name;
  }
}

TEST_F(ClientTest, ATlsServerThatNeverShakesHandsGotNothing) {
  Request asked = request("POST");
  asked.url = "https://" + where() + "/";
  asked.timeout = kShort;
  Call& call = start(asked);
  RawPeer peer = accept();
  ASSERT_TRUE(finishes(call));
  EXPECT_EQ(call.exchange.phase, Phase::kNotSent);
  EXPECT_EQ(call.exchange.error.code, Code::kTimeout);
  EXPECT_EQ(call.exchange.error.message, "could not connect to " + where() + " within 60 ms");
}

TEST_F(ClientTest, TheEarlierOfTimeoutAndDeadlineEnds) {
  Call& late = start(request("POST"), Deadline{clock.instant()});
  ASSERT_TRUE(finishes(late));
  EXPECT_EQ(late.exchange.phase, Phase::kNotSent);
  EXPECT_EQ(late.exchange.error.code, Code::kTimeout);
  Call& soon = start(request("POST"), clock.deadline_in(kShort));
  RawPeer peer = accept();
  ASSERT_TRUE(finishes(soon));
  EXPECT_EQ(soon.exchange.phase, Phase::kSent);
  EXPECT_EQ(soon.exchange.error.code, Code::kTimeout);
}

// What an exchange waits for when nothing comes: how far it is, and what its time-out says.
struct StuckTest : ClientTest {
  SilentListener silent{1};

  struct Stuck {
    const char* name;
    Request request;
    bool accepted;
    Phase phase;
    std::string message;
  };
  std::vector<Stuck> all() {
    Request connecting = request("POST"), shaking = request("POST"), writing = request("POST");
    connecting.url = "http://127.0.0.1:" + std::to_string(silent.port()) + "/";
    shaking.url = "https://" + where() + "/";
    writing.body = std::string(32u << 20, 'x');
    return {{"connecting", connecting, false, Phase::kNotSent, "could not connect to "},
            {"shaking hands", shaking, true, Phase::kNotSent, "could not connect to "},
            {"writing", writing, true, Phase::kSent, "no whole answer from "},
            {"reading", request("POST"), true, Phase::kSent, "no whole answer from "}};
  }
};

TEST_F(StuckTest, EveryWaitEndsWithItsTime) {
  for (Stuck& stuck : all()) {
    stuck.request.timeout = kShort;
    Call& call = start(stuck.request);
    RawPeer peer;
    if (stuck.accepted) peer = accept();
    ASSERT_TRUE(finishes(call)) << stuck.name;
    EXPECT_EQ(call.exchange.phase, stuck.phase) << stuck.name;
    EXPECT_EQ(call.exchange.error.code, Code::kTimeout) << stuck.name;
    EXPECT_EQ(call.exchange.error.message.find(stuck.message), 0u) << stuck.name << call.exchange.error.message;
    EXPECT_NE(call.exchange.error.message.find("within 60 ms"), std::string::npos) << call.exchange.error.message;
  }
}

TEST_F(StuckTest, EveryWaitCanBeGivenUp) {
  for (Stuck& stuck : all()) {
    Call& call = start(stuck.request);
    RawPeer peer;
    if (stuck.accepted) peer = accept();
    ASSERT_TRUE(stuck.phase != Phase::kSent || receives(peer, "POST / HTTP/1.1\r\n")) << stuck.name;
    for (int i = 0; i < 5; ++i) io.poll();
    TaskGroup outer(io.get_executor());
    outer.spawn(group.stop());
    ASSERT_TRUE(pump(io, [&] { return outer.running() == 0; })) << stuck.name;
    EXPECT_FALSE(call.done) << stuck.name;
    EXPECT_TRUE(!stuck.accepted || pump(io, [&] { return peer.ended(); })) << stuck.name;
  }
}

TEST_F(ClientTest, ConnectingHasATimeOfItsOwn) {
  const SilentListener silent(1);
  HttpTransport hasty(io.get_executor(), clock, {.connect_timeout = kShort});
  Request asked = request("POST");
  asked.url = "http://127.0.0.1:" + std::to_string(silent.port()) + "/";
  Call& call = calls.emplace_back();
  group.spawn(run(hasty, asked, Deadline::never(), call));
  ASSERT_TRUE(finishes(call));
  EXPECT_EQ(call.exchange.phase, Phase::kNotSent);
  EXPECT_EQ(call.exchange.error.message,
            "could not connect to 127.0.0.1:" + std::to_string(silent.port()) + " within 60 ms");
}

// Once connected, a request has all of its time.
TEST_F(ClientTest, TheTimeToConnectDoesNotEndAnExchange) {
  HttpTransport hasty(io.get_executor(), clock, {.connect_timeout = kShort});
  Call &patient = calls.emplace_back(), &other = calls.emplace_back();
  group.spawn(run(hasty, request("POST"), Deadline::never(), patient));
  RawPeer peer = accept();
  ASSERT_TRUE(receives(peer, "{\"a\":1}"));
  Request later = request("POST");
  later.timeout = 2 * kShort;
  group.spawn(run(hasty, later, Deadline::never(), other));
  ASSERT_TRUE(finishes(other));
  EXPECT_FALSE(patient.done);
  peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(finishes(patient));
  EXPECT_EQ(patient.exchange.phase, Phase::kAnswered);
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
