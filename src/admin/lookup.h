// How the questions of the admin port find flows, events and runs by what a person knows of them. Reads only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "admin/queries.h"

namespace tieline::admin {

using FlowNames = std::map<FlowId, std::string>;

Async<FlowNames> flow_names(Journal& journal);
// kNotFound with "did you mean".
Result<FlowId> flow_named(const FlowNames& names, std::string_view wanted);

// The position in FLOW/POSITION or POSITION. A vendor's own id may have slashes, too: what stands before the last one
// must be a flow's name.
std::optional<std::uint64_t> position_named(const FlowNames& names, std::string_view id);

// The positions that the index holds under NAME=VALUE, the newest `most` of them; and how many older ones there are.
struct KeyPositions {
  std::set<Position> newest;
  std::size_t older = 0;
};
Async<KeyPositions> positions_of_key(StateStore& state, std::string key, std::size_t most = SIZE_MAX);
// Whatever may have sent an event: the connections, and the flows' own topics, schedules and starts by hand.
std::vector<std::string> sources_of(const Ports& ports, std::vector<std::string> connections);
// The states of all flows' runs on the events, in the order of `positions`.
Async<std::vector<RunStatus>> statuses_of(Ports ports, std::vector<Position> positions, FlowNames names);

// An event, or why there is none to be read although it came.
struct FoundEvent {
  EventPtr event;  // null: it came, and is
  Position position;
  bool corrupt = false;  // unreadable; else let go of
};
// What `id` names: FLOW/POSITION, POSITION, or a vendor's id of one of `sources`. kNotFound.
Async<FoundEvent> find_event(EventLog& log, FlowNames names, std::string id, std::vector<std::string> sources);

}  // namespace tieline::admin
