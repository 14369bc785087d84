// Opening, as far as it is about what the log tells: repeats what state.db has not folded, and finds where the log
// ends. It must never guess: what is missing is reported, counted and set aside, or refused.
#include <algorithm>

#include "store/codec.h"
#include "store/store_core.h"

namespace tieline::store {

Result<void> StoreCore::check_environment(const SegmentReader& reader) const {
  const std::string& stamp = reader.head().environment;
  if (options.environment.empty() || stamp.empty() || stamp == options.environment) return {};
  return failure(Code::kDenied, "the store " + options.directory.string() + " belongs to the environment \"" + stamp +
                                    "\", not to \"" + options.environment + "\"");
}

Result<void> StoreCore::recover(std::vector<Segment> found) {
  next_lsn = folded_lsn_ + 1;
  next_seq = folded_seq_ + 1;
  std::vector<Segment> standing;
  std::vector<std::uint64_t> gaps;
  TRY_VOID(take_standing(found, standing, gaps));
  newest_ = standing.empty() ? nullptr : &standing.back();
  for (std::size_t i = 0; i < standing.size(); ++i) {
    const bool newest = i + 1 == standing.size();
    next_lsn = std::max(next_lsn, standing[i].last_lsn + 1);
    next_seq = std::max(next_seq, standing[i].last_seq + 1);
    if (!newest && standing[i].holds == Holds::kKeys) continue;
    if (!newest && folded_lsn_ + 1 >= standing[i + 1].first_lsn && folded_seq_ + 1 >= standing[i + 1].first_seq) {
      if (!standing[i].sealed && !options.read_only) sealing_.push_back({standing[i], nullptr});
      continue;
    }
    TRY_VOID(replay(standing[i], newest ? nullptr : &standing[i + 1]));
    if (!newest) TRY_VOID(end_recovered(standing[i], standing[i + 1]));
  }
  newest_ = nullptr;
  newest_flows_.reset();
  if (suspects_ > 0)
    report("records of " + std::to_string(suspects_) +
           " runs may be lost: those of them that have not ended are held, and wait for a person");
  TRY_VOID(check_tail(standing, gaps));
  TRY_VOID(open_hot(standing));
  load_dedupe(standing);
  for (FlowState& flow : flows) {
    flow.cursor.settle_up_to(Position(first_with_data(standing)->first_seq - 1));
    for (const std::uint64_t seq : events_aside) flow.cursor.settle(Position(seq));
    flow.durable_floor = flow.cursor.floor();
  }
  segments = std::make_shared<std::vector<Segment>>(std::move(standing));
  durable_seq = next_seq - 1;
  durable_lsn = next_lsn - 1;
  tail.restart(next_seq);
  lost(gaps);
  return {};
}

Result<void> StoreCore::take_standing(std::vector<Segment>& found, std::vector<Segment>& standing,
                                      std::vector<std::uint64_t>& gaps) {
  bool end_known = true, left_out = false;  // of the segment before
  for (std::size_t i = 0; i < found.size(); ++i) {
    Segment& segment = found[i];
    const bool newest = i + 1 == found.size();
    Result<SegmentReader*> reader = failure(Code::kNotFound, segment.path + " is missing");
    std::error_code ignored;
    // Who only looks cannot take a page back; nothing is committed to such a file yet.
    const bool half_made = options.read_only && std::filesystem::exists(segment.path + "-journal", ignored);
    if (!half_made && std::filesystem::exists(segment.path, ignored)) reader = background_files_->segment(segment);
    Result<SegmentCounts> counts = failure(Code::kCorrupt, "unread");
    if (reader) counts = (*reader)->counts();
    // What was saved of a damaged log may be an earlier one's, whose frames stood behind it.
    if (counts && (*reader)->head().first_lsn != segment.first_lsn)
      counts = failure(Code::kCorrupt, segment.path + " holds another segment");
    if (!reader || !counts) {
      TRY_VOID(leave_out(segment, newest, reader ? counts.error() : reader.error()));
      left_out = true;
      continue;
    }
    TRY_VOID(check_environment(**reader));
    // What was accepted is what stands in it; what is written from now on goes elsewhere.
    segment.loss_accepted = segment.loss_accepted || (*reader)->head().loss_accepted;
    segment.damaged = segment.damaged || segment.loss_accepted;
    if (!counts->end_known && newest) {
      if (!segment.damaged)
        TRY_VOID(damage(segment.path + " is damaged where the log ends: " +
                            loss_behind(counts->last_seq, counts->last_lsn) + " may be lost",
                        true));
      segment.damaged = true;
    }
    segment.first_seq = (*reader)->head().first_seq;
    segment.events = counts->events;
    segment.records = counts->records;
    segment.last_seq = counts->last_seq;
    segment.last_lsn = std::max(counts->last_lsn, segment.first_lsn - 1);
    segment.first_received = counts->first_received == Time::min() ? now() : counts->first_received;
    segment.last_received = counts->last_received == Time::min() ? now() : counts->last_received;
    segment.holds = (*reader)->head().holds;
    const auto& aside = (*reader)->events_aside();
    events_aside.insert(events_aside.end(), aside.begin(), aside.end());
    segment.bytes = std::filesystem::file_size(segment.path, ignored);
    if (!segment.sealed) {
      const auto log = std::filesystem::file_size(segment.path + "-wal", ignored);
      if (!ignored) segment.bytes += log;
    }
    if (!standing.empty() && !end_known) {
      standing.back().last_seq = segment.first_seq - 1;
      standing.back().last_lsn = segment.first_lsn - 1;
    }
    end_known = counts->end_known;
    segment.loss_before = std::exchange(left_out, false);
    const std::uint64_t expected = standing.empty() ? first_of_all(found, segment) : standing.back().last_seq + 1;
    for (std::uint64_t seq = expected; seq < segment.first_seq; ++seq) {
      if (!std::binary_search(events_aside.begin(), events_aside.end(), seq)) gaps.push_back(seq);
    }
    standing.push_back(segment);
  }
  // A state.db that is new, or an earlier program's, learns it from what stands.
  if (options.read_only || start.lsn != 0 || standing.empty()) return {};
  const Segment& oldest = standing.front();
  return found.front().first_lsn == oldest.first_lsn ? note_start({oldest.first_lsn, oldest.first_seq})
                                                     : Result<void>();
}

// Where `segment` is the oldest that can be read: the event that the oldest one begins with which was not let go of.
std::uint64_t StoreCore::first_of_all(const std::vector<Segment>& found, const Segment& segment) const {
  if (found.front().first_lsn == 1) return 1;
  return start.lsn != 0 && start.lsn < segment.first_lsn ? start.seq : segment.first_seq;
}

// A segment that cannot be read at all.
Result<void> StoreCore::leave_out(const Segment& segment, bool newest, const Error& error) {
  if (error.code == Code::kNotFound && newest && !segment.damaged) {
    report(segment.path + " was never finished and is set aside");
    never_finished.push_back(segment.path);
    if (!options.read_only) TRY_VOID(set_aside(segment.path, ".unfinished"));
    return {};
  }
  // An older one that nothing was ever committed to has lost what was.
  if (error.code != Code::kCorrupt && error.code != Code::kNotFound && !segment.damaged) return failure(error);
  if (newest && !segment.damaged)
    TRY_VOID(damage(segment.path + " cannot be read (" + error.message +
                        "): " + loss_behind(folded_seq_, segment.first_lsn - 1) + " may be lost",
                    true));
  report(segment.path + " is corrupt and is set aside: " + error.message);
  if (newest && !options.read_only) TRY_VOID(set_aside(segment.path, ".corrupt"));
  unreadable.push_back(segment.path);
  return {};
}

Result<void> StoreCore::take_heads(const Segment& segment, SegmentReader& reader) {
  auto named = reader.flows();
  auto marks = reader.marks();
  for (const Error* error : {named ? nullptr : &named.error(), marks ? nullptr : &marks.error()}) {
    if (error == nullptr) continue;
    if (error->code != Code::kCorrupt || !(options.accept_loss || segment.loss_accepted)) return failure(*error);
    report(segment.path + ": cursors cannot be read, and older ones are taken: " + error->message);
  }
  if (!named) named.emplace();
  if (!marks) marks.emplace();
  for (const StoredFlow& flow : *named) {
    if (flows.size() < flow.id.value) flows.resize(flow.id.value);
    flows[flow.id.value - 1].name = flow.name;
  }
  for (auto& [id, cursor] : *marks) {
    if (id.value == 0 || id.value > flows.size()) continue;
    flows[id.value - 1].cursor = std::move(cursor);
  }
  return {};
}

Result<void> StoreCore::replay(const Segment& segment, const Segment* next) {
  TRY(SegmentReader * reader, background_files_->segment(segment));
  const std::uint64_t lost_before = corrupt_records.size();
  const std::uint64_t from = std::max(segment.first_lsn, folded_lsn_ + 1);
  const bool behind_loss = segment.loss_before && folded_lsn_ + 1 < segment.first_lsn;
  recent.open(from, std::max(segment.first_seq, folded_seq_ + 1));
  TRY_VOID(take_heads(segment, *reader));
  if (behind_loss) TRY_VOID(hold_open(segment.first_seq, segment.first_seq - 1));
  std::uint64_t expected = from;
  bool whole = true;
  const auto missing_before = [&](std::uint64_t lsn) {
    if (lsn <= expected) return;
    lost_records(*reader, expected, lsn - 1);
    whole = false;
  };
  TRY(reader, background_files_->segment(segment));
  auto walked = reader->each_record([&](const RawRecord& row) -> Result<void> {
    TRY(const bool good, replay_record(row));
    if (row.lsn < expected || (!good && row.lsn > expected)) return {};
    missing_before(row.lsn);
    expected = row.lsn + 1;
    return {};
  });
  if (!walked && walked.error().code != Code::kCorrupt) return walked;
  if (!walked) {
    report(segment.path + ": some records cannot be read: " + walked.error().message);
    corrupt_records.add(segment.first_lsn);
  }
  const std::uint64_t last_lsn = next == nullptr ? segment.last_lsn : next->first_lsn - 1;
  // A segment that no record went to leaves one lsn out.
  if (last_lsn > segment.first_lsn || expected > segment.first_lsn) missing_before(last_lsn + 1);
  const bool more = !walked || corrupt_records.size() > lost_before;  // than a repair set aside
  // What is given up on a person's word may be done again.
  if (segment.loss_accepted && !(segment.sealed && more)) return {};
  // Rows that are gone although every page can be read the index may lack, too.
  if (more || !whole) TRY_VOID(hold_for_losses(segment, next, !walked || whole));
  return {};
}

Result<bool> StoreCore::replay_record(const RawRecord& row) {
  if (row.lsn <= folded_lsn_) return true;
  Bytes buffer;
  const auto content = row.content(buffer);
  if (!content) {
    lost_record(row.lsn, content.error().message);
    return false;
  }
  if (row.kind == kRecPut || row.kind == kRecErase) {
    auto entry = decode_entry(*content);
    if (!entry) {
      lost_record(row.lsn);
      return true;
    }
    RecentEntry recent_entry{std::nullopt, row.lsn, entry->until};
    if (row.kind == kRecPut) recent_entry.value = Bytes(entry->value);
    recent.put(entry->bucket, entry->key, std::move(recent_entry));
    return true;
  }
  auto record = row.decode();
  if (!record || flow(record->run.flow) == nullptr) {
    lost_record(row.lsn);
    return true;
  }
  // Its event was given this position, whatever became of it: no other one gets it.
  next_seq = std::max(next_seq, record->run.event.value + 1);
  std::optional<RunStatus> base;
  if (may_be_folded(record->run) && has_state_) {
    TRY(StateReader * state, background_files_->state());
    TRY(auto folded, state->run(record->run));
    if (folded) base = std::move(folded->status);
  }
  const RecordRef ref{row.lsn, record_hash(*record, *content), record->number};
  recent.apply(*record, ref, base, flow(record->run.flow)->counts);
  // Marked already, unless the mark is lost.
  if (record->kind == RecordKind::kState) flow(record->run.flow)->cursor.settle(record->run.event);
  return true;
}

Result<void> StoreCore::end_recovered(const Segment& segment, const Segment& next) {
  Generation& ended = recent.hot();
  ended.last_lsn = next.first_lsn - 1;
  ended.last_seq = next.first_seq - 1;
  ended.flows = flows;
  if (options.read_only) return {};
  TRY_VOID(state_.fold(ended, now()));
  folded_lsn_ = ended.last_lsn;
  folded_seq_ = ended.last_seq;
  recent = Recent();
  if (!segment.sealed) sealing_.push_back({segment, nullptr});
  return {};
}

Result<void> StoreCore::open_hot(std::vector<Segment>& found) {
  // Behind a loss the log goes on in a segment of its own: positions that were given are not given again.
  const bool goes_on = !found.empty() && !found.back().sealed && !found.back().damaged &&
                       found.back().last_seq + 1 == next_seq && found.back().last_lsn + 1 == next_lsn;
  if (goes_on || (options.read_only && !found.empty() && !found.back().sealed)) {
    counters.events = std::exchange(found.back().events, 0);
    counters.records = std::exchange(found.back().records, 0);
    if (counters.events + counters.records > 0) hot_since_ = found.back().first_received;
    if (options.read_only) return {};
    TRY(hot_, SegmentWriter::open(found.back().path, options.vfs));
    TRY(hot_bytes_, hot_.bytes());
    found.back().bytes = 0;  // counted as the hot one's
    hot_bytes_seen_ = hot_bytes_;
    std::error_code missing;
    const auto log = std::filesystem::file_size(found.back().path + "-wal", missing);
    hot_log_bytes_ = missing ? 0 : log;
    hot_open_ = true;
    hot_first_lsn_ = found.back().first_lsn;
    return {};
  }
  if (!found.empty()) next_lsn = std::max(next_lsn, found.back().first_lsn + 1);
  // Its file is made with the first group. The sealed one before it is replayed already: one generation serves both.
  if (recent.empty()) recent.open(next_lsn, next_seq);
  next_segment_.first_lsn = next_lsn;
  next_segment_.first_seq = next_seq;
  next_segment_.path = path(segment_name(next_lsn, false)).string();
  snapshot(flows);
  found.push_back(next_segment_);
  return {};
}

void StoreCore::load_dedupe(const std::vector<Segment>& found) {
  const Time oldest = now() - options.dedupe_window;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool hot = i + 1 == found.size();
    if (hot && !hot_open_ && !options.read_only) break;  // no file yet
    if (!hot && found[i].last_received < oldest) {
      dedupe.forget_up_to(found[i].last_seq);
      continue;
    }
    auto reader = background_files_->segment(found[i]);
    if (!reader) continue;
    auto read = (*reader)->each_hash([this](std::uint64_t seq, std::uint64_t hash) { dedupe.add(hash, seq); });
    if (!read) report(found[i].path + ": some dedupe hashes cannot be read: " + read.error().message);
  }
}

}  // namespace tieline::store
