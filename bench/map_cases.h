// What the mapping language is measured with: programs, and the documents that they are given.
// A case must give the same values here and in libjq, or comparing their times means nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tieline::bench {

struct MapCase {
  std::string_view name;
  std::string_view source;
  std::string_view theirs;  // the same in jq 1.6, where it has no such function; else empty
  const std::string* input = nullptr;
  double gate = 0;  // how many times libjq's speed it must have at least; 0: none
};

// In the order in which they are shown. The inputs live as long as the program.
const std::vector<MapCase>& map_cases();

}  // namespace tieline::bench
