// What data is that is no program: the JSON document of a YAML tree.
#pragma once

#include "json/value.h"
#include "spec/types.h"

namespace tieline::spec {

// Unquoted true, false, null and numbers are typed; all else is text, what looks like a program too, as it is written.
void write_literal(json::Builder& out, const Data& data);
json::Document literal_document(const Data& data);
json::Document literal_document(const Node& node);

}  // namespace tieline::spec
