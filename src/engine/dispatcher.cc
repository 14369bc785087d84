#include "engine/dispatcher.h"

#include <algorithm>

#include "base/check.h"
#include "engine/flow_cache.h"
#include "engine/runner.h"

namespace tieline::engine {
namespace {

// What this many runs touch stays in the processor's cache. More are begun only while the shard has time for them: they
// wait for systems that answer slowly. Where it has none, more would not end any sooner, and each would cost more.
constexpr std::size_t kWarmRuns = 128;
// A turn of the executor that takes longer says that the shard has no time.
constexpr Duration kIdleTurn = std::chrono::microseconds(50);

}  // namespace

Dispatcher::Dispatcher(Shard& shard, FlowId id, std::string name) : shard_(shard), id_(id), name_(std::move(name)) {}

void Dispatcher::set_flow(FlowPtr flow) {
  flow_ = std::move(flow);
  if (flow_) {
    last_flow_ = flow_;
    shard_.flows.add(flow_);
  }
  room_.notify_all();
}

void Dispatcher::begin() {
  for (const auto& [lane, event] : lanes_.heads()) start_head(lane, event);
  for (const auto& [position, run] : active_) {
    if (run->lane == 0 && !run->working) start(*run);
  }
  start_ready();
  shard_.timers.spawn(pump());
}

// Reading.

bool Dispatcher::has_room() const { return taken() < shard_.limits.window && waiting() < shard_.limits.waiting_max; }

asio::awaitable<void> Dispatcher::pump() {
  while (true) {
    while (flow_ == nullptr || !has_room()) co_await room_.wait();
    // A store that takes no records is asked again now and then with one event.
    if (shard_.store_refuses) co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
    ReadLimits limits;
    limits.count = shard_.store_refuses ? 1 : std::min(shard_.limits.read_batch, shard_.limits.window - taken());
    auto events = co_await shard_.deps.log.read(read_to_, limits);
    if (!events) {
      shard_.store_failed(events.error());
      continue;
    }
    if (events->empty()) {
      shard_.store_refuses = false;
      const Deadline never = Deadline::never();
      co_await shard_.deps.log.wait_beyond(read_to_, never);
      continue;
    }
    for (EventPtr& event : *events) {
      if (taken() >= kWarmRuns) co_await unhurried();
      if (flow_ == nullptr || !has_room()) break;
      read_to_ = event->position;
      ++ordinal_;
      if (flow_->matches(*event)) {
        co_await take(std::move(event));
      } else {
        shard_.deps.journal.settle(id_, event->position);
      }
    }
    co_await settle_old();
  }
}

// Returns when the shard has time for one more run, or fewer are taken. It looks once a turn, and turns are long as
// long as there is no time.
asio::awaitable<void> Dispatcher::unhurried() {
  while (taken() >= kWarmRuns) {
    const Instant before = shard_.deps.clock.instant();
    co_await next_turn();
    if (shard_.deps.clock.instant() - before <= kIdleTurn) co_return;
  }
}

asio::awaitable<void> Dispatcher::take(EventPtr event) {
  auto run = std::make_unique<Run>();
  run->id = RunId{id_, event->position};
  run->event = std::move(event);
  run->flow = flow_;
  prepare(*run);
  if (shard_.deps.faults.ignore_lanes) run->lane = 0;
  Run& taken_run = *run;
  const Position position = run->id.event;
  unsettled_.push_back(Unsettled{ordinal_, position});
  if (run->lane == 0 || lanes_.push(run->lane, position)) {
    active_.emplace(position.value, std::move(run));
    start(taken_run);
    co_return;
  }
  // Behind a run that works it waits in memory, but never in more than half of the window; else in the journal.
  const bool soon =
      active_.contains(lanes_.head(run->lane).value) && active_.size() - working_ < shard_.limits.window / 2;
  if (soon) {
    active_.emplace(position.value, std::move(run));
  } else {
    co_await park(std::move(run));
  }
}

// What stays in memory for long keeps the cursor's floor down, and everything settled above it has to be remembered one
// by one: such a run gets a record, which settles its event.
asio::awaitable<void> Dispatcher::settle_old() {
  while (!unsettled_.empty()) {
    const Unsettled oldest = unsettled_.front();
    const auto found = active_.find(oldest.event.value);
    if (found != active_.end() && !found->second->stated) {
      if (ordinal_ - oldest.ordinal <= shard_.limits.unsettled_span) co_return;
      Run& run = *found->second;
      // Not while it may end: another record of it is being written.
      if (run.turns != nullptr && !run.turns->try_enter()) co_return;
      if (run.turns != nullptr) run.turns->leave();
      RecordDraft draft;
      draft.state = RunState::kRunning;
      draft.puts = index_puts(run, fixed_variables(run, shard_.now()));
      auto written = co_await append_record(shard_, run, std::move(draft), Sync::kWithNext);
      if (!written) co_return;
    }
    unsettled_.pop_front();
  }
}

// Working.

void Dispatcher::start(Run& run) {
  CHECK(!run.working);
  run.working = true;
  ++working_;
  ++shard_.working;
  shard_.runs.spawn(work_on(&run));
}

namespace {
struct Working {
  Shard& shard;
  explicit Working(Shard& s) : shard(s) {}
  ~Working() {
    if (--shard.working == 0) shard.idle.notify_all();
  }
};
}  // namespace

asio::awaitable<void> Dispatcher::work_on(Run* run) {
  Working counted(shard_);
  Transition end = co_await work(shard_, *run);
  co_await finish(*run, std::move(end));
}

void Dispatcher::make_ready(const Ready& ready) {
  ready_.push_back(ready);
  start_ready();
}

void Dispatcher::start_ready() {
  while (!ready_.empty() && loading_ < shard_.limits.window && !shard_.draining) {
    const Ready next = ready_.front();
    ready_.pop_front();
    ++loading_;
    ++shard_.working;
    shard_.runs.spawn(load(next));
  }
}

// Brings a run back from the journal and works on it.
asio::awaitable<void> Dispatcher::load(Ready ready) {
  Working counted(shard_);
  auto run = std::make_unique<Run>();
  run->id = RunId{id_, ready.event};
  run->lane = ready.lane;
  run->flow = last_flow_;
  run->resumed = true;
  std::optional<Transition> stop = co_await restore(*run, ready.expired);
  if (!stop) {
    prepare(*run);
    run->lane = ready.lane;
  }
  Run& resumed = *run;
  resumed.working = true;
  ++working_;
  ++resumed_active_;
  active_.emplace(ready.event.value, std::move(run));
  if (!stop) {
    stop = co_await work(shard_, resumed);
  } else if (stop->kind == Transition::Kind::kState && (resumed.flow != nullptr || resumed.records > 0)) {
    RecordDraft draft;
    draft.body = stop->body;
    draft.state = stop->state;
    draft.summary = stop->summary;
    auto written = co_await append_record(shard_, resumed, std::move(draft), Sync::kWait);
    if (!written) stop->kind = Transition::Kind::kRefused;
  }
  co_await finish(resumed, std::move(*stop));
}

namespace {

Transition ended(RunState state, std::string summary) {
  Transition out;
  out.state = state;
  out.summary = std::move(summary);
  return out;
}

Transition held(Hold hold, const std::string& why) {
  Transition out = ended(RunState::kHeld, std::string(hold_name(hold)) + ": " + why);
  out.hold = hold;
  out.body.hold = hold;
  return out;
}

}  // namespace

// Event, history and flow of a run; or where it goes instead, because it cannot work with what there is of them.
asio::awaitable<std::optional<Transition>> Dispatcher::restore(Run& run, bool expired) {
  Transition refused;
  refused.kind = Transition::Kind::kRefused;
  std::vector<Position> wanted{run.id.event};
  auto events = co_await shard_.deps.log.get(std::move(wanted));
  auto status = co_await shard_.deps.journal.status(run.id);
  auto records = co_await shard_.deps.journal.read(run.id);
  if (!events || !status || !records) {
    shard_.store_failed(!events ? events.error() : !status ? status.error() : records.error());
    co_return refused;
  }
  run.records = status->has_value() ? (*status)->records : 0;
  auto history = RunHistory::of(*records, run.records);
  if (!events->empty()) run.event = events->front();
  if (history) {
    run.history = std::move(*history);
    run.records = run.history.records();
    run.stated = run.history.stated();
    if (run.history.start()) run.started = run.history.start()->started;
  }
  if (expired) co_return ended(RunState::kDead, "unknown: held for too long");
  if (events->empty()) co_return ended(RunState::kDead, "permanent: its event is missing from the log");
  if (!history) co_return held(Hold::kJournal, history.error().message + "; repeat begins at the first step again");
  if (run.history.start()) {
    auto flow = co_await shard_.flows.find(name_, run.history.start()->flow);
    if (flow) {
      run.flow = std::move(*flow);
    } else if (flow.error().code == Code::kInvalid || flow.error().code == Code::kNotFound) {
      co_return held(Hold::kFlow, flow.error().message);
    } else {
      shard_.store_failed(flow.error());
      co_return refused;
    }
  }
  if (run.flow == nullptr) co_return held(Hold::kFlow, "it has no record, and its flow is gone");
  co_return std::nullopt;
}

// The run leaves memory; its lane goes on, or waits with it.
asio::awaitable<void> Dispatcher::finish(Run& run, Transition end) {
  const Position event = run.id.event;
  const std::uint64_t lane = run.lane;
  auto node = active_.extract(event.value);
  CHECK(!node.empty());
  --working_;
  if (run.resumed) {
    --resumed_active_;
    --loading_;
  }
  if (end.kind == Transition::Kind::kAbandoned) co_return;
  const bool waits = end.kind == Transition::Kind::kRefused || !is_terminal(end.state);
  if (waits) {
    Waiting entry;
    entry.lane = lane;
    entry.received = run.event ? run.event->received : shard_.now();
    if (end.kind == Transition::Kind::kRefused) {
      entry.state = RunState::kRunning;
      entry.due = shard_.now() + shard_.limits.store_retry;
    } else {
      entry.state = end.state;
      entry.hold = end.hold.value_or(Hold::kUnknownOutcome);
      entry.due = end.state == RunState::kHeld ? shard_.now() + shard_.limits.held_keep : end.due;
      if (end.hold == Hold::kAuthorization) {
        Connection& connection = shard_.connections.get(end.connection);
        connection.held.insert(run.id);
        // Served again while this record was being written: nothing would wake the run any more.
        if (!connection.needs_authorization) entry.due = shard_.now();
        shard_.due.changed().notify_all();
      }
    }
    wait_again(event, entry);
  }
  if (end.kind == Transition::Kind::kState) observe(run, end);
  if (waits && end.kind == Transition::Kind::kState && lane != 0) co_await park_followers(lane);
  if (!waits && lane != 0 && !lanes_.is_head(lane, event)) {
    lanes_.erase(lane, event);
  } else if (!waits && lane != 0) {
    if (const Position next = lanes_.pop(lane); next != Position()) start_head(lane, next);
  }
  room_.notify_all();
  start_ready();
}

void Dispatcher::wait_again(Position event, const Waiting& entry) {
  waiting_[event.value] = entry;
  shard_.due.push(entry.due, RunId{id_, event}, shard_.deps.clock);
}

void Dispatcher::start_head(std::uint64_t lane, Position event) {
  if (const auto found = active_.find(event.value); found != active_.end()) {
    if (!found->second->working) start(*found->second);
    return;
  }
  if (waiting_.contains(event.value)) return;  // its timer, or a person, starts it
  CHECK(parked_ > 0);
  --parked_;
  Ready ready;
  ready.event = event;
  ready.lane = lane;
  make_ready(ready);
}

asio::awaitable<void> Dispatcher::park(std::unique_ptr<Run> run) {
  ++parked_;
  RecordDraft draft;
  draft.state = RunState::kParked;
  if (!run->stated && !run->broken) draft.puts = index_puts(*run, fixed_variables(*run, shard_.now()));
  // Where the store refuses the record the event stays unsettled, and a restart reads it again.
  (void)co_await append_record(shard_, *run, std::move(draft), Sync::kWithNext);
}

// Those behind a run that waits long leave memory.
asio::awaitable<void> Dispatcher::park_followers(std::uint64_t lane) {
  for (const Position follower : lanes_.followers(lane)) {
    if (!waiting_.contains(lanes_.head(lane).value)) co_return;  // it went on meanwhile
    auto node = active_.extract(follower.value);
    if (node.empty()) continue;
    CHECK(!node.mapped()->working);
    co_await park(std::move(node.mapped()));
  }
}

void Dispatcher::due(Position event, Time at) {
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end() || found->second.due != at) return;
  const Waiting& entry = found->second;
  leave_waiting(event, entry.state == RunState::kHeld && waits_for_a_person(entry.hold));
}

