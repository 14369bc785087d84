// What the outcome of an attempt means for its run, as one pure table: DESIGN.md §6 and the step's `on:`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/flow.h"
#include "engine/record.h"

namespace tieline::engine {

struct Answer {
  enum class Then : std::uint8_t {
    kBind,  // the result, or null
    kSkip,
    kDead,
    kRetry,    // by the retry policy
    kLimited,  // when the vendor allows
    kHold,     // needs authorization
    kResolve,  // unknown: find out
    kAsk,      // not there yet: after `again`, until `keep_for` has passed
  } then = Then::kBind;
  bool null = false;                         // kBind: null instead of the result
  Category category = Category::kDelivered;  // kDead: as what
  std::string reason;                        // kSkip, kDead, kAsk: one line
  Duration again{0}, keep_for{0};            // kAsk
};

// `conflicts`: attempts of this call that ended in a conflict, this one included; `conflict_tries` of them are retried.
Answer interpret(const RecordBody& outcome, const std::vector<AnswerRule>* on, std::uint32_t conflicts,
                 std::uint32_t conflict_tries);

}  // namespace tieline::engine
