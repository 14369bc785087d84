// Parsing a value out of the beginning of a text that goes on; private to src/json.
// The nodes point into the text: whoever calls must keep it, and the arena, as long as them.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "json/node.h"

namespace tieline::json {

struct Prefix {
  std::size_t bytes = 0;  // of the text, up to the value's end
  const Node* root = nullptr;
  bool inexact = false;
};

// The value that `text` begins with; errors as json::parse has them, with the place in `text`. `cut`: the value, or the
// mistake, touches the end of the text, so with more of it the answer may be another one.
Result<Prefix> parse_prefix(std::string_view text, Arena& arena, const ParseLimits& limits, bool& cut);

}  // namespace tieline::json
