// Moments as vendors write them.
#pragma once

#include <optional>

#include "base/time.h"
#include "json/value.h"

namespace tieline::connect {

// ISO 8601 text with an offset, or a number since 1970: of seconds, from 10^11 on of milliseconds. Nothing for all
// else.
std::optional<Time> vendor_time(json::Value value);

}  // namespace tieline::connect
