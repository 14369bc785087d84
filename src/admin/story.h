// A run's records, told in plain words. It must say what was done, not how it is stored.
#pragma once

#include "core/journal.h"
#include "json/value.h"

namespace tieline::admin {

// Appends one story entry: {"at", "kind", "text"} and, where there was an exchange, "request" and "response".
void put_story_entry(json::Builder& out, const Record& record);

}  // namespace tieline::admin
