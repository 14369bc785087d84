// The machine's clocks and timers behind the Clock port. Nothing else may read them.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/clock.h"

namespace tieline {
namespace {

using Steady = std::chrono::steady_clock;

// Beyond this a wait is as good as endless, and a steady_clock's nanoseconds might overflow.
constexpr Duration kLongestWait = std::chrono::hours(24 * 365);

class SystemClock final : public Clock {
 public:
  Time now() const override { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

  Instant instant() const override { return Instant(std::chrono::floor<Duration>(Steady::now().time_since_epoch())); }

  asio::awaitable<void> sleep_until(Instant when) override {
    const Instant present = instant();
    if (when <= present) co_return;
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    if (when - present > kLongestWait) {
      timer.expires_at(Steady::time_point::max());
    } else {
      timer.expires_at(Steady::time_point(when.time_since_epoch()));
    }
    co_await timer.async_wait(asio::use_awaitable);
  }
};

}  // namespace

std::unique_ptr<Clock> make_system_clock() { return std::make_unique<SystemClock>(); }

}  // namespace tieline
