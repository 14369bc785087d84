// What one simulated life of the engine is made of: everything follows from one seed.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "engine/engine.h"

namespace tieline::sim {

struct Options {
  std::uint64_t seed = 1;
  bool trace = false;
  std::string run;  // "flow/event": its journal is shown
  std::uint32_t events = 24;
  std::uint32_t keys = 4;
  std::uint32_t crashes_max = 3;
  std::uint32_t reloads_max = 2;
  std::uint32_t replays_max = 3;  // of everything that is dead, in one job
  // In a hundred requests of the vendor's bad time, on average over the seeds.
  std::uint32_t lost_answers = 15, not_sent = 10, failures = 25, refusals = 6;
  engine::EngineFaults faults;  // what the checker must catch
};

}  // namespace tieline::sim
