// The flow that reads a resource for a flow with a `sync` trigger: made, not written, so that everything that holds for
// flows holds for it. Its name is "syncs/FLOW/CONNECTION.RESOURCE".
#pragma once

#include <string>

#include "core/flow.h"
#include "spec/problems.h"
#include "steps/actions.h"
#include "workspace/compile.h"

namespace tieline::workspace {

// What the trigger names, of a connection that there is. Null after reporting: it cannot be read like that; and without
// a word where the connection's own file has errors. Warns of what the trigger will never tell.
SyncSourcePtr find_sync(const SyncUse& use, const steps::Actions& actions, spec::Problems& problems);

FlowPtr make_reader(const SyncUse& use, const Flow& flow, SyncSourcePtr source);
// One that a stored run began with, with what its connection is now. kInvalid when it can no longer be read.
Result<FlowPtr> restore_reader(const std::string& name, const std::string& source, const steps::Actions& actions);

}  // namespace tieline::workspace
