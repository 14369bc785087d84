#include "http/url.h"

#include <gtest/gtest.h>

#include <string>

namespace tieline::http {
namespace {

TEST(Url, IsTakenApart) {
  const struct {
    const char *text, *authority, *host;
    std::uint16_t port;
    const char* target;
    bool https;
  } cases[] = {
      {"http://a.example/b", "a.example", "a.example", 80, "/b", false},
      {"HTTPS://A.example", "A.example", "A.example", 443, "", true},
      {"https://a:8443/b?c=d#e", "a:8443", "a", 8443, "/b?c=d", true},
      {"http://a?c=/d", "a", "a", 80, "?c=/d", false},
      {"http://a#/b", "a", "a", 80, "", false},
      {"http://a:/b", "a:", "a", 80, "/b", false},
      {"http://a_b-c.d./x/../y//z", "a_b-c.d.", "a_b-c.d.", 80, "/x/../y//z", false},
      {"http://[::1]:81/b", "[::1]:81", "::1", 81, "/b", false},
      {"http://[::ffff:127.0.0.1]/b", "[::ffff:127.0.0.1]", "::ffff:127.0.0.1", 80, "/b", false},
      {"http://a/@b", "a", "a", 80, "/@b", false},
      {"http://a/\xc3\xa4?\xc3\xa4", "a", "a", 80, "/\xc3\xa4?\xc3\xa4", false},
  };
  for (const auto& c : cases) {
    const auto url = parse_url(c.text);
    ASSERT_TRUE(url) << c.text << ": " << url.error().text();
    EXPECT_EQ(url->https, c.https) << c.text;
    EXPECT_EQ(url->authority, c.authority) << c.text;
    EXPECT_EQ(url->host, c.host) << c.text;
    EXPECT_EQ(url->port, c.port) << c.text;
    EXPECT_EQ(url->target, c.target) << c.text;
  }
}

TEST(Url, RefusesWhatAnotherMightReadDifferently) {
  const std::string malformed = "the url is malformed", user = "the url must not carry a user name",
                    scheme = "the url is neither http nor https";
  const struct {
    std::string text, message;
  } cases[] = {
      {"", malformed},
      {"a.example/b", malformed},
      {"//a.example/b", malformed},
      {"://a", malformed},
      {"http:/a", malformed},
      {"http:///b", malformed},
      {"http://:80/b", malformed},
      {"http://a b/", malformed},
      {"http://a/b c", malformed},
      {"http://a/b\tc", malformed},
      {"http://a/b\r\nX: y", malformed},
      {std::string("http://a/b\0c", 12), malformed},
      {"http://a/b\x7f", malformed},
      {"http://a\\b/", malformed},
      {"http://a%2eb/", malformed},
      {"http://a,b/", malformed},
      {"http://a:b/", malformed},
      {"http://a:80:80/", malformed},
      {"http://a:65536/", malformed},
      {"http://a:0/", malformed},
      {"http://a:-1/", malformed},
      {"http://[::1/", malformed},
      {"http://[::1]a/", malformed},
      {"http://[]/", malformed},
      {"http://[a.example]/", malformed},
      {"http://[127.0.0.1]/", malformed},
      {"http://[::1::2]/", malformed},
      {"http://./", malformed},
      {"https://..:443/", malformed},
      {"http://[fe80::1%25eth0]/", malformed},
      {"http://::1/", malformed},
      {"http://b@a/", user},
      {"http://b:c@a/", user},
      {"http://@a/", user},
      {"http://a\\@b/", user},
      {"ftp://a/", scheme},
      {"file:///etc/passwd", scheme},
      {"javascript://a/", scheme},
  };
  for (const auto& c : cases) {
    const auto url = parse_url(c.text);
    ASSERT_FALSE(url) << c.text;
    EXPECT_EQ(url.error().code, Code::kInvalid) << c.text;
    EXPECT_EQ(url.error().message, c.message) << c.text;
  }
  const auto other = parse_url("http://m\xc3\xbcnchen.example/");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("is not ASCII"), std::string::npos);
}

TEST(Url, MessagesNameHostAndPortOnly) {
  EXPECT_EQ(host_and_port("http://a.example/secret?token=1"), "a.example:80");
  EXPECT_EQ(host_and_port("https://user:word@a.example/"), "a.example:443");
  EXPECT_EQ(host_and_port("https://[::1]:81/"), "[::1]:81");
  EXPECT_EQ(host_and_port("http://[::1]/"), "[::1]:80");
  EXPECT_EQ(host_and_port("secret"), "the url");
}

}  // namespace
}  // namespace tieline::http
