// What was down, since when, and when it had caught up: asked of the store, so that it works in the server and offline
// alike. Reads only.
#pragma once

#include "admin/queries.h"
#include "engine/breaker.h"
#include "engine/engine.h"

namespace tieline::admin {

inline constexpr std::size_t kIncidentsMax = 1'000;

// {"incidents": [{"connection", "since", "cause", "actions" (absent where all of the connection was down), "back",
// "caught_up", "runs", "state": "down", "back" or "over"}]}; newest first. The engine writes them within moments, but
// not each run that is held in one: what is not over is as `connections`, the engine's, know it, where it runs.
Async<json::Document> list_incidents(Ports ports, std::vector<engine::ConnectionSnapshot> connections = {});

// One of them, as an object; `runs` is how many were held in it so far.
void put_incident(json::Builder& out, std::string_view connection, const engine::Incident& incident);

}  // namespace tieline::admin
