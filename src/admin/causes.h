// What dead letters and held runs have in common: groups by cause, so that four thousand of one kind are one line.
// Reads only.
#pragma once

#include <string>

#include "admin/queries.h"

namespace tieline::admin {

struct CauseFilter {
  RunState state = RunState::kDead;                     // or kHeld
  std::string flow, group, category, text, connection;  // empty: all
  Time since = Time::min(), until = Time::max();        // when they became so
};
inline constexpr std::size_t kGroupsMax = 500;

// kInvalid: no dead letter and no held run has such a category; with those that there are.
Result<void> check_category(const std::string& name);

// {"total", "groups": [{"group", "flow", "category", "message", "count", "first", "last", "example": a run, "summary":
// the example's, "step": of the example, from 1}], "ungrouped": runs beyond kGroupsMax groups}; the largest group
// first. kNotFound for an unknown flow.
Async<json::Document> list_causes(Ports ports, CauseFilter filter);

}  // namespace tieline::admin
