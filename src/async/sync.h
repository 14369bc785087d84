// What coroutines of one shard wait on: a signal, a counting gate. One thread only; every queue has a named bound, and
// full means that the producer waits.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "async/waiter.h"

namespace tieline {

// Wakes everyone who waits. A notification that nobody waits for is not remembered.
class Signal {
 public:
  // They resume in the order in which they began to wait, each through its executor.
  void notify_all();
  asio::awaitable<void> wait();
  // False when the deadline came first.
  asio::awaitable<bool> wait(Clock& clock, Deadline deadline);

 private:
  void forget(Waiter* waiter);
  std::vector<Waiter*> waiters_;
};

// Resumes behind everything that is ready on the executor now, and after it has looked for what has become ready.
asio::awaitable<void> next_turn();

// A semaphore: at most `limit` holders at once, first come first served.
class Gate {
 public:
  explicit Gate(std::size_t limit) : free_(limit) {}
  // Whoever entered must leave. A cancelled wait unwinds without having entered.
  asio::awaitable<void> enter();
  bool try_enter();
  // Hands the place to the first who waits, if any.
  void leave();
  std::size_t waiting() const { return waiters_.size(); }

 private:
  std::size_t free_;
  std::deque<Waiter*> waiters_;
};

}  // namespace tieline
