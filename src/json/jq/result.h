// What a run leaves behind: a document of its own; private to src/json.
// It must never point into the run's memory, nor into the program's.
#pragma once

#include "base/result.h"
#include "json/jq/machine.h"

namespace tieline::json::jq {

// The value as a document: small things are copied, large parts of the machine's documents are held on to.
// `bytes_left` becomes less by roughly what it prints as; kTooLarge when it has no room for it, or when it is nested
// deeper than any document that can be parsed.
Result<Document> to_document(const Machine& machine, Node value, std::size_t& bytes_left, const RunLimits& limits);

// The value as the next one of `out`, without a document of its own. False, and nothing is put, unless it is a text, a
// number, a boolean or null of a size that the limits allow.
bool put_scalar(Builder& out, const Node& value, const RunLimits& limits);

}  // namespace tieline::json::jq
