#include "json/text_builder.h"

#include <gtest/gtest.h>

namespace tieline::json {
namespace {

TEST(TextBuilder, SeparatesWhatStandsSideBySide) {
  TextBuilder out;
  out.begin_object().key("a").begin_array().integer(-1).boolean(true).begin_array().end_array().end_array();
  out.key("b").begin_object().end_object().key("c").copy(parse("[1.10,{}]")->root()).end_object();
  EXPECT_EQ(out.finish(), R"({"a":[-1,true,[]],"b":{},"c":[1.10,{}]})");
  EXPECT_EQ(out.begin_array().end_array().finish(), "[]") << "usable again";
}

// Every text comes back as it was, but for bytes that are no UTF-8.
TEST(TextBuilder, WhatItWritesParses) {
  std::string all;
  for (char c = 1; c < 0x7F; ++c) all += c;
  all += '\x7F';
  for (const std::string& text :
       {std::string(), all, all + all, std::string("\0nul", 4), std::string("süß €😀 and more text")}) {
    const auto back = parse(TextBuilder().string(text).finish());
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->root().as_string(), text);
  }
  EXPECT_EQ(TextBuilder().string("a\xFFz\xC3").finish(), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
}

TEST(Builder, SharesWithoutACopyAndKeepsAlive) {
  Document whole;
  {
    const Document part = *parse(R"({"id":12345678901234567890,"list":[1,2]})");
    Builder out;
    whole = out.begin_object().key("data").share(part).key("n").share(make_integer(1)).end_object().finish();
    EXPECT_EQ(whole.root()["data"]["list"].node(), part.root()["list"].node());
    EXPECT_FALSE(out.begin_array().end_array().finish().has_inexact_numbers()) << "nothing is left of it";
  }
  EXPECT_TRUE(whole.has_inexact_numbers());
  EXPECT_EQ(print(whole.root()), R"({"data":{"id":12345678901234567890,"list":[1,2]},"n":1})");
}

// A copy of an object that is looked up by its index is looked up by it, too.
TEST(Builder, CopiesLargeObjectsWithTheirIndex) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":" + std::to_string(i);
  const Document copy = Builder().copy(parse(text + "}")->root()).finish();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(copy.root()["k" + std::to_string(i)].as_int64(), i);
}

}  // namespace
}  // namespace tieline::json
