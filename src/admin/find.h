// Everything that happened to one thing of the business: an order, a customer, a vendor's event; across flows and
// sources, in the order of time. Reads only; it must never take more memory than its limits, however often it happened.
#pragma once

#include <string>
#include <vector>

#include "admin/queries.h"

namespace tieline::admin {

inline constexpr std::size_t kFindEventsMax = 200;  // the newest ones
inline constexpr std::size_t kFindLinesMax = 5'000;

// `what`: NAME=VALUE of a flow's `index:`, a VALUE under any name, a run, a vendor's event id of one of `sources`, or
// an event's number. {"events": how many there are, "lines": [{"at", "event", "run", "text"}], "more": older lines
// than the last `count`, "more_events": older ones beyond kFindEventsMax}, in the order of time. kNotFound when there
// is nothing.
Async<json::Document> find(Ports ports, std::string what, std::vector<std::string> sources, std::size_t count);

// What find() gave, for a person's terminal.
std::string find_in_words(json::Value found);

}  // namespace tieline::admin
