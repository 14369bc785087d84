// Waiting on a shard for the writer: by ticket, by position, for any progress. It must never wake a coroutine before
// what it waits for is durable.
#include "store/sqlite_shard.h"

namespace tieline::store {

bool ShardWaits::told(Position last) {
  // Before the look at who waits, as beyond() looks again after it has begun to wait: one of the two sees the other.
  if (last > this->last()) set_last(last);
  return position_waits_ > 0;
}

void ShardWaits::resolved(std::uint64_t ticket, std::optional<Error> error) {
  for (Wait* wait : waits_) {
    if (!wait->waiter.waiting()) continue;  // woken already; its outcome stands
    if (wait->what == For::kTicket) {
      if (wait->value > ticket) continue;
      wait->error = error;
    } else if (wait->what == For::kPosition) {
      if (last().value <= wait->value) continue;
    }
    wait->waiter.wake();
  }
}

Async<void> ShardWaits::durable(std::uint64_t ticket, Deadline deadline) {
  Wait wait(*this, For::kTicket, ticket, deadline);
  co_await wait.waiter.wait();
  if (wait.expired) co_return failure(Code::kTimeout, "not durable by the deadline; the outcome is unknown");
  if (wait.error) co_return failure(*wait.error);
  co_return Result<void>();
}

asio::awaitable<void> ShardWaits::beyond(Position after, Deadline deadline) {
  if (last() > after) co_return;
  Wait wait(*this, For::kPosition, after.value, deadline);
  if (last() > after) co_return;
  co_await wait.waiter.wait();
}

asio::awaitable<bool> ShardWaits::progress(Deadline deadline) {
  Wait wait(*this, For::kProgress, 0, deadline);
  co_await wait.waiter.wait();
  co_return !wait.expired;
}

// One sleeper serves all: a timer for every append would cost more than the append.
void ShardWaits::watch(Deadline deadline) {
  if (deadline.at >= watched_) return;
  watched_ = deadline.at;
  tasks_.spawn(expire_at(deadline.at));
}

asio::awaitable<void> ShardWaits::expire_at(Instant when) {
  while (true) {
    co_await clock_.sleep_until(when);
    Instant next = Instant::max();
    for (Wait* wait : waits_) {
      if (wait->deadline.at > when) {
        next = std::min(next, wait->deadline.at);
      } else if (!wait->waiter.waiting()) {
        continue;  // woken already
      } else {
        wait->expired = true;
        wait->waiter.wake();
      }
    }
    if (watched_ != when) co_return;  // an earlier one was asked for, and another sleeper looks on
    watched_ = next;
    if (next == Instant::max()) co_return;
    when = next;
  }
}

asio::awaitable<void> ShardWaits::stop() { co_await tasks_.stop(); }

}  // namespace tieline::store
