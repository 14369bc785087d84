// What a newcomer may have meant: ends of the compiler's messages, beginning with "; ", or empty. They never decide
// what compiles.
#pragma once

#include <string>
#include <string_view>

#include "json/jq/lexer.h"

namespace tieline::json::jq {

// Where `unexpected` stands in `source`, for signs of other languages: && || ! ' ?: ?? .0 .map(…)
std::string syntax_hint(std::string_view source, const Token& unexpected);

// For an unknown function at `offset`: what it is called here, or that a dash makes no part of a name.
std::string name_hint(std::string_view source, std::size_t offset, std::string_view name);

}  // namespace tieline::json::jq
