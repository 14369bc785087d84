// Simulated time: a sorted list of sleepers. It must never move on its own.
#include "async/manual_clock.h"

#include "base/check.h"

namespace tieline {

asio::awaitable<void> ManualClock::sleep_until(Instant when) {
  if (when <= instant()) co_return;
  struct Sleeper {
    std::map<std::pair<Instant, std::uint64_t>, Waiter*>& list;
    std::pair<Instant, std::uint64_t> place;
    Waiter waiter;
    ~Sleeper() { list.erase(place); }
  };
  Sleeper sleeper{sleepers_, std::pair(when, next_sleeper_++), {}};
  sleepers_.emplace(sleeper.place, &sleeper.waiter);
  co_await sleeper.waiter.wait();
}

void ManualClock::advance(Duration d) {
  CHECK(d >= Duration::zero());
  advance_to(instant() + d);
}

void ManualClock::advance_to(Instant when) {
  CHECK(when >= instant());
  while (!sleepers_.empty() && sleepers_.begin()->first.first <= when) {
    auto first = sleepers_.begin();
    elapsed_ = first->first.first.time_since_epoch().count();
    Waiter* waiter = first->second;
    sleepers_.erase(first);
    waiter->wake();
  }
  elapsed_ = when.time_since_epoch().count();
}

std::optional<Instant> ManualClock::next_wake() const {
  if (sleepers_.empty() || sleepers_.begin()->first.first == Instant::max()) return std::nullopt;
  return sleepers_.begin()->first.first;
}

}  // namespace tieline
