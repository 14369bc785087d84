// The flows of the simulation: one for each promise that the engine makes about a call.
#pragma once

#include <string>
#include <vector>

#include "core/flow.h"

namespace tieline::sim {

// By name; the expectation that the checker has of each stands beside it.
inline constexpr const char* kUpsert = "upsert";        // repeatable, keyed: in order
inline constexpr const char* kVersioned = "versioned";  // repeatable, keyed, versioned: never back
inline constexpr const char* kFound = "found";          // search, then an unsafe create with a look-up: at most once
inline constexpr const char* kKeyed = "keyed";          // unsafe with an idempotency key: at most once
inline constexpr const char* kHeld = "held";            // unsafe and nothing else: held, keyed: at most once, in order
inline constexpr const char* kOnce = "once";            // unsafe with look-up and `once`: at most once for a group
inline constexpr const char* kRepeat = "repeat";        // unsafe, `on_unknown: repeat`: at least once

// Steps inside steps: three items, two at a time, each an unsafe create with a look-up; then an arm that is unsafe and
// nothing else beside one that is repeatable. Each of these parts as if it stood alone.
inline constexpr const char* kNested = "nested";
inline constexpr std::uint32_t kItems = 3;

inline constexpr std::uint32_t kTries = 6;

// All of them in their `generation`-th version.
std::vector<FlowPtr> make_flows(std::uint32_t generation);

class Source final : public FlowSource {
 public:
  Result<FlowPtr> compile(const std::string& name, const std::string& hash, const std::string& source) override;
};

// The parts of kNested: "0", "1", "2", the items; "held", "repeated", the arms.
std::vector<std::string> nested_parts();
// An event's name at the vendor, of one part.
std::string part_of(const std::string& event, const std::string& part);

// What a run of the flow on the event does at the vendor.
std::string effect_identity(const std::string& flow, const std::string& event, const std::string& group);

}  // namespace tieline::sim
