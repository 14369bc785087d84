// Submitting to the queue: what is decided under the store's lock, and what is read from disk before it is taken.
#include "store/sqlite_shard.h"

#include <boost/asio/post.hpp>

#include "base/check.h"
#include "store/codec.h"

namespace tieline::store {

SqliteShard::SqliteShard(std::shared_ptr<StoreCore> core, asio::any_io_executor executor)
    : core_(std::move(core)),
      waits_(std::make_shared<ShardWaits>(std::move(executor), core_->clock)),
      files_(core_->has_state() ? core_->state_path() : std::string(), core_->options.vfs) {
  shard_ = core_->add_listener(waits_);
  const Lock lock(core_->mutex);
  waits_->set_last(Position(core_->durable_seq));
}

SqliteShard::~SqliteShard() {
  if (!stopped_) core_->remove_listener(shard_);
}

asio::awaitable<void> SqliteShard::stop() {
  if (!std::exchange(stopped_, true)) core_->remove_listener(shard_);
  co_await waits_->stop();
}

// What all coroutines of one turn submit goes to the writer at once: one wake a group.
void SqliteShard::kick_soon() {
  if (std::exchange(waits_->kicking, true)) return;
  asio::post(waits_->executor(), [core = core_, waits = waits_] {
    waits->kicking = false;
    core->kick();
  });
}

Result<bool> SqliteShard::room_now(bool events) {
  const Lock lock(core_->mutex);
  TRY_VOID(events ? core_->takes_events() : core_->writable());
  if (stopped_) return failure(Code::kUnavailable, "the shard is stopped");
  if (core_->has_room()) return true;
  core_->want_room(shard_);
  return false;
}

Async<void> SqliteShard::room(bool events, Deadline deadline) {
  while (true) {
    const bool progressed = co_await waits_->progress(deadline);
    if (!progressed) co_return failure(Code::kFull, "the store's queue stayed full up to the deadline");
    CO_TRY(const bool ready, room_now(events));
    if (ready) co_return Result<void>();
  }
}

std::uint64_t SqliteShard::flush_ticket(Lock&) {
  if (core_->durable_ticket == core_->last_ticket) return 0;
  return core_->submitted(shard_, 0, true);
}

// Events.

SqliteShard::Incoming::Incoming(std::vector<NewEvent> all) {
  events.reserve(all.size());
  hashes.reserve(all.size());
  for (NewEvent& event : all) {
    hashes.push_back(event_hash(event.source, event.id));
    events.push_back(std::make_shared<Event>());
    static_cast<NewEvent&>(*events.back()) = std::move(event);
  }
}

Result<bool> SqliteShard::learn(const Incoming& incoming, Lock& lock) {
  std::vector<std::uint64_t> unknown;
  bool unlocked = false;
  while (true) {
    unknown.clear();
    for (const std::uint64_t hash : incoming.hashes) {
      core_->dedupe.each(hash, [&](std::uint64_t seq) {
        if (core_->tail.find(seq) != nullptr || known_.contains(seq) || core_->recent.differs(seq, hash)) return;
        unknown.push_back(seq);
      });
    }
    if (unknown.empty()) return unlocked;
    unlocked = true;
    lock.unlock();
    for (const std::uint64_t seq : unknown) {
      Known known{{}, {}, Time::min()};
      TRY(const auto meta, load_meta(seq));
      if (meta) {
        if (const auto key = key_of_meta(meta->meta)) {
          known = {std::string(key->source), std::string(key->id), meta->received};
        }
      }
      known_.emplace(seq, std::move(known));
    }
    lock.lock();
  }
}

// With the lock held, after learn(): the newest event of that key within the window.
std::optional<Position> SqliteShard::first_of(const NewEvent& event, std::uint64_t hash) const {
  std::optional<Position> first;
  core_->dedupe.each(hash, [&](std::uint64_t seq) {
    if (first && first->value > seq) return;
    Time received;
    if (const EventPtr* recent = core_->tail.find(seq)) {
      if ((*recent)->id != event.id || (*recent)->source != event.source) return;
      received = (*recent)->received;
    } else {
      const auto known = known_.find(seq);
      if (known == known_.end() || known->second.id != event.id || known->second.source != event.source) return;
      received = known->second.received;
    }
    if (event.received - received < core_->options.dedupe_window) first = Position(seq);
  });
  return first;
}

// With the lock held, after learn().
SqliteShard::Queued SqliteShard::queue_events(Incoming& incoming) {
  Queued queued;
  queued.answers.reserve(incoming.events.size());
  Group& queue = core_->queue();
  for (std::size_t i = 0; i < incoming.events.size(); ++i) {
    std::shared_ptr<Event>& event = incoming.events[i];
    if (const auto first = first_of(*event, incoming.hashes[i])) {
      queued.answers.push_back({*first, true});
      queued.wait = queued.wait || first->value > core_->durable_seq;
      ++core_->counters.duplicates;
      continue;
    }
    queued.wait = true;
    const std::uint64_t seq = core_->next_seq++;
    event->position = Position(seq);
    const std::size_t size = event_bytes(*event);
    queued.bytes += size;
    queued.answers.push_back({Position(seq), false});
    core_->dedupe.add(incoming.hashes[i], seq);
    core_->recent.add_hash(seq, incoming.hashes[i]);
    core_->tail.push(event, size);
    queue.events.push_back({std::move(event), incoming.hashes[i]});
  }
  return queued;
}

Async<std::vector<Appended>> SqliteShard::append(std::vector<NewEvent> events, Deadline deadline) {
  CO_TRY_VOID(check_events(events));
  core_->sample_time();
  Incoming incoming(std::move(events));
  CO_TRY(const bool ready, room_now(true));
  if (!ready) CO_TRY_VOID(co_await room(true, deadline));
  std::vector<Appended> answers;
  std::uint64_t ticket = 0;
  {
    Lock lock(core_->mutex);
    known_.clear();
    CO_TRY_VOID(learn(incoming, lock));
    CO_TRY_VOID(core_->takes_events());
    Queued queued = queue_events(incoming);
    answers = std::move(queued.answers);
    // A duplicate of what is under way waits for everything queued so far: the first one is among it.
    if (queued.wait) ticket = core_->submitted(shard_, queued.bytes, true);
  }
  if (ticket != 0) {
    kick_soon();
    CO_TRY_VOID(co_await waits_->durable(ticket, deadline));
  }
  co_return answers;
}

// Records.

Result<void> SqliteShard::find_base(const Record& record, std::uint64_t hash, std::optional<RunStatus>& base,
                                    std::optional<Submission>& repeat, Lock& lock) {
  while (true) {
    TRY_VOID(core_->writable());
    if (core_->flow(record.run.flow) == nullptr) {
      return failure(Code::kInvalid, "flow " + std::to_string(record.run.flow.value) + " was never opened");
    }
    const RecentRun* recent = core_->recent.run(record.run);
    const RunStatus* before = recent != nullptr ? &recent->status : base ? &*base : nullptr;
    if (before != nullptr && record.number <= before->records) {
      for (const RecordRef& ref : core_->recent.records(record.run)) {
        if (ref.number != record.number || ref.hash != hash) continue;
        repeat = Submission{flush_ticket(lock), ref.lsn};
        return {};
      }
      lock.unlock();
      TRY(const bool same, known_repeat(record, hash));
      if (!same) return failure(Code::kConflict, "another record stands under number " + std::to_string(record.number));
      repeat.emplace();
      return {};
    }
    if (before != nullptr || !core_->may_be_folded(record.run)) return {};
    const std::uint64_t folds = core_->folds;
    lock.unlock();
    TRY(auto folded, load_status(record.run));
    lock.lock();
    if (folded) {
      base = std::move(folded->status);
    } else if (core_->folds == folds) {
      return {};
    }
  }
}

Result<SqliteShard::Submission> SqliteShard::submit_record(Record& record, Sync sync) {
  scratch_.clear();
  encode_record(scratch_, record);
  const std::uint64_t hash = record_hash(record, scratch_);
  std::optional<RunStatus> base;
  std::optional<Submission> repeat;
  Incoming incoming(std::move(record.events));
  if (!incoming.events.empty()) known_.clear();
  Lock lock(core_->mutex);
  // Both look at the disk without the lock: they are right when neither has given it up since the other looked.
  for (bool changed = true; changed;) {
    TRY_VOID(find_base(record, hash, base, repeat, lock));
    if (repeat) return *repeat;
    TRY(changed, learn(incoming, lock));
  }
  FlowState& flow = *core_->flow(record.run.flow);
  // Event and record queued under one lock are in one group, which is one transaction.
  const std::size_t event_bytes = incoming.events.empty() ? 0 : queue_events(incoming).bytes;
  Group& queue = core_->queue();
  RawRecord row;
  row.lsn = core_->next_lsn++;
  row.kind = static_cast<int>(record.kind);
  row.flow = record.run.flow.value;
  row.seq = record.run.event.value;
  row.step = record.step;
  row.attempt = record.attempt;
  row.ts = to_unix_us(record.at);
  queue.records.push_back({row, queue.arena.size(), scratch_.size()});
  queue.arena += scratch_;
  core_->recent.apply(record, {row.lsn, hash, record.number}, base, flow.counts);
  if (record.kind == RecordKind::kState && flow.cursor.settle(record.run.event)) {
    flow.marked = false;
    core_->cursor_moved();
  }
  return Submission{core_->submitted(shard_, event_bytes + scratch_.size() + 48, sync == Sync::kWait), row.lsn};
}

Result<bool> SqliteShard::known_repeat(const Record& record, std::uint64_t hash) {
  TRY(const std::vector<Record> records, load_records(record.run));
  for (const Record& known : records) {
    if (known.number != record.number) continue;
    Bytes encoded;
    encode_record(encoded, known);
    return record_hash(known, encoded) == hash;
  }
  return false;
}

Async<void> SqliteShard::append(Record record, Sync sync) {
  CO_TRY_VOID(check_record(record));
  CO_TRY(const bool ready, room_now(false));
  if (!ready) CO_TRY_VOID(co_await room(false, Deadline::never()));
  CO_TRY(const Submission submission, submit_record(record, sync));
  if (submission.ticket == 0) co_return Result<void>();
  kick_soon();
  if (sync == Sync::kWait) CO_TRY_VOID(co_await waits_->durable(submission.ticket, Deadline::never()));
  co_return Result<void>();
}

void SqliteShard::settle(FlowId id, Position event) {
  {
    const Lock lock(core_->mutex);
    FlowState* flow = core_->flow(id);
    CHECK(flow != nullptr);
    if (core_->options.read_only || !flow->cursor.settle(event)) return;
    flow->marked = false;
    core_->cursor_moved();
  }
  kick_soon();
}

Async<FlowId> SqliteShard::open_flow(std::string name, Position start) {
  if (name.empty() || name.size() > kKeyBytesMax)
    co_return failure(Code::kInvalid, "a flow's name is empty or too long");
  core_->sample_time();
  std::uint64_t ticket = 0;
  FlowId id;
  for (bool known = false; !known && id.value == 0;) {
    {
      Lock lock(core_->mutex);
      for (std::size_t i = 0; i < core_->flows.size(); ++i) {
        if (core_->flows[i].name == name) id = FlowId(static_cast<std::uint32_t>(i + 1));
      }
      if (id.value != 0) {
        if (!core_->options.read_only) ticket = flush_ticket(lock);
        known = true;
      }
    }
    if (known) break;
    CO_TRY(const bool ready, room_now(false));
    if (!ready) CO_TRY_VOID(co_await room(false, Deadline::never()));
    const Lock lock(core_->mutex);
    CO_TRY_VOID(core_->writable());
    bool raced = false;  // another shard was faster while this one waited for room
    for (const FlowState& flow : core_->flows) raced = raced || flow.name == name;
    if (raced) continue;
    FlowState flow;
    flow.name = name;
    flow.cursor = Cursor(start);
    flow.cursor.settle_up_to(Position(core_->oldest_seq() - 1));
    core_->corrupt_events.settle(flow.cursor);
    for (const std::uint64_t seq : core_->events_aside) flow.cursor.settle(Position(seq));
    flow.durable_floor = flow.cursor.floor();
    flow.marked = false;
    core_->flows.push_back(std::move(flow));
    core_->cursor_moved();
    id = FlowId(static_cast<std::uint32_t>(core_->flows.size()));
    core_->queue().flows.push_back({id, name});
    ticket = core_->submitted(shard_, name.size() + 64, true);
  }
  if (ticket != 0) {
    kick_soon();
    CO_TRY_VOID(co_await waits_->durable(ticket, Deadline::never()));
  }
  co_return id;
}

Async<void> SqliteShard::rename_flow(std::string from, std::string to) {
  if (to.empty() || to.size() > kKeyBytesMax) co_return failure(Code::kInvalid, "a flow's name is empty or too long");
  CO_TRY(const bool ready, room_now(false));
  if (!ready) CO_TRY_VOID(co_await room(false, Deadline::never()));
  std::uint64_t ticket = 0;
  {
    const Lock lock(core_->mutex);
    CO_TRY_VOID(core_->writable());
    FlowState* renamed = nullptr;
    FlowId id;
    for (FlowState& flow : core_->flows) {
      if (flow.name == to) co_return failure(Code::kConflict, "there is a flow " + to + " already");
      if (flow.name != from) continue;
      renamed = &flow;
      id = FlowId(static_cast<std::uint32_t>(renamed - core_->flows.data()) + 1);
    }
    if (renamed == nullptr) co_return failure(Code::kNotFound, "no flow " + from);
    renamed->name = to;
    core_->queue().flows.push_back({id, to});
    ticket = core_->submitted(shard_, to.size() + 64, true);
  }
  kick_soon();
  CO_TRY_VOID(co_await waits_->durable(ticket, Deadline::never()));
  co_return Result<void>();
}

void SqliteShard::configured(std::vector<FlowId> flows) {
  const Lock lock(core_->mutex);
  for (FlowState& flow : core_->flows) flow.configured = false;
  for (const FlowId id : flows) {
    FlowState* flow = core_->flow(id);
    CHECK(flow != nullptr);
    flow->configured = true;
  }
}

Async<void> SqliteShard::flush() {
  std::uint64_t ticket = 0;
  {
    Lock lock(core_->mutex);
    if (core_->options.read_only) co_return Result<void>();
    CO_TRY_VOID(core_->writable());
    ticket = core_->submitted(shard_, 0, true);
  }
  kick_soon();
  CO_TRY_VOID(co_await waits_->durable(ticket, Deadline::never()));
  co_return Result<void>();
}

// Entries.

Result<SqliteShard::Submission> SqliteShard::submit_entry(EntryChange& change) {
  Lock lock(core_->mutex);
  std::optional<std::uint64_t> revision;  // of the key now; 0: absent
  while (true) {
    TRY_VOID(core_->writable());
    if (const RecentEntry* recent = core_->recent.entry(change.bucket, change.key)) {
      revision = recent->value ? recent->revision : 0;
    }
    if (revision) break;
    const std::uint64_t folds = core_->folds;
    lock.unlock();
    TRY(StateReader * state, files_.state());
    std::optional<StateReader::Found> folded;
    if (state != nullptr) {
      TRY(folded, state->entry(change.bucket, change.key));
    }
    lock.lock();
    if (core_->folds != folds || core_->recent.entry(change.bucket, change.key) != nullptr) continue;
    revision = folded ? folded->revision : 0;
  }
  if (*revision != change.expected) {
    return failure(Code::kConflict, change.expected == 0 ? "entry " + change.key + " is present"
                                                         : "entry " + change.key + " is not at that revision");
  }
  TRY_VOID(core_->writable());
  Group& queue = core_->queue();
  RawRecord row;
  row.lsn = core_->next_lsn++;
  row.kind = change.value ? kRecPut : kRecErase;
  row.ts = to_unix_us(core_->clock.now());
  EntryWrite write{change.bucket, change.key, {}, Time::max()};
  if (change.value) write.value = *change.value;
  scratch_.clear();
  encode_entry(scratch_, write);
  queue.records.push_back({row, queue.arena.size(), scratch_.size()});
  queue.arena += scratch_;
  core_->recent.put(change.bucket, change.key, {std::move(change.value), row.lsn, Time::max()});
  return Submission{core_->submitted(shard_, scratch_.size() + 48, true), row.lsn};
}

Async<std::uint64_t> SqliteShard::change_entry(EntryChange change) {
  CO_TRY_VOID(check_entry(change.bucket, change.key, change.value ? std::string_view(*change.value) : ""));
  CO_TRY(const bool ready, room_now(false));
  if (!ready) CO_TRY_VOID(co_await room(false, Deadline::never()));
  CO_TRY(const Submission submission, submit_entry(change));
  kick_soon();
  CO_TRY_VOID(co_await waits_->durable(submission.ticket, Deadline::never()));
  co_return submission.lsn;
}

Async<std::uint64_t> SqliteShard::create(std::string bucket, std::string key, Bytes value) {
  EntryChange change{std::move(bucket), std::move(key), std::move(value), 0};
  co_return co_await change_entry(std::move(change));
}

Async<std::uint64_t> SqliteShard::update(std::string bucket, std::string key, Bytes value, std::uint64_t revision) {
  if (revision == 0) co_return failure(Code::kConflict, "entry " + key + " is not at that revision");
  EntryChange change{std::move(bucket), std::move(key), std::move(value), revision};
  co_return co_await change_entry(std::move(change));
}

Async<void> SqliteShard::erase(std::string bucket, std::string key, std::uint64_t revision) {
  if (revision == 0) co_return failure(Code::kConflict, "entry " + key + " is not at that revision");
  EntryChange change{std::move(bucket), std::move(key), std::nullopt, revision};
  CO_TRY_VOID(co_await change_entry(std::move(change)));
  co_return Result<void>();
}

}  // namespace tieline::store
