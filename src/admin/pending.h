// What no journal tells: events that a flow takes and of whose run nothing is written yet, and events that no flow
// takes. Found by the flows' triggers and cursors, so that an acknowledged event is never absent from a list.
#pragma once

#include <string>
#include <vector>

#include "admin/lookup.h"

namespace tieline::admin {

// How many of the newest positions (of the oldest, where a query begins `after` one) are looked at.
inline constexpr std::size_t kLookedAtMax = 100'000;

// One event, and the flow that will work on it; no flow: none takes it.
struct EventOf {
  EventPtr event;
  RunId run;  // the flow is 0 where none takes it
};

// Runs of `ports.flows` that have no record: in memory at their first call, or still to be taken up. As `query` asks
// for order, flow, since, after and count (its states are not looked at). `key`: NAME=VALUE, or empty.
Async<std::vector<EventOf>> pending_runs(Ports ports, FlowNames names, RunQuery query, std::string key);

// The same of one event.
Async<std::vector<EventOf>> pending_runs_of(Ports ports, FlowNames names, EventPtr event);

// Events that no flow of `ports.flows` takes and on which none has worked.
Async<std::vector<EventOf>> unmatched_events(Ports ports, FlowNames names, RunQuery query);

}  // namespace tieline::admin
