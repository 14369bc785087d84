// Owns spawned coroutines: whoever spawns owns a group and awaits stop() before the group dies. The only place where a
// coroutine is detached and where cancellation is caught.
#pragma once

#include <memory>

#include "async/async.h"

namespace tieline {

// One thread only.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  ~TaskGroup();  // CHECK: nothing may still run

  // Starts the coroutine soon, through the executor. An exception other than cancellation is a bug: CHECK.
  void spawn(asio::awaitable<void> task);
  std::size_t running() const;
  // Cancels everything and returns when nothing runs any more.
  asio::awaitable<void> stop();
  // Returns when nothing runs any more, without cancelling.
  asio::awaitable<void> drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tieline
