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
// What a flow that reads makes of a record, or its going on: kept like a publication, its id after `event`'s own. The
// caller keeps to the bounds.
void publish_own(Run& run, NewEvent event, std::uint16_t step);
// As events of now; leaves nothing.
std::vector<NewEvent> take_published(const Shard& shard, Run& run);
// Of a run that `end`s as a dead letter: the event that its flow wants to tell of it, as one of now; or nothing. It
// leaves out what it cannot tell, and never refuses: a dead letter must not fail to end.
std::vector<NewEvent> death_notice(const Shard& shard, const Run& run, const Transition& end);
// The record that ends a run brings them, and says which.
void publish_with(RecordDraft& draft, std::vector<NewEvent> events);
// The run begins again at its first step.
void forget_published(Run& run);

}  // namespace tieline::engine
