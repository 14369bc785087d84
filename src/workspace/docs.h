// The reference page and the JSON Schemas of the workspace's files, made from their tables alone.
#pragma once

#include <string>
#include <vector>

namespace tieline::workspace {

// docs/flows-reference.md: tieline.yaml, connections, flows and steps.
std::string reference_page();

struct SchemaFile {
  std::string name;  // "flow.schema.json"
  std::string text;
};
// For editors: one for tieline.yaml, one for connections, one for flows.
std::vector<SchemaFile> json_schemas();

}  // namespace tieline::workspace
