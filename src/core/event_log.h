// The port to the durable log of events. Whoever implements it must never report an append that a crash could undo.
#pragma once

#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "core/event.h"

namespace tieline {

struct Appended {
  Position at;
  bool duplicate = false;  // at is then the first one's
};

struct ReadLimits {
  std::size_t count = 256;
  std::size_t bytes = 4u << 20;
};

// One shard's handle: call it from that shard's thread only.
class EventLog {
 public:
  virtual ~EventLog() = default;

  // All in one commit, in order; returns when all are durable. An event whose (source, id) stands in the log within
  // dedupe_window() writes nothing, and is answered only when the first one is durable. Errors: kUnavailable (refusing
  // after a failed fsync, or stopping), kFull (no disk headroom), kTooLarge, kTimeout (the outcome is then unknown:
  // repeat with the same ids).
  virtual Async<std::vector<Appended>> append(std::vector<NewEvent> events, Deadline deadline) = 0;

  // Durable events after `after`, in order; empty when there is none. Those whose record is corrupt are left out and
  // counted by the store.
  virtual Async<std::vector<EventPtr>> read(Position after, ReadLimits limits) = 0;
  // Each of `positions` that exists, in that order.
  virtual Async<std::vector<EventPtr>> get(std::vector<Position> positions) = 0;
  // By dedupe key. kNotFound.
  virtual Async<EventPtr> find(std::string source, std::string id) = 0;
  virtual Async<Position> first_at_or_after(Time received) = 0;

  virtual Position last() const = 0;  // the newest durable event as this shard knows it
  // Returns when last() > after, or at the deadline.
  virtual asio::awaitable<void> wait_beyond(Position after, Deadline deadline) = 0;
  virtual Duration dedupe_window() const = 0;
};

}  // namespace tieline
