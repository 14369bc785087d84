#include "store/memory_store.h"

#include <algorithm>

#include "base/check.h"
#include "store/codec.h"

namespace tieline::store {
namespace {

std::string dedupe_key(std::string_view source, std::string_view id) {
  Bytes key;
  put_text(key, source);
  key.append(id);
  return key;
}

bool same_content(const Record& a, const Record& b) {
  Bytes x, y;
  encode_record(x, a);
  encode_record(y, b);
  return x == y && a.kind == b.kind && a.step == b.step && a.attempt == b.attempt;
}

}  // namespace

MemoryStore::MemoryStore(asio::any_io_executor executor, Clock& clock, MemoryStoreOptions options)
    : executor_(executor), clock_(clock), options_(options), tasks_(std::move(executor)) {}

MemoryStore::~MemoryStore() = default;

// Ops and their fold.

std::uint64_t MemoryStore::apply(Op op) {
  log_.push_back(op);
  const std::uint64_t number = log_.size();
  if (auto* event = std::get_if<EventPtr>(&op)) {
    events_.push_back(*event);
    by_key_[dedupe_key((*event)->source, (*event)->id)] = (*event)->position;
  } else if (auto* record = std::get_if<std::shared_ptr<const Record>>(&op)) {
    apply_record(*record, number);
  } else if (auto* renamed = std::get_if<RenameFlow>(&op)) {
    flows_[renamed->flow.value - 1].name = renamed->name;
  } else if (auto* flow = std::get_if<OpenFlow>(&op)) {
    flows_.push_back({flow->name, Cursor(flow->start), {}});
    for (const Position lost : corrupt_) flows_.back().cursor.settle(lost);
  } else if (auto* settled = std::get_if<Settle>(&op)) {
    find_flow(settled->flow)->cursor.settle(settled->event);
  } else if (auto* put = std::get_if<Put>(&op)) {
    if (put->value) {
      entries_[{put->bucket, put->key}] = Entry{put->key, *put->value, number};
    } else {
      entries_.erase({put->bucket, put->key});
    }
  }
  return number;
}

void MemoryStore::apply_record(const std::shared_ptr<const Record>& record, std::uint64_t revision) {
  Run& run = runs_[record->run];
  Flow& flow = *find_flow(record->run.flow);
  RunStatus after = fold_record(run.status, *record);
  fold_counts(flow.counts, run.status, after);
  run.status = std::move(after);
  run.records.push_back(record);
  if (record->kind == RecordKind::kState) flow.cursor.settle(record->run.event);
  for (const KeyPut& put : record->puts) entries_[{put.bucket, put.key}] = Entry{put.key, put.value, revision};
}

MemoryStore::Flow* MemoryStore::find_flow(FlowId flow) {
  return flow.value == 0 || flow.value > flows_.size() ? nullptr : &flows_[flow.value - 1];
}

// Durability.

Result<void> MemoryStore::writable() const {
  if (dead_) return failure(Code::kUnavailable, "the store is stopped");
  if (sync_failed_) return failure(Code::kUnavailable, "the store refuses since a sync failed; restart it");
  if (refuse_) return failure(*refuse_, *refuse_ == Code::kFull ? "the disk is full" : "the store refuses writes");
  return {};
}

void MemoryStore::make_durable(std::size_t ops) {
  if (dead_ || sync_failed_) return;
  if (fail_next_sync_) {
    fail_next_sync_ = false;
    sync_failed_ = true;
  } else if (ops > durable_ops_) {
    ++syncs_;
    for (; durable_ops_ < ops; ++durable_ops_) {
      if (std::holds_alternative<EventPtr>(log_[durable_ops_])) ++durable_events_;
    }
  }
  synced_.notify_all();
}

void MemoryStore::sync() { make_durable(log_.size()); }

void MemoryStore::start_sync() {
  if (!options_.autosync || syncing_ || dead_) return;
  syncing_ = true;
  tasks_.spawn(run_sync());
}

asio::awaitable<void> MemoryStore::run_sync() {
  while (!dead_ && !sync_failed_ && durable_ops_ < log_.size()) {
    const std::size_t covered = log_.size();
    if (options_.sync_delay > Duration::zero()) co_await clock_.sleep(options_.sync_delay);
    make_durable(covered);
  }
  syncing_ = false;
}

Async<void> MemoryStore::durable_through(std::size_t ops, Deadline deadline) {
  while (durable_ops_ < ops) {
    if (sync_failed_) co_return failure(Code::kUnavailable, "the sync failed; the store refuses until it is restarted");
    start_sync();
    const bool woken = co_await synced_.wait(clock_, deadline);
    if (!woken && durable_ops_ < ops) {
      co_return failure(Code::kTimeout, "not durable by the deadline; the outcome is unknown");
    }
  }
  co_return Result<void>();
}

std::unique_ptr<MemoryStore> MemoryStore::crash() { return crash(executor_, options_); }

std::unique_ptr<MemoryStore> MemoryStore::crash(asio::any_io_executor executor, MemoryStoreOptions options) {
  dead_ = true;
  auto next = std::make_unique<MemoryStore>(std::move(executor), clock_, options);
  next->corrupt_ = corrupt_;
  next->lost_ = lost_;
  for (std::size_t i = 0; i < durable_ops_; ++i) next->apply(log_[i]);
  next->durable_ops_ = durable_ops_;
  next->durable_events_ = durable_events_;
  return next;
}

void MemoryStore::corrupt(Position position) {
  corrupt_.insert(position);
  for (Flow& flow : flows_) flow.cursor.settle(position);
}

asio::awaitable<void> MemoryStore::stop() {
  dead_ = true;
  co_await tasks_.stop();
}

// EventLog.

MemoryStore::Taken MemoryStore::take(NewEvent event) {
  const auto first = by_key_.find(dedupe_key(event.source, event.id));
  if (first != by_key_.end() && event.received - events_[first->second.value - 1]->received < options_.dedupe_window) {
    return {{first->second, true}, first->second.value > durable_events_ ? log_.size() : 0};
  }
  auto stored = std::make_shared<Event>();
  static_cast<NewEvent&>(*stored) = std::move(event);
  stored->position = Position(events_.size() + 1);
  const Appended answer{stored->position, false};
  return {answer, apply(EventPtr(std::move(stored)))};
}

Async<std::vector<Appended>> MemoryStore::append(std::vector<NewEvent> events, Deadline deadline) {
  CO_TRY_VOID(writable());
  CO_TRY_VOID(check_events(events));
  std::vector<Appended> answers;
  std::size_t wait_for = 0;
  for (NewEvent& event : events) {
    const Taken taken = take(std::move(event));
    answers.push_back(taken.answer);
    wait_for = std::max(wait_for, taken.number);
  }
  CO_TRY_VOID(co_await durable_through(wait_for, deadline));
  co_return answers;
}

Async<std::vector<EventPtr>> MemoryStore::read(Position after, ReadLimits limits) {
  std::vector<EventPtr> found;
  std::size_t bytes = 0;
  for (std::uint64_t p = after.value + 1; p <= durable_events_ && found.size() < limits.count; ++p) {
    if (corrupt_.contains(Position(p))) continue;
    const EventPtr& event = events_[p - 1];
    bytes += event_bytes(*event);
    if (!found.empty() && bytes > limits.bytes) break;
    found.push_back(event);
  }
  co_return found;
}

Async<std::vector<EventPtr>> MemoryStore::get(std::vector<Position> positions) {
  std::vector<EventPtr> found;
  for (const Position p : positions) {
    if (p.value == 0 || p.value > durable_events_ || corrupt_.contains(p)) continue;
    found.push_back(events_[p.value - 1]);
  }
  co_return found;
}

Async<EventPtr> MemoryStore::find(std::string source, std::string id) {
  const auto first = by_key_.find(dedupe_key(source, id));
  if (first == by_key_.end() || first->second.value > durable_events_ || corrupt_.contains(first->second)) {
    co_return failure(Code::kNotFound, "no event " + id + " of " + source);
  }
  co_return events_[first->second.value - 1];
}

Async<Position> MemoryStore::first_at_or_after(Time received) {
  std::uint64_t p = 1;
  while (p <= durable_events_ && events_[p - 1]->received < received) ++p;
  co_return Position(p);
}

asio::awaitable<void> MemoryStore::wait_beyond(Position after, Deadline deadline) {
  bool woken = true;
  while (woken && durable_events_ <= after.value) woken = co_await synced_.wait(clock_, deadline);
}

// Journal.

Async<FlowId> MemoryStore::open_flow(std::string name, Position start) {
  std::size_t wait_for = 0;
  auto known = std::find_if(flows_.begin(), flows_.end(), [&](const Flow& flow) { return flow.name == name; });
  const FlowId id(static_cast<std::uint32_t>(known - flows_.begin()) + 1);
  if (known == flows_.end()) {
    CO_TRY_VOID(writable());
    wait_for = apply(OpenFlow{std::move(name), start});
  } else {
    wait_for = log_.size();
  }
  CO_TRY_VOID(co_await durable_through(wait_for, Deadline::never()));
  co_return id;
}

Async<std::vector<std::pair<FlowId, std::string>>> MemoryStore::flows() {
  std::vector<std::pair<FlowId, std::string>> all;
  for (const Flow& flow : flows_) all.emplace_back(static_cast<std::uint32_t>(all.size() + 1), flow.name);
  co_return all;
}

Async<void> MemoryStore::rename_flow(std::string from, std::string to) {
  const auto named = [&](const std::string& name) {
    return std::find_if(flows_.begin(), flows_.end(), [&](const Flow& flow) { return flow.name == name; });
  };
  if (to.empty() || to.size() > kKeyBytesMax) co_return failure(Code::kInvalid, "a flow's name is empty or too long");
  if (named(to) != flows_.end()) co_return failure(Code::kConflict, "there is a flow " + to + " already");
  const auto known = named(from);
  if (known == flows_.end()) co_return failure(Code::kNotFound, "no flow " + from);
  CO_TRY_VOID(writable());
  const FlowId id(static_cast<std::uint32_t>(known - flows_.begin()) + 1);
  const std::size_t wait_for = apply(RenameFlow{id, std::move(to)});
  CO_TRY_VOID(co_await durable_through(wait_for, Deadline::never()));
  co_return Result<void>();
}

void MemoryStore::configured(std::vector<FlowId> flows) {
  for (const FlowId flow : flows) CHECK(find_flow(flow) != nullptr);
  configured_ = std::move(flows);
}

Async<void> MemoryStore::append(Record record, Sync sync) {
  CO_TRY_VOID(writable());
  CO_TRY_VOID(check_record(record));
  if (find_flow(record.run.flow) == nullptr) {
    co_return failure(Code::kInvalid, "flow " + std::to_string(record.run.flow.value) + " was never opened");
  }
  std::size_t wait_for = log_.size();
  const auto run = runs_.find(record.run);
  if (run == runs_.end() || record.number > run->second.status->records) {
    // No sync can begin between these: they become durable together.
    for (NewEvent& event : std::exchange(record.events, {})) take(std::move(event));
    wait_for = apply(std::make_shared<const Record>(std::move(record)));
  } else {
    const auto& records = run->second.records;
    const auto same =
        std::find_if(records.begin(), records.end(), [&](const auto& r) { return r->number == record.number; });
    if (same == records.end() || !same_content(**same, record)) {
      co_return failure(Code::kConflict, "another record stands under number " + std::to_string(record.number));
    }
  }
  if (sync == Sync::kWait) CO_TRY_VOID(co_await durable_through(wait_for, Deadline::never()));
  co_return Result<void>();
}

void MemoryStore::settle(FlowId flow, Position event) {
  Flow* known = find_flow(flow);
  CHECK(known != nullptr);
  if (dead_ || known->cursor.settled(event)) return;
  apply(Settle{flow, event});
}

Async<FlowCursor> MemoryStore::cursor(FlowId flow) {
  const Flow* known = find_flow(flow);
  if (known == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(flow.value));
  co_return known->cursor.list();
}

Async<std::vector<Record>> MemoryStore::read(RunId run) {
  std::vector<Record> records;
  if (const auto known = runs_.find(run); known != runs_.end()) {
    for (const auto& record : known->second.records) {
      if (!lost_.contains({run, record->number})) records.push_back(*record);
    }
  }
  co_return records;
}

Async<std::optional<RunStatus>> MemoryStore::status(RunId run) {
  const auto known = runs_.find(run);
  co_return known == runs_.end() ? std::nullopt : known->second.status;
}

Async<std::vector<RunStatus>> MemoryStore::runs(RunQuery query) {
  std::vector<RunStatus> found;
  for (const auto& [id, run] : runs_) {
    if (matches(query, *run.status)) found.push_back(*run.status);
  }
  sort_runs(query, found);
  if (found.size() > query.count) found.resize(query.count);
  co_return found;
}

Async<FlowCounts> MemoryStore::counts(FlowId flow) {
  const Flow* known = find_flow(flow);
  if (known == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(flow.value));
  co_return known->counts;
}

Async<void> MemoryStore::flush() {
  CO_TRY_VOID(co_await durable_through(log_.size(), Deadline::never()));
  co_return Result<void>();
}

// StateStore.

Async<std::optional<Entry>> MemoryStore::get(std::string bucket, std::string key) {
  const auto entry = entries_.find(std::pair(std::move(bucket), std::move(key)));
  co_return entry == entries_.end() ? std::nullopt : std::optional(entry->second);
}

Async<std::uint64_t> MemoryStore::create(std::string bucket, std::string key, Bytes value) {
  CO_TRY_VOID(writable());
  CO_TRY_VOID(check_entry(bucket, key, value));
  if (entries_.contains({bucket, key})) co_return failure(Code::kConflict, "entry " + key + " is present");
  const std::uint64_t revision = apply(Put{std::move(bucket), std::move(key), std::move(value)});
  CO_TRY_VOID(co_await durable_through(revision, Deadline::never()));
  co_return revision;
}

Async<std::uint64_t> MemoryStore::update(std::string bucket, std::string key, Bytes value, std::uint64_t revision) {
  CO_TRY_VOID(writable());
  CO_TRY_VOID(check_entry(bucket, key, value));
  const auto entry = entries_.find({bucket, key});
  if (entry == entries_.end() || entry->second.revision != revision) {
    co_return failure(Code::kConflict, "entry " + key + " is not at that revision");
  }
  const std::uint64_t next = apply(Put{std::move(bucket), std::move(key), std::move(value)});
  CO_TRY_VOID(co_await durable_through(next, Deadline::never()));
  co_return next;
}

Async<void> MemoryStore::erase(std::string bucket, std::string key, std::uint64_t revision) {
  CO_TRY_VOID(writable());
  const auto entry = entries_.find({bucket, key});
  if (entry == entries_.end() || entry->second.revision != revision) {
    co_return failure(Code::kConflict, "entry " + key + " is not at that revision");
  }
  const std::size_t number = apply(Put{std::move(bucket), std::move(key), std::nullopt});
  CO_TRY_VOID(co_await durable_through(number, Deadline::never()));
  co_return Result<void>();
}

Async<std::vector<Entry>> MemoryStore::scan(std::string bucket, std::string prefix, std::string after,
                                            std::size_t count) {
  std::vector<Entry> found;
  auto at = after < prefix ? entries_.lower_bound({bucket, prefix}) : entries_.upper_bound({bucket, after});
  for (; at != entries_.end() && found.size() < count; ++at) {
    if (at->first.first != bucket || !at->first.second.starts_with(prefix)) break;
    found.push_back(at->second);
  }
  co_return found;
}

}  // namespace tieline::store
