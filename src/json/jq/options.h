// The options that a function takes as an object, such as {separator: ";"}; private to src/json.
// An option that a function does not know must never be passed over.
#pragma once

#include <span>
#include <string_view>

#include "json/jq/machine.h"

namespace tieline::json::jq {

// False, after failing, unless it is an object whose keys are all `known`.
bool check_options(Machine& m, Node options, std::string_view function, std::span<const std::string_view> known);

// What is given for it; null where nothing is.
Node option(Node options, std::string_view name);

// "parse_csv: the option separator is …"; false.
bool wrong_option(Machine& m, std::string_view function, std::string_view name, std::string_view what);

// Leaves `value` where the option is null; false, after failing, unless it is a boolean.
bool flag_option(Machine& m, Node options, std::string_view function, std::string_view name, bool& value);

// Leaves `value` where the option is null; false, after failing, unless it is an array of texts.
bool texts_option(Machine& m, Node options, std::string_view function, std::string_view name, Node& value);

}  // namespace tieline::json::jq
