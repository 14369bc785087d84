// What a store hands to one shard: the three ports over one log, and the limits that every implementation keeps. It
// must never be called from another thread than its shard's.
#pragma once

#include <cstddef>

#include "core/event_log.h"
#include "core/journal.h"

namespace tieline::store {

// Larger ones are refused with kTooLarge.
inline constexpr std::size_t kEventBytesMax = 16u << 20;  // an event's texts and data together
inline constexpr std::size_t kRecordBytesMax =
    16u << 20;                                     // a record's body, summary and puts together, or an entry's value
inline constexpr std::size_t kKeyBytesMax = 4096;  // a source, id, type, subject, bucket or key

inline constexpr Duration kDedupeWindow = std::chrono::days(7);

// Await stop() before destroying a handle; no call may be under way or follow.
class ShardStore : public EventLog, public Journal, public StateStore {
 public:
  using EventLog::append;
  using EventLog::get;
  using EventLog::read;
  using Journal::append;
  using Journal::read;
  using StateStore::get;

  // Ends the handle's own tasks. What was appended and is not durable yet may still become so.
  virtual asio::awaitable<void> stop() = 0;
};

}  // namespace tieline::store
