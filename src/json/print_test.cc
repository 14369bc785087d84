// Printing documents, compactly and for people.
#include <gtest/gtest.h>

#include "json/value.h"

namespace tieline::json {
namespace {

Document parsed(std::string text) {
  auto document = parse(text);
  EXPECT_TRUE(document) << text;
  return document ? *document : Document();
}

TEST(Print, EscapesWhatMustBe) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  const std::string printed = print(make_string(all).root());
  EXPECT_EQ(
      printed,
      "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011"
      "\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f "
      "!\\\"#$%&'()*+,"
      "-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7F\"");
  EXPECT_EQ(parsed(printed).root().as_string(), all);
}

TEST(Print, LongTextsAndManyEscapes) {
  for (const std::size_t size : {4000u, 4095u, 4096u, 4097u, 20'000u}) {
    const std::string clean(size, 'a');
    EXPECT_EQ(print(make_string(clean).root()), '"' + clean + '"');
    const std::string lines(size, '\n');
    EXPECT_EQ(parsed(print(make_string(lines).root())).root().as_string(), lines);
  }
  std::string out = "kept ";
  print_to(out, parsed("[1]").root());
  EXPECT_EQ(out, "kept [1]");
}

TEST(Print, Styles) {
  const Document document = parsed(R"({"b":[1,{"c":null}],"a":"x","e":[],"f":{}})");
  EXPECT_EQ(
      print(document.root(), PrintStyle{}),
      "{\n  \"b\": [\n    1,\n    {\n      \"c\": null\n    }\n  ],\n  \"a\": \"x\",\n  \"e\": [],\n  \"f\": {}\n}");
  EXPECT_EQ(
      print(document.root(), {.indent = -1, .sort_keys = true}),
      "{\n\t\"a\": \"x\",\n\t\"b\": [\n\t\t1,\n\t\t{\n\t\t\t\"c\": null\n\t\t}\n\t],\n\t\"e\": [],\n\t\"f\": {}\n}");
  EXPECT_EQ(print(document.root(), {.indent = 0, .sort_keys = true}), R"({"a":"x","b":[1,{"c":null}],"e":[],"f":{}})");
}

TEST(Print, ColorsAsJqDoes) {
  // What `jq -C -c .` of version 1.6 writes.
  const Document document = parsed(R"({"a":[1,{"b":null}],"c":"x","e":[],"f":{},"t":true})");
  std::string expected =
      "^1;39m{^0m^34;1m\"a\"^0m^1;39m:^0m^1;39m[^0;39m1^0m^1;39m,^1;39m{^0m^34;1m\"b\"^0m^1;39m:^0m^1;30mnull^0m^1;39m^"
      "1;39m}^0m"
      "^1;39m^1;39m]^0m^1;39m,^0m^34;1m\"c\"^0m^1;39m:^0m^0;32m\"x\"^0m^1;39m,^0m^34;1m\"e\"^0m^1;39m:^0m^1;39m[]^0m^1;"
      "39m,^0m"
      "^34;1m\"f\"^0m^1;39m:^0m^1;39m{}^0m^1;39m,^0m^34;1m\"t\"^0m^1;39m:^0m^0;39mtrue^0m^1;39m^1;39m}^0m";
  for (std::size_t at = 0; (at = expected.find('^', at)) != std::string::npos;) expected.replace(at, 1, "\x1b[");
  EXPECT_EQ(print(document.root(), {.indent = 0, .color = true}), expected);
}

}  // namespace
}  // namespace tieline::json
