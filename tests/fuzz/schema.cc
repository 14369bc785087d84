// A schema in the first line, a document in the rest: it compiles or says where it is wrong, and both ways of asking
// give one answer, within their limits.
#include "json/schema.h"

#include <algorithm>

#include "target.h"

namespace tieline::fuzz {

void run(std::string_view bytes) {
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  const auto schema = json::parse(std::string(bytes.substr(0, line)));
  if (!schema) return;
  std::vector<json::SchemaProblem> problems;
  const auto compiled = json::compile_schema(*schema, {.uri = "s", .assert_formats = true}, problems);
  bool errors = false;
  for (const json::SchemaProblem& problem : problems) {
    CHECK(!problem.message.empty());
    errors = errors || !problem.warning;
  }
  CHECK((compiled == nullptr) == errors);
  const auto document = json::parse(std::string(bytes.substr(std::min(line + 1, bytes.size()))));
  if (compiled == nullptr || !document) return;
  const json::SchemaLimits limits{.faults_max = 5, .depth_max = 100, .steps_max = 20'000};
  const auto faults = compiled->check(document->root(), limits);
  CHECK(faults.size() <= limits.faults_max);
  CHECK(compiled->fits(document->root(), limits) == faults.empty());
}

}  // namespace tieline::fuzz
