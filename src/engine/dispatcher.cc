#include "engine/dispatcher.h"

#include <algorithm>

#include "base/check.h"
#include "engine/flow_cache.h"
#include "engine/outbox.h"
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

void Dispatcher::begin() {
  begun_ = true;
  for (const auto& [lane, event] : lanes_.heads()) start_head(lane, event);
  for (const auto& [position, run] : active_) {
    if (run->lane == 0 && !run->working) start(*run);
  }
  start_ready();
  shard_.timers.spawn(pump());
}

// Reading.

// As many as one request may want together.
std::size_t Dispatcher::window() const {
  const bool batch = flow_ != nullptr && flow_->batch;
  return std::max<std::size_t>(shard_.limits.window, batch ? flow_->batch->count : 0);
}

bool Dispatcher::has_room() const { return taken() < window() && waiting() < shard_.limits.waiting_max; }

asio::awaitable<void> Dispatcher::pump() {
  while (true) {
    while (!may_read()) co_await room_.wait();
    // A store that takes no records is asked again now and then with one event.
    if (shard_.store_refuses) co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
    ReadLimits limits;
    limits.count = shard_.store_refuses ? 1 : std::min(shard_.limits.read_batch, window() - taken());
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
      if (!may_read()) break;
      read_to_ = event->position;
      if (read_to_ <= known_to_ && known_.erase(read_to_.value) > 0) continue;
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
  if (run->unwanted) co_return shard_.deps.journal.settle(id_, run->id.event);
  if (shard_.deps.faults.ignore_lanes) run->lane = 0;
  Run& taken_run = *run;
  const Position position = run->id.event;
  unsettled_.push_back(Unsettled{ordinal_, position});
  bool first = run->lane == 0;
  if (run->lane != 0 && position <= known_to_ && lanes_.last(run->lane) > position) {
    lanes_.place(run->lane, position);  // read late, behind what has begun
  } else if (run->lane != 0) {
    first = lanes_.push(run->lane, position);
  }
  if (first) {
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
      // Not while another record of it is being written; and what its own work writes from now on waits for this one.
      if (run.appending || (run.turns != nullptr && !run.turns->try_enter())) co_return;
      if (run.turns != nullptr) run.turns->leave();
      if (run.turns == nullptr) run.turns = std::make_unique<Gate>(1);
      RecordDraft draft;
      draft.state = RunState::kRunning;
      draft.puts = index_puts(run, fixed_variables(run, shard_.now()), shard_.index_until());
      auto written = co_await append_record(shard_, run, std::move(draft), Sync::kWithNext);
      if (!written) co_return;
    }
    unsettled_.pop_front();
  }
}

// Working.

bool Dispatcher::may_work() const {
  const std::uint32_t most = last_flow_ != nullptr ? last_flow_->concurrency : 0;
  return most == 0 || working_ + loading_ - resumed_active_ < most;
}

// Of the runs of one key that wait, only the newest is worth working on.
void Dispatcher::supersede(Run& run) const {
  if (run.lane == 0 || run.flow == nullptr || !run.flow->coalesce) return;
  if (const Position newest = lanes_.last(run.lane); newest > run.id.event) run.superseded_by = newest;
}

void Dispatcher::start_idle() {
  while (!idle_.empty() && may_work() && !shard_.draining) {
    const auto found = active_.find(idle_.front().value);
    idle_.pop_front();
    CHECK(found != active_.end());
    start(*found->second);
  }
}

void Dispatcher::start(Run& run) {
  CHECK(!run.working);
  if (!may_work()) {
    idle_.push_back(run.id.event);
    return;
  }
  supersede(run);
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
  Transition end;
  co_await work(shard_, *run, end);
  co_await finish(*run, end);
}

void Dispatcher::make_ready(const Ready& ready) {
  ready_.push_back(ready);
  start_ready();
}

void Dispatcher::start_ready() {
  while (!ready_.empty() && loading_ < window() && may_work() && !shard_.draining) {
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
    run->brake_released = ready.brake_released;
    supersede(*run);
  }
  Run& resumed = *run;
  resumed.working = true;
  ++working_;
  ++resumed_active_;
  active_.emplace(ready.event.value, std::move(run));
  if (!stop && resumed.history.outside()) stop = co_await come_back(resumed);
  if (!stop) {
    stop.emplace();
    co_await work(shard_, resumed, *stop);
  } else if (stop->kind == Transition::Kind::kState && (resumed.flow != nullptr || resumed.records > 0)) {
    RecordDraft draft;
    draft.body = stop->body;
    draft.state = stop->state;
    draft.summary = stop->summary;
    if (stop->state == RunState::kDead && resumed.event != nullptr && resumed.flow != nullptr &&
        !resumed.flow->on_dead.empty()) {
      prepare(resumed);  // its key and data are told
      resumed.lane = ready.lane;
    }
    publish_with(draft, death_notice(shard_, resumed, *stop));
    auto written = co_await append_record(shard_, resumed, std::move(draft), Sync::kWait);
    if (!written) stop->kind = Transition::Kind::kRefused;
  }
  co_await finish(resumed, *stop);
}

