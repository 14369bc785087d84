// Why runs stand as they do, made equal where only the values differ: what a thousand dead letters have in common. It
// must never hide which call or which rule it was.
#pragma once

#include <string>
#include <string_view>

namespace tieline::engine {

struct Cause {
  std::string category;  // "validation"; of a held run the hold's name
  std::string message;   // numbers, ids, quoted values and addresses are "#"
  std::string id;        // "3f2a90c1": the same for the same flow, category and message
};

// `summary`: as a dead or held run has it, "CATEGORY: TEXT".
Cause cause_of(std::string_view flow, std::string_view summary);

}  // namespace tieline::engine
