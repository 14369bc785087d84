// The functions of the language: those written here, and those written in the language itself; private to src/json.
// None may reach beyond its input and its arguments.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "json/jq/code.h"

namespace tieline::json::jq {

std::span<const Native> core_natives();
std::span<const Native> text_natives();
std::span<const Native> math_natives();
std::span<const Native> date_natives();
std::span<const Native> regex_natives();
// Beyond jq.
std::span<const Native> business_natives();
std::span<const Native> time_natives();
std::span<const Native> digest_natives();
std::span<const Native> csv_natives();
std::span<const Native> xml_natives();
// All of them.
std::span<const std::span<const Native>> all_natives();

// What is wrong with the name of a zone that is written in the program; empty where nothing is, or nobody can know yet.
std::string zone_problem(const Code& argument);

// Null when there is none.
const Native* find_native(std::string_view name, std::size_t arity);

// Functions that take programs, which the compiler knows.
struct SpecialForm {
  std::string_view name;
  std::uint8_t arity;
  Op op;
  std::uint32_t slot = 0;
};
std::span<const SpecialForm> special_forms();

// Functions in the language itself.
struct PreludeFunction {
  std::string_view name;
  std::uint8_t arity;
  std::string_view source;
};
std::span<const PreludeFunction> prelude();

}  // namespace tieline::json::jq
