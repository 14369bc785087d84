// Secrets that a run has made: programs see a handle, the bytes of a request the secret. It must never put a secret
// where a handle does not stand alone, nor into an error.
#pragma once

#include <span>
#include <string>

#include "core/connector.h"
#include "core/flow.h"

namespace tieline::engine {

// `args` with each leaf that is a handle replaced by its secret. kInvalid, with the leaf's path, where a handle is a
// part of a text or of a key.
Result<json::Document> reveal(const json::Document& args, std::span<const Concealed> concealed);

// The action's request (or, with `find`, its look-up) with the secrets of the call in it, and among those that are
// redacted from what is kept of the exchange.
Result<Request> render_revealed(const CallRequest& call, const CallIdentity& identity, bool find);

}  // namespace tieline::engine
