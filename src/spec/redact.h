// A configuration that may be shown: what a table calls secret is replaced. What the table does not know is replaced
// too, since a misspelled `tokn:` holds a secret all the same; a secret must never survive.
#pragma once

#include <string>
#include <string_view>

#include "json/value.h"
#include "spec/shape.h"

namespace tieline::spec {

inline constexpr std::string_view kRedacted = "[redacted]";

// The same tree, with every scalar in a secret field, and every literal where a reference to a secret belongs,
// replaced. References (`secret:NAME`) stay: they say where, not what.
Node redacted(const TableInfo& table, const Node& node);
json::Document redacted(const TableInfo& table, json::Value value);

// The tree as YAML text in block style. parse_yaml reads it back with the same kinds, keys and texts; a text that needs
// no quotes may get them, a block scalar stays one.
std::string print_yaml(const Node& node);

}  // namespace tieline::spec
