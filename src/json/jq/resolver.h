// From the syntax tree to code: names become slots and functions, constants are folded; private to src/json.
// It must never let a name through that is not defined.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/jq/ast.h"
#include "json/jq/code.h"

namespace tieline::json::jq {

struct Compiled {
  const Code* code = nullptr;
  std::uint32_t slots = 0;  // of the outermost frame; the variables are the first ones
};

// The code lives in `arena`, as the tree does. Errors have their place in the source.
Result<Compiled> resolve(const Ast* program, std::span<const std::string> variables, std::string_view source,
                         Arena& arena);

}  // namespace tieline::json::jq
