// The text of a manifest's programs, before the mapping engine sees it: the shorthand `header.X`, and the programs that
// are plain enough to be read without that engine. Nothing here may guess: what it does not know wholly it leaves
// alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tieline::connect {

// A program with `header.X-Y` written out as `$headers["x-y"]`.
struct Expanded {
  std::string text;
  std::vector<std::pair<std::size_t, std::size_t>> shifts;  // offset in text, offset in the source; growing

  // Where the byte at `offset` of text comes from.
  std::size_t source_offset(std::size_t offset) const;
};
Expanded expand_headers(std::string_view source);

// `.a[0]."b c"`, `header.X`, `"text"`.
struct Term {
  enum class Kind : std::uint8_t {
    kPath,
    kHeader,          // name, in lower case
    kHeaderVariable,  // the header that a variable names: $headers[$variables.NAME | ascii_downcase]
    kText,
  };
  struct Hop {
    std::string key;
    std::optional<std::int64_t> index;  // instead of key
  };
  Kind kind = Kind::kPath;
  std::string text;
  std::vector<Hop> path;
};

// A program of the shape `TERM // TERM …`, alone or followed by one of: `== "text"`, `// (whatever)`, `| whatever`.
struct PlainProgram {
  std::vector<Term> terms;
  std::optional<std::string> equals;
  bool fallback = false;            // `// (…)`: when all terms are null or false the whole program decides
  std::optional<std::size_t> rest;  // where `whatever` begins behind the `|`; it sees nothing but its input
};
std::optional<PlainProgram> recognise(std::string_view source);

}  // namespace tieline::connect
