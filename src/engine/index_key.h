// How the search index spells its keys: by it the engine writes what a flow's `index:` names, and readers find runs
// again. A value must never be able to reach into another name's keys.
#pragma once

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"

namespace tieline::engine {

inline constexpr std::string_view kIndexBucket = "index";
// Every name that a flow's `index:` ever had is a key of it.
inline constexpr std::string_view kIndexNameBucket = "index_name";

// All entries of NAME=VALUE begin with it; the NUL ends the value ("order=104" must not find "order=1042").
inline std::string index_prefix(std::string_view name_and_value) { return std::string(name_and_value) + '\0'; }

// "order=1042", NUL, the position in 20 digits, so that entries stand in the order of their events.
inline std::string index_key(std::string_view name, std::string_view value, Position event) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(event.value));
  std::string key(name);
  key += '=';
  key += value;
  return index_prefix(key) + digits;
}

// The position at the end of an index key.
inline std::optional<Position> index_position(std::string_view key) {
  if (key.size() < 21 || key[key.size() - 21] != '\0') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(key.data() + key.size() - 20, key.data() + key.size(), value);
  if (error != std::errc() || end != key.data() + key.size()) return std::nullopt;
  return Position(value);
}

}  // namespace tieline::engine
