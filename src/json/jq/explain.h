// A compiled program as a person reads it; private to src/json.
// It must end, whatever functions call each other.
#pragma once

#include <string>

#include "json/jq/code.h"

namespace tieline::json::jq {

// As Program::explain; `slots` of the outermost frame.
std::string explain(const Code& code, std::uint32_t slots);

}  // namespace tieline::json::jq
