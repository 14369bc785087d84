#include "sandbox/limiter.h"

#include <algorithm>
#include <cmath>

namespace tieline::sandbox {
namespace {

constexpr std::size_t kCountersMax = 10'000;
constexpr double kDust = 1e-9;  // what adding and subtracting fractions leaves behind

std::int64_t window_of(Time wall, Duration window) { return to_unix_us(wall) / window.count(); }

}  // namespace

Limiter::Counter& Limiter::fresh(const Charge& charge, Instant now, Time wall) {
  const Limit& limit = limits_[charge.limit];
  Counter& counter = counters_[{charge.limit, charge.key}];
  switch (limit.kind) {
    case Limit::Kind::kRolling:
      while (!counter.taken.empty() && now - counter.taken.front().first >= limit.window) {
        counter.sum -= counter.taken.front().second;
        counter.taken.pop_front();
      }
      if (counter.taken.empty()) counter.sum = 0;
      break;
    case Limit::Kind::kFixed:
      if (const std::int64_t window = window_of(wall, limit.window); window != counter.window) {
        counter.window = window;
        counter.sum = 0;
      }
      break;
    case Limit::Kind::kRestore: {
      const double gone = static_cast<double>((now - counter.at).count()) / static_cast<double>(limit.window.count());
      counter.sum = std::max(0.0, counter.sum - gone * limit.count);
      counter.at = now;
      break;
    }
    case Limit::Kind::kConcurrent: break;
  }
  return counter;
}

Duration Limiter::wait_for(const Charge& charge, const Counter& counter, Instant now, Time wall) const {
  const Limit& limit = limits_[charge.limit];
  double too_much = counter.sum + charge.amount - limit.count;
  if (limit.kind == Limit::Kind::kFixed)
    return Duration((window_of(wall, limit.window) + 1) * limit.window.count() - to_unix_us(wall));
  if (limit.kind == Limit::Kind::kRestore) {
    const double part = std::min(too_much, counter.sum) / limit.count;
    return Duration(static_cast<std::int64_t>(std::ceil(part * static_cast<double>(limit.window.count()))));
  }
  for (const auto& [at, amount] : counter.taken) {
    too_much -= amount;
    if (too_much <= kDust) return at + limit.window - now;
  }
  return limit.window;
}

Limiter::Outcome Limiter::take(const std::vector<Charge>& charges, Instant now, Time wall) {
  if (counters_.size() > kCountersMax) forget_idle(now, wall);
  for (const Charge& charge : charges) {
    const Limit& limit = limits_[charge.limit];
    const Counter& counter = fresh(charge, now, wall);
    // One request may cost more than a bucket holds: it waits for a full one.
    const bool whole = limit.kind == Limit::Kind::kRestore && counter.sum <= kDust;
    if (counter.sum + charge.amount <= limit.count + kDust || whole) continue;
    return {&limit, wait_for(charge, counter, now, wall)};
  }
  for (const Charge& charge : charges) {
    Counter& counter = counters_[{charge.limit, charge.key}];
    counter.sum += charge.amount;
    if (limits_[charge.limit].kind == Limit::Kind::kRolling) counter.taken.emplace_back(now, charge.amount);
  }
  return {};
}

void Limiter::leave(const std::vector<Charge>& charges) {
  for (const Charge& charge : charges) {
    if (limits_[charge.limit].kind == Limit::Kind::kConcurrent) counters_[{charge.limit, charge.key}].sum -= 1;
  }
}

double Limiter::used(const Charge& charge, Instant now, Time wall) { return fresh(charge, now, wall).sum; }

void Limiter::forget_idle(Instant now, Time wall) {
  std::vector<Charge> all;
  for (const auto& [key, counter] : counters_) all.push_back({key.first, key.second, 0});
  for (const Charge& charge : all) {
    if (fresh(charge, now, wall).sum <= kDust) counters_.erase({charge.limit, charge.key});
  }
}

}  // namespace tieline::sandbox
