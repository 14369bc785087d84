// `tieline map --bench`: how long parsing, running and printing take.
// It must never print what the program gives.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/program.h"

namespace tieline::cli {

struct BenchedMap {
  const json::Program& program;
  std::span<const json::Document> variables;
  const json::RunLimits& limits;
  json::PrintStyle style;
};

// Works on the files' documents again and again for about a second, and prints the fastest rounds' times of the
// processor. kNotFound when a file cannot be read or holds no documents, else what is wrong with one, or what the
// program fails with.
Result<void> bench_map(const BenchedMap& map, const std::vector<std::string>& files);

}  // namespace tieline::cli
