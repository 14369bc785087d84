#include "sandbox/form.h"

#include <gtest/gtest.h>

namespace tieline::sandbox {
namespace {

TEST(Form, BracketsBecomeNestedValues) {
  const struct {
    const char *text, *expected;
  } cases[] = {
      {"", "{}"},
      {"a=1&b=two+words&c=%C3%A4", R"({"a":"1","b":"two words","c":"ä"})"},
      {"a[b]=1&a[c][d]=2", R"({"a":{"b":"1","c":{"d":"2"}}})"},
      {"a[]=1&a[]=2", R"({"a":["1","2"]})"},
      {"expand%5B%5D=x", R"({"expand":["x"]})"},
      {"a=1&a=2", R"({"a":"2"})"},
      {"a", R"({"a":""})"},
      {"a[b=1", R"({"a":"1"})"},
      {"a=%zz&b=1", R"({"b":"1"})"},
  };
  for (const auto& one : cases) EXPECT_EQ(json::print(form_document(one.text).root()), one.expected) << one.text;
}

}  // namespace
}  // namespace tieline::sandbox
