// The options of retries and unknown outcomes, shared by flows and calls: the descriptions of core's types.
#pragma once

#include "core/flow.h"
#include "spec/table.h"

namespace tieline {

const spec::Table<RetryPolicy>& describe(const RetryPolicy*);
const spec::Names<Priority>& describe(const Priority*);
const spec::Names<OnUnknown>& describe(const OnUnknown*);
const spec::Names<OnReplay>& describe(const OnReplay*);
const spec::Custom<OnAnswer>& describe(const OnAnswer*);

namespace steps {
// Reports a name that the table of links cannot have.
void check_link_system(spec::Problems& problems, const std::string& name, const Place& place);
}  // namespace steps

}  // namespace tieline
