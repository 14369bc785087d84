// A log that dedupes as the store does, with the store's own tables, and keeps nothing: what the door is measured
// against when `make bench` asks what the store costs. It must never stand where an event has to survive.
#pragma once

#include "core/event_log.h"
#include "store/recent.h"
#include "store/shard_store.h"

namespace tieline::store {

struct DiscardOptions {
  Duration dedupe_window = kDedupeWindow;
  std::size_t tail_bytes = 16u << 20;  // of the newest events in memory, as in StoreOptions
};

// One thread only.
class DiscardLog final : public EventLog {
 public:
  // `clock` must outlive it.
  explicit DiscardLog(Clock& clock, DiscardOptions options = {});

  // At once, and nothing is durable. A duplicate is known by (source, id) among the events in memory, beyond them by
  // its hash alone: where the store reads the id from disk, one new event in some thousand millions passes for a
  // duplicate. kInvalid, kTooLarge.
  Async<std::vector<Appended>> append(std::vector<NewEvent> events, Deadline deadline) override;

  // There is nothing to read: empty, kNotFound, and last() is as many as were new.
  Async<std::vector<EventPtr>> read(Position after, ReadLimits limits) override;
  Async<std::vector<EventPtr>> get(std::vector<Position> positions) override;
  Async<EventPtr> find(std::string source, std::string id) override;
  Async<Position> first_at_or_after(Time received) override;
  Position last() const override { return Position(next_seq_ - 1); }
  asio::awaitable<void> wait_beyond(Position after, Deadline deadline) override;
  Duration dedupe_window() const override { return options_.dedupe_window; }

 private:
  std::optional<Position> first_of(const NewEvent& event, std::uint64_t hash) const;

  Clock& clock_;
  const DiscardOptions options_;
  Dedupe dedupe_;
  Tail tail_;
  std::uint64_t next_seq_ = 1;
};

}  // namespace tieline::store
