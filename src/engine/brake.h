// What a flow with a `brake:` did lately. It must never let one more pass once it holds, until a person lets it go.
#pragma once

#include <deque>

#include "base/time.h"
#include "core/flow.h"

namespace tieline::engine {

// One thread only.
class BrakeCounter {
 public:
  // Counts one more; false when it holds, and from the first one on that is too many.
  bool pass(const Brake& brake, Instant now) {
    if (holds_) return false;
    while (!passed_.empty() && passed_.front() + brake.window <= now) passed_.pop_front();
    holds_ = passed_.size() >= brake.max;
    if (!holds_) passed_.push_back(now);
    return !holds_;
  }
  void hold() { holds_ = true; }
  // Counts anew from nothing.
  void release() {
    passed_.clear();
    holds_ = false;
  }
  bool holds() const { return holds_; }

 private:
  std::deque<Instant> passed_;  // at most Brake::max
  bool holds_ = false;
};

}  // namespace tieline::engine
