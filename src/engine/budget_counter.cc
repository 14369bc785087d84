// What a counter holds, when it has room, and what a vendor's reading makes of it.
#include "engine/budget_counter.h"

#include <cmath>

namespace tieline::engine {

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
      const std::int64_t period = (now.time_since_epoch() + wall_offset_) / state.limit.window;
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
  prune(state);
  return state.spent + state.reserved + amount <= std::max(amount, state.size()) + kTiny;
}

// When time alone gives room; nothing when a call has to end first.
std::optional<Instant> Budget::opens(State& state, double amount) const {
  if (state.shut_until > clock_.instant()) return state.shut_until;
  if (state.slowed && state.in_flight > 0) return std::nullopt;
  if (state.limit.concurrent != 0 && state.in_flight >= state.limit.concurrent) return std::nullopt;
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
    case Bucket::Kind::kFixed: return Instant((state.period + 1) * state.limit.window - wall_offset_);
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
}

void Budget::correct(State& state, const BudgetReading& reading, double ended_since) const {
  if (!state.limited()) return;
  prune(state);
  if (reading.limit && *reading.limit > 0) state.told_size = reading.limit;
  if (reading.restore && *reading.restore > 0) state.told_restore = reading.restore;
  std::optional<double> used = reading.used;
  if (reading.left) used = std::max(used.value_or(0), reading.limit.value_or(state.size()) - *reading.left);
  if (!used || !std::isfinite(*used)) return;
  const double spent = std::max(0.0, *used) + ended_since;
  if (state.limit.kind != Bucket::Kind::kRolling) {
    state.spent = spent;
  } else if (spent > state.spent) {
    state.push(clock_.instant(), spent - state.spent);
  } else {
    state.drop_front(state.spent - spent);  // the youngest stay longest
  }
}

}  // namespace tieline::engine