// It is in its lane again: what it does from now on, a restart must not find outside.
asio::awaitable<std::optional<Transition>> Dispatcher::come_back(Run& run) {
  RecordDraft draft;
  draft.state = RunState::kRunning;
  auto written = co_await append_record(shard_, run, std::move(draft), Sync::kWithNext);
  if (written) co_return std::nullopt;
  Transition refused;
  refused.kind = Transition::Kind::kRefused;
  co_return refused;
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
  if (!events->empty() && events->front()->data_expired) events->clear();
  run.records = status->has_value() ? (*status)->records : 0;
  auto history = RunHistory::of(*records, run.records);
  if (!events->empty()) run.event = events->front();
  if (history) {
    run.history = std::move(*history);
    if (run.event) use_edited_data(run);
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
asio::awaitable<void> Dispatcher::finish(Run& run, const Transition& end) {
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
  const bool leaves = end.kind == Transition::Kind::kState && end.state == RunState::kWaiting;
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
      if (end.hold == Hold::kAuthorization || end.hold == Hold::kOutage) {
        entry.due = waits_for_connection(run.id, end) ? Time::max() : shard_.now();
        shard_.due.changed().notify_all();
      }
    }
    if (leaves) {
      entry.pause = pause_marks(end.summary);
      if (lane != 0) outside_[lane].push_back(event);
    }
    wait_again(event, entry);
  }
  if (end.kind == Transition::Kind::kState) observe(run, end, shard_.now());
  const bool stated = end.kind == Transition::Kind::kState;
  if (stated && end.state == RunState::kDead && run.flow != nullptr && run.flow->pauses_when_gone)
    co_await pause_if_gone(run, end);
  if (waits && !leaves && end.kind == Transition::Kind::kState && lane != 0) co_await park_followers(lane);
  if (!outside_.empty() && (leaves || (stated && end.state == RunState::kDelivered)))
    co_await cancel_older(lane, event);
  if ((!waits || leaves) && lane != 0) leave_lane(lane, event);
  room_.notify_all();
  start_ready();
  start_idle();
}

// False when its connection was served again while the record was being written: nothing would wake the run any more.
bool Dispatcher::waits_for_connection(RunId run, const Transition& end) {
  Connection& connection = shard_.connections.get(end.connection);
  if (end.hold == Hold::kAuthorization) {
    if (connection.needs_authorization) connection.held.insert(run);
    return connection.needs_authorization;
  }
  if (!connection.breaker.incident()) return false;
  connection.hold_in_outage(run, end.body.action);
  return true;
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
  if (!run->stated && !run->broken)
    draft.puts = index_puts(*run, fixed_variables(*run, shard_.now()), shard_.index_until());
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

// `received`: where its event is not at hand.
void Dispatcher::observe(const Run& run, const Transition& end, Time received) {
  switch (end.state) {
    case RunState::kDelivered: ++counts_.delivered; break;
    case RunState::kSkipped: ++counts_.skipped; break;
    case RunState::kStale: ++counts_.stale; break;
    case RunState::kDead: ++counts_.dead; break;
    case RunState::kCancelled: ++counts_.cancelled; break;
    default: break;
  }
  if (shard_.deps.observer == nullptr) return;
  RunInfo info;
  info.run = run.id;
  info.flow = name_;
  if (run.event) {
    info.source = run.event->source;
    info.event_id = run.event->id;
    received = run.event->received;
  }
  info.latency = shard_.now() - received;
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
  if (const auto brake = shard_.brakes.find(id_); brake != shard_.brakes.end()) out.braked = brake->second.holds();
  out.full = flow_ != nullptr && waiting() >= shard_.limits.waiting_max;
  const bool by_mode = flow_ != nullptr && flow_->mode == FlowMode::kPaused;
  out.paused = paused() || by_mode;
  out.paused_why = paused_.value_or(by_mode ? "its `mode:`" : "");
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
    } else if (entry.state == RunState::kWaiting) {
      ++out.waiting;
      continue;
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
