// One life of the engine under one seed, and the judgement of it. It must never depend on anything but its options.
#pragma once

#include <string>
#include <vector>

#include "sim/options.h"

namespace tieline::sim {

struct Report {
  std::vector<std::string> violations;  // empty: every promise was kept
  std::size_t acknowledged = 0, delivered = 0, stale = 0, dead = 0;
  std::size_t crashes = 0, reloads = 0, replays = 0, lost_answers = 0, failed_before = 0, settled_by_hand = 0,
              steps = 0;
  std::size_t skipped = 0, cancelled = 0, approvals = 0, releases = 0;  // the last: of a brake
  std::size_t in_outage = 0;  // attempts that failed in an outage and cost no try
  std::size_t together = 0;   // requests of several runs

  // All of several lives.
  Report& operator+=(const Report& other);
};

Report simulate(const Options& options);

}  // namespace tieline::sim
