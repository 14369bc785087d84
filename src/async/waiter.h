// One suspended coroutine and the means to wake it: what Signal, Channel, Gate and the manual clock are made of.
// A Waiter must be woken, or its coroutine cancelled, before it is destroyed.
#pragma once

#include <memory>

#include "async/async.h"

namespace tieline {

// One thread only.
class Waiter {
 public:
  Waiter();
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Suspends until wake() (at once when wake() came first). Unwinds when the coroutine is cancelled.
  asio::awaitable<void> wait();
  // The coroutine resumes through its executor, never inside this call. Further calls do nothing.
  void wake();
  bool waiting() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tieline
