#include "core/journal.h"

namespace tieline {

std::string_view run_state_name(RunState state) {
  switch (state) {
    case RunState::kRunning: return "running";
    case RunState::kRetrying: return "retrying";
    case RunState::kParked: return "parked";
    case RunState::kHeld: return "held";
    case RunState::kDelivered: return "delivered";
    case RunState::kSkipped: return "skipped";
    case RunState::kStale: return "stale";
    case RunState::kDead: return "dead";
    case RunState::kDiscarded: return "discarded";
    case RunState::kWaiting: return "waiting";
    case RunState::kCancelled: return "cancelled";
  }
  return "unknown";
}

bool is_terminal(RunState state) { return state >= RunState::kDelivered && state != RunState::kWaiting; }

}  // namespace tieline
