// The limits of a vendor, counted as strictly as the vendor counts them: never one more than the number in any window.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "async/clock.h"
#include "sandbox/vendor_rules.h"

namespace tieline::sandbox {

// What one request takes from a counter; `key` tells the counters of one limit apart.
struct Charge {
  std::size_t limit = 0;  // its place in the list of limits
  std::string key;
  double amount = 1;
};

// One thread only.
class Limiter {
 public:
  explicit Limiter(std::vector<Limit> limits) : limits_(std::move(limits)) {}

  struct Outcome {
    const Limit* over = nullptr;  // the limit that refuses; null: everything was taken
    Duration wait{0};             // until it would be taken, if nothing else is
  };
  // Takes all charges or none.
  Outcome take(const std::vector<Charge>& charges, Instant now, Time wall);
  // The request is over: gives back what it held of limits on concurrency.
  void leave(const std::vector<Charge>& charges);
  // What is spent now.
  double used(const Charge& charge, Instant now, Time wall);
  const std::vector<Limit>& limits() const { return limits_; }

 private:
  struct Counter {
    std::deque<std::pair<Instant, double>> taken;  // kRolling
    double sum = 0;                                // of `taken`; of the window; the bucket's level; in flight
    Instant at{};                                  // kRestore: when `sum` was right
    std::int64_t window = 0;                       // kFixed: which one since 1970
  };
  Counter& fresh(const Charge& charge, Instant now, Time wall);
  Duration wait_for(const Charge& charge, const Counter& counter, Instant now, Time wall) const;
  void forget_idle(Instant now, Time wall);

  std::vector<Limit> limits_;
  std::map<std::pair<std::size_t, std::string>, Counter> counters_;
};

}  // namespace tieline::sandbox
