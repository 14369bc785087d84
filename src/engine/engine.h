// The engine of one shard: takes events from the log, runs flows on them, journals what it does and resumes what it
// left. It knows ports only; it must never touch a socket, a file or the real clock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "core/category.h"
#include "core/connector.h"
#include "core/event_log.h"
#include "core/flow.h"
#include "core/journal.h"
#include "core/transport.h"

namespace tieline::engine {

// Every queue and count has its bound here.
struct EngineLimits {
  std::size_t window = 512;          // runs of one flow in memory: working, or waiting shortly behind one of their key
  std::size_t waiting_max = 65'536;  // parked, retrying and held runs of one flow; then it stops reading, visibly
  std::size_t unsettled_span = 8'192;        // events read past one that nothing is journaled of yet
  std::size_t read_batch = 256;              // events asked of the log at once
  std::size_t kept_body_bytes = 4'096;       // of each request and response body in the journal
  std::size_t pages_max = 1'000;             // of one paginated call
  std::size_t result_bytes_max = 15u << 20;  // of its results together: a record holds 16 MiB
  std::size_t items_max = 10'000;            // of all `foreach` steps of one run
  std::size_t streamed_bytes_max =
      64u << 20;  // of the pages of one `foreach`: a run that resumes reads its whole journal
  Duration limited_in_memory_max{30'000'000};  // a longer vendor's wait is journaled, and the run leaves memory
  Duration vendor_wait_max{3'600'000'000};     // what a Retry-After is clamped to
  Duration authorization_probe{300'000'000};   // how often one held call tries whether a connection works again
  Duration once_retry{30'000'000};             // how often a run looks whether another one of its `once` key is done
  Duration store_retry{5'000'000};             // until a run is tried again that the store refused to journal
  Duration once_keep{90 * 86'400'000'000LL};   // how long a `once` record stands at least
  Duration held_keep{30 * 86'400'000'000LL};   // then a held run becomes a dead letter
  std::uint32_t conflict_tries = 3;
};

// Attempt and run as they ended: what metrics and live displays are made of. The views last for the call only.
struct AttemptInfo {
  RunId run;
  std::string_view flow, connection, action;
  Category category = Category::kDelivered;
  bool lookup = false;  // a look whether an unknown outcome happened
  std::uint32_t attempt = 0;
  int status = 0;
  Duration took{0};
  std::size_t bytes_out = 0, bytes_in = 0;
};
struct RunInfo {
  RunId run;
  std::string_view flow, source, event_id;
  RunState state = RunState::kDelivered;  // a terminal one, or kRetrying, kHeld
  std::string_view summary;
  Duration latency{0};  // from the event's receipt until now
};

// Called on the shard's thread, between two steps of the engine: must be quick and must not call the engine.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void attempt_ended(const AttemptInfo&) {}
  virtual void run_ended(const RunInfo&) {}  // delivered, skipped, stale, dead; durable
  virtual void run_waits(const RunInfo&) {}  // retrying, held; durable
  virtual void authorization_changed(std::string_view /*connection*/, bool /*needed*/) {}
};

// Deliberate faults, with which the simulation proves that its checker sees them. Set nowhere else.
struct EngineFaults {
  bool unsynced_intents = false;  // unsafe calls leave before their intent is durable
  bool repeat_unknown = false;    // an unsafe call whose outcome is unknown is simply sent again
  bool ignore_lanes = false;      // runs of one key work at the same time
  bool ignore_budget = false;     // calls spend nothing
  bool ignore_policy = false;     // a failed call is made again at once, and for ever
};

struct EngineDeps {
  asio::any_io_executor executor;  // the shard's; everything here runs on its one thread
  Clock& clock;
  std::uint64_t seed = 0;  // of jitter
  EventLog& log;
  Journal& journal;
  StateStore& state;
  Transport& transport;
  FlowSource& flow_source;
  EngineObserver* observer = nullptr;
  EngineFaults faults = {};
};

struct EngineConfig {
  std::vector<FlowPtr> flows;  // names are unique
  std::vector<ConnectionInfo> connections;
};

// Why a run is held. Its summary begins with the name, then ": ".
// The names are stored: append only.
enum class Hold : std::uint8_t { kUnknownOutcome, kAuthorization, kFlow, kJournal };
// "unknown outcome", "needs authorization", "flow does not compile", "its journal is damaged"
std::string_view hold_name(Hold hold);
std::optional<Hold> hold_of_summary(std::string_view summary);
// Nothing else ends it: neither renewed credentials nor another flow.
inline bool waits_for_a_person(Hold hold) { return hold == Hold::kUnknownOutcome || hold == Hold::kJournal; }

enum class HeldAnswer : std::uint8_t {
  kDelivered,  // it happened: the call counts as delivered and binds null
  kRepeat,     // it did not: send it again. With a damaged journal: begin again, whatever was done before
};

struct FlowSnapshot {
  std::string name;
  FlowId id;
  bool removed = false;   // no longer in the config; works off its runs
  bool full = false;      // stopped reading: waiting_max is reached
  Position read_to;       // the dispatcher has seen every event up to here
  std::uint64_t lag = 0;  // positions of the log beyond read_to: at least as many as events not yet looked at
  std::size_t running = 0, queued = 0;  // in memory: working; behind an older run of their key
  std::size_t retrying = 0, parked = 0, held = 0;
  std::uint64_t delivered = 0, skipped = 0, stale = 0, dead = 0;  // since this engine started
  Duration oldest{0};  // since the receipt of the oldest event not ended, parked ones left out
};

struct BucketSnapshot {
  std::string name;
  double count = 0;  // 0: no rate limit
  Duration window{0};
  double used = 0;  // of count, now
  std::uint32_t in_flight = 0, concurrent = 0;
  std::size_t waiting = 0;
  Duration blocked{0};  // how long the vendor's answer still keeps it shut
};

struct ConnectionSnapshot {
  std::string name, connector;
  bool needs_authorization = false;
  std::uint64_t succeeded = 0, failed = 0, limited = 0;   // attempts since this engine started
  std::uint64_t recent_succeeded = 0, recent_failed = 0;  // in the last five minutes
  std::optional<Time> last_success, last_failure;
  std::string last_error;  // redacted, one line
  std::optional<Category> last_category;
  std::vector<BucketSnapshot> buckets;
};

struct EngineSnapshot {
  bool draining = false;
  std::string store_error;  // why the store last refused a record, or empty
  std::uint64_t store_errors = 0;
  std::vector<FlowSnapshot> flows;
  std::vector<ConnectionSnapshot> connections;
};

// One thread only: the executor's.
class Engine {
 public:
  explicit Engine(const EngineDeps& deps, const EngineLimits& limits = {});
  ~Engine();  // CHECK: drained, halted or never started
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Resumes every unfinished run, then takes events. A flow that the journal does not know starts with the next event.
  // Once. Errors are the store's; nothing runs then.
  Async<void> start(EngineConfig config);
  // Swaps flows and connections at one moment; on an error nothing is changed. Runs stay with the flow they began with;
  // removed flows take no more events. Connections that needed authorization are tried again.
  Async<void> reload(EngineConfig config);
  // Takes nothing more, lets calls under way end and be journaled until the deadline, then cancels the rest (an unsafe
  // call that is cut off has an unknown outcome). Everything is durable on return. Also right after a failed start.
  Async<void> drain(Deadline deadline);
  // Cancels everything at once and leaves the rest to the next start, as a crash does.
  asio::awaitable<void> halt();

  // Decides a held run, durably, and lets it go on. kNotFound when there is no such held run; kInvalid for kDelivered
  // unless it is held for an unknown outcome, and for a damaged journal when no flow is left to begin with; kCorrupt
  // when its journal turns out to be damaged, for which it is held then. `by` names who decided, for the timeline.
  Async<void> settle_held(RunId run, HeldAnswer answer, std::string by);
  // Tries the connection's held runs again (its credentials were renewed). kNotFound.
  Result<void> authorized(std::string_view connection);

  // Makes one safe call outside of any run, within the connection's budget: whether the connection works. Not
  // journaled.
  asio::awaitable<Verdict> probe(ActionPtr action, Deadline deadline);

  EngineSnapshot snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::engine
