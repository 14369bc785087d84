// Values in and out of libjq, directly and not through text; private to src/json.
// It must never be given a number that a double cannot hold: inexact_number finds those first.
#pragma once

extern "C" {
#include <jv.h>
}

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "json/value.h"

namespace tieline::json {

// "1234567890123456789 at .lines[0].id": the first number that would be altered; `path` names the root.
std::optional<std::string> inexact_number(Value value, const std::string& path);

jv to_jv(Value value);

// Frees `value`. kTooLarge beyond `bytes_max` of roughly printed text, or deeper than any document that can be parsed.
Result<Document> from_jv(jv value, std::size_t bytes_max, std::size_t& bytes);

// The text of an error that a program raised: a string as it is, anything else printed. Frees `message`.
std::string error_text(jv message);

}  // namespace tieline::json
