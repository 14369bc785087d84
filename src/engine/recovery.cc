// What a dispatcher does before it reads anything new: it finds the runs that an earlier process left, in their lanes
// and in their order, whatever of its records survived. It must never start one before all of them are found.
#include <algorithm>

#include "engine/dispatcher.h"
#include "engine/runner.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kPage = 1'000;

}  // namespace

Async<void> Dispatcher::recover() {
  CO_TRY(const FlowCursor cursor, co_await shard_.deps.journal.cursor(id_));
  Found found;
  found.horizon = cursor.floor;
  for (const Position position : cursor.settled) {
    found.settled.insert(position.value);
    found.horizon = std::max(found.horizon, position);
  }
  CO_TRY_VOID(co_await find_unfinished(found));
  // Events without a record that stand before ones with a record: they were in memory, and their lanes may be the same.
  if (flow_ != nullptr) CO_TRY_VOID(co_await read_gap(found, cursor.floor));
  place_over();
  // Older ones that begin again later wait behind what has begun.
  for (const auto& [lane, event] : found.begun) lanes_.lead(lane, event);
  read_to_ = flow_ != nullptr ? found.horizon : cursor.floor;
  if (flow_ == nullptr) {
    known_ = std::move(found.settled);
    known_.insert(found.unfinished.begin(), found.unfinished.end());
    known_to_ = found.horizon;
  }
  co_return Result<void>();
}

Async<void> Dispatcher::find_unfinished(Found& found) {
  RunQuery query;
  query.flow = id_;
  query.states = {RunState::kRunning, RunState::kRetrying, RunState::kParked, RunState::kHeld, RunState::kWaiting};
  query.count = kPage;
  while (true) {
    CO_TRY(const std::vector<RunStatus> page, co_await shard_.deps.journal.runs(query));
    for (const RunStatus& status : page) {
      found.unfinished.insert(status.run.event.value);
      found.horizon = std::max(found.horizon, status.run.event);
      query.after = status.run.event;
      std::uint64_t lane = status.lane;
      // Without a state record only its intents and outcomes stand: the lane is computed anew.
      if (status.state == RunState::kRunning && lane == 0) lane = co_await find_lane(status);
      recovered(status, lane);
      if (lane == 0 || status.state == RunState::kWaiting || found.begun.contains(lane)) continue;
      CO_TRY(const bool begun, co_await has_begun(status));
      if (begun) found.begun.emplace(lane, status.run.event);
    }
    if (page.size() < kPage) co_return Result<void>();
  }
}

// Whether a call of it may have been made since it was taken up, or began again.
Async<bool> Dispatcher::has_begun(RunStatus status) {
  if (status.state == RunState::kParked) co_return false;
  if (status.state != RunState::kRunning) co_return true;
  CO_TRY(const std::vector<Record> records, co_await shard_.deps.journal.read(status.run));
  const auto history = RunHistory::of(records, status.records);
  co_return !history || history->began();
}

// 0 when it has none, or when its flow or its event cannot be had: then it cannot work either.
asio::awaitable<std::uint64_t> Dispatcher::find_lane(RunStatus status) {
  auto records = co_await shard_.deps.journal.read(status.run);
  std::vector<Position> wanted{status.run.event};
  auto events = co_await shard_.deps.log.get(std::move(wanted));
  if (!records || !events || events->empty() || events->front()->data_expired) co_return 0;
  Run run;
  run.id = status.run;
  run.event = events->front();
  // Where its journal is damaged it still keeps its place: as the present flow would give it.
  run.flow = last_flow_;
  if (const auto history = RunHistory::of(*records); history && history->start()) {
    auto flow = co_await shard_.flows.find(name_, history->start()->flow);
    if (flow) run.flow = std::move(*flow);
    run.history = *history;
    use_edited_data(run);
  }
  if (run.flow == nullptr) co_return 0;
  prepare(run);
  co_return run.lane;
}

