// What stands behind Engine; for engine*.cc only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/dispatcher.h"
#include "engine/engine.h"
#include "engine/jobs.h"
#include "engine/scheduler.h"
#include "engine/shard.h"

namespace tieline::engine {

// Flows that read nothing: why, by name.
inline constexpr std::string_view kPausedBucket = "paused";

struct Engine::Impl {
  Impl(const EngineDeps& deps, const EngineLimits& limits) : shard(deps, limits) {
    shard.authorized = [this](Connection& connection) { authorized(connection); };
    shard.failed = [this](Connection& connection, const Breaker::Failure& failure) {
      return failed(connection, failure);
    };
    shard.served = [this](Connection& connection, std::string_view action) { served(connection, action); };
    // One whose flow is being opened is not known here yet.
    shard.due.ask([this](const DueQueue::Entry& entry) {
      const Dispatcher* dispatcher = find(entry.run.flow);
      return dispatcher == nullptr || dispatcher->waits_until(entry.run.event, entry.at);
    });
    shard.pause = [this](std::string flow, std::string why) { return pause(std::move(flow), std::move(why)); };
  }

  Async<void> rename(const EngineConfig& config);
  Async<FlowId> open(const Flow& flow);
  Async<void> carry_over(std::string bucket, std::string from, std::string to);
  Async<void> open_new(const EngineConfig& config, std::vector<std::unique_ptr<Dispatcher>>& opened);
  void swap(const EngineConfig& config);
  void tell_configured(const EngineConfig& config);
  Dispatcher* find(std::string_view name);
  Dispatcher* find(FlowId id);
  Result<Dispatcher*> dispatcher_of(RunId run);
  asio::awaitable<void> run_timer();
  Instant next_timer();
  void probe();
  Async<void> recall_pause(Dispatcher& dispatcher);
  Async<void> pause(std::string flow, std::string why);
  Result<Dispatcher*> configured(std::string_view flow);
  Error no_such_flow(std::string_view flow) const;
  void release(const std::set<RunId>& runs, Hold hold);
  void authorized(Connection& connection);
  bool failed(Connection& connection, const Breaker::Failure& failure);
  void served(Connection& connection, std::string_view action);
  void let_go(Connection& connection, int count);
  void tell_incident(Connection& connection, const Incident& incident);
  void look_after_incident(Connection& connection);
  asio::awaitable<void> probe_health(Connection* connection);
  asio::awaitable<Verdict> look(ActionPtr action, Deadline deadline);
  asio::awaitable<void> stop_runs(Deadline deadline);

  Shard shard;
  Scheduler scheduler{shard};
  std::map<FlowId, std::unique_ptr<Dispatcher>> dispatchers;
  Jobs jobs{shard, [this](FlowId id) { return find(id); }};
  bool started = false;
  bool reloading = false;
};

}  // namespace tieline::engine
