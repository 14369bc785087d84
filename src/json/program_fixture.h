// What tests of the mapping language share: a program run once, with all that it gives as one text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/program.h"

namespace tieline::json {

using ::testing::HasSubstr;

inline Document parsed(std::string text) {
  auto document = parse(text);
  EXPECT_TRUE(document) << text;
  return document ? *document : Document();
}

struct Bound {
  std::vector<std::string> names;
  std::vector<Document> values;
};

inline Bound bound(std::initializer_list<std::pair<std::string, std::string>> variables) {
  Bound b;
  for (const auto& [name, text] : variables) {
    b.names.push_back(name);
    b.values.push_back(parsed(text));
  }
  return b;
}

// All outputs, printed and separated by a space; or "error: …".
inline std::string ran(std::string_view source, std::string input = "null", const Bound& with = {}) {
  const auto program = compile(source, with.names);
  if (!program) return "does not compile: " + program.error().text();
  const auto outputs = (*program)->run(parsed(std::move(input)), with.values);
  if (!outputs) return outputs.error().text();
  std::string text;
  for (const Document& output : *outputs) text += (text.empty() ? "" : " ") + print(output.root());
  return text;
}

}  // namespace tieline::json
