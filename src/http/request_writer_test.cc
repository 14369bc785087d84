#include "http/request_writer.h"

#include <gtest/gtest.h>

#include <string>

namespace tieline::http {
namespace {

std::string head(const Request& request, std::string_view agent = "") {
  const auto url = parse_url(request.url);
  EXPECT_TRUE(url) << request.url;
  std::string out;
  const auto appended = append_request_head(out, request, *url, agent);
  EXPECT_TRUE(appended) << appended.error().text();
  return out;
}

TEST(RequestWriter, NamesTheHostWithThePortThatIsNotUsual) {
  const struct {
    const char *url, *expected;
  } cases[] = {
      {"http://a.example", "GET / HTTP/1.1\r\nHost: a.example\r\n"},
      {"http://a.example:80/b", "GET /b HTTP/1.1\r\nHost: a.example\r\n"},
      {"https://a.example:80/b", "GET /b HTTP/1.1\r\nHost: a.example:80\r\n"},
      {"https://a.example:443?c", "GET /?c HTTP/1.1\r\nHost: a.example\r\n"},
      {"http://a.example:/", "GET / HTTP/1.1\r\nHost: a.example\r\n"},
      {"http://[::1]/", "GET / HTTP/1.1\r\nHost: [::1]\r\n"},
      {"http://[::1]:80/", "GET / HTTP/1.1\r\nHost: [::1]\r\n"},
      {"http://[::1]:81/", "GET / HTTP/1.1\r\nHost: [::1]:81\r\n"},
  };
  for (const auto& c : cases) {
    Request request;
    request.url = c.url;
    EXPECT_EQ(head(request), std::string(c.expected) + "Accept: */*\r\n\r\n") << c.url;
  }
}

TEST(RequestWriter, SendsTheRequestsHeadersInsteadOfItsOwn) {
  Request request{.method = "POST", .url = "http://a.example/", .body = "{}"};
  EXPECT_EQ(head(request, "tieline"),
            "POST / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: tieline\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n");
  request.headers = {{"X", "  y "}, {"host", "b"}, {"accept", "text/csv"},   {"user-agent", ""},
                     {"Z", " "},    {"x", "y"},    {"content-LENGTH", "99"}, {"Transfer-encoding", "chunked"}};
  EXPECT_EQ(head(request, "tieline"),
            "POST / HTTP/1.1\r\nX:   y \r\nhost: b\r\naccept: text/csv\r\nuser-agent:\r\nZ:\r\nx: y\r\n"
            "Content-Length: 2\r\n\r\n");
}

TEST(RequestWriter, SaysTheLengthOfWhatMayHaveABody) {
  const struct {
    const char *method, *body, *length;
  } cases[] = {{"GET", "", ""},   {"GET", "x", "1"}, {"HEAD", "x", ""},  {"DELETE", "", ""}, {"DELETE", "xy", "2"},
               {"POST", "", "0"}, {"PUT", "", "0"},  {"PATCH", "", "0"}, {"OPTIONS", "", ""}};
  for (const auto& c : cases) {
    Request request{.method = c.method, .url = "http://a/", .body = c.body};
    const std::string text = head(request);
    const std::string line = std::string("Content-Length: ") + c.length + "\r\n";
    EXPECT_EQ(text.find("Content-Length") != std::string::npos, *c.length != '\0') << c.method;
    if (*c.length == '\0') continue;
    EXPECT_NE(text.find(line), std::string::npos) << c.method;
  }
}

}  // namespace
}  // namespace tieline::http
