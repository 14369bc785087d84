#include "admin/incidents.h"

#include <algorithm>

#include "engine/connections.h"

namespace tieline::admin {

void put_incident(json::Builder& out, std::string_view connection, const engine::Incident& incident) {
  const bool down = !incident.back && !incident.caught_up;
  out.begin_object().key("connection").string(connection);
  out.key("state").string(incident.caught_up ? "over" : down ? "down" : "back");
  out.key("since").string(format_time(incident.since)).key("cause").string(incident.cause);
  if (!incident.whole && !incident.actions.empty()) {
    out.key("actions").begin_array();
    for (const std::string& action : incident.actions) out.string(action);
    out.end_array();
  }
  if (incident.back) out.key("back").string(format_time(*incident.back));
  if (incident.caught_up) out.key("caught_up").string(format_time(*incident.caught_up));
  out.key("runs").integer(static_cast<std::int64_t>(incident.runs)).end_object();
}

Async<json::Document> list_incidents(Ports ports, std::vector<engine::ConnectionSnapshot> connections) {
  std::vector<std::pair<std::string, engine::Incident>> all;
  std::string after;
  constexpr std::size_t kPage = 500;
  while (true) {
    std::string bucket(engine::kIncidentBucket);
    CO_TRY(const auto page, co_await ports.state.scan(std::move(bucket), "", after, kPage));
    for (const Entry& entry : page) {
      after = entry.key;
      auto incident = engine::decode_incident(entry.value);
      if (!incident) continue;
      std::string name = entry.key.substr(0, entry.key.rfind('/'));
      for (const engine::ConnectionSnapshot& known : connections) {
        if (known.name == name && known.incident && known.incident->since == incident->since)
          *incident = *known.incident;
      }
      all.emplace_back(std::move(name), std::move(*incident));
    }
    if (page.size() < kPage) break;
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second.since > b.second.since; });
  if (all.size() > kIncidentsMax) all.resize(kIncidentsMax);
  json::Builder out;
  out.begin_object().key("incidents").begin_array();
  for (const auto& [connection, incident] : all) put_incident(out, connection, incident);
  out.end_array().end_object();
  co_return out.finish();
}

}  // namespace tieline::admin
