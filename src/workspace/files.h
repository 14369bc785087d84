// The texts of a workspace, wherever they come from: a directory, or memory (the demo's is inside the program).
#pragma once

#include <map>
#include <string>

#include "base/result.h"

namespace tieline::workspace {

// Texts by path relative to the workspace, with `/`: "tieline.yaml", "connections/hubspot.yaml", "flows/orders.yaml",
// "connectors/warehouse.yaml", "schemas/order.json".
struct Files {
  std::map<std::string, std::string> texts;
  // What stands where a person may take it for a part of the workspace, and is not read: path, and why.
  std::map<std::string, std::string> ignored;
  std::string prefix;  // stands before the path in every place that is shown ("examples/orders/"); may be empty
};

// tieline.yaml and all files of connectors/, connections/, flows/, subscriptions/, schemas/ and env/ (hidden ones and
// those in deeper directories left out). kNotFound when the directory is not there, kInternal when a file cannot be
// read.
Result<Files> read_files(const std::string& directory);

}  // namespace tieline::workspace
