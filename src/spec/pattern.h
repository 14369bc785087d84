// Patterns of text, in the part that POSIX extended regular expressions and JSON Schema's ECMAScript read alike.
// It must never take time beyond the text's length times the pattern's: no back references.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline::spec {

// Immutable, cheap to copy. May be used from any thread.
class Pattern {
 public:
  // kInvalid, with what is wrong, for a broken pattern and for what the two dialects read differently: \d, \w, \1 and
  // other escaped letters and digits, (?…), and lazy quantifiers.
  static Result<Pattern> compile(std::string_view text);
  // True if it matches anywhere in `text`; anchor with ^ and $.
  bool matches(std::string_view text) const;
  const std::string& text() const { return text_; }

 private:
  struct Compiled;
  Pattern(std::string text, std::shared_ptr<const Compiled> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace tieline::spec
