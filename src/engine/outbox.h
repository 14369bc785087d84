// What one run publishes, until it ends. It must never give out an id that another publication of the run has, nor more
// than its bounds.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/shard.h"

namespace tieline::engine {

class Outbox {
 public:
  // Both must outlive it.
  Outbox(Shard& shard, Run& run) : shard_(shard), run_(run) {}

  // kInvalid: the run publishes more than EngineLimits allows, or its event came through too many flows. `step` is the
  // one that publishes; the same ones in the same order get the same ids when the run is worked on again.
  Result<void> add(Publication publication, std::uint16_t step);
  // As events of now; leaves nothing.
  std::vector<NewEvent> take();
  bool empty() const { return events_.empty(); }

 private:
  Shard& shard_;
  Run& run_;
  std::vector<NewEvent> events_;
  std::size_t bytes_ = 0;
};

}  // namespace tieline::engine
