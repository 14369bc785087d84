// Reading: from memory where it stands there, else from the segments and state.db. It must never show what is not
// durable, entries excepted (their contract).
#include <algorithm>

#include "store/codec.h"
#include "store/sqlite_shard.h"

namespace tieline::store {
namespace {

// A segment may go between looking it up and opening it: look again, this often.
constexpr int kLooks = 5;

}  // namespace

std::shared_ptr<const std::vector<Segment>> SqliteShard::standing() {
  std::shared_ptr<const std::vector<Segment>> now;
  {
    const Lock lock(core_->mutex);
    now = core_->segments;
  }
  if (now != seen_segments_.lock()) {
    seen_segments_ = now;
    files_.only(*now);
  }
  return now;
}

// Events.

Result<EventPtr> SqliteShard::load(std::uint64_t seq) {
  EventPtr event;
  for (int look = 1;; ++look) {
    const auto segments = standing();
    const Segment* segment = segment_of_position(*segments, seq);
    if (segment == nullptr) break;
    auto reader = files_.segment(*segment);
    if (!reader) {
      if (look < kLooks && standing() != segments) continue;
      return failure(std::move(reader.error()));
    }
    TRY(event, (*reader)->event(seq));
    if (event == nullptr || !event->data_expired) return event;
    // What history lets go of is gone, but for the duplicates of it.
    if ((*reader)->head().holds == Holds::kKeys) event = nullptr;
    break;
  }
  TRY(StateReader * state, files_.state());
  if (state == nullptr) return event;
  TRY(EventPtr kept, state->kept_event(seq));
  return kept != nullptr ? kept : event;
}

Result<std::optional<SegmentReader::Meta>> SqliteShard::load_meta(std::uint64_t seq) {
  const auto segments = standing();
  const Segment* segment = segment_of_position(*segments, seq);
  if (segment == nullptr) return std::optional<SegmentReader::Meta>();
  auto reader = files_.segment(*segment);
  if (!reader) {
    if (standing() != segments) return load_meta(seq);
    if (reader.error().code == Code::kCorrupt) return std::optional<SegmentReader::Meta>();
    return failure(std::move(reader.error()));
  }
  auto meta = (*reader)->meta(seq);
  if (!meta && meta.error().code == Code::kCorrupt) return std::optional<SegmentReader::Meta>();
  return meta;
}

Async<std::vector<EventPtr>> SqliteShard::read(Position after, ReadLimits limits) {
  std::vector<EventPtr> found;
  std::uint64_t next = after.value + 1, durable = 0;
  for (int look = 1; found.empty();) {
    {
      const Lock lock(core_->mutex);
      durable = core_->durable_seq;
      std::size_t bytes = 0;
      for (; next >= core_->tail.first() && next <= durable && found.size() < limits.count; ++next) {
        const EventPtr& event = *core_->tail.find(next);
        bytes += event_bytes(*event);
        if (!found.empty() && bytes > limits.bytes) break;
        found.push_back(event);
      }
    }
    if (!found.empty() || next > durable || limits.count == 0) break;
    const auto segments = standing();
    if (const Segment* first = first_with_data(*segments)) next = std::max(next, first->first_seq);
    const Segment* segment = segment_of_position(*segments, next);
    if (segment == nullptr || next > durable) break;
    const std::uint64_t last = segment == &segments->back() ? durable : std::min(durable, (segment + 1)->first_seq - 1);
    auto reader = files_.segment(*segment);
    if (!reader) {
      if (look++ < kLooks && standing() != segments) continue;
      co_return failure(std::move(reader.error()));
    }
    std::vector<std::uint64_t> lost;
    CO_TRY(const std::uint64_t seen, (*reader)->events(next, last, limits.count, limits.bytes, found, lost));
    core_->lost(lost);
    next = seen + 1;
  }
  co_return found;
}

Async<std::vector<EventPtr>> SqliteShard::get(std::vector<Position> positions) {
  std::vector<EventPtr> found;
  for (const Position position : positions) {
    EventPtr event;
    {
      const Lock lock(core_->mutex);
      if (position.value == 0 || position.value > core_->durable_seq) continue;
      if (const EventPtr* recent = core_->tail.find(position.value)) event = *recent;
    }
    if (event == nullptr) {
      auto loaded = load(position.value);
      if (!loaded && loaded.error().code != Code::kCorrupt) co_return failure(std::move(loaded.error()));
      if (!loaded) core_->lost({&position.value, 1});
      if (loaded) event = std::move(*loaded);
    }
    if (event != nullptr) found.push_back(std::move(event));
  }
  co_return found;
}

Async<EventPtr> SqliteShard::find(std::string source, std::string id) {
  const std::uint64_t hash = event_hash(source, id);
  std::vector<std::uint64_t> candidates;
  std::uint64_t durable = 0;
  {
    const Lock lock(core_->mutex);
    durable = core_->durable_seq;
    core_->dedupe.each(hash, [&](std::uint64_t seq) { candidates.push_back(seq); });
  }
  std::sort(candidates.rbegin(), candidates.rend());
  const auto segments = standing();
  bool in_segments = false;
  while (true) {
    for (const std::uint64_t seq : candidates) {
      if (seq > durable) continue;
      std::vector<Position> wanted(1, Position(seq));
      auto events = co_await get(std::move(wanted));
      if (!events) co_return failure(std::move(events.error()));
      if (!events->empty() && events->front()->id == id && events->front()->source == source) co_return events->front();
    }
    if (std::exchange(in_segments, true)) break;
    candidates.clear();  // older than the hashes in memory
    for (auto segment = segments->rbegin(); segment != segments->rend(); ++segment) {
      if (!segment->sealed) continue;
      auto reader = files_.segment(*segment);
      if (!reader) continue;
      CO_TRY(const auto more, (*reader)->with_hash(hash));
      candidates.insert(candidates.end(), more.begin(), more.end());
    }
  }
  co_return failure(Code::kNotFound, "no event " + id + " of " + source);
}

Async<Position> SqliteShard::first_at_or_after(Time received) {
  const auto segments = standing();
  std::uint64_t durable = 0;
  {
    const Lock lock(core_->mutex);
    durable = core_->durable_seq;
  }
  for (const Segment& segment : *segments) {
    if (segment.first_seq > durable) break;
    CO_TRY(SegmentReader * reader, files_.segment(segment));
    CO_TRY(const auto first, reader->first_at_or_after(received));
    if (first && *first <= durable) co_return Position(*first);
  }
  co_return Position(durable + 1);
}

asio::awaitable<void> SqliteShard::wait_beyond(Position after, Deadline deadline) {
  core_->sample_time();
  co_await waits_->beyond(after, deadline);
}

// Runs.

Async<std::vector<std::pair<FlowId, std::string>>> SqliteShard::flows() {
  std::vector<std::pair<FlowId, std::string>> all;
  const Lock lock(core_->mutex);
  for (std::size_t i = 0; i < core_->flows.size(); ++i) {
    if (!core_->flows[i].name.empty()) all.emplace_back(static_cast<std::uint32_t>(i + 1), core_->flows[i].name);
  }
  co_return all;
}

Async<FlowCursor> SqliteShard::cursor(FlowId id) {
  const Lock lock(core_->mutex);
  const FlowState* flow = core_->flow(id);
  if (flow == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(id.value));
  co_return flow->cursor.list();
}

Async<FlowCounts> SqliteShard::counts(FlowId id) {
  const Lock lock(core_->mutex);
  const FlowState* flow = core_->flow(id);
  if (flow == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(id.value));
  co_return flow->counts;
}

Result<std::optional<FoldedRun>> SqliteShard::load_status(RunId run) {
  TRY(StateReader * state, files_.state());
  if (state == nullptr) return std::optional<FoldedRun>();
  return state->run(run);
}

Result<std::vector<Record>> SqliteShard::load_records(RunId run) {
  for (int look = 1;; ++look) {
    std::vector<Record> records;
    std::vector<std::uint64_t> corrupt;
    std::vector<RecordRef> refs;
    bool folded_possible = false;
    {
      const Lock lock(core_->mutex);
      refs = core_->recent.records(run);
      folded_possible = run.event.value < core_->recent.first_seq();
    }
    const auto segments = standing();
    const auto has = [&](std::uint32_t number) {
      return std::any_of(records.begin(), records.end(), [&](const Record& r) { return r.number == number; });
    };
    const auto load_all = [&]() -> Result<void> {
      if (folded_possible) {
        TRY(StateReader * state, files_.state());
        TRY(const auto folded, load_status(run));
        if (state != nullptr) TRY_VOID(state->kept_records(run, records, corrupt));
        const Segment* first = segment_of_position(*segments, run.event.value);
        for (const Segment& segment : *segments) {
          if (!folded || (first != nullptr && segment.first_lsn < first->first_lsn)) continue;
          if (segment.first_lsn > folded->last_lsn) break;
          TRY(SegmentReader * reader, files_.segment(segment));
          std::vector<Record> some;
          TRY_VOID(reader->records_of(run, some, corrupt));
          for (Record& record : some) {
            if (!has(record.number)) records.push_back(std::move(record));
          }
        }
      }
      for (const RecordRef& ref : refs) {
        if (has(ref.number)) continue;
        const Segment* segment = segment_of_lsn(*segments, ref.lsn);
        if (segment == nullptr) continue;
        TRY(SegmentReader * reader, files_.segment(*segment));
        auto record = reader->record(ref.lsn);
        if (!record && record.error().code != Code::kCorrupt) return failure(std::move(record.error()));
        if (!record) corrupt.push_back(ref.lsn);
        if (record && *record) records.push_back(std::move(**record));
      }
      return {};
    };
    auto loaded = load_all();
    if (!loaded) {
      if (look < kLooks && standing() != segments) continue;
      return failure(std::move(loaded.error()));
    }
    for (const std::uint64_t lsn : corrupt) core_->lost_record(lsn);
    std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.number < b.number; });
    return records;
  }
}

