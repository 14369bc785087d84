// What a dispatcher does with runs that wait: for a time, for their lane, for a person. It must never start a run of a
// lane in which another one is at work.
#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "engine/dispatcher.h"
#include "engine/runner.h"

namespace tieline::engine {

// The next one of the lane goes on: one that comes back from outside before all that are younger.
void Dispatcher::leave_lane(std::uint64_t lane, Position event) {
  if (!lanes_.is_head(lane, event)) {
    lanes_.erase(lane, event);
    return;
  }
  Position next = lanes_.pop(lane);
  if (const auto outside = outside_.find(lane); outside != outside_.end()) {
    std::vector<Position> back;
    std::copy_if(outside->second.begin(), outside->second.end(), std::back_inserter(back),
                 [&](Position waiting) { return waiting_.at(waiting.value).lane_ready; });
    for (const Position waiting : back) {
      std::erase(outside->second, waiting);
      take_waiting(waiting);
      lanes_.rejoin(lane, waiting);
      ++parked_;
    }
    if (outside->second.empty()) outside_.erase(outside);
    next = lanes_.head(lane);
  }
  if (next != Position()) start_head(lane, next);
}

// What a run of the key has done stands for what an older one waits to do.
asio::awaitable<void> Dispatcher::cancel_older(std::uint64_t lane, Position event) {
  const auto outside = outside_.find(lane);
  if (lane == 0 || outside == outside_.end() || shard_.deps.faults.cancel_nothing) co_return;
  std::vector<Position> older;
  std::copy_if(outside->second.begin(), outside->second.end(), std::back_inserter(older), [&](Position waiting) {
    const Waiting& entry = waiting_.at(waiting.value);
    return waiting < event && !entry.pause.keep && entry.state == RunState::kWaiting;
  });
  for (const Position waiting : older) {
    if (!co_await cancel(waiting, event)) {
      // The store refuses: when its moment has come, if no other one of the key comes before.
      const auto found = waiting_.find(waiting.value);
      if (found != waiting_.end()) found->second.cancelled_by = event;
      continue;
    }
    take_waiting(waiting);
    std::erase(outside_[lane], waiting);
  }
  if (outside_[lane].empty()) outside_.erase(lane);
}

asio::awaitable<bool> Dispatcher::cancel(Position waiting, Position newer) {
  const auto found = waiting_.find(waiting.value);
  if (found == waiting_.end() || found->second.state != RunState::kWaiting) co_return false;  // decided meanwhile
  const Waiting before = begin_decision(waiting);
  Run run;
  run.id = RunId{id_, waiting};
  run.lane = before.lane;
  Transition end;
  end.state = RunState::kCancelled;
  end.summary = "the run of event " + std::to_string(newer.value) + " of its key is newer";
  const auto status = co_await shard_.deps.journal.status(run.id);
  bool written = false;
  if (status && status->has_value()) {
    run.records = (*status)->records;
    RecordDraft draft;
    draft.state = end.state;
    draft.summary = end.summary;
    written = (co_await append_record(shard_, run, std::move(draft), Sync::kWithNext)).has_value();
  }
  if (written) {
    observe(run, end, before.received);
  } else {
    wait_again(waiting, before);
  }
  co_return written;
}

// A newer run of the key that waits, too: it could not cancel this one, as the process ended or the store refused.
Position Dispatcher::waits_newer(const Waiting& entry, Position event) const {
  if (entry.cancelled_by != Position()) return entry.cancelled_by;
  const auto outside = outside_.find(entry.lane);
  if (entry.lane == 0 || entry.pause.keep || outside == outside_.end() || shard_.deps.faults.cancel_nothing) return {};
  const auto newer =
      std::find_if(outside->second.begin(), outside->second.end(), [&](Position other) { return other > event; });
  return newer == outside->second.end() ? Position() : *newer;
}

asio::awaitable<void> Dispatcher::cancel_due(Position event, Position newer) {
  const bool cancelled = co_await cancel(event, newer);
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end()) co_return;
  const std::uint64_t lane = found->second.lane;
  if (!cancelled && found->second.state == RunState::kWaiting) {
    // The store refuses still. Its moment has passed: it is tried again after a while.
    found->second.due = shard_.now() + shard_.limits.store_retry;
    shard_.due.push(found->second.due, RunId{id_, event}, shard_.deps.clock);
  }
  if (!cancelled) co_return;
  take_waiting(event);
  std::erase(outside_[lane], event);
  if (outside_[lane].empty()) outside_.erase(lane);
  room_.notify_all();
}

