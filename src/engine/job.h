// What is done to many runs at once: which ones, what, and how far it is. A job is a durable entry, so that a restart
// in the middle goes on. It must never be done twice to one run.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/journal.h"
#include "engine/engine.h"

namespace tieline::engine {

inline constexpr std::string_view kJobBucket = "job";

// Bytes of the durable entry. kCorrupt when it is not what encode gives.
Bytes encode(const Job& job);
Result<Job> decode_job(std::string_view bytes);

// Keys sort by number.
std::string job_key(std::uint64_t id);

}  // namespace tieline::engine
