// Why runs stand as they do, made equal where only the values differ: what a thousand dead letters have in common. It
// must never hide which call or which rule it was.
#pragma once

#include <string>
#include <string_view>

#include "core/journal.h"

namespace tieline::engine {

struct Cause {
  std::string category;  // "validation"; of a held run the hold's name
  std::string message;   // numbers, ids, quoted values and addresses are "#"
  std::string id;        // "3f2a90c1": the same for the same flow, category and message
};

// `summary`: as a dead or held run has it, "CATEGORY: TEXT".
Cause cause_of(std::string_view flow, std::string_view summary);

// Which causes: all that fit everything given.
struct CauseSelection {
  std::string_view group;       // Cause::id
  std::string_view category;    // Cause::category
  std::string_view text;        // a part of the summary
  std::string_view connection;  // the call's
  bool empty() const { return group.empty() && category.empty() && text.empty() && connection.empty(); }
};
// Whether the run stands on such a cause. Only dead and held runs have one: of others nothing but an empty selection
// is true.
bool matches(const CauseSelection& select, std::string_view flow, const RunStatus& status);

}  // namespace tieline::engine
