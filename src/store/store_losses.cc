// What is lost: each event and record is counted once and told, and a run of which records may be lost is marked, so
// that the engine holds it. It must never let a run go on from an earlier record than its last.
#include <algorithm>
#include <unordered_map>

#include "store/store_core.h"

namespace tieline::store {
namespace {

// Runs of a flow that may be under way without a record that can be read: the engine has fewer of them in memory
// (EngineLimits::window), and reads events in their order.
constexpr std::size_t kBegunMax = 4096;
// Runs of which nothing is known but that they had records, although the flow had done with their events then: most
// have ended. So many are held, of one segment; beyond that, the flows would stand still for what has long been done.
constexpr std::size_t kForgottenMax = 10'000;

RunQuery unfinished() {
  RunQuery query;
  query.states = {RunState::kRunning, RunState::kRetrying, RunState::kParked, RunState::kHeld, RunState::kWaiting};
  return query;
}

}  // namespace

void StoreCore::lost(std::span<const std::uint64_t> seqs) {
  if (seqs.empty()) return;
  std::vector<std::uint64_t> fresh;
  {
    const std::lock_guard lock(mutex);
    for (const std::uint64_t seq : seqs) {
      if (!corrupt_events.add(seq)) continue;
      fresh.push_back(seq);
      for (FlowState& flow : flows) {
        if (flow.cursor.settle(Position(seq))) flow.marked = false;
      }
    }
    if (!fresh.empty()) unmarked_ = true;
  }
  for (std::size_t i = 0, next = 0; i < fresh.size(); i = next) {
    for (next = i + 1; next < fresh.size() && fresh[next] == fresh[next - 1] + 1;) ++next;
    report(next == i + 1 ? "event " + std::to_string(fresh[i]) + " is corrupt or missing: set aside"
                         : "events " + std::to_string(fresh[i]) + " to " + std::to_string(fresh[next - 1]) +
                               " are corrupt or missing: set aside");
  }
}

void StoreCore::lost_records(std::uint64_t first, std::uint64_t last) {
  if (first > last) return;
  {
    const std::lock_guard lock(mutex);
    for (std::uint64_t lsn = first; lsn <= last; ++lsn) corrupt_records.add(lsn);
  }
  report("records " + std::to_string(first) + " to " + std::to_string(last) + " are missing: set aside");
}

void StoreCore::lost_records(const SegmentReader& reader, std::uint64_t first, std::uint64_t last) {
  for (const std::uint64_t aside : reader.records_aside()) {
    if (aside < first || aside > last) continue;
    lost_records(first, aside - 1);
    first = aside + 1;
  }
  lost_records(first, last);
}

void StoreCore::lost_record(std::uint64_t lsn, const std::string& why) {
  {
    const std::lock_guard lock(mutex);
    if (!corrupt_records.add(lsn)) return;
  }
  report((why.empty() ? "record " + std::to_string(lsn) + " is corrupt" : why) + ": set aside");
}

// The run's latest status, in the hot generation, where it may be changed.
Result<const RecentRun*> StoreCore::latest(RunId run) {
  auto& hot = recent.hot().runs;
  if (const auto at = hot.find(run); at != hot.end()) return &at->second;
  RecentRun copy;
  if (const RecentRun* known = recent.run(run)) {
    copy.status = known->status;
    copy.last_lsn = known->last_lsn;
  } else {
    if (!may_be_folded(run) || !has_state_) return nullptr;
    TRY(StateReader * state, background_files_->state());
    TRY(auto folded, state->run(run));
    if (!folded) return nullptr;
    copy.status = std::move(folded->status);
    copy.last_lsn = folded->last_lsn;
  }
  return &hot.emplace(run, std::move(copy)).first->second;
}

// More records of it are known to have been written than can be read.
void StoreCore::suspect(RunId run, std::uint32_t lost, std::uint64_t last_lsn) {
  FlowState* of = flow(run.flow);
  if (of == nullptr) return;
  auto& hot = recent.hot().runs;
  const auto [at, fresh] = hot.try_emplace(run);
  RecentRun& suspected = at->second;
  if (fresh) {
    suspected.status.run = run;
    suspected.status.changed = now();
    fold_counts(of->counts, std::nullopt, suspected.status);
  }
  suspected.status.records += lost;
  suspected.last_lsn = std::max(suspected.last_lsn, last_lsn);
  ++suspects_;
}

Result<void> StoreCore::hold_for_losses(const Segment& segment, const Segment* next, bool indexed) {
  const std::uint64_t last_lsn = next == nullptr ? segment.last_lsn : next->first_lsn - 1;
  const std::uint64_t last_seq = next == nullptr ? segment.last_seq : next->first_seq - 1;
  bool known = false;
  if (indexed) {
    TRY(known, hold_owners(segment, last_lsn));
  }
  if (!known || (next != nullptr && next->loss_before)) return hold_open(segment.first_seq, last_seq);
  return {};
}

// Exactly those whose records are lost, by the index.
Result<bool> StoreCore::hold_owners(const Segment& segment, std::uint64_t last_lsn) {
  TRY(SegmentReader * reader, background_files_->segment(segment));
  auto owners = reader->owners();
  if (!owners && owners.error().code != Code::kCorrupt && owners.error().code != Code::kNotFound)
    return failure(std::move(owners.error()));
  if (!owners) return false;
  std::unordered_map<std::uint64_t, RunId> lost;
  bool right = reader->records_aside().empty();  // which no index has
  for (const auto& [lsn, run] : *owners)
    right = right && lsn >= segment.first_lsn && lsn <= last_lsn && lost.emplace(lsn, run).second;
  // The index is believed if it is right for all that can be read.
  const auto walked = reader->each_record([&](const RawRecord& row) -> Result<void> {
    if (row.kind >= kRecPut) return {};
    const auto record = row.decode();
    if (!record) return {};
    const auto at = lost.find(row.lsn);
    right = right && at != lost.end() && at->second == record->run;
    if (right) lost.erase(at);
    return {};
  });
  if (!walked && walked.error().code != Code::kCorrupt) return failure(walked.error());
  if (!right) return false;
  std::vector<std::pair<RunId, std::uint64_t>> behind;  // in the order in which they were written
  for (const auto& [lsn, run] : lost) behind.emplace_back(run, lsn);
  std::sort(behind.begin(), behind.end());
  std::size_t forgotten = 0;
  for (std::size_t i = 0, end = 0; i < behind.size(); i = end) {
    const RunId run = behind[i].first;
    for (end = i; end < behind.size() && behind[end].first == run;) ++end;
    TRY(const RecentRun* known, latest(run));
    // In front of one that is known, the numbers tell.
    std::uint32_t count = 0;
    for (std::size_t j = i; j < end; ++j) {
      const std::uint64_t lsn = behind[j].second;
      count += lsn > folded_lsn_ && (known == nullptr || lsn > known->last_lsn);
    }
    if (count == 0) continue;
    const FlowState* of = flow(run.flow);
    if (known == nullptr && of != nullptr && of->cursor.settled(run.event) && ++forgotten > kForgottenMax) continue;
    suspect(run, count, behind[end - 1].second);
  }
  if (forgotten > kForgottenMax)
    report(segment.path + ": of " + std::to_string(forgotten - kForgottenMax) +
           " runs more nothing can be read, and they are not held: most of them had ended");
  return true;
}

// All that may have had a record in what is lost. One more than is known is what each of them has at least: where the
// log goes on with that number, nothing of it was lost, and it is not held.
Result<void> StoreCore::hold_open(std::uint64_t first_seq, std::uint64_t last_seq) {
  std::vector<RunId> open;
  std::vector<RunStatus> in_memory;
  recent.collect(unfinished(), in_memory);
  for (const RunStatus& status : in_memory) open.push_back(status.run);
  if (has_state_) {
    TRY(StateReader * state, background_files_->state());
    TRY_VOID(state->runs(unfinished(), [&](FoldedRun run) {
      if (recent.run(run.status.run) == nullptr) open.push_back(run.status.run);
      return true;
    }));
  }
  for (const RunId run : open) {
    if (run.event.value > last_seq) continue;
    TRY(const RecentRun* known, latest(run));
    if (known != nullptr) suspect(run, 1, known->last_lsn);
  }
  return hold_begun(first_seq, last_seq);
}

// Events that a flow has not done with, and of which no record is known: their first one may be lost.
Result<void> StoreCore::hold_begun(std::uint64_t first_seq, std::uint64_t last_seq) {
  TRY_VOID(read_newest_marks());
  for (std::size_t i = 0; i < flows.size(); ++i) {
    if (flows[i].name.empty()) continue;
    const bool later = i < newest_flows_->size() && (*newest_flows_)[i].cursor.reach() >= flows[i].cursor.reach();
    const Cursor& newest = later ? (*newest_flows_)[i].cursor : flows[i].cursor;
    // One that had not come near was not at work, as one that is configured no more.
    if (newest.reach().value + kBegunMax < first_seq) continue;
    std::size_t begun = 0;
    for (std::uint64_t seq = newest.floor().value + 1; seq <= last_seq && begun < kBegunMax; ++seq) {
      if (newest.settled(Position(seq))) continue;
      ++begun;
      const RunId run{FlowId(static_cast<std::uint32_t>(i + 1)), Position(seq)};
      TRY(const RecentRun* known, latest(run));
      if (known == nullptr) suspect(run, 1, recent.hot().first_lsn);
    }
  }
  return {};
}

// Cursors as they were last durable: what a flow had done with by then was not under way.
Result<void> StoreCore::read_newest_marks() {
  if (newest_flows_) return {};
  auto& newest = newest_flows_.emplace();
  if (newest_ == nullptr) return {};
  TRY(SegmentReader * reader, background_files_->segment(*newest_));
  auto marks = reader->marks();
  if (!marks) return marks.error().code == Code::kCorrupt ? Result<void>() : failure(std::move(marks.error()));
  for (auto& [id, cursor] : *marks) {
    if (id.value == 0) continue;
    if (newest.size() < id.value) newest.resize(id.value);
    newest[id.value - 1].cursor = std::move(cursor);
  }
  return {};
}

}  // namespace tieline::store
