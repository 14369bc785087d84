#include "store/fold.h"

#include <algorithm>

namespace tieline::store {

std::uint64_t* counter(FlowCounts& counts, RunState state) {
  switch (state) {
    case RunState::kRunning: return &counts.running;
    case RunState::kRetrying: return &counts.retrying;
    case RunState::kParked: return &counts.parked;
    case RunState::kHeld: return &counts.held;
    case RunState::kDelivered: return &counts.delivered;
    case RunState::kSkipped: return &counts.skipped;
    case RunState::kStale: return &counts.stale;
    case RunState::kDead: return &counts.dead;
    case RunState::kDiscarded: return &counts.discarded;
    case RunState::kWaiting: return &counts.waiting;
    case RunState::kCancelled: return &counts.cancelled;
  }
  return nullptr;
}

RunStatus fold_record(const std::optional<RunStatus>& before, const Record& record) {
  RunStatus after;
  if (before) {
    after = *before;
  } else {
    after.run = record.run;
    after.changed = record.at;
  }
  after.records = std::max(after.records, record.number);
  if (record.kind == RecordKind::kState) {
    after.state = record.state;
    after.changed = record.at;
    after.due = record.due;
    after.lane = record.lane;
    after.summary = record.summary;
  }
  return after;
}

void fold_counts(FlowCounts& counts, const std::optional<RunStatus>& before, const RunStatus& after) {
  if (before && before->state == after.state) return;
  if (before && !is_terminal(before->state)) --*counter(counts, before->state);
  ++*counter(counts, after.state);
}

bool matches(const RunQuery& query, const RunStatus& status) {
  if (query.flow && *query.flow != status.run.flow) return false;
  if (status.run.event <= query.after || status.changed < query.since) return false;
  return query.states.empty() ||
         std::find(query.states.begin(), query.states.end(), status.state) != query.states.end();
}

void sort_runs(const RunQuery& query, std::vector<RunStatus>& runs) {
  std::sort(runs.begin(), runs.end(), [&query](const RunStatus& a, const RunStatus& b) {
    const auto key = [](const RunStatus& s) { return std::pair(s.run.event, s.run.flow); };
    return query.newest_first ? key(b) < key(a) : key(a) < key(b);
  });
}

}  // namespace tieline::store
