// Loads a workspace: all of its files, checked together, or everything that is wrong with them. What does not load
// changes nothing; a loaded workspace is immutable and complete.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow.h"
#include "spec/problems.h"
#include "steps/actions.h"
#include "workspace/catalog.h"
#include "workspace/files.h"
#include "workspace/settings.h"

namespace tieline::workspace {

// Immutable; read from any thread. Its connections keep what they need of the catalog.
struct Workspace {
  Settings settings;
  json::Document variables;                                         // `$vars`
  std::vector<std::shared_ptr<const BoundConnection>> connections;  // by name, in order
  std::vector<FlowPtr> flows;                                       // by name, in order
  std::shared_ptr<const steps::Actions> actions;                    // for FlowArchive

  const BoundConnection* connection(std::string_view name) const;  // null when there is none
  // Flows that somebody wrote: without those that read for them.
  std::size_t written_flows() const;
};

struct Loaded {
  std::shared_ptr<const Workspace> workspace;  // null when problems has an error
  spec::Problems problems;
};

// Reports all errors and warnings of all files, with places `prefix` + path. `catalog` must outlive the workspace.
Loaded load(const Files& files, const ConnectorCatalog& catalog, const SecretSources& secrets);

// One JSON array of {file, line, column, severity, message}, sorted, for `check --json`.
std::string problems_json(const spec::Problems& problems);

}  // namespace tieline::workspace