Async<std::vector<Record>> SqliteShard::read(RunId run) {
  std::uint64_t ticket = 0;
  {
    Lock lock(core_->mutex);
    const RecentRun* recent = core_->recent.run(run);
    if (recent != nullptr && recent->last_lsn > core_->durable_lsn) {
      CO_TRY_VOID(core_->writable());
      ticket = flush_ticket(lock);
    }
  }
  if (ticket != 0) {
    kick_soon();
    CO_TRY_VOID(co_await waits_->durable(ticket, Deadline::never()));
  }
  co_return load_records(run);
}

Async<std::optional<RunStatus>> SqliteShard::status(RunId run) {
  {
    const Lock lock(core_->mutex);
    if (const RecentRun* recent = core_->recent.run(run)) co_return recent->status;
    if (!core_->may_be_folded(run)) co_return std::nullopt;
  }
  CO_TRY(auto folded, load_status(run));
  if (!folded) co_return std::nullopt;
  co_return std::move(folded->status);
}

Async<std::vector<RunStatus>> SqliteShard::runs(RunQuery query) {
  std::vector<RunStatus> found;
  if (query.count == 0) co_return found;
  CO_TRY(StateReader * state, files_.state());
  // The fold may move runs from memory to disk in between: disk is read again until it did not.
  while (true) {
    std::uint64_t folds = 0;
    found.clear();
    {
      const Lock lock(core_->mutex);
      folds = core_->folds;
      core_->recent.collect(query, found);
    }
    sort_runs(query, found);
    if (found.size() > query.count) found.resize(query.count);
    if (state == nullptr) break;
    std::vector<RunStatus> folded;
    CO_TRY_VOID(state->runs(query, [&](FoldedRun run) {
      const Lock lock(core_->mutex);
      if (core_->recent.run(run.status.run) == nullptr) folded.push_back(std::move(run.status));
      return folded.size() < query.count;
    }));
    const Lock lock(core_->mutex);
    if (core_->folds != folds) continue;
    found.insert(found.end(), std::make_move_iterator(folded.begin()), std::make_move_iterator(folded.end()));
    break;
  }
  sort_runs(query, found);
  if (found.size() > query.count) found.resize(query.count);
  co_return found;
}