void Dispatcher::keep_waiting(Position event, const Waiting& entry) {
  Waiting& kept = waiting_[event.value];
  pausing_ -= kept.state == RunState::kWaiting ? 1 : 0;
  kept = entry;
  pausing_ += kept.state == RunState::kWaiting ? 1 : 0;
}

Dispatcher::Waiting Dispatcher::take_waiting(Position event) {
  const auto node = waiting_.extract(event.value);
  CHECK(!node.empty());
  pausing_ -= node.mapped().state == RunState::kWaiting ? 1 : 0;
  return node.mapped();
}

// Nobody else may decide it, nor its lane take it, until that is written. What it was.
Dispatcher::Waiting Dispatcher::begin_decision(Position event) {
  const Waiting before = waiting_.at(event.value);
  Waiting decided = before;
  decided.state = RunState::kRunning;
  decided.due = Time::max();
  decided.lane_ready = false;
  keep_waiting(event, decided);
  return before;
}

// One that was taken up for a decision only.
void Dispatcher::rests_again(Position event) {
  take_waiting(event);
  room_.notify_all();
}

void Dispatcher::wait_again(Position event, const Waiting& entry) {
  keep_waiting(event, entry);
  shard_.due.push(entry.due, RunId{id_, event}, shard_.deps.clock);
}

void Dispatcher::due(Position event, Time at) {
  const auto found = waiting_.find(event.value);
  if (found == waiting_.end() || found->second.due != at) return;
  const Waiting& entry = found->second;
  if (entry.state == RunState::kWaiting) {
    if (const Position newer = waits_newer(entry, event); newer != Position()) {
      shard_.runs.spawn(cancel_due(event, newer));
    } else {
      rejoin_lane(event);
    }
  } else {
    leave_waiting(event, entry.state == RunState::kHeld && waits_for_a_person(entry.hold));
  }
}

// One that waited outside of its lane goes on, at once or when those that work now have ended.
void Dispatcher::rejoin_lane(Position event) {
  Waiting& entry = waiting_.at(event.value);
  const std::uint64_t lane = entry.lane;
  if (lane != 0 && lanes_.head(lane) != Position()) {
    entry.lane_ready = true;
    return;
  }
  if (lane != 0) {
    lanes_.push(lane, event);
    std::vector<Position>& outside = outside_.at(lane);
    std::erase(outside, event);
    if (outside.empty()) outside_.erase(lane);
  }
  leave_waiting(event, false);
}

// Back to work; or into its lane, where a changed key has put an older run before it since.
void Dispatcher::leave_waiting(Position event, bool expired, bool brake_released) {
  const std::uint64_t lane = take_waiting(event).lane;
  if (lane != 0 && !lanes_.is_head(lane, event)) {
    ++parked_;
    return;
  }
  Ready ready;
  ready.event = event;
  ready.lane = lane;
  ready.expired = expired;
  ready.brake_released = brake_released;
  make_ready(ready);
}

Result<void> Dispatcher::release_brake() {
  BrakeCounter& brake = shard_.brakes[id_];
  if (!brake.holds()) return failure(Code::kInvalid, "the brake of flow " + name_ + " does not hold");
  brake.release();
  std::vector<Position> held;
  for (const auto& [position, entry] : waiting_) {
    if (entry.state == RunState::kHeld && entry.hold == Hold::kBrake) held.push_back(Position(position));
  }
  std::sort(held.begin(), held.end());
  for (const Position event : held) leave_waiting(event, false, true);
  return {};
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

}  // namespace tieline::engine
