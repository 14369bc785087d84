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

// What run_one and run_into give, where that is not what run gave; else empty.
inline std::string differs_alone(const Program& program, const Document& input, const std::vector<Document>& variables,
                                 const Result<std::vector<Document>>& outputs) {
  const auto alone = program.run_one(input, variables);
  Builder out;
  out.begin_array();
  const auto put = program.run_into(out, input, variables);
  const auto said = [](const auto& result) { return result ? std::string("a value") : result.error().text(); };
  if (said(alone) != said(put)) return "run_one: " + said(alone) + ", run_into: " + said(put);
  if (!outputs) return said(alone) == said(outputs) ? "" : "run_one: " + said(alone) + ", run: " + said(outputs);
  if (alone.has_value() != (outputs->size() == 1)) return "run_one: " + said(alone);
  if (!alone) return "";
  const Document whole = out.end_array().finish();
  for (const Value value : {alone->root(), whole.root().at(0)}) {
    if (print(value) != print(outputs->front().root())) return print(value) + ", not " + print(outputs->front().root());
  }
  const bool inexact = outputs->front().has_inexact_numbers();
  const bool same = alone->has_inexact_numbers() == inexact && whole.has_inexact_numbers() == inexact;
  return same ? "" : "inexact numbers in one, and not in the other";
}

// All outputs, printed and separated by a space; or "error: …".
inline std::string ran(std::string_view source, std::string input = "null", const Bound& with = {}) {
  const auto program = compile(source, with.names);
  if (!program) return "does not compile: " + program.error().text();
  const Document given = parsed(std::move(input));
  const auto outputs = (*program)->run(given, with.values);
  EXPECT_EQ(differs_alone(**program, given, with.values, outputs), "") << source;
  if (!outputs) return outputs.error().text();
  std::string text;
  for (const Document& output : *outputs) text += (text.empty() ? "" : " ") + print(output.root());
  return text;
}

}  // namespace tieline::json
