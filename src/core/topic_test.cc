#include "core/topic.h"

#include <gtest/gtest.h>

namespace tieline {
namespace {

TEST(Topic, IsWordsWithDots) {
  for (const char* good : {"orders", "customer.created", "a.b.c.d", "A-1_b.2"}) EXPECT_TRUE(check_topic(good)) << good;
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a b", "a/b", "ä", "a.*", "a.>", "a\n"}) {
    EXPECT_FALSE(check_topic(bad)) << bad;
  }
  EXPECT_TRUE(check_topic(std::string(kTopicBytesMax, 'a')));
  EXPECT_FALSE(check_topic(std::string(kTopicBytesMax + 1, 'a')));
}

TEST(Topic, IsReadFromTheSourceOfWhatAFlowPublished) {
  EXPECT_EQ(topic_of("topic/customer.created"), "customer.created");
  EXPECT_EQ(topic_of("shopify"), std::nullopt);
  EXPECT_EQ(topic_of("topic"), std::nullopt);
  EXPECT_EQ(topic_of("manual/f"), std::nullopt);
}

TEST(TopicPattern, MatchesAsNatsDoes) {
  struct Case {
    const char* pattern;
    const char* topic;
    bool matches;
  };
  const Case cases[] = {
      {"a.b", "a.b", true},     {"a.b", "a.b.c", false},   {"a.b", "a", false},  {"a.*", "a.b", true},
      {"a.*", "a", false},      {"a.*", "a.b.c", false},   {"*.b", "a.b", true}, {"*.b", "a.c", false},
      {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {"a.>", "a.b", true}, {"a.>", "a.b.c.d", true},
      {"a.>", "a", false},      {"a.>", "ab.c", false},    {">", "a", true},     {">", "a.b.c", true},
      {"*", "a", true},         {"*", "a.b", false},       {"*.>", "a.b", true}, {"*.>", "a", false},
      {"*.*.>", "a.b.c", true}, {"*.*.>", "a.b", false},   {"a", "", false},     {">", "", false},
  };
  for (const Case& c : cases) {
    const auto pattern = TopicPattern::parse(c.pattern);
    ASSERT_TRUE(pattern) << c.pattern;
    EXPECT_EQ(pattern->matches(c.topic), c.matches) << c.pattern << " " << c.topic;
  }
  EXPECT_FALSE(TopicPattern().matches(""));
  EXPECT_TRUE(TopicPattern::parse("a.b")->is_plain());
  EXPECT_FALSE(TopicPattern::parse("a.>")->is_plain());
}

TEST(TopicPattern, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"a.>.b", "must be the last word"}, {"cust*", "whole words"},      {"a.b>", "whole words"},
      {"", "cannot be a topic"},          {"a..b", "cannot be a topic"}, {"a.#", "write `>`"},
  };
  for (const auto& [text, why] : cases) {
    const auto pattern = TopicPattern::parse(text);
    ASSERT_FALSE(pattern) << text;
    EXPECT_NE(pattern.error().message.find(why), std::string::npos) << pattern.error().message;
  }
}

}  // namespace
}  // namespace tieline
