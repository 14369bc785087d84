// Works jobs off: run by run, in the order of their events, no faster than the flows have room for them. It must never
// hold more than a page of runs in memory, nor touch a run that changed after its job was given.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/dispatcher.h"
#include "engine/job.h"
#include "engine/shard.h"

namespace tieline::engine {

class Jobs {
 public:
  Jobs(Shard& shard, std::function<Dispatcher*(FlowId)> find) : shard_(shard), find_(std::move(find)) {}

  // Finds the jobs that an earlier process left; begin() goes on with them.
  Async<void> recover();
  void begin();

  // As Engine's members of these names.
  Async<JobCount> count(Selection select, Time created);
  Async<Job> start(Job job);
  Async<void> stop(std::uint64_t id);
  Async<std::vector<Job>> list();

 private:
  struct Page {
    std::vector<Position> runs;
    Position next;  // where the next page begins
    bool last = false;
  };
  Async<std::vector<FlowId>> flows_of(Selection select);
  Async<Page> page(Selection select, FlowId flow, Position after, Time created);
  Async<Page> page_of_untaken(Selection select, FlowId flow, Position after);
  bool fits(const Selection& select, const RunStatus& status, Time created);
  asio::awaitable<void> work(std::uint64_t id);
  Async<bool> work_on_flow(Job& job, FlowId flow);
  Async<bool> still_selected(const Job& job, RunId run);
  Async<bool> perform(const Job& job, RunId run);
  asio::awaitable<bool> do_to(Job& job, RunId run);
  Async<void> write(const Job& job);
  asio::awaitable<void> save(const Job& job);
  std::optional<Error> contradicts(const Job& job) const;
  Async<void> forget_old();

  Shard& shard_;
  std::function<Dispatcher*(FlowId)> find_;
  std::map<std::uint64_t, Job> running_;
  std::size_t starting_ = 0;  // those that are counted and not yet among the running
  std::uint64_t last_id_ = 0;
};

}  // namespace tieline::engine
