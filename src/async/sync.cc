// The waiting lists of Signal and Gate. A place in a list must never outlive the coroutine that took it, however that
// one ends: every place is held by a guard.
#include "async/sync.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tieline {
namespace {

template <class Leave>
class Guard {
 public:
  explicit Guard(Leave leave) : leave_(std::move(leave)) {}
  ~Guard() { leave_(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Leave leave_;
};

}  // namespace

asio::awaitable<void> next_turn() { return asio::post(asio::use_awaitable); }

void Signal::notify_all() {
  if (waiters_.empty()) return;
  const std::vector<Waiter*> woken = std::exchange(waiters_, {});
  for (Waiter* waiter : woken) waiter->wake();
}

void Signal::forget(Waiter* waiter) { std::erase(waiters_, waiter); }

asio::awaitable<void> Signal::wait() {
  Waiter waiter;
  waiters_.push_back(&waiter);
  Guard guard([this, &waiter] { forget(&waiter); });
  co_await waiter.wait();
}

asio::awaitable<bool> Signal::wait(Clock& clock, Deadline deadline) {
  if (deadline.at == Instant::max()) {
    co_await wait();
    co_return true;
  }
  using asio::experimental::awaitable_operators::operator||;
  Waiter waiter;
  waiters_.push_back(&waiter);
  Guard guard([this, &waiter] { forget(&waiter); });
  std::exception_ptr failed;
  try {
    auto either = waiter.wait() || clock.sleep_until(deadline.at);
    auto first = co_await std::move(either);
    co_return first.index() == 0;
  } catch (const asio::multiple_exceptions& both) {
    failed = both.first_exception();  // cancelled: callers know only that exception
  }
  std::rethrow_exception(failed);
}

asio::awaitable<void> Gate::enter() {
  if (try_enter()) co_return;
  Waiter waiter;
  waiters_.push_back(&waiter);
  bool entered = false;
  Guard guard([this, &waiter, &entered] {
    if (entered) return;
    // Cancelled: out of the list, or, when a place was handed over in between, on with that place to the next.
    if (std::erase(waiters_, &waiter) == 0) leave();
  });
  co_await waiter.wait();
  entered = true;
}

bool Gate::try_enter() {
  if (free_ == 0) return false;
  --free_;
  return true;
}

void Gate::leave() {
  if (waiters_.empty()) {
    ++free_;
    return;
  }
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->wake();
}

}  // namespace tieline
