// The order of `version:` values. It must never call two different numbers equal because a double cannot tell them
// apart.
#pragma once

#include <compare>

#include "json/value.h"

namespace tieline::engine {

// Numbers by value, strings as times where both are RFC 3339 times and else bytewise, arrays element by element; values
// of different kinds in the order null, boolean, number, string, array, object. Objects are all equal.
std::weak_ordering compare_versions(json::Value a, json::Value b);

}  // namespace tieline::engine
