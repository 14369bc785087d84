// Regular expressions of ECMA-262 (with the flag u), as JSON Schema's `pattern` means them, on the engine that the
// mapping language uses. A search must always end: the matcher's steps are bounded.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline::json::schema {

// What Oniguruma must be asked for to find the same: `^`, `$`, `.`, `\d`, `\s`, `\w` and `\b` mean other things there.
// kInvalid for what ECMA-262 does not know.
Result<std::string> translate_pattern(std::string_view pattern);

// Compiled; immutable.
class EcmaPattern {
 public:
  static Result<EcmaPattern> compile(std::string_view pattern);
  // Nothing when the search was given up.
  std::optional<bool> found_in(std::string_view text) const;

 private:
  std::shared_ptr<const void> code_;
};

}  // namespace tieline::json::schema
