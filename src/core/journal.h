// The port to the durable journal: what each run did, and in which state it stands. It folds records
// into run states, cursors and key-value entries; it must never interpret a record's body.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "async/async.h"
#include "core/event.h"

namespace tieline {

// A flow's number in the store: given on first use of its name, kept for ever.
using FlowId = StrongId<struct FlowIdTag, std::uint32_t>;

// One flow working on one event.
struct RunId {
  FlowId flow;
  Position event;
  friend constexpr auto operator<=>(const RunId&, const RunId&) = default;
};

// Where a run stands (FLOWS.md §5). The values are stored: append only.
enum class RunState : std::uint8_t {
  kRunning = 0,   // taken up; has journaled something
  kRetrying = 1,  // waits until `due`
  kParked = 2,    // waits in its lane behind an older run of the same key
  kHeld = 3,      // waits for a person or a condition
  kDelivered = 4,
  kSkipped = 5,
  kStale = 6,
  kDead = 7,
  kDiscarded = 8,   // a dead letter that a person gave up
  kWaiting = 9,     // outside of its lane, until `due` or until a person answers
  kCancelled = 10,  // gave up waiting, for a newer run of its key
};
inline constexpr RunState kLastRunState = RunState::kCancelled;
std::string_view run_state_name(RunState state);
// Delivered, skipped, stale, dead, discarded, cancelled: the run works no more. (A dead letter still keeps its event.)
bool is_terminal(RunState state);

// What a record tells; the values are stored: append only.
enum class RecordKind : std::uint8_t {
  kIntent = 1,   // an unsafe call is about to leave
  kOutcome = 2,  // an attempt ended (also a failed one)
  kState = 3,    // the run's state changed
  // Changes no state: what a person did to the run, or what was decided of one of its calls while others went on.
  kNote = 4,
};

// A key-value entry that becomes visible together with the record that carries it. `until` is when it may be forgotten.
struct KeyPut {
  std::string bucket;
  std::string key;
  Bytes value;
  Time until = Time::max();
};

struct Record {
  RunId run;
  std::uint32_t number = 0;  // counts up from 1 within the run; a repeat of the same number and content changes nothing
  RecordKind kind = RecordKind::kState;
  std::uint16_t step = 0;
  std::uint16_t attempt = 0;
  Time at;
  Bytes body;  // the engine's own; opaque here
  std::vector<KeyPut> puts;
  // Only with kState: the state after this record, and what finding the run again needs.
  RunState state = RunState::kRunning;
  Time due = Time::max();  // with kRetrying, kWaiting
  std::uint64_t lane = 0;  // hash of flow and key; 0: a lane of its own
  std::string summary;     // with kHeld, kDead, kSkipped, kWaiting, kCancelled: the cause, one line, redacted
  // Only with a terminal kState: what the run published. They stand in the log if the record does, and not without it;
  // one whose (source, id) stands there already is left out, as EventLog::append does.
  std::vector<NewEvent> events;
};

// kWait returns when the record is durable. kWithNext returns at once; the record is durable soon, and no later than
// whatever the same shard appends after it.
enum class Sync : std::uint8_t { kWait, kWithNext };

struct RunStatus {
  RunId run;
  RunState state = RunState::kRunning;
  Time changed;
  Time due = Time::max();
  std::uint64_t lane = 0;
  std::uint32_t records = 0;  // the highest record number
  std::string summary;
};

struct RunQuery {
  std::optional<FlowId> flow;
  std::vector<RunState> states;  // empty: all
  Position after{0};             // runs of events after this one
  Time since = Time::min();
  std::size_t count = 100;
  bool newest_first = false;
};

struct FlowCursor {
  Position floor;                 // every event up to here is settled for this flow
  std::vector<Position> settled;  // those beyond the floor that are settled too, ascending
};

struct FlowCounts {
  std::uint64_t delivered = 0, skipped = 0, stale = 0, dead = 0, discarded = 0;  // since the store began
  std::uint64_t running = 0, retrying = 0, parked = 0, held = 0, waiting = 0;    // now
  std::uint64_t cancelled = 0;                                                   // since the store began
};

// One shard's handle: call it from that shard's thread only.
class Journal {
 public:
  virtual ~Journal() = default;

  // The flow's number; a new flow's cursor starts at `start` (durable on return).
  virtual Async<FlowId> open_flow(std::string name, Position start) = 0;
  virtual Async<std::vector<std::pair<FlowId, std::string>>> flows() = 0;
  // The flow keeps its number, cursor and runs. kNotFound when none is called `from`; kConflict when one is called
  // `to`. Durable on return.
  virtual Async<void> rename_flow(std::string from, std::string to) = 0;

  // Which flows are configured, at a start and after each reload. History goes without regard to the cursors of others,
  // and until it is told, of none: their unfinished, held and dead runs keep what they need. A flow that comes back
  // goes on at its cursor, or where history begins by then.
  virtual void configured(std::vector<FlowId> flows) = 0;

  // Errors: kUnavailable, kFull, kTooLarge, kInvalid (events with a record that ends nothing), kConflict (other content
  // under the same number; a repeat appends its events no second time).
  // A kState record settles its event for the flow's cursor (parked, retrying and held runs are found by `runs`).
  virtual Async<void> append(Record record, Sync sync) = 0;
  // The event needs nothing from this flow (it does not match): moves the cursor; durable with a later group.
  virtual void settle(FlowId flow, Position event) = 0;

  virtual Async<FlowCursor> cursor(FlowId flow) = 0;
  // A run's records by number; empty when it has none.
  virtual Async<std::vector<Record>> read(RunId run) = 0;
  virtual Async<std::optional<RunStatus>> status(RunId run) = 0;
  // Unfinished, held and dead runs are found wherever they stand; terminal ones as far as history reaches.
  virtual Async<std::vector<RunStatus>> runs(RunQuery query) = 0;
  virtual Async<FlowCounts> counts(FlowId flow) = 0;

  // Returns when everything appended so far is durable.
  virtual Async<void> flush() = 0;
};

// Durable entries by bucket and key: `once`, versions, search index, flow sources, cursors of polls.
struct Entry {
  std::string key;
  Bytes value;
  std::uint64_t revision = 0;  // grows with every write of the key; 0 never stands for an entry
};

// One shard's handle. Reads see every put that this shard has appended, durable or not.
class StateStore {
 public:
  virtual ~StateStore() = default;
  virtual Async<std::optional<Entry>> get(std::string bucket, std::string key) = 0;
  // kConflict when the key is present. Durable on return, as update and erase are.
  virtual Async<std::uint64_t> create(std::string bucket, std::string key, Bytes value) = 0;
  // Compare-and-set: kConflict unless the present revision is `revision`.
  virtual Async<std::uint64_t> update(std::string bucket, std::string key, Bytes value, std::uint64_t revision) = 0;
  virtual Async<void> erase(std::string bucket, std::string key, std::uint64_t revision) = 0;
  // Keys that begin with `prefix`, greater than `after`, ascending.
  virtual Async<std::vector<Entry>> scan(std::string bucket, std::string prefix, std::string after,
                                         std::size_t count) = 0;
};

}  // namespace tieline
