// A run's records, told in plain words. It must say what was done, not how it is stored.
#pragma once

#include <string>
#include <string_view>

#include "core/journal.h"
#include "json/value.h"

namespace tieline::admin {

struct StoryLine {
  std::string_view kind;  // "intent", "outcome", "state", "note", "unreadable"
  std::string text;
};
StoryLine story_line(const Record& record);

// Appends an entry of kind "missing" for records that cannot be read.
void put_missing_records(json::Builder& out, std::uint32_t first, std::uint32_t last);
// Appends one story entry: {"at", "kind", "text"} and, where there was an exchange, "request" and "response".
void put_story_entry(json::Builder& out, const Record& record);

}  // namespace tieline::admin