// Back to work; or into its lane, where a changed key has put an older run before it since.
void Dispatcher::leave_waiting(Position event, bool expired) {
  auto node = waiting_.extract(event.value);
  const std::uint64_t lane = node.mapped().lane;
  if (lane != 0 && !lanes_.is_head(lane, event)) {
    ++parked_;
    return;
  }
  Ready ready;
  ready.event = event;
  ready.lane = lane;
  ready.expired = expired;
  make_ready(ready);
}

void Dispatcher::release(Position event, Hold hold) {
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end() || found->second.state != RunState::kHeld || found->second.hold != hold) return;
  leave_waiting(event, false);
}

void Dispatcher::release_all(Hold hold) {
  std::vector<Position> held;
  for (const auto& [position, entry] : waiting_) {
    if (entry.state == RunState::kHeld && entry.hold == hold) held.push_back(Position(position));
  }
  std::sort(held.begin(), held.end());
  for (const Position event : held) release(event, hold);
}

Async<void> Dispatcher::settle_held(Position event, HeldAnswer answer, std::string by) {
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end() || found->second.state != RunState::kHeld)
    co_return failure(Code::kNotFound, "no held run of flow " + name_ + " on event " + std::to_string(event.value));
  if (answer == HeldAnswer::kDelivered && found->second.hold != Hold::kUnknownOutcome)
    co_return failure(Code::kInvalid, "the run is held (" + std::string(hold_name(found->second.hold)) +
                                          "): only an unknown outcome can be said to be delivered");
  const Waiting before = found->second;
  found->second.state = RunState::kRunning;  // nobody else may decide it meanwhile
  found->second.due = Time::max();
  Run run;
  run.id = RunId{id_, event};
  run.lane = before.lane;
  auto draft = co_await decision(run, before.hold, answer);
  Result<void> written;
  if (draft) {
    draft->body.by = std::move(by);
    written = co_await append_record(shard_, run, std::move(*draft), Sync::kWait);
  } else {
    written = failure(draft.error());
  }
  const bool damaged = !written && written.error().code == Code::kCorrupt;
  if (!written && !damaged) {
    wait_again(event, before);
    co_return written;
  }
  // Whoever loads a damaged journal holds the run for it.
  for (Connection* connection : shard_.connections.all()) connection->held.erase(run.id);
  leave_waiting(event, false);
  co_return written;
}

