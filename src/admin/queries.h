// What happened, asked of the store: lists of runs, and the whole story of one event in plain words. Reads only,
// through the ports, so that it works in the server and offline alike.
#pragma once

#include <optional>
#include <string>

#include "core/event_log.h"
#include "core/flow.h"
#include "core/journal.h"
#include "json/value.h"

namespace tieline::admin {

struct Ports {
  EventLog& log;
  Journal& journal;
  StateStore& state;
  // Those of the workspace, by which events are known that are still to be worked on; without them only what the
  // journal tells is listed.
  std::vector<FlowPtr> flows = {};
};

struct RunFilter {
  std::string flow;  // empty: all
  // A state's name; "pending" for all that is still worked on or waited for; "approval" for what waits for a person's
  // yes, the oldest first; "unmatched" for events that no flow takes; empty: all but the unmatched.
  std::string state;
  std::string key;  // NAME=VALUE of the flow's `index:`; empty: all
  std::optional<Time> since;
  std::optional<Position> after;  // runs of events after this one, oldest first; 0: from the beginning
  std::size_t count = 50;
};
inline constexpr std::size_t kRunsMax = 1000;

// {"runs": [{"run": "orders-to-deals/42", "flow", "event", "event_id", "source", "type", "subject", "state",
// "received", "changed", "took_us", "due", "summary"}]}; newest first. With `after` all runs of the last event are in
// it, were it beyond `count`, so that the next page may begin behind that event. A run of which nothing is written yet
// has the state "pending"; an event that no flow takes the state "unmatched", no flow, and its number for a run.
// kInvalid for an unknown state or a key without `=`, kNotFound for an unknown flow or key, with "did you mean".
Async<json::Document> list_runs(Ports ports, RunFilter filter);

// {"event": {…, "data"}, "matched": whether a flow takes it (absent where the flows are not known), "runs": [{…,
// "story": [{"at", "text", "request", "response"}]}]}. `id` is FLOW/POSITION, a
// POSITION, or the vendor's event id (with `source`, or of any of `sources`). kNotFound.
Async<json::Document> describe(Ports ports, std::string id, std::vector<std::string> sources);

// "orders-to-deals/42". kInvalid when it is not of that form, kNotFound when there is no such flow.
Async<RunId> find_run(Ports ports, std::string id);

// What describe() gave, for a person's terminal.
std::string in_words(json::Value description);

}  // namespace tieline::admin
