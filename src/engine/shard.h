// What the parts of one shard's engine share. Everything here belongs to the shard's thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "async/sync.h"
#include "async/task_group.h"
#include "base/prng.h"
#include "engine/brake.h"
#include "engine/connections.h"
#include "engine/due_queue.h"
#include "engine/engine.h"
#include "engine/flow_cache.h"
#include "engine/gathering.h"
#include "engine/run.h"

namespace tieline::engine {

struct Shard {
  Shard(EngineDeps dependencies, const EngineLimits& bounds)
      : deps(dependencies),
        limits(bounds),
        prng(deps.seed),
        timers(deps.executor),
        runs(deps.executor),
        connections(deps.clock, deps.seed, timers, deps.state, limits),
        flows(deps.state, deps.flow_source) {}

  EngineDeps deps;
  EngineLimits limits;
  Prng prng;
  TaskGroup timers;  // what waits for the log and the clock
  TaskGroup runs;    // what works on runs
  Connections connections;
  DueQueue due;
  FlowCache flows;
  bool draining = false;
  std::size_t working = 0;     // coroutines that load or work on a run
  Signal idle;                 // working came to 0
  bool store_refuses = false;  // the last record was refused
  std::string store_error;
  std::uint64_t store_errors = 0;

  std::map<FlowId, BrakeCounter> brakes;  // of flows that have one

  Gatherings gatherings;  // of calls that leave together

  // `once` keys that a run is about to claim or is sending for: others of the same key wait.
  std::set<std::string> once_busy;
  Signal once_changed;

  // Has a flow read nothing more, durably, as Engine::pause.
  std::function<Async<void>(std::string flow, std::string why)> pause;

  // Takes the mark off a connection whose calls are served again, and lets its held runs go on.
  std::function<void(Connection&)> authorized;

  // A call's transient or unknown end; whether it counts against its run. And that a system answered, which is told
  // where its breaker is not quiet.
  std::function<bool(Connection&, const Breaker::Failure&)> failed;
  std::function<void(Connection&, std::string_view action)> served;

  Time now() const { return deps.clock.now(); }
  Time index_until() const { return now() + limits.index_keep; }
  void store_failed(const Error& error) {
    ++store_errors;
    // What is wrong with one record says nothing of the next one.
    if (error.code == Code::kTooLarge || error.code == Code::kInvalid || error.code == Code::kConflict) return;
    store_refuses = true;
    store_error = error.message;
  }
};

// Appends a record of `run` under its next number, the first one with the flow that it is pinned to.
struct RecordDraft {
  RecordKind kind = RecordKind::kState;
  std::uint16_t step = 0, attempt = 0;
  RecordBody body;
  std::vector<KeyPut> puts;
  RunState state = RunState::kRunning;
  Time due = Time::max();
  std::string summary;
  std::vector<NewEvent> events;  // with the end of a run
};
// To be awaited at once. The store's error is counted in the shard.
Async<void> append_record(Shard& shard, Run& run, RecordDraft&& draft, Sync sync);

}  // namespace tieline::engine
