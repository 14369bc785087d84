#include "admin/lookup.h"

#include <algorithm>

#include "async/sync.h"
#include "base/text.h"
#include "engine/index_key.h"

namespace tieline::admin {

Async<FlowNames> flow_names(Journal& journal) {
  auto flows = co_await journal.flows();
  if (!flows) co_return failure(std::move(flows.error()));
  FlowNames names;
  for (auto& [id, name] : *flows) names.emplace(id, std::move(name));
  co_return names;
}

Result<FlowId> flow_named(const FlowNames& names, std::string_view wanted) {
  std::vector<std::string> known;
  for (const auto& [id, name] : names) {
    if (name == wanted) return id;
    known.push_back(name);
  }
  return failure(Code::kNotFound,
                 "no flow \"" + std::string(wanted) + "\" ever ran here" + did_you_mean(wanted, known));
}

Async<KeyPositions> positions_of_key(StateStore& state, std::string key, std::size_t most) {
  KeyPositions found;
  std::string after;
  const std::string prefix = engine::index_prefix(key);
  while (true) {
    auto entries = co_await state.scan(std::string(engine::kIndexBucket), prefix, after, 500);
    if (!entries) co_return failure(std::move(entries.error()));
    for (const Entry& entry : *entries) {
      if (const auto position = engine::index_position(entry.key)) found.newest.insert(*position);
      if (found.newest.size() > most) {
        found.newest.erase(found.newest.begin());
        ++found.older;
      }
    }
    if (entries->size() < 500) co_return found;
    after = entries->back().key;
    co_await next_turn();
  }
}

std::vector<std::string> sources_of(const Ports& ports, std::vector<std::string> connections) {
  for (const FlowPtr& flow : ports.flows) {
    for (const std::string& topic : flow->publishes) connections.push_back(std::string(kTopicSource) + topic);
    if (!flow->schedules.empty()) connections.push_back(std::string(kScheduleSource) + flow->name);
    for (const SyncTrigger& sync : flow->syncs)
      connections.push_back(std::string(kSyncSource) + flow->name + '/' + sync.resource);
    if (flow->reads) connections.push_back(std::string(kReadingSource) + flow->name);
    if (flow->manual) connections.push_back(std::string(kManualSource) + flow->name);
  }
  return connections;
}

Async<std::vector<RunStatus>> statuses_of(Ports ports, std::vector<Position> positions, FlowNames names) {
  std::vector<RunStatus> found;
  for (const Position position : positions) {
    for (const auto& [flow, name] : names) {
      const RunId run{flow, position};
      auto status = co_await ports.journal.status(run);
      if (!status) co_return failure(std::move(status.error()));
      if (*status) found.push_back(std::move(**status));
    }
  }
  co_return found;
}

// The position in FLOW/POSITION or POSITION. A vendor's own id may have slashes, too: what stands before the last one
// must be a flow's name.
std::optional<std::uint64_t> position_named(const FlowNames& names, std::string_view id) {
  const std::size_t slash = id.rfind('/');
  if (slash == std::string_view::npos) return whole_number(id);
  const bool flow = std::ranges::any_of(names, [&](const auto& one) { return one.second == id.substr(0, slash); });
  return flow ? whole_number(id.substr(slash + 1)) : std::nullopt;
}

Async<FoundEvent> find_event(EventLog& log, FlowNames names, std::string id, std::vector<std::string> sources) {
  FoundEvent found;
  const auto position = position_named(names, id);
  if (position) {
    found.position = Position(*position);
    std::vector<Position> wanted{found.position};
    auto events = co_await log.get(std::move(wanted));
    if (!events) co_return failure(std::move(events.error()));
    if (!events->empty()) {
      found.event = events->front();
      co_return found;
    }
  }
  for (std::string& source : sources) {
    auto event = co_await log.find(std::move(source), id);
    if (!event && event.error().code == Code::kNotFound) continue;
    if (!event) co_return failure(std::move(event.error()));
    found.position = (*event)->position;
    found.event = std::move(*event);
    co_return found;
  }
  if (position && *position > 0 && found.position <= log.last()) {
    auto oldest = co_await log.first_at_or_after(Time::min());
    if (!oldest) co_return failure(std::move(oldest.error()));
    found.corrupt = found.position >= *oldest;
    co_return found;
  }
  co_return failure(Code::kNotFound, "there is no event \"" + id + "\"; `tieline events` lists what there is");
}

}  // namespace tieline::admin
