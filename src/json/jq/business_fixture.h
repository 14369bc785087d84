// What tests of the functions beyond jq share: a program run once, with all that it gives as one text.
#pragma once

#include "json/program_fixture.h"

namespace tieline::json {

// All outputs, printed and separated by a space; or the error.
inline std::string ran_in(const std::string& zone, std::string_view source, std::string input = "null",
                          const RunLimits& limits = {}) {
  const auto program = compile(source, {}, {}, {.zone = zone});
  if (!program) return "does not compile: " + program.error().text();
  const auto document = parse(std::move(input));
  if (!document) return "the input is no JSON: " + document.error().text();
  const auto outputs = (*program)->run(*document, {}, limits);
  if (!outputs) return outputs.error().text();
  std::string text;
  for (const Document& output : *outputs) text += (text.empty() ? "" : " ") + print(output.root());
  return text;
}

// On a text, which is easier to read than its JSON.
inline std::string ran_on(std::string_view source, std::string_view text) {
  return ran(source, print(make_string(text).root()));
}
// The one output, a text.
inline std::string text_of(std::string_view source, std::string input) {
  const std::string shown = ran(source, std::move(input));
  const auto document = parse(shown);
  return document && document->root().is_string() ? std::string(document->root().as_string()) : shown;
}

struct Case {
  std::string_view source;
  const char* input;
  std::string_view output;
};

}  // namespace tieline::json
