// What coroutines of one shard wait on: a signal, a bounded channel, a counting gate. One thread only; every queue has
// a named bound, and full means that the producer waits.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "async/async.h"
#include "async/clock.h"
#include "async/waiter.h"
#include "base/check.h"

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
  std::deque<Waiter*> waiters_;
};

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

// A queue of at most `capacity` items between coroutines of one thread: a full one makes senders wait, an empty one
// receivers, each first come first served.
template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : space_(capacity), filled_(0) { CHECK(capacity > 0); }

  // False, without the item having been taken over, when the channel is closed.
  asio::awaitable<bool> send(T item) {
    if (closed_) co_return false;
    co_await space_.enter();
    if (closed_) {
      space_.leave();  // lets the next waiting sender see it, too
      co_return false;
    }
    items_.push_back(std::move(item));
    filled_.leave();
    co_return true;
  }

  // Moves from `item` and returns true, unless the channel is full or closed.
  bool try_send(T& item) {
    if (closed_ || !space_.try_enter()) return false;
    items_.push_back(std::move(item));
    filled_.leave();
    return true;
  }

  // The oldest item; nothing when the channel is closed and empty.
  asio::awaitable<std::optional<T>> receive() {
    co_await filled_.enter();
    co_return take();
  }

  // The oldest item, if there is one now that nobody was promised.
  std::optional<T> try_receive() {
    if (!filled_.try_enter()) return std::nullopt;
    return take();
  }

  // What is inside can still be received; senders and receivers that wait return. Again does nothing.
  void close() {
    if (std::exchange(closed_, true)) return;
    space_.leave();
    filled_.leave();
  }

  bool closed() const { return closed_; }
  std::size_t size() const { return items_.size(); }

 private:
  std::optional<T> take() {
    if (items_.empty()) {
      filled_.leave();  // close()'s place: it goes round all receivers
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    space_.leave();
    return item;
  }

  Gate space_;
  Gate filled_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace tieline
