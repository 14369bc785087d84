// The names inside a jq program, found without parsing it: what is refused, what is used, where an error stands.
// It must agree with jq's lexer on what is a string, a comment, a field or an object's key, and nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tieline::json {

struct ProgramToken {
  // kUnclosed is (the rest of) a text that no quote ends.
  enum class Kind : std::uint8_t { kName, kVariable, kField, kKey, kNumber, kOther, kUnclosed };
  Kind kind = Kind::kOther;
  std::string_view text;  // without `$` or `.`; a number's or sign's own characters
  std::size_t offset = 0;
  std::size_t end = 0;  // behind it, in the source
};

// Every token in order, those of interpolations `\( )` included. The views point into `source`.
std::vector<ProgramToken> scan_program(std::string_view source);

// Line and column (in characters) of `offset`, from 1.
Place place_in(std::string_view source, std::size_t offset);

// A place in a program that itself stands at `base`: line 1 keeps the base's column.
Place moved(const Place& base, const Place& inside);

// What a program must not contain: names that reach beyond its input and variables, and numbers that the engine behind
// would alter. None, or the error with its place in the source.
std::optional<Error> refused_part(const std::vector<ProgramToken>& tokens, std::string_view source);
bool is_refused_name(std::string_view name);
// What to do instead of using that refused name.
std::string_view refusal_reason(std::string_view name);

}  // namespace tieline::json
