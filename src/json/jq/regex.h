// Regular expressions (Oniguruma, in the syntax that jq uses) over texts; private to src/json.
// A search must always end: the matcher's steps are bounded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tieline::json::jq {

struct Capture {
  std::size_t begin = 0;  // bytes
  std::size_t end = 0;
  bool found = false;
  std::string_view name;  // empty without one
};

struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<Capture> captures;
};

// The matches of `pattern` in `text`: the first one, or all with the flag `g`. An error message, or empty.
std::string find_matches(std::string_view text, std::string_view pattern, std::string_view flags, bool captures,
                         std::vector<Match>& matches);

}  // namespace tieline::json::jq
