// What a newcomer may have meant: ends of the compiler's messages, beginning with "; ", or empty. They never decide
// what compiles.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "json/jq/lexer.h"

namespace tieline::json::jq {

// Where `unexpected` stands in `source`: what signs and words of other languages are called here.
std::string syntax_hint(std::string_view source, const Token& unexpected);

struct UnknownFunction {
  std::string_view source;
  std::size_t offset = 0;
  std::string_view name;
  std::size_t arity = 0;
  std::size_t listed = 0;                // how many programs with commas between them the first argument is
  std::span<const std::string> arities;  // the functions of that name, as name/arity
  std::span<const std::string> known;    // the names of all functions
};
// What it is called here, how it is called, or that it may be a member.
std::string name_hint(const UnknownFunction& unknown);

}  // namespace tieline::json::jq
