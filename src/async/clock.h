// Time as a port: what the clock says and how to wait. The real clock appears only in SystemClock and in the
// composition root; everything else is handed a Clock, so that a whole engine can run on simulated time.
#pragma once

#include <chrono>
#include <memory>

#include "async/async.h"
#include "base/time.h"

namespace tieline {

// Steady time since some start: for deadlines and waits. Never written down, never compared between machines.
struct SteadyTag {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<SteadyTag, Duration>;
  static constexpr bool is_steady = true;
};
using Instant = SteadyTag::time_point;

// The latest moment at which an operation may still be under way. Passed down by value; never extended on the way.
struct Deadline {
  Instant at = Instant::max();
  static Deadline never() { return {}; }
};

// All members may be called from any thread; sleep_until resumes on the caller's executor.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;         // wall time, UTC; may jump
  virtual Instant instant() const = 0;  // steady
  // Returns at `when` or soon after; at once if it has passed. Unwinds when the coroutine is cancelled.
  virtual asio::awaitable<void> sleep_until(Instant when) = 0;

  asio::awaitable<void> sleep(Duration d) { return sleep_until(instant() + d); }
  Deadline deadline_in(Duration d) const { return {instant() + d}; }
};

// The machine's clock.
std::unique_ptr<Clock> make_system_clock();

}  // namespace tieline
