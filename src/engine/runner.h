// The work on one run: its steps in order, from the beginning, with everything that is known to be done remembered. It
// must never let a run end without a durable record that says how.
#pragma once

#include "engine/shard.h"

namespace tieline::engine {

inline constexpr std::string_view kVersionBucket = "version";
inline constexpr std::string_view kFlowSourceBucket = "flow_source", kFlowNameBucket = "flow_name";

// Fills data, key and lane of a new run from its event. A key that does not evaluate leaves run.broken.
void prepare(Run& run);

// Puts the data that a person edited in the place of the event's, for this run only.
void use_edited_data(Run& run);

// The search keys of a run (index_key.h), with empty values, to be forgotten after `until`.
std::vector<KeyPut> index_puts(const Run& run, const std::vector<json::Document>& variables, Time until);
// `.` and the fixed variables as every program of the run sees them.
std::vector<json::Document> fixed_variables(const Run& run, Time started);

// Counts it at its flow's brake, which it must have; false when it is to be held.
bool passes_brake(Shard& shard, const Run& run);
// "brake: more than 50 deletes in 5m".
std::string braked_summary(const Brake& brake);

// Works until the run ends or waits; the record that says so is durable on return, unless `end` is kAbandoned or
// kRefused. Of a terminal end's body only the call is left: the rest is the record's. `end` comes in as
// it is made, and outlives the work.
asio::awaitable<void> work(Shard& shard, Run& run, Transition& end);

}  // namespace tieline::engine
