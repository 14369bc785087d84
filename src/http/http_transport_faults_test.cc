// What the client says of an exchange that failed: how far it came, why, and that each wait ends with its time.
#include <string>
#include <string_view>
#include <vector>

#include "http/http_transport_fixture.h"

namespace tieline::http {
namespace {

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

}  // namespace
}  // namespace tieline::http
