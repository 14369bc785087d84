#include "http/reply_writer.h"

#include <gtest/gtest.h>

namespace tieline::http {
namespace {

std::string written(const Reply& reply, ReplyFraming framing = {}) {
  framing.date = "DATE";
  std::string out;
  append_reply(out, reply, framing);
  return out;
}

TEST(ReplyWriter, WritesStatusHeadersAndBody) {
  EXPECT_EQ(written(Reply{200, {{"Content-Type", "application/json"}}, "{}"}),
            "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(ReplyWriter, FramesEachKindOfReply) {
  ReplyFraming head, close, old;
  head.head = true;
  close.keep_alive = false;
  old.http10 = true;
  const struct {
    const char* name;
    Reply reply;
    ReplyFraming framing;
    const char* expected;
  } cases[] = {
      {"HEAD", {200, {}, "abc"}, head, "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Length: 3\r\n\r\n"},
      {"close",
       {200, {}, ""},
       close,
       "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
      {"HTTP/1.0",
       {200, {}, ""},
       old,
       "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
      {"204 has no body", {204, {}, "abc"}, {}, "HTTP/1.1 204 No Content\r\nDate: DATE\r\n\r\n"},
      {"unknown status", {299, {}, ""}, {}, "HTTP/1.1 299 \r\nDate: DATE\r\nContent-Length: 0\r\n\r\n"},
      {"framing headers are ours",
       {200, {{"content-length", "9"}, {"Transfer-Encoding", "chunked"}}, "a"},
       {},
       "HTTP/1.1 200 OK\r\nDate: DATE\r\nContent-Length: 1\r\n\r\na"},
  };
  for (const auto& c : cases) EXPECT_EQ(written(c.reply, c.framing), c.expected) << c.name;
}

TEST(ReplyWriter, AHeaderCannotBeginAnother) {
  EXPECT_EQ(written(Reply{200, {{"X\r\nA", "b\r\nSet-Cookie: c\n"}}, ""}),
            "HTTP/1.1 200 OK\r\nDate: DATE\r\nX  A: b  Set-Cookie: c \r\nContent-Length: 0\r\n\r\n");
}

TEST(ReplyWriter, WritesDatesAsHttpDoes) {
  EXPECT_EQ(http_date(Time(784111777s)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(Time(0s)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(Time(1709164800s + 999ms)), "Thu, 29 Feb 2024 00:00:00 GMT");
}

}  // namespace
}  // namespace tieline::http
