// A page of a resource that a flow reads (RunContext::read): asked for, compared with what is known, and what is new in
// it kept for the run's end, with the state as it is then and the event that goes on. Nothing of a page may become
// visible without all of it; a reading must never take a record for gone before it has read every page.
#pragma once

#include "engine/scope.h"

namespace tieline::engine {

// `step`: the number of the one that asks. kSuspend: the transition says where the run goes.
asio::awaitable<StepResult> read_page(Shard& shard, Run& run, Scope& scope, const SyncRequest& request,
                                      std::uint16_t step);

}  // namespace tieline::engine
