// What of a budget survives its process. It must never let a call leave that the next process would not count.
//
// A record holds what was spent, when, and a lease: what may be spent until the next record is durable. A process that
// ends without a clean record leaves behind at most its lease and its calls under way, and its successor counts all of
// that as spent at the moment it starts, which is later than each of those calls. The next lease is asked for when half
// of this one is used, so that calls seldom wait for it.
#include <algorithm>
#include <cmath>

#include "engine/budget_counter.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kMomentsMax = 32;   // of a rolling window, in a record
constexpr Duration kToldFrom{1'000'000};  // a shorter wait is over before another process could call

}  // namespace

// A tenth of the window's count; of a large and slow quota no more than a minute's worth, since it is lost in a crash.
void Budget::lease(State& state) const {
  const bool leased = wanted_ && state.bucket == nullptr && state.limited() && state.limit.window > kUnrecordedWindow;
  if (leased == state.leased) return;
  state.leased = leased;
  state.lease = leased ? 0 : std::numeric_limits<double>::infinity();
  state.recorded_lease = state.granted_since = 0;
}

void Budget::want_record() {
  if (!wanted_ || wanting_) return;
  wanting_ = true;
  wanted_();
}

void Budget::remember(std::function<void()> wanted) {
  wanted_ = std::move(wanted);
  for (const auto& state : buckets_) lease(*state);
  needs_record();
}

// Whatever is limited is first told of.
void Budget::needs_record() {
  if (!wanted_ || recorded_) return;
  open_ = std::none_of(buckets_.begin(), buckets_.end(), [](const auto& state) { return state->limited(); });
}

Bytes Budget::record(bool clean) {
  wanting_ = false;
  const Instant now = clock_.instant();
  const auto wall = [&](Instant at) { return (at.time_since_epoch() + wall_offset_).count(); };
  json::Builder out;
  out.begin_object().key("clean").boolean(clean).key("at").integer(wall(now)).key("buckets").begin_object();
  for (const auto& owned : buckets_) {
    State& state = *owned;
    prune(state);
    const bool told = state.shut_until > now + kToldFrom;
    if (!state.limited() && !told) continue;
    double lease = 0;
    if (!clean && state.leased) {
      const double minute = state.limit.count * 60e6 / static_cast<double>(state.limit.window.count());
      lease = std::clamp(state.limit.count / 10, 1.0, std::max(20.0, minute));
      if (!state.queue.empty()) lease = std::max(lease, state.queue.front()->amount(&state));
      // Until the record is durable the one before it lets go what is left of its lease.
      lease = std::max(lease, state.lease);
      state.recorded_lease = lease;
      state.granted_since = 0;
    }
    out.key(state.limit.name).begin_object().key("ahead").real(state.reserved + lease).key("spent").begin_array();
    if (state.limit.kind == Bucket::Kind::kRolling) {
      // Several moments together count from the last one of them.
      const std::size_t each = state.ended.size() / kMomentsMax + 1;
      for (std::size_t i = 0; i < state.ended.size(); i += each) {
        const std::size_t end = std::min(i + each, state.ended.size());
        double amount = 0;
        for (std::size_t j = i; j < end; ++j) amount += state.ended[j].amount;
        out.begin_array().integer(wall(state.ended[end - 1].at)).real(amount).end_array();
      }
    } else if (state.limited()) {
      out.begin_array().integer(wall(now)).real(state.spent).end_array();
    }
    out.end_array();
    if (told) out.key("shut").integer(wall(state.shut_until));
    if (state.phase.count() != 0) out.key("phase").integer(state.phase.count());
    out.end_object();
  }
  out.end_object();
  const bool keyed = std::any_of(buckets_.begin(), buckets_.end(), [](const auto& one) { return !one->keyed.empty(); });
  if (keyed) out.key("keyed").boolean(true);
  out.end_object();
  return json::print(out.finish().root());
}

void Budget::recorded() {
  open_ = recorded_ = true;
  for (const auto& owned : buckets_) {
    State& state = *owned;
    if (!state.leased || state.recorded_lease <= 0) continue;
    state.lease = state.recorded_lease - state.granted_since;
    if (state.lease < state.recorded_lease / 2) want_record();
  }
  grant_from(all());
  // A head that costs more than its lease asks for a larger one.
  for (const auto& owned : buckets_) {
    const State& state = *owned;
    if (state.leased && !state.queue.empty() && state.lease < state.queue.front()->amount(&state)) want_record();
  }
  changed_.notify_all();
}

void Budget::restore(const json::Document& record) {
  const json::Value root = record.root();
  const bool clean = root["clean"].kind() == json::Kind::kBool && root["clean"].as_bool();
  const Instant now = clock_.instant();
  if (!clean || root.has("keyed")) keyed_full_ = now;
  for (const auto& owned : buckets_) {
    State& state = *owned;
    const json::Value stored = root["buckets"][state.limit.name];
    if (!stored.is_object()) continue;
    if (const auto shut = stored["shut"].as_int64())
      state.shut_until = std::min(Instant(Duration(*shut) - wall_offset_), now + Duration(7 * 86'400'000'000LL));
    if (!state.limited()) continue;
    if (const auto phase = stored["phase"].as_int64()) state.phase = Duration(*phase) % state.limit.window;
    prune(state);
    double ahead = clean ? 0 : stored["ahead"].as_double();
    if (!clean && state.limit.window <= kUnrecordedWindow) ahead = state.limit.count;
    for (const json::Value one : stored["spent"].elements()) {
      const auto us = one.at(0).as_int64();
      if (!us) continue;
      // What a clock that was put back shows as still to come has just been.
      const Instant at = std::min(now, Instant(Duration(*us) - wall_offset_));
      const double amount = one.at(1).as_double();
      switch (state.limit.kind) {
        case Bucket::Kind::kRolling:
          if (at + state.limit.window > now) state.push(at, amount);
          break;
        case Bucket::Kind::kFixed:
          if (at >= period_end(state) - (state.limit.zone ? state.day_until - state.day_from : state.limit.window))
            state.spent += amount;
          break;
        case Bucket::Kind::kRestore: state.spent += std::max(0.0, amount - state.restored_in(now - at)); break;
      }
    }
    if (state.limit.kind == Bucket::Kind::kRolling) {
      // Together with the rest it may be more than the window holds, as moments were put together: what leaves the
      // window first must not take the place of what was spent last.
      state.push(now, ahead);
    } else {
      state.spent = std::max(state.spent, std::min(state.spent + ahead, state.limit.count));
      state.as_of = now;
    }
  }
}

}  // namespace tieline::engine
