// The flows of the simulation: one for each promise that the engine makes about a call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
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

inline constexpr const char* kPublish = "publish";  // repeatable, keyed, events on a topic: two with its end, or none
inline constexpr const char* kSubscribe = "subscribe";  // repeatable, on that topic
// Steps inside steps: three items, two at a time, each an unsafe create with a look-up; then an arm that is unsafe and
// nothing else beside one that is repeatable. Each of these parts as if it stood alone.
inline constexpr const char* kNested = "nested";
inline constexpr std::uint32_t kItems = 3;

// Both call once before they wait, repeatable (the part kBefore), and once after: unsafe with a look-up.
inline constexpr const char* kDebounce = "debounce";  // keyed: a newer run of the key cancels the wait
inline constexpr const char* kApprove = "approve";    // keyed: only after a person agreed, in time
inline constexpr const char* kBefore = "before";
inline constexpr Duration kDebounceWait{45'000'000}, kApprovalWait{240'000'000};

inline constexpr const char* kNewest = "newest";  // keyed, coalesces; unsafe with a look-up
inline constexpr const char* kBraked = "braked";  // repeatable: so many runs at most until a person lets more go
inline constexpr std::uint32_t kBrakeMax = 6;

// Unsafe with a look-up, several runs in one request; the vendor refuses some rows, some requests, loses some answers.
inline constexpr const char* kBatched = "batched";

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

// Of which part a call is, by its action and the items that it is inside of; or empty.
std::string part_of_call(const std::string& action, const std::vector<std::uint32_t>& items);

// What a run of the flow on the event does at the vendor.
std::string effect_identity(const std::string& flow, const std::string& event, const std::string& group);

}  // namespace tieline::sim
