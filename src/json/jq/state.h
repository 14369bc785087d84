// What the compiler finds out about the update of a reduce; private to src/json.
// In doubt the answer must be no.
#pragma once

#include "json/jq/code.h"

namespace tieline::json::jq {

// True if the code only changes its input, by values that do not come from it: then a reduce may do so in place.
bool accumulates(const Code* code);

}  // namespace tieline::json::jq
