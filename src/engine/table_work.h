// A step's work on a durable table: what stands there, what follows, and both in one record of the run. It must never
// let a run meet another answer than the one that it has gone on with.
#pragma once

#include "core/flow.h"
#include "engine/shard.h"

namespace tieline::engine {

// `work` must outlive it. When the run cannot go on, `transition` says where it goes.
asio::awaitable<RunContext::CallResult> do_table_work(Shard& shard, Run& run, TableWork& work, CallId id,
                                                      std::string path, Transition& transition);

}  // namespace tieline::engine
