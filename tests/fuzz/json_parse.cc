// Any bytes as JSON: parse and validate give one verdict, and what is printed parses to an equal document.
#include "json/value.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

void reads_back(json::Value value, const std::string& text) {
  const auto again = json::parse(text, {.depth_max = 4096});
  CHECK(again.has_value());
  CHECK(json::equal(value, again->root()));
}

}  // namespace

void run(std::string_view bytes) {
  const auto document = json::parse(std::string(bytes));
  const auto verdict = json::validate(bytes);
  CHECK(document.has_value() == verdict.has_value());
  if (!document) {
    CHECK(document.error() == verdict.error());
    return;
  }
  const std::string text = json::print(document->root());
  reads_back(document->root(), text);
  CHECK(json::print(json::parse(text)->root()) == text);
  reads_back(document->root(), json::print(document->root(), {.indent = 3, .sort_keys = true}));
  json::Builder builder;
  CHECK(json::print(builder.copy(document->root()).finish().root()) == text);
}

}  // namespace tieline::fuzz
