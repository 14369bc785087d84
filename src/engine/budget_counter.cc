// What a counter holds, when it has room, and what a vendor's reading makes of it.
#include "engine/budget_counter.h"

#include <cmath>

#include "core/reset_header.h"

namespace tieline::engine {
namespace {

double seconds_of(Duration time) { return static_cast<double>(time.count()) / 1e6; }

Duration rate_over(const auto& state) {
  return std::clamp(Duration(state.limit.window / 24), Duration(60'000'000), Duration(3'600'000'000));
}

}  // namespace

// The window that `now` lies in. Of a zone's days the number is that of the day's first second.
std::int64_t Budget::period_at(State& state, Instant now) const {
  const Duration wall = now.time_since_epoch() + wall_offset_;
  if (state.limit.zone == nullptr) return (wall - state.phase) / state.limit.window;
  if (now < state.day_from || now >= state.day_until) {
    json::ClockTime day =
        json::local_time(*state.limit.zone, std::chrono::floor<std::chrono::seconds>(wall).count()).clock;
    day.hour = day.minute = day.second = 0;
    const std::int64_t from = json::moment_of(*state.limit.zone, day);
    ++day.day;
    const std::int64_t until = json::moment_of(*state.limit.zone, day);
    state.day_from = Instant(std::chrono::seconds(from) - wall_offset_);
    state.day_until = Instant(std::chrono::seconds(until) - wall_offset_);
  }
  return (state.day_from.time_since_epoch() + wall_offset_) / std::chrono::seconds(1);
}

Instant Budget::period_end(State& state) const {
  if (state.limit.zone != nullptr) return state.day_until;
  return Instant((state.period + 1) * state.limit.window + state.phase - wall_offset_);
}

// Brings the state to the present moment.
void Budget::prune(State& state) const {
  const Instant now = clock_.instant();
  if (!state.limited() || state.limit.window.count() <= 0) return;
  switch (state.limit.kind) {
    case Bucket::Kind::kRolling:
      while (!state.ended.empty() && state.ended.front().at + state.limit.window <= now)
        state.drop_front(state.ended.front().amount);
      return;
    case Bucket::Kind::kFixed: {
      const std::int64_t period = period_at(state, now);
      if (period != state.period) state.spent = 0;
      state.period = period;
      return;
    }
    case Bucket::Kind::kRestore:
      state.spent = std::max(0.0, state.spent - state.restored_in(now - state.as_of));
      state.as_of = now;
      return;
  }
}

bool Budget::has_room(State& state, double amount) const {
  if (state.shut_until > clock_.instant()) return false;
  if (state.slowed && state.in_flight > 0) return false;
  if (state.limit.concurrent != 0 && state.in_flight >= state.limit.concurrent) return false;
  if (!state.limited()) return true;
  if (state.lease < amount) return false;
  prune(state);
  return state.spent + state.reserved + amount <= std::max(amount, state.size()) + kTiny;
}

// When time alone gives room; nothing when a call has to end first.
std::optional<Instant> Budget::opens(State& state, double amount) const {
  if (state.shut_until > clock_.instant()) return state.shut_until;
  if (state.slowed && state.in_flight > 0) return std::nullopt;
  if (state.limit.concurrent != 0 && state.in_flight >= state.limit.concurrent) return std::nullopt;
  if (state.lease < amount) return std::nullopt;
  if (has_room(state, amount)) return clock_.instant();
  const double size = std::max(amount, state.size());
  if (state.reserved + amount > size + kTiny) return std::nullopt;
  double excess = state.spent + state.reserved + amount - size;
  switch (state.limit.kind) {
    case Bucket::Kind::kRolling: {
      // As much must leave the window as is too much: after a change of limits that may be several calls'.
      Instant last = clock_.instant();
      for (const Ended& one : state.ended) {
        if (excess <= kTiny) break;
        excess -= one.amount;
        last = one.at + state.limit.window;
      }
      return last;
    }
    case Bucket::Kind::kFixed: return period_end(state);
    case Bucket::Kind::kRestore:
      return state.as_of +
             Duration(static_cast<std::int64_t>(std::ceil(excess / state.restored_in(Duration(1'000'000)) * 1e6)));
  }
  return std::nullopt;
}

void Budget::spend(State& state, double amount) const {
  state.ended_total += amount;
  if (!state.limited()) return;
  prune(state);
  if (state.limit.kind == Bucket::Kind::kRolling) {
    state.push(clock_.instant(), amount);
  } else {
    state.spent += amount;
  }
  if (state.limit.window >= kForecastFrom) {
    state.rate = rate_now(state) + amount / seconds_of(rate_over(state));
    state.rate_at = clock_.instant();
  }
}

// What was spent a second lately: each call counts less the longer ago it was.
double Budget::rate_now(const State& state) const {
  return state.rate * std::exp(-seconds_of(clock_.instant() - state.rate_at) / seconds_of(rate_over(state)));
}

// When the quota ends at the present rate; nothing when it does not before more comes back.
std::optional<Instant> Budget::ends(State& state) const {
  if (!state.limited() || state.limit.window < kForecastFrom) return std::nullopt;
  prune(state);
  const Instant now = clock_.instant();
  const double rate = rate_now(state), left = state.size() - state.spent - state.reserved;
  if (left <= kTiny) return now;
  if (rate <= kTiny) return std::nullopt;
  const auto in = [](double seconds) { return Duration(static_cast<std::int64_t>(std::min(seconds, 1e10) * 1e6)); };
  switch (state.limit.kind) {
    case Bucket::Kind::kFixed: {
      const Instant at = now + in(left / rate);
      return at < period_end(state) ? std::optional(at) : std::nullopt;
    }
    case Bucket::Kind::kRestore: {
      const double net = rate - state.restored_in(Duration(1'000'000));
      return net > kTiny ? std::optional(now + in(left / net)) : std::nullopt;
    }
    case Bucket::Kind::kRolling: break;
  }
  double room = left;
  for (const Ended& one : state.ended) {
    const Instant at = now + in(room / rate);
    if (at < one.at + state.limit.window) return at;
    room += one.amount;
  }
  const Instant at = now + in(room / rate);
  return at < now + state.limit.window ? std::optional(at) : std::nullopt;
}

// The vendor says how long its window still lasts: ours follow, and what is spent in it stays spent until then.
void Budget::tell_end(State& state, Duration left) const {
  if (left < Duration(0) || left > state.limit.window) return;
  const Duration phase = (clock_.instant().time_since_epoch() + wall_offset_ + left) % state.limit.window;
  // The vendor counts in whole seconds; and what it says of a window's last moment may be of the next one.
  if (std::chrono::abs(phase - state.phase) <= Duration(1'500'000)) return;
  state.phase = phase;
  state.period = period_at(state, clock_.instant());
}

void Budget::correct(State& state, const BudgetReading& reading, double ended_since) const {
  if (!state.limited()) return;
  prune(state);
  if (reading.limit && *reading.limit > 0) state.told_size = reading.limit;
  if (reading.restore && *reading.restore > 0) state.told_restore = reading.restore;
  if (reading.reset && state.limit.kind == Bucket::Kind::kFixed && state.limit.zone == nullptr) {
    const Time now(clock_.instant().time_since_epoch() + wall_offset_);
    if (const auto left = until_reset(*reading.reset, now)) tell_end(state, *left);
  }
  std::optional<double> used = reading.used;
  if (reading.left) used = std::max(used.value_or(0), reading.limit.value_or(state.whole()) - *reading.left);
  if (!used || !std::isfinite(*used)) return;
  double spent = std::max(0.0, *used) + ended_since;
  // Where others spend, too, a reading that is lower than what is known here came too early, or of another machine.
  if (state.limit.shared) spent = std::max(spent, state.spent);
  if (state.limit.kind != Bucket::Kind::kRolling) {
    state.spent = spent;
  } else if (spent > state.spent) {
    state.push(clock_.instant(), spent - state.spent);
  } else {
    state.drop_front(state.spent - spent);  // the youngest stay longest
  }
}

}  // namespace tieline::engine
