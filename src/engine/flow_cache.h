// The compiled flows that runs are pinned to, by hash: the present ones, and older ones compiled again from the source
// that the store keeps. It must never hand a run another flow than the one it began with.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/flow.h"
#include "core/journal.h"

namespace tieline::engine {

// One thread only.
class FlowCache {
 public:
  FlowCache(StateStore& state, FlowSource& source) : state_(state), source_(source) {}

  // Keeps the flow's source in the store, durable on return, so that runs that begin with it can be resumed; and the
  // names of its index, so that a value alone finds what stands under them.
  Async<void> keep(FlowPtr flow);
  // A flow that keep() has kept, or that an earlier process did.
  void add(const FlowPtr& flow) {
    std::erase_if(flows_, [](const auto& entry) { return entry.second.expired(); });
    flows_[flow->hash] = flow;
  }
  // kNotFound when its source is not kept; kInvalid when it does not compile any more; else the store's.
  Async<FlowPtr> find(std::string name, std::string hash);

 private:
  StateStore& state_;
  FlowSource& source_;
  std::map<std::string, std::weak_ptr<const Flow>> flows_;
};

}  // namespace tieline::engine
