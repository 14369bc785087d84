// JSON Schema (2020-12) of a table, for editors that complete and check YAML while it is written.
// It must never accept less than the table's own parse does.
#pragma once

#include <string>

#include "spec/shape.h"

namespace tieline::spec {

// A whole schema document, as indented JSON text; tables that are used inside stand once under "$defs". `id` becomes
// "$id".
std::string json_schema(const TableInfo& table, std::string_view id);

}  // namespace tieline::spec
