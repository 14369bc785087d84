// What one run publishes, until it ends. It must never give out an id that another publication of the run has, nor more
// than its bounds. The run owns it: what works beside each other in one run publishes into the same.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/shard.h"

namespace tieline::engine {

// kInvalid: the run publishes more than EngineLimits allows, or its event came through too many flows. `step` is the
// one that publishes.
Result<void> publish(const Shard& shard, Run& run, Publication publication, std::uint16_t step);
// As events of now; leaves nothing.
std::vector<NewEvent> take_published(const Shard& shard, Run& run);
// The run begins again at its first step.
void forget_published(Run& run);

}  // namespace tieline::engine
