// What is kept of a resource that a flow reads: how far it came, what of a reading is still to do, and the records that
// it knows. All of it changes with the end of a run only, together with the events of that run.
//
// In the StateStore: bucket "sync", an entry for each reading flow under its number; bucket "synced", an entry for each
// record under FLOW, a line break and the record's id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/journal.h"

namespace tieline::engine {

inline constexpr std::string_view kSyncBucket = "sync", kSyncedBucket = "synced";

// A reading that is under way, between two of its runs.
struct Reading {
  std::uint64_t id = 0;  // grows from reading to reading
  bool all = false;
  bool anew = false;                  // … and tells of each record, known or not
  bool partly = false;                // there was no room for all of its page, which is read once more
  Time begun;                         // the earliest moment at which it may have read
  std::optional<Time> from;           // what changed since; of a reading of changes
  std::optional<Time> latest;         // change that it has met
  std::string next;                   // the id of the event with which it goes on
  std::string page;                   // as CallRequest::Page::at
  std::uint64_t mark = 0;             // a page that it had, as a hash: pages that lead in a circle come to it again
  std::uint32_t turned = 0;           // pages, as far as marks know
  std::optional<std::string> looked;  // every page is read: looks for what is gone, behind this key
  std::uint64_t pages = 0;            // that were read
};

struct SyncState {
  std::optional<Time> since;             // what changed later is not known; nothing: no reading of all has told a time
  std::optional<Duration> behind;        // the vendor's clock is at most so far behind ours, as its changes have shown
  std::optional<Time> began, began_all;  // the last readings, of either kind and of all
  std::uint64_t last_id = 0;             // of a reading
  bool finished = false;                 // a reading: what is met from then on is new
  std::optional<Reading> reading;
};

std::string sync_key(FlowId flow);
Bytes encode(const SyncState& state);
// kCorrupt.
Result<SyncState> decode_sync_state(std::string_view bytes);

struct KnownRecord {
  std::uint64_t seen = 0;  // the reading that met it last, of those that write that down
  bool deleted = false;
  bool number = false;  // its id is one
  std::optional<Time> updated;
  std::string version;
};

std::string synced_prefix(FlowId flow);  // the record's id follows
Bytes encode(const KnownRecord& record);
// kCorrupt.
Result<KnownRecord> decode_known_record(std::string_view bytes);

}  // namespace tieline::engine
