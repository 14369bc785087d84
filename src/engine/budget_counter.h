// One counter of a budget, and one who waits for it; private to budget*.cc. It must never lose what was spent before
// its window has passed.
#pragma once

#include <algorithm>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "async/waiter.h"
#include "engine/budget.h"

namespace tieline::engine {

inline constexpr std::size_t kForgetFirst = 64;
inline constexpr double kTiny = 1e-9;
// Of a shared bucket this part is left to the others: their calls between two readings are not seen.
inline constexpr double kLeftToOthers = 0.1;

// Calls that ended at a moment, or shortly before it.
struct Ended {
  Instant first, at;
  double amount;
};

struct Budget::State {
  Bucket limit;
  std::uint32_t in_flight = 0;
  double reserved = 0;      // by those in flight
  std::deque<Ended> ended;  // kRolling: the last window's
  std::int64_t period = 0;  // kFixed: the window that `spent` belongs to
  double spent = 0;         // kRolling: the sum of `ended`; kFixed: in this window; kRestore: the level, as of `as_of`
  double ended_total = 0;   // by all calls that ever ended
  Instant as_of{};
  std::optional<double> told_size, told_restore;  // by the vendor; told_restore a second
  Instant shut_until{};
  bool slowed = false;             // after a limit only one call at a time, until one is served
  std::uint64_t slowed_order = 0;  // permits given before this prove nothing
  std::uint32_t strikes = 0;
  std::deque<Node*> queue;  // by tag

  // What may still be granted under what is durable (budget_record.cc); without bound where nothing needs to be.
  double lease = std::numeric_limits<double>::infinity();
  double recorded_lease = 0;  // of the record under way
  double granted_since = 0;   // since that record was made
  bool leased = false;

  // Units a second, of late, where a window is long enough to be called a quota.
  double rate = 0;
  Instant rate_at{};

  // kFixed with a zone: the day that `spent` belongs to.
  Instant day_from{}, day_until{};
  // kFixed: by how much the vendor's windows begin later than ours, once it has told.
  Duration phase{0};

  State* bucket = nullptr;  // of a counter with a key: the one whose limits it has
  std::string key;
  std::unordered_map<std::string, std::unique_ptr<State>> keyed;
  std::size_t forget_at = kForgetFirst;

  bool limited() const { return limit.count > 0; }
  // An observed limit replaces the size of what is refilled; a rate it can only tighten.
  double whole() const {
    if (!told_size) return limit.count;
    return limit.kind == Bucket::Kind::kRestore ? *told_size : std::min(limit.count, *told_size);
  }
  double size() const { return limit.shared ? std::max(1.0, whole() * (1 - kLeftToOthers)) : whole(); }
  double restored_in(Duration time) const {
    const double us = static_cast<double>(limit.window.count());
    const double each = std::min(limit.count / us, told_restore.value_or(limit.count) / (told_restore ? 1e6 : us));
    return each * static_cast<double>(time.count());
  }
  void drop_front(double amount) {
    while (amount > kTiny && !ended.empty()) {
      const double part = std::min(amount, ended.front().amount);
      ended.front().amount -= part;
      spent -= part;
      amount -= part;
      if (ended.front().amount <= kTiny) ended.pop_front();
    }
    if (ended.empty()) spent = 0;
  }
  void push(Instant at, double amount) {
    if (amount <= 0) return;
    spent += amount;
    // The first half exactly; from there on those of 1/256 of the window together, as if they all ended with the last.
    if (ended.size() >= kEndedMax / 2 && at - ended.back().first < limit.window / (kEndedMax / 2)) {
      ended.back().at = at;
      ended.back().amount += amount;
    } else {
      ended.push_back({at, at, amount});
    }
  }
};

struct Budget::Node {
  std::vector<Part> parts;
  double tag = 0;                // whose is lower goes first
  std::optional<Waiter> waiter;  // of one that waits
  enum class Is : std::uint8_t { kWaiting, kGranted, kRefused } is = Is::kWaiting;
  double amount(const State* state) const {
    return std::find_if(parts.begin(), parts.end(), [&](const Part& part) { return part.state == state; })->amount;
  }
};

}  // namespace tieline::engine
