#include "engine/dispatcher.h"

#include <algorithm>

#include "base/check.h"
#include "engine/flow_cache.h"
#include "engine/runner.h"

namespace tieline::engine {

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
  std::vector<Position> wanted{ready.event};
  auto events = co_await shard_.deps.log.get(std::move(wanted));
  auto records = co_await shard_.deps.journal.read(run->id);
  std::optional<Transition> stop;
  const auto refused = [&](const Error& error) {
    shard_.store_failed(error);
    stop.emplace();
    stop->kind = Transition::Kind::kRefused;
  };
  const auto end = [&](RunState state, std::string summary) {
    stop.emplace();
    stop->state = state;
    stop->summary = std::move(summary);
  };
  if (!events) {
    refused(events.error());
  } else if (!records) {
    refused(records.error());
  } else {
    auto history = RunHistory::of(*records);
    if (!history) {
      for (const Record& record : *records) run->records = std::max(run->records, record.number);
      end(RunState::kDead, "permanent: " + history.error().message);
    } else {
      run->history = std::move(*history);
      run->records = run->history.records();
      run->stated = run->history.stated();
      if (run->history.start()) run->started = run->history.start()->started;
      if (events->empty()) {
        end(RunState::kDead, "permanent: its event is missing from the log");
      } else {
        run->event = events->front();
      }
      if (ready.expired) end(RunState::kDead, "unknown: held for too long");
    }
  }
  if (!stop && run->history.start()) {
    auto flow = co_await shard_.flows.find(name_, run->history.start()->flow);
    if (flow) {
      run->flow = std::move(*flow);
    } else if (flow.error().code == Code::kInvalid || flow.error().code == Code::kNotFound) {
      end(RunState::kHeld, std::string(hold_name(Hold::kFlow)) + ": " + flow.error().message);
      stop->hold = Hold::kFlow;
      stop->body.hold = Hold::kFlow;
    } else {
      refused(flow.error());
    }
  }
  if (!stop) {
    CHECK(run->flow != nullptr);
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
  if (!waits && lane != 0) {
    if (const Position next = lanes_.pop(lane); next != Position()) start_head(lane, next);
  }
  room_.notify_all();
  start_ready();
}

void Dispatcher::wait_again(Position event, const Waiting& entry) {
  waiting_[event.value] = entry;
  shard_.due.push(entry.due, RunId{id_, event});
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
  if (found->second.lane != 0 && !lanes_.is_head(found->second.lane, event)) {
    waiting_.erase(found);
    ++parked_;
    return;
  }
  Ready ready;
  ready.event = event;
  ready.lane = found->second.lane;
  ready.expired = found->second.state == RunState::kHeld && found->second.hold == Hold::kUnknownOutcome;
  waiting_.erase(found);
  make_ready(ready);
}

void Dispatcher::release(Position event, Hold hold) {
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end() || found->second.state != RunState::kHeld || found->second.hold != hold) return;
  Ready ready;
  ready.event = event;
  ready.lane = found->second.lane;
  waiting_.erase(found);
  make_ready(ready);
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
    co_return failure(Code::kInvalid, "the run is held because it " + std::string(hold_name(found->second.hold)) +
                                          ", nothing of it can have been delivered");
  const Waiting before = found->second;
  found->second.state = RunState::kRunning;  // nobody else may decide it meanwhile
  found->second.due = Time::max();
  Run run;
  run.id = RunId{id_, event};
  run.lane = before.lane;
  std::optional<Error> failed;
  auto records = co_await shard_.deps.journal.read(run.id);
  if (!records) failed = records.error();
  if (!failed) {
    auto history = RunHistory::of(*records);
    const auto body = history && history->held() ? decode(history->held()->body) : Result<RecordBody>();
    if (!history || !history->held() || !body) {
      failed = Error{Code::kCorrupt, "the journal of the held run does not say why it is held", {}};
    } else {
      run.records = history->records();
      RecordDraft draft;
      draft.step = history->held()->step;
      draft.attempt = history->held()->attempt;
      draft.body.call = body->call;
      draft.body.action = body->action;
      draft.body.answer = answer;
      draft.body.by = std::move(by);
      draft.state = RunState::kRunning;
      auto written = co_await append_record(shard_, run, std::move(draft), Sync::kWait);
      if (!written) failed = written.error();
    }
  }
  if (failed) {
    wait_again(event, before);
    co_return failure(std::move(*failed));
  }
  waiting_.erase(event.value);
  for (Connection* connection : shard_.connections.all()) connection->held.erase(run.id);
  Ready ready;
  ready.event = event;
  ready.lane = before.lane;
  make_ready(ready);
  co_return Result<void>();
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