// The record that says what a person decided; the numbers of `run` are filled in.
Async<RecordDraft> Dispatcher::decision(Run& run, Hold hold, HeldAnswer answer) {
  CO_TRY(const auto status, co_await shard_.deps.journal.status(run.id));
  CO_TRY(const std::vector<Record> records, co_await shard_.deps.journal.read(run.id));
  run.records = status ? status->records : 0;
  auto history = RunHistory::of(records, run.records);
  RecordDraft draft;
  draft.state = RunState::kRunning;
  draft.body.answer = answer;
  if (hold == Hold::kJournal) {
    if (last_flow_ == nullptr)
      co_return failure(Code::kInvalid, "flow " + name_ + " is removed: the run cannot begin again");
    draft.body.start = RecordBody::Start{last_flow_->hash, shard_.now()};
    co_return draft;
  }
  if (!history) co_return failure(std::move(history.error()).in(std::string(hold_name(Hold::kJournal))));
  const auto body = history->held() ? decode(history->held()->body) : Result<RecordBody>();
  if (!history->held() || !body)
    co_return failure(Code::kCorrupt, "the journal of the held run does not say why it is held");
  draft.step = history->held()->step;
  draft.attempt = history->held()->attempt;
  draft.body.call = body->call;
  draft.body.items = body->items;
  draft.body.path = body->path;
  draft.body.action = body->action;
  co_return draft;
}

