// A clock that moves only when told: tests and the simulation run on it. One thread only, but for reading it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>

#include "async/clock.h"
#include "async/waiter.h"

namespace tieline {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : start_(start) {}
  Time now() const override { return start_ + Duration(wall_offset_) + Duration(elapsed_); }
  Instant instant() const override { return Instant(Duration(elapsed_)); }
  asio::awaitable<void> sleep_until(Instant when) override;

  // Wakes, in order of their times, every sleeper due within `d`; the clock ends at instant() + d. The woken coroutines
  // run when their executor is next polled.
  void advance(Duration d);
  // The earliest sleeper's moment, or nothing when none sleeps: where a simulation jumps to.
  std::optional<Instant> next_wake() const;
  void advance_to(Instant when);
  // Makes the wall clock jump without moving steady time.
  void jump_wall(Duration by) { wall_offset_ += by.count(); }

 private:
  Time start_;
  std::atomic<Duration::rep> wall_offset_ = 0, elapsed_ = 0;  // may be read from any thread
  std::uint64_t next_sleeper_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, Waiter*> sleepers_;  // due and arrival order
};

}  // namespace tieline
