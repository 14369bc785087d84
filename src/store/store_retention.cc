// What is let go of, and when: first the data of events, then the history, last that by which a duplicate is known. It
// must never let go of anything that is still owed before it stands on disk elsewhere.
#include <algorithm>
#include <set>

#include "store/store_core.h"

namespace tieline::store {
namespace {

constexpr Duration kExpiryPause = std::chrono::minutes(1);
constexpr std::size_t kExpireAtOnce = 2000;     // entries, in one transaction
constexpr std::uint64_t kGiveBackAtOnce = 256;  // pages

}  // namespace

std::optional<Holds> StoreCore::holds_by_time(const Segment& segment) const {
  const Duration age = now() - segment.last_received;
  if (age <= std::min(options.keep_payloads, options.keep)) return Holds::kAll;
  if (age <= options.keep) return Holds::kHistory;
  if (age <= options.dedupe_window) return Holds::kKeys;
  return std::nullopt;
}

// Folded, and every configured flow is done with it.
bool StoreCore::may_go(const Segment& segment) const {
  if (segment.last_lsn > folded_lsn_ || segment.last_seq > folded_seq_) return false;
  if (!sealing_.empty() && sealing_.front().segment.path == segment.path) return false;
  return std::none_of(flows.begin(), flows.end(), [&](const FlowState& flow) {
    return flow.configured && !flow.name.empty() && flow.durable_floor.value < segment.last_seq;
  });
}

// Some of them may have ended since. Of all generations the hot one alone may change, and is walked with the lock held.
std::vector<RunId> StoreCore::working_runs() const {
  std::vector<RunId> working;
  std::vector<std::shared_ptr<const Generation>> closed;
  std::uint64_t first_seq = 0;
  const auto walk = [&](const Generation& generation) {
    for (const auto& [id, run] : generation.runs) {
      if (id.event.value < first_seq && keeps_event(run.status.state)) working.push_back(id);
    }
  };
  {
    const std::lock_guard lock(mutex);
    const auto& all = recent.generations();
    if (all.empty()) return working;
    first_seq = recent.first_seq();
    closed.assign(all.begin(), all.end() - 1);
    walk(*all.back());
  }
  for (const auto& generation : closed) walk(*generation);
  return working;
}

// The oldest segment that holds more than it has to. None holds less than the one before it, whatever the clock said
// when their events came: those before it go first.
std::optional<StoreCore::Shedding> StoreCore::shedding_by_time() const {
  for (std::size_t i = 0; i + 1 < segments->size(); ++i) {
    const Segment& segment = (*segments)[i];
    auto to = holds_by_time(segment);
    if (i > 0) to = std::min(to.value_or(Holds::kKeys), (*segments)[i - 1].holds);
    if (to == Holds::kAll) return std::nullopt;
    if (to && *to <= segment.holds) continue;
    if (!may_go(segment)) return std::nullopt;
    if (to && segment.first_lsn == irreducible_) {
      if (to == Holds::kHistory || i > 0) return std::nullopt;
      to.reset();
    }
    return Shedding{segment, to, {}, false};
  }
  return std::nullopt;
}

// Of all that is left the oldest history; what tells duplicates apart goes when there is nothing else.
std::optional<StoreCore::Shedding> StoreCore::shedding_by_size() const {
  std::uint64_t bytes = hot_bytes_seen_;
  for (const Segment& segment : *segments) bytes += segment.bytes;
  if (bytes <= options.bytes_max && !disk_low_) return std::nullopt;
  for (std::size_t i = 0; i + 1 < segments->size(); ++i) {
    const Segment& segment = (*segments)[i];
    if (segment.holds == Holds::kKeys) continue;
    if (!may_go(segment)) break;
    const bool keys_needed = now() - segment.last_received <= options.dedupe_window;
    if ((!keys_needed || segment.first_lsn == irreducible_) && i == 0) return Shedding{segment, std::nullopt, {}, true};
    return Shedding{segment, Holds::kKeys, {}, true};
  }
  const Segment& oldest = segments->front();
  if (!may_go(oldest)) return std::nullopt;
  return Shedding{oldest, std::nullopt, {}, true};
}

std::optional<StoreCore::Shedding> StoreCore::next_to_shed() {
  std::unique_lock lock(mutex);
  shedding_ = false;
  background_idle_.notify_all();
  if (segments->size() < 2 || held_back_ > 0) return std::nullopt;
  auto next = shedding_by_time();
  if (!next) next = shedding_by_size();
  if (!next) return std::nullopt;
  // One file stays, or an emptied store would look like one whose segments are missing.
  std::error_code ignored;
  if (!next->to && segments->size() == 2 && !std::filesystem::exists(segments->back().path, ignored)) {
    if (next->segment.holds == Holds::kKeys || next->segment.first_lsn == irreducible_) return std::nullopt;
    next->to = Holds::kKeys;
  }
  next->next = {(*segments)[1].first_lsn, (*segments)[1].first_seq};
  shedding_ = true;
  lock.unlock();
  next->working = working_runs();
  return next;
}

Result<void> StoreCore::retire() {
  auto done = shed_all();
  const std::lock_guard lock(mutex);
  shedding_ = false;
  background_idle_.notify_all();
  return done;
}

Result<void> StoreCore::shed_all() {
  while (auto next = next_to_shed()) {
    auto done = shed(*next);
    if (!done && done.error().code == Code::kFull && next->to && next->pressed) {
      next->to.reset();  // not even for what would be left there is room
      const std::lock_guard lock(mutex);
      if (segments->front().first_lsn != next->segment.first_lsn) return {};
    }
    if (!done && !next->to && next->pressed) done = shed(*next);
    if (!done) return failure(std::move(done.error()));
    if (!*done) return {};
  }
  return {};
}

bool StoreCore::all_known(const std::vector<RunId>& working, const Shedding& what) {
  const std::set<RunId> known(what.working.begin(), what.working.end());
  return std::all_of(working.begin(), working.end(),
                     [&](RunId run) { return run.event.value > what.segment.last_seq || known.contains(run); });
}

bool StoreCore::held_back() const {
  const std::lock_guard lock(mutex);
  return stopping_ || held_back_ > 0;
}

Result<bool> StoreCore::shed(const Shedding& what) {
  const Segment& segment = what.segment;
  const bool records = what.to != Holds::kHistory && segment.holds != Holds::kKeys;
  if (segment.holds != Holds::kKeys) {
    TRY(SegmentReader reader, SegmentReader::open(segment.path, options.vfs));
    SegmentCounts counts;
    counts.last_seq = segment.last_seq;
    TRY_VOID(state_.keep(reader, counts, what.working, records));
  }
  forget_leaving(segment.first_lsn);
  if (!what.to) TRY_VOID(note_start(what.next));
  auto written = state_.checkpoint();
  if (!written && written.error().code == Code::kUnavailable) return false;  // the next tick tries again
  TRY_VOID(std::move(written));
  TRY_VOID(sync_file(state_path()));
  std::optional<Segment> less;
  if (what.to) {
    auto made = write_sealed(segment, *what.to);
    if (!made && made.error().code == Code::kCorrupt) {
      report(segment.path + " is damaged, and stays whole until its history goes: " + made.error().message);
      const std::lock_guard lock(mutex);
      irreducible_ = segment.first_lsn;
      return true;
    }
    TRY(less, std::move(made));
  }
  // Somebody may have taken up a run meanwhile: what it needs is not kept yet.
  if (!all_known(working_runs(), what) || held_back()) {
    if (less) remove_database(less->path + kUnfinished);
    return false;
  }
  if (less) {
    TRY(less, finish_sealed(std::move(*less)));
  }
  shed_done(what, less);
  if (!less) {
    if (segment.in_use.use_count() == 1) {
      remove_database_slowly(segment.path);
    } else {
      remove_database(segment.path);
    }
  } else if (segment.path != less->path) {
    remove_database(segment.path);
  }
  // And again: of one that was, state.db alone knows how it began.
  const std::vector<RunId> working = working_runs();
  if (records) TRY_VOID(state_.forget_runs(segment.last_seq, working));
  TRY_VOID(state_.forget_kept(working));
  const std::string events = " (" + std::to_string(segment.events) + " events)";
  const std::string why = what.pressed ? ", as room is needed" : "";
  report(
      (less ? less->holds == Holds::kHistory ? "let go of the data in " : "let go of the history in " : "let go of ") +
      segment.path + events + why);
  return true;
}

void StoreCore::shed_done(const Shedding& what, const std::optional<Segment>& less) {
  const std::uint64_t last_seq = what.segment.last_seq;
  const std::lock_guard lock(mutex);
  auto all = std::make_shared<std::vector<Segment>>(*segments);
  const auto place =
      std::find_if(all->begin(), all->end(), [&](const Segment& s) { return s.first_lsn == what.segment.first_lsn; });
  if (less) {
    *place = *less;
    if (less->holds == Holds::kKeys) place->records = 0;
  } else {
    all->erase(place);
    dedupe.forget_up_to(last_seq);
  }
  segments = std::move(all);
  for (FlowState& flow : flows) {  // one that is not configured; the others are there already
    if (flow.name.empty() || flow.cursor.floor().value >= last_seq) continue;
    flow.cursor.settle_up_to(Position(last_seq));
    flow.marked = false;
    unmarked_ = true;
  }
}

// Entries whose time is over, and the room that they took.
Result<void> StoreCore::expire(bool asked) {
  const Instant instant = clock.instant();
  if (!asked && expired_at_ != Instant::min() && instant - expired_at_ < kExpiryPause) return {};
  expired_at_ = instant;
  const std::vector<RunId> working = working_runs();
  while (!held_back()) {
    TRY(const std::size_t gone, state_.expire(now(), working, kExpireAtOnce));
    if (gone < kExpireAtOnce) break;
  }
  if (held_back()) return {};
  std::uint64_t folded = 0;
  {
    const std::lock_guard lock(mutex);
    folded = folded_lsn_;
  }
  // What is kept is needed until a fold says that its run has ended.
  if (folded != forgotten_at_) TRY_VOID(state_.forget_kept(working));
  forgotten_at_ = folded;
  for (std::uint64_t left = 1; left > 0 && !held_back();) {
    TRY(left, state_.give_back(kGiveBackAtOnce));
  }
  return {};
}

}  // namespace tieline::store
