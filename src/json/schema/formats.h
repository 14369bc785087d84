// The formats of JSON Schema's `format` (Validation §7.3), each a function over a text; asked only where formats are
// asserted.
#pragma once

#include <string_view>

namespace tieline::json::schema {

using FormatCheck = bool (*)(std::string_view text);
// Null for a format that is not known, which everything fits.
FormatCheck find_format(std::string_view name);

}  // namespace tieline::json::schema