void Dispatcher::observe(const Run& run, const Transition& end) {
  switch (end.state) {
    case RunState::kDelivered: ++counts_.delivered; break;
    case RunState::kSkipped: ++counts_.skipped; break;
    case RunState::kStale: ++counts_.stale; break;
    case RunState::kDead: ++counts_.dead; break;
    default: break;
  }
  if (shard_.deps.observer == nullptr) return;
  RunInfo info;
  info.run = run.id;
  info.flow = name_;
  if (run.event) {
    info.source = run.event->source;
    info.event_id = run.event->id;
    info.latency = shard_.now() - run.event->received;
  }
  info.state = end.state;
  info.summary = end.summary;
  if (is_terminal(end.state)) {
    shard_.deps.observer->run_ended(info);
  } else {
    shard_.deps.observer->run_waits(info);
  }
}

FlowSnapshot Dispatcher::snapshot() const {
  FlowSnapshot out = counts_;
  out.name = name_;
  out.id = id_;
  out.removed = flow_ == nullptr;
  out.full = flow_ != nullptr && waiting() >= shard_.limits.waiting_max;
  out.read_to = read_to_;
  const Position last = shard_.deps.log.last();
  out.lag = last > read_to_ ? last.value - read_to_.value : 0;
  out.running = working_ + loading_ - resumed_active_;
  out.queued = active_.size() - working_;
  out.parked = parked_ + ready_.size();
  const Time now = shard_.now();
  const auto older = [&](Time received) { out.oldest = std::max(out.oldest, Duration(now - received)); };
  for (const auto& [position, entry] : waiting_) {
    if (entry.state == RunState::kHeld) {
      ++out.held;
    } else {
      ++out.retrying;
    }
    older(entry.received);
  }
  for (const auto& [position, run] : active_) {
    if (run->event) older(run->event->received);
  }
  return out;
}

}  // namespace tieline::engine
