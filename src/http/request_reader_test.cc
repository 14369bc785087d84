#include "http/request_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tieline::http {
namespace {

using State = RequestReader::State;

struct Read {
  std::vector<InboundRequest> requests;
  int refused = 0;  // status, or 0
  std::string message;
  State end = State::kHeader;
};

// Feeds `input` in pieces of `piece` bytes, as a connection does: what is not used is passed again.
Read read_all(std::string_view input, std::size_t piece, const RequestLimits& limits = {}) {
  RequestReader reader(limits);
  Read out;
  std::string unread;
  while (true) {
    if (!unread.empty()) unread.erase(0, reader.feed(unread));
    if (reader.state() == State::kComplete) {
      out.requests.push_back(reader.take());
      continue;
    }
    if (reader.state() == State::kRefused || input.empty()) break;
    unread.append(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
  }
  out.end = reader.state();
  if (out.end == State::kRefused) {
    out.refused = reader.status();
    out.message = reader.message();
  }
  return out;
}

struct Accepted {
  const char* name;
  std::string input;
  std::vector<std::string> bodies;
};

const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\n";

const Accepted kAccepted[] = {
    {"no body", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", {""}},
    {"content length", kPost + "Content-Length: 3\r\n\r\nabc", {"abc"}},
    {"content length zero", kPost + "Content-Length: 0\r\n\r\n", {""}},
    {"content length with leading zeros", kPost + "Content-Length: 003\r\n\r\nabc", {"abc"}},
    {"white space around the length", kPost + "Content-Length: \t 3 \r\n\r\nabc", {"abc"}},
    {"content length in capitals", kPost + "CONTENT-LENGTH: 3\r\n\r\nabc", {"abc"}},
    {"pipelined", kPost + "Content-Length: 3\r\n\r\nabc" + kPost + "Content-Length: 2\r\n\r\nde", {"abc", "de"}},
    {"chunked", kPost + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", {"abc"}},
    {"chunked in capitals", kPost + "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", {"abc"}},
    {"chunked and empty", kPost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {""}},
    {"two chunks", kPost + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n000\r\n\r\n", {"abcde"}},
    {"chunk size in hex",
     kPost + "Transfer-Encoding: chunked\r\n\r\n0a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
     {"01234567890123456789a"}},
    {"chunk extension", kPost + "Transfer-Encoding: chunked\r\n\r\n3;a=b;c=\"d e\"\r\nabc\r\n0;x\r\n\r\n", {"abc"}},
    {"white space before the extension", kPost + "Transfer-Encoding: chunked\r\n\r\n3 ;a\r\nabc\r\n0\r\n\r\n", {"abc"}},
    {"chunk data with line ends", kPost + "Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", {"\r\n\r\n"}},
    {"trailers are dropped",
     kPost + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 9\r\nX: y\r\n\r\n" +
         "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
     {"a", ""}},
    {"chunked, then pipelined",
     kPost + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" + kPost + "\r\n",
     {"a", ""}},
    {"empty lines before the request", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {""}},
    {"empty line between requests", kPost + "\r\n\r\n" + kPost + "\r\n", {"", ""}},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", {""}},
    {"absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", {""}},
    {"own method", "PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", {""}},
    {"empty header value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", {""}},
    {"obs-text in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xf6\r\n\r\n", {""}},
};

TEST(RequestReader, AcceptsWhatIsFramedOneWayOnly) {
  for (const auto& c : kAccepted) {
    for (std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{4096}}) {
      const Read read = read_all(c.input, piece);
      ASSERT_EQ(read.refused, 0) << c.name << " in pieces of " << piece << ": " << read.message;
      ASSERT_EQ(read.requests.size(), c.bodies.size()) << c.name << " in pieces of " << piece;
      for (std::size_t i = 0; i < c.bodies.size(); ++i) EXPECT_EQ(*read.requests[i].body, c.bodies[i]) << c.name;
      EXPECT_EQ(read.end, State::kHeader) << c.name;
    }
  }
}

struct Refused {
  const char* name;
  std::string input;
  int status;
};

const std::string kChunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";

const Refused kRefused[] = {
    // Two ways to find the body's end.
    {"both framings", kPost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"both framings, other order", kPost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
    {"lengths that differ", kPost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
    {"the same length twice", kPost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"list of lengths", kPost + "Content-Length: 3, 3\r\n\r\nabc", 400},
    {"encoding that is not chunked", kPost + "Transfer-Encoding: gzip\r\n\r\n", 400},
    {"identity", kPost + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"chunked is not last", kPost + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
    {"chunked after another", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked twice", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunked with something behind", kPost + "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", 400},
    {"chunked with a parameter", kPost + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400},
    {"chunked with a vertical tab",
     kPost + "Transfer-Encoding: \x0b"
             "chunked\r\n\r\n0\r\n\r\n",
     400},
    {"empty encoding", kPost + "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    // Lengths that are no numbers.
    {"empty length", kPost + "Content-Length:\r\n\r\n", 400},
    {"negative length", kPost + "Content-Length: -1\r\n\r\n", 400},
    {"length with a plus", kPost + "Content-Length: +3\r\n\r\nabc", 400},
    {"length in hex", kPost + "Content-Length: 0x3\r\n\r\nabc", 400},
    {"length with a space inside", kPost + "Content-Length: 4 2\r\n\r\n", 400},
    {"length with letters", kPost + "Content-Length: 3a\r\n\r\nabc", 400},
    {"length beyond 64 bits", kPost + "Content-Length: 18446744073709551620\r\n\r\nabc", 400},
    // Lines.
    {"space before the colon", kPost + "Content-Length : 3\r\n\r\nabc", 400},
    {"space before the first name", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"obs-fold", kPost + "X: a\r\n b\r\n\r\n", 400},
    {"obs-fold of the encoding", kPost + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
    {"obs-fold with a tab", kPost + "X: a\r\n\tb\r\n\r\n", 400},
    {"bare LF after a header", kPost + "X: a\nContent-Length: 3\r\n\r\nabc", 400},
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
    {"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"LF LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"bare CR in a value", kPost + "X: a\rContent-Length: 3\r\n\r\nabc", 400},
    {"CR CR LF", kPost + "X: a\r\r\n\r\n", 400},
    {"NUL in a value", kPost + std::string("X: a\0b\r\n\r\n", 10), 400},
    {"NUL in a name", kPost + std::string("X\0: ab\r\n\r\n", 10), 400},
    {"header without a name", kPost + ": a\r\n\r\n", 400},
    {"header without a colon", kPost + "abc\r\n\r\n", 400},
    // Request line.
    {"no version", "GET /\r\n\r\n", 400},
    {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400},
    {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400},
    {"version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400},
    {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"space inside the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"target that is no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"authority form", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01", 6), 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"other expectation", kPost + "Expect: 200-ok\r\n\r\n", 417},
    // Chunks.
    {"chunk without a size", kChunked + "\r\nabc\r\n0\r\n\r\n", 400},
    {"chunk size is no number", kChunked + "x\r\n", 400},
    {"chunk size with 0x", kChunked + "0x3\r\nabc\r\n0\r\n\r\n", 400},
    {"chunk size with a sign", kChunked + "+3\r\nabc\r\n0\r\n\r\n", 400},
    {"chunk size beyond 64 bits", kChunked + "11111111111111111\r\n", 400},
    {"chunk size with space in front", kChunked + " 3\r\nabc\r\n0\r\n\r\n", 400},
    {"chunk size with space behind", kChunked + "3 \r\nabc\r\n0\r\n\r\n", 400},
    {"chunk size with bare LF", kChunked + "3\nabc\r\n0\r\n\r\n", 400},
    {"extension with bare LF", kChunked + "3;a\nabc\r\n0\r\n\r\n", 400},
    {"extension with bare CR", kChunked + "3;a\rb\r\nabc\r\n0\r\n\r\n", 400},
    {"extension too long", kChunked + "3;" + std::string(2000, 'a') + "\r\nabc\r\n0\r\n\r\n", 400},
    {"chunk longer than its size", kChunked + "3\r\nabcd\r\n0\r\n\r\n", 400},
    {"chunk that ends with bare LF", kChunked + "3\r\nabc\n0\r\n\r\n", 400},
    {"chunk that ends with other bytes", kChunked + "3\r\nabcXX0\r\n\r\n", 400},
    {"trailer without a colon", kChunked + "0\r\nabc\r\n\r\n", 400},
    {"trailer with bare LF", kChunked + "0\r\nX: a\n\r\n", 400},
    {"trailer that continues", kChunked + "0\r\nX: a\r\n b\r\n\r\n", 400},
};

TEST(RequestReader, RefusesWhatTwoParsersCouldReadDifferently) {
  for (const auto& c : kRefused) {
    for (std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
      const Read read = read_all(c.input, piece);
      EXPECT_EQ(read.refused, c.status) << c.name << " in pieces of " << piece << ": " << read.message;
      EXPECT_TRUE(read.requests.empty()) << c.name;
      EXPECT_FALSE(read.message.empty()) << c.name;
    }
  }
}

TEST(RequestReader, KeepsTheNamedLimits) {
  RequestLimits limits;
  limits.header_bytes_max = 1000;
  limits.headers_max = 20;
  limits.body_bytes_max = 100;
  std::string many;
  for (int i = 0; i < 25; ++i) many += "X: y\r\n";
  const std::string to_1000 = std::string(1000 - (kPost.size() + 3 + 4), 'a');
  const struct {
    const char* name;
    std::string input;
    int status;
  } cases[] = {
      {"header at the limit", kPost + "X: " + to_1000 + "\r\n\r\n", 0},
      {"header over the limit", kPost + "X: " + to_1000 + "a\r\n\r\n", 431},
      {"header without end", kPost + "X: " + std::string(2000, 'a'), 431},
      {"target without end", "GET /" + std::string(2000, 'a'), 431},
      {"too many headers", kPost + many + "\r\n", 431},
      {"body at the limit", kPost + "Content-Length: 100\r\n\r\n" + std::string(100, 'b'), 0},
      {"body over the limit", kPost + "Content-Length: 101\r\n\r\n", 413},
      {"chunks at the limit",
       kChunked + "32\r\n" + std::string(50, 'b') + "\r\n32\r\n" + std::string(50, 'b') + "\r\n0\r\n\r\n", 0},
      {"chunks over the limit", kChunked + "32\r\n" + std::string(50, 'b') + "\r\n33\r\n", 413},
      {"one chunk over the limit", kChunked + "ffffffffffffffff\r\n", 413},
      {"trailers over the limit",
       kChunked + "0\r\nX: " + std::string(900, 'a') + "\r\nX: " + std::string(900, 'a') + "\r\n", 431},
      {"trailer without end", kChunked + "0\r\nX: " + std::string(2000, 'a'), 431},
  };
  for (const auto& c : cases) {
    for (std::size_t piece : {std::size_t{1}, std::size_t{100'000}}) {
      const Read read = read_all(c.input, piece, limits);
      EXPECT_EQ(read.refused, c.status) << c.name << " in pieces of " << piece << ": " << read.message;
      EXPECT_EQ(read.requests.size(), c.status == 0 ? 1u : 0u) << c.name;
    }
  }
}

TEST(RequestReader, SaysWhatWasSent) {
  const Read read =
      read_all("POST http://shop.example/hooks/a%20b?x=1 HTTP/1.1\r\nHost: b\r\nX-One: 1\r\nx-one:  2 \r\n\r\n", 4096);
  ASSERT_EQ(read.requests.size(), 1u);
  const auto& request = read.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/hooks/a%20b?x=1");
  EXPECT_EQ(request.headers, (Headers{{"Host", "b"}, {"X-One", "1"}, {"x-one", "2"}}));
}

TEST(RequestReader, TellsWhetherTheConnectionStays) {
  const struct {
    const char* input;
    bool keep_alive, http10, head, expects;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false, false, false},
      {"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, x\r\n\r\n", true, false, true, false},
      {"GET / HTTP/1.0\r\n\r\n", false, true, false, false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true, false, false},
      {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true, false, false, true},
      {"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false, true, false, false},
  };
  for (const auto& c : cases) {
    RequestReader reader({});
    reader.feed(c.input);
    EXPECT_EQ(reader.keep_alive(), c.keep_alive) << c.input;
    EXPECT_EQ(reader.is_http10(), c.http10) << c.input;
    EXPECT_EQ(reader.is_head(), c.head) << c.input;
    EXPECT_EQ(reader.wants_continue(), c.expects) << c.input;
  }
}

}  // namespace
}  // namespace tieline::http
