// The rules by which records become run states and counts: one copy, used by every store and by the fold on disk. They
// must never depend on when or where they are applied.
#pragma once

#include <functional>
#include <optional>

#include "core/journal.h"

namespace tieline::store {

struct RunIdHash {
  std::size_t operator()(const RunId& run) const noexcept {
    std::uint64_t mixed = run.event.value * 0x9E3779B97F4A7C15u ^ run.flow.value * 0xC2B2AE3D27D4EB4Fu;
    return mixed ^ (mixed >> 29);
  }
};

// `status` after `record` (of that run); `before` is nothing for the run's first record.
RunStatus fold_record(const std::optional<RunStatus>& before, const Record& record);
// The flow's counts after a run went from `before` to `after`.
void fold_counts(FlowCounts& counts, const std::optional<RunStatus>& before, const RunStatus& after);

// The count of runs in that state; null for a state that is none, as a damaged page may have it.
std::uint64_t* counter(FlowCounts& counts, RunState state);

// Whether `query` asks for the run.
bool matches(const RunQuery& query, const RunStatus& status);
// In the order that `query` asks for: by event, then flow.
void sort_runs(const RunQuery& query, std::vector<RunStatus>& runs);

}  // namespace tieline::store
