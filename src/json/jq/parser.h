// From the text of a program to its syntax tree; private to src/json.
// It must never accept what jq 1.8 refuses, nor let a program reach beyond its input and variables by name.
#pragma once

#include <string_view>

#include "base/result.h"
#include "json/jq/ast.h"

namespace tieline::json::jq {

// The tree lives in `arena` and points into `source`. Errors have their place in the source, from line 1, column 1.
Result<const Ast*> parse_program(std::string_view source, Arena& arena);
// Definitions only: what the language is written in itself.
Result<std::span<const Definition* const>> parse_definitions(std::string_view source, Arena& arena);

}  // namespace tieline::json::jq
