// What the admin port is asked to do with one flow: pause, resume, release its brake, start. It must never wait for
// what the flow does.
#pragma once

#include <string>

#include "engine/engine.h"

namespace tieline::admin {

// `path` is what stands behind "/api/flows/": NAME/pause, NAME/resume, NAME/release or NAME/start, percent-encoded. The
// answer's body. kNotFound, kInvalid, and the store's errors. The engine must outlive the coroutine.
Async<json::Document> ask_flow(engine::Engine& engine, std::string path, json::Document body);

}  // namespace tieline::admin
