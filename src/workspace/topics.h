// Who publishes for whom in a workspace: what `check` says of it. It must never refuse what could be meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spec/problems.h"
#include "workspace/compile.h"

namespace tieline::workspace {

// A flow with what it publishes and wants.
struct TopicFlow {
  std::string name;
  std::vector<std::string> publishes;
  std::vector<TopicUse> topics;
  std::optional<spec::At<std::string>> on_dead = std::nullopt;
};

// Warns of patterns that no flow publishes for, of dead letters told on a topic that nobody reads, and of flows that
// start each other in a circle, once for each circle.
void check_topics(std::span<const TopicFlow> flows, spec::Problems& problems);

}  // namespace tieline::workspace
