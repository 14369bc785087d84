#include "http/answer_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace tieline::http {
namespace {

using State = AnswerReader::State;
using Refusal = AnswerReader::Refusal;

constexpr AnswerLimits kLimits{.header_bytes_max = 1000, .body_bytes_max = 100};

struct Read {
  State state = State::kHeader;
  Refusal refusal = Refusal::kNone;
  bool keeps = false;
  Response response;
  std::size_t used = 0;
};

Read read(std::string_view bytes, std::size_t step, bool to_head = false, bool ends = false) {
  AnswerReader reader(kLimits, to_head);
  Read out;
  while (out.used < bytes.size()) {
    const std::string_view piece = bytes.substr(out.used, step);
    const std::size_t used = reader.feed(piece);
    out.used += used;
    if (used < piece.size()) break;
  }
  if (ends) reader.end();
  out.state = reader.state();
  out.refusal = reader.refusal();
  out.keeps = reader.keeps_connection();
  out.response = reader.response();
  return out;
}

struct Whole {
  const char* name;
  std::string answer;
  int status;
  const char* body;
  bool keeps;
  bool ends = false, to_head = false;
};

TEST(AnswerReader, ReadsAnAnswerWholeOrByteByByte) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const Whole cases[] = {
      {"with a length", ok + "Content-Length: 5\r\n\r\nhello", 200, "hello", true},
      {"with no body", ok + "Content-Length: 0\r\n\r\n", 200, "", true},
      {"without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", true},
      {"with an empty reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", 404, "", true},
      {"lines that end with LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, "hi", true},
      {"a name in other letters", ok + "CONTENT-length:2\r\n\r\nhi", 200, "hi", true},
      {"one length said twice", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true},
      {"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, "hello!", true},
      {"chunked, with extensions and trailers",
       ok + "Transfer-Encoding: Chunked\r\n\r\n05 ; a=\"b\"\r\nhello\r\n00;x\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n",
       200, "hello", true},
      {"chunked, with a length beside",
       ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, "a", false},
      {"1xx before it",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nLink: a\r\n\r\n" + ok +
           "Content-Length: 2\r\n\r\nhi",
       200, "hi", true},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
      {"204 with a length of zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", true},
      {"204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", false},
      {"204, chunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, "", false},
      {"204 behind a 1xx with a length",
       "HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
      {"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", true},
      {"304, chunked", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, "", false},
      {"to a HEAD", ok + "Content-Length: 5000\r\n\r\n", 200, "", true, false, true},
      {"to a HEAD, chunked", ok + "Transfer-Encoding: chunked\r\n\r\n", 200, "", true, false, true},
      {"until the end", ok + "\r\nhello", 200, "hello", false, true},
      {"nothing until the end", ok + "\r\n", 200, "", false, true},
      {"identity", ok + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true},
      {"that is the last", ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false},
      {"of HTTP/1.0", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false},
      {"with a line that is no header", ok + "what is this\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false},
      {"with a body at the cap", ok + "Content-Length: 00100\r\n\r\n" + std::string(100, 'x'), 200, nullptr, true},
  };
  for (const Whole& c : cases) {
    for (const std::size_t step : {c.answer.size(), std::size_t{1}, std::size_t{3}}) {
      const Read got = read(c.answer, step, c.to_head, c.ends);
      EXPECT_EQ(got.state, State::kComplete) << c.name << " by " << step;
      EXPECT_EQ(got.used, c.answer.size()) << c.name << " by " << step;
      EXPECT_EQ(got.response.status, c.status) << c.name << " by " << step;
      EXPECT_EQ(got.keeps, c.keeps) << c.name << " by " << step;
      const std::string body = c.body == nullptr ? std::string(100, 'x') : c.body;
      EXPECT_EQ(got.response.body, body) << c.name << " by " << step;
    }
  }
}

TEST(AnswerReader, RefusesWhatItCannotTrust) {
  const std::string ok = "HTTP/1.1 200 OK\r\n", chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
  const struct {
    const char* name;
    std::string answer;
    Refusal refusal;
    bool ends = false;
  } cases[] = {
      {"another protocol", "SSH-2.0-OpenSSH", Refusal::kNotHttp},
      {"another protocol, without an end", "\x15\x03\x03", Refusal::kNotHttp},
      {"HTTP/2", "HTTP/2 200\r\n\r\n", Refusal::kNotHttp},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", Refusal::kNotHttp},
      {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", Refusal::kNotHttp},
      {"a status below 100", "HTTP/1.1 099 OK\r\n\r\n", Refusal::kNotHttp},
      {"a version without a digit", "HTTP/1.x 200 OK\r\n\r\n", Refusal::kNotHttp},
      {"an empty line", "\r\n\r\n", Refusal::kNotHttp},
      {"a change of protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Refusal::kNotHttp},
      {"a NUL in a header", ok + std::string("X: a\0b\r\n", 8), Refusal::kNotHttp},
      {"a CR in a header", ok + "X: a\rY: b\r\n", Refusal::kNotHttp},
      {"a continued line before the first", ok + " X: a\r\n", Refusal::kNotHttp},
      {"a length that is no number", ok + "Content-Length: 5x\r\n\r\n", Refusal::kNotHttp},
      {"a length with a sign", ok + "Content-Length: +5\r\n\r\n", Refusal::kNotHttp},
      {"an empty length", ok + "Content-Length:\r\n\r\n", Refusal::kNotHttp},
      {"a length beyond 64 bits", ok + "Content-Length: 99999999999999999999\r\n\r\n", Refusal::kNotHttp},
      {"two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", Refusal::kNotHttp},
      {"a coding that is not known", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", Refusal::kNotHttp},
      {"a chunk without a size", chunked + "\r\n", Refusal::kBadChunks},
      {"a chunk's size with a sign", chunked + "-1\r\n", Refusal::kBadChunks},
      {"a chunk's size and more", chunked + "5 5\r\n", Refusal::kBadChunks},
      {"a chunk's size beyond 64 bits", chunked + "fffffffffffffffff\r\n", Refusal::kBadChunks},
      {"a chunk longer than its size", chunked + "1\r\nab\r\n", Refusal::kBadChunks},
      {"an endless chunk line", chunked + "1;" + std::string(5000, 'x'), Refusal::kBadChunks},
      {"a large chunk", chunked + "65\r\n", Refusal::kBodyBytes},
      {"large chunks", chunked + "64\r\n" + std::string(100, 'x') + "\r\n1\r\n", Refusal::kBodyBytes},
      {"a large length", ok + "Content-Length: 101\r\n\r\n", Refusal::kBodyBytes},
      {"a large body", ok + "\r\n" + std::string(101, 'x'), Refusal::kBodyBytes},
      {"a large header", ok + "X: " + std::string(1000, 'x'), Refusal::kHeaderBytes},
      {"many 1xx",
       [] {
         std::string all;
         while (all.size() < 1001) all += "HTTP/1.1 100 Continue\r\n\r\n";
         return all;
       }(),
       Refusal::kHeaderBytes},
      {"large trailers", chunked + "0\r\nX: " + std::string(1000, 'x'), Refusal::kHeaderBytes},
      {"many chunk extensions",
       [&] {
         std::string all = chunked;
         for (int i = 0; i < 12; ++i) all += "1;" + std::string(100, 'x') + "\r\na\r\n";
         return all;
       }(),
       Refusal::kHeaderBytes},
      {"an end before the status", "HTTP/1.1 2", Refusal::kCutShort, true},
      {"an end inside the header", ok + "X: a\r\n", Refusal::kCutShort, true},
      {"an end behind a 1xx", "HTTP/1.1 100 Continue\r\n\r\n", Refusal::kCutShort, true},
      {"an end inside the body", ok + "Content-Length: 5\r\n\r\nhell", Refusal::kCutShort, true},
      {"an end inside a chunk", chunked + "5\r\nhell", Refusal::kCutShort, true},
      {"an end before the last chunk", chunked + "1\r\na\r\n", Refusal::kCutShort, true},
      {"an end inside the trailers", chunked + "0\r\nX: a\r\n", Refusal::kCutShort, true},
  };
  for (const auto& c : cases) {
    for (const std::size_t step : {c.answer.size(), std::size_t{1}}) {
      const Read got = read(c.answer, step, false, c.ends);
      EXPECT_EQ(got.state, State::kRefused) << c.name << " by " << step;
      EXPECT_EQ(got.refusal, c.refusal) << c.name << " by " << step;
    }
  }
}

TEST(AnswerReader, HeadersStandAsTheyCame) {
  const Read got = read(
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nset-cookie:  c: d \t\r\nEmpty:\r\nLong: one\r\n\t two\r\n"
      "Content-Length: 0\r\n\r\n",
      1);
  EXPECT_EQ(got.state, State::kComplete);
  EXPECT_EQ(
      got.response.headers,
      (Headers{
          {"Set-Cookie", "a=b"}, {"set-cookie", "c: d"}, {"Empty", ""}, {"Long", "one two"}, {"Content-Length", "0"}}));
}

TEST(AnswerReader, StopsBehindTheAnswer) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  EXPECT_EQ(read(answer + "HTTP/1.1 200 OK\r\n", 1000).used, answer.size());
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  EXPECT_EQ(read(chunked + "x", 1000).used, chunked.size());
}

TEST(AnswerReader, SaysTheStatusBeforeTheHeaderIsWhole) {
  AnswerReader reader(kLimits, false);
  EXPECT_FALSE(reader.begun());
  reader.feed("HTTP/1.1 502 Bad");
  EXPECT_TRUE(reader.begun());
  EXPECT_EQ(reader.response().status, 0);
  reader.feed(" Gateway\r\nX-");
  EXPECT_EQ(reader.response().status, 502);
}

}  // namespace
}  // namespace tieline::http