void Dispatcher::recovered(const RunStatus& status, std::uint64_t lane) {
  const Position event = status.run.event;
  Waiting entry;
  entry.state = status.state;
  entry.lane = lane;
  entry.received = status.changed;
  entry.due = status.due;
  // Written later than now: the wall clock was set back since, and as long is left as when it was written.
  if (status.changed > shard_.now() && entry.due != Time::max()) entry.due -= status.changed - shard_.now();
  entry.pause = pause_marks(status.summary);
  const bool over = status.state == RunState::kWaiting && entry.due <= shard_.now();
  if (over && lane != 0) {
    over_.emplace_back(event, entry);
    return;
  }
  const bool outside = status.state == RunState::kWaiting && !over;
  if (lane != 0 && outside) outside_[lane].push_back(event);
  if (lane != 0 && !outside) lanes_.insert(lane, event);
  if (status.state == RunState::kHeld) {
    entry.hold = hold_of_summary(status.summary).value_or(Hold::kUnknownOutcome);
    // Flows may be different now: those are simply tried again.
    entry.due = waits_for_a_person(entry.hold) ? status.changed + shard_.limits.held_keep : shard_.now();
    if (entry.hold == Hold::kBrake) shard_.brakes[id_].hold();
    if (entry.hold == Hold::kAuthorization && held_again(status)) entry.due = Time::max();
    if (entry.hold == Hold::kOutage && in_outage_again(status)) entry.due = Time::max();
  }
  if (status.state == RunState::kRetrying || status.state == RunState::kHeld || outside) {
    wait_again(event, entry);
  } else if (lane != 0) {
    ++parked_;
  } else {
    Ready ready;
    ready.event = event;
    ready_.push_back(ready);
  }
}

// Whose wait is over takes its place again, before anything younger begins; but for one that a newer one of its key,
// which waits, was about to cancel.
void Dispatcher::place_over() {
  for (const auto& [event, entry] : over_) outside_[entry.lane].push_back(event);
  for (const auto& [event, entry] : over_) {
    if (const Position newer = waits_newer(entry, event); newer != Position()) {
      Waiting cancelled = entry;
      cancelled.cancelled_by = newer;
      wait_again(event, cancelled);
      continue;
    }
    std::erase(outside_[entry.lane], event);
    if (outside_[entry.lane].empty()) outside_.erase(entry.lane);
    lanes_.insert(entry.lane, event);
    ++parked_;
  }
  over_.clear();
}

// Credentials may be others now: one run tries at once whether its connection works, the others wait for what it finds.
bool Dispatcher::held_again(const RunStatus& status) {
  const auto call = held_call(status.summary);
  if (!call) return false;
  Connection& connection = shard_.connections.get(std::string(call->connection));
  connection.held.insert(status.run);
  if (connection.needs_authorization) return true;
  connection.needs_authorization = true;
  connection.probe_at = shard_.deps.clock.instant();
  if (shard_.deps.observer != nullptr) shard_.deps.observer->authorization_changed(connection.name(), true);
  return true;
}

// It waits on for its system, where that is known to be down still, or its backlog drains.
bool Dispatcher::in_outage_again(const RunStatus& status) {
  const auto call = held_call(status.summary);
  Connection* connection = call ? shard_.connections.find(call->connection) : nullptr;
  if (connection == nullptr || !connection->breaker.incident()) return false;
  connection->hold_in_outage(status.run, call->action, true);
  return true;
}

Async<void> Dispatcher::read_gap(Found& found, Position floor) {
  Position at = floor;
  while (at.value < found.horizon.value) {
    ReadLimits limits;
    limits.count = shard_.limits.read_batch;
    CO_TRY(const std::vector<EventPtr> events, co_await shard_.deps.log.read(at, limits));
    if (events.empty()) co_return Result<void>();
    for (const EventPtr& event : events) {
      at = event->position;
      if (at.value > found.horizon.value) co_return Result<void>();
      if (found.settled.contains(at.value) || found.unfinished.contains(at.value)) continue;
      if (!flow_->matches(*event)) {
        shard_.deps.journal.settle(id_, at);
        continue;
      }
      auto run = std::make_unique<Run>();
      run->id = RunId{id_, at};
      run->event = event;
      run->flow = flow_;
      prepare(*run);
      if (run->unwanted) {
        shard_.deps.journal.settle(id_, at);
        continue;
      }
      if (run->lane != 0) lanes_.insert(run->lane, at);
      unsettled_.push_back(Unsettled{ordinal_, at});
      active_.emplace(at.value, std::move(run));
    }
  }
  co_return Result<void>();
}

}  // namespace tieline::engine
