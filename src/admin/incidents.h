// What was down, since when, and when it had caught up: asked of the store, so that it works in the server and offline
// alike. Reads only.
#pragma once

#include "admin/queries.h"
#include "engine/breaker.h"

namespace tieline::admin {

inline constexpr std::size_t kIncidentsMax = 1'000;

// {"incidents": [{"connection", "since", "cause", "actions" (absent where all of the connection was down), "back",
// "caught_up", "runs", "state": "down", "back" or "over"}]}; newest first. The engine writes them within moments.
Async<json::Document> list_incidents(Ports ports);

// One of them, as an object; `runs` is how many were held in it so far.
void put_incident(json::Builder& out, std::string_view connection, const engine::Incident& incident);

}  // namespace tieline::admin