// Entries.

Async<std::optional<Entry>> SqliteShard::get(std::string bucket, std::string key) {
  {
    const Lock lock(core_->mutex);
    if (const RecentEntry* recent = core_->recent.entry(bucket, key)) {
      if (!recent->value) co_return std::nullopt;
      co_return Entry{std::move(key), *recent->value, recent->revision};
    }
  }
  // A generation is dropped only once state.db has it: what memory lacked a moment ago stands there now.
  CO_TRY(StateReader * state, files_.state());
  if (state == nullptr) co_return std::nullopt;
  CO_TRY(auto folded, state->entry(bucket, key));
  if (!folded) co_return std::nullopt;
  co_return Entry{std::move(key), std::move(folded->value), folded->revision};
}

Async<std::vector<Entry>> SqliteShard::scan(std::string bucket, std::string prefix, std::string after,
                                            std::size_t count) {
  std::vector<Entry> found;
  if (count == 0) co_return found;
  CO_TRY(StateReader * state, files_.state());
  std::unordered_map<std::string, RecentEntry> recent;
  std::vector<Entry> folded;
  while (true) {
    std::uint64_t folds = 0;
    recent.clear();
    folded.clear();
    {
      const Lock lock(core_->mutex);
      folds = core_->folds;
      core_->recent.collect(bucket, prefix, after, recent);
    }
    if (state == nullptr) break;
    CO_TRY_VOID(state->scan(bucket, prefix, after, [&](Entry entry) {
      if (!recent.contains(entry.key)) folded.push_back(std::move(entry));
      return folded.size() < count;
    }));
    const Lock lock(core_->mutex);
    if (core_->folds == folds) break;
  }
  found = std::move(folded);
  for (auto& [key, entry] : recent) {
    if (entry.value) found.push_back(Entry{key, std::move(*entry.value), entry.revision});
  }
  std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  if (found.size() > count) found.resize(count);
  co_return found;
}

}  // namespace tieline::store
