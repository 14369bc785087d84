// The engine of one shard: takes events from the log, runs flows on them, journals what it does and resumes what it
// left. It knows ports only; it must never touch a socket, a file or the real clock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "core/category.h"
#include "core/connector.h"
#include "core/event_log.h"
#include "core/flow.h"
#include "core/journal.h"
#include "core/secret_source.h"
#include "core/transport.h"
#include "engine/breaker.h"

namespace tieline::engine {

// Every queue and count has its bound here.
struct EngineLimits {
  std::size_t window = 512;  // runs of one flow in memory: working, or waiting shortly behind one of their key
  std::size_t waiting_max =
      65'536;  // runs of one flow out of memory: parked, retrying, held, waiting; then it stops reading
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
  Duration held_keep{30 * 86'400'000'000LL};   // then a run that is held for a person becomes a dead letter
  Duration index_keep{90 * 86'400'000'000LL};  // how long a run is found by its flow's `index:`
  std::uint32_t conflict_tries = 3;
  BreakerLimits breaker = {};                  // when a system counts as down
  std::size_t published_max = 1'000;           // events of one run
  std::size_t published_bytes_max = 8u << 20;  // of their data and names together
  std::size_t subject_bytes_max = 1'024;       // of one
  std::uint32_t hops_max = 16;                 // flows that an event may come through, one publishing for the next
  Duration schedule_grace{60'000'000};         // a schedule that comes later than this was missed
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
  RunState state = RunState::kDelivered;  // a terminal one, or kRetrying, kHeld, kWaiting
  std::string_view summary;
  // From the event's receipt until now; of a run that is cancelled, and paused already when the process started, from
  // when it did so. `source` and `event_id` are empty then, as with an event that is missing.
  Duration latency{0};
};

// Called on the shard's thread, between two steps of the engine: must be quick and must not call the engine.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void attempt_ended(const AttemptInfo&) {}
  // Delivered, skipped, stale, dead, cancelled. Journaled; durable no later than what is journaled next, and at once
  // where the run has a key or publishes (but for a cancelled one).
  virtual void run_ended(const RunInfo&) {}
  virtual void run_waits(const RunInfo&) {}  // retrying, held, waiting; durable
  virtual void authorization_changed(std::string_view /*connection*/, bool /*needed*/) {}
  // A system is down, more of it is, some of it is back, all of it is, or nobody waits for it any more.
  virtual void incident_changed(std::string_view /*connection*/, const Incident&) {}
};

// Deliberate faults, with which the simulation proves that its checker sees them. Set nowhere else.
struct EngineFaults {
  bool unsynced_intents = false;  // unsafe calls leave before their intent is durable
  bool repeat_unknown = false;    // an unsafe call whose outcome is unknown is simply sent again
  bool ignore_lanes = false;      // runs of one key work at the same time
  bool ignore_budget = false;     // calls spend nothing
  bool forget_budgets = false;    // a new process knows nothing of what the last one spent
  bool burn_in_outage = false;    // what fails in an outage counts against its run
  bool ignore_policy = false;     // a failed call is made again at once, and for ever
  bool cut_waits = false;         // a wait is over after half of its time
  bool approve_unasked = false;   // a run goes on when its time to be approved is over
  bool cancel_nothing = false;    // newer runs leave older ones of their key that wait alone
  bool ignore_brake = false;      // no run is too much
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
  const SecretSource* secrets = nullptr;  // null: `secret` steps fail
};

struct EngineConfig {
  std::vector<FlowPtr> flows;  // names are unique
  std::vector<ConnectionInfo> connections;
};

// Why a run is held. Its summary begins with the name, then ": ".
// The names are stored: append only.
enum class Hold : std::uint8_t { kUnknownOutcome, kAuthorization, kFlow, kJournal, kBrake, kOutage };
// "unknown outcome", "needs authorization", "flow does not compile", "its journal is damaged", "brake", "outage"
std::string_view hold_name(Hold hold);
std::optional<Hold> hold_of_summary(std::string_view summary);
// Of which call: its summary goes on with "CONNECTION: ACTION: ". Nothing where the run as a whole is held.
struct HeldCall {
  std::string_view connection, action;  // of the summary
};
std::optional<HeldCall> held_call(std::string_view summary);
// Nothing else ends it: neither renewed credentials nor another flow.
inline bool waits_for_a_person(Hold hold) {
  return hold == Hold::kUnknownOutcome || hold == Hold::kJournal || hold == Hold::kBrake;
}

enum class HeldAnswer : std::uint8_t {
  kDelivered,  // it happened: the call counts as delivered and binds null
  kRepeat,    // it did not: send it again. With a damaged journal: begin again, whatever was done before. With a brake:
              // let this run pass
  kApproved,  // of a run that waits for approval: it goes on
  kDeclined,  // … it ends as skipped
};
std::string_view held_answer_name(HeldAnswer answer);  // "delivered", "repeat", "approved", "declined"
std::optional<HeldAnswer> held_answer_from_name(std::string_view name);

// Who decided, and whether a call with `once` is made again although another run made it.
struct Decision {
  std::string by;
  bool redo = false;
};

// How a run that has ended begins again, or one begins late.
struct Replay {
  enum class From : std::uint8_t {
    kFailed,  // from the step that failed; what was done is remembered
    kStart,  // from the first step; only `once`, versions and the vendor's idempotency keys keep effects from repeating
  } from = From::kFailed;
  bool as_now = false;   // with the present flow, from the start; else with the one it began with
  bool redo = false;     // calls with `once` are made, whatever other runs did
  bool damaged = false;  // from the start, also where its journal is damaged
  std::string by;
  std::uint64_t job = 0;  // for the timeline
};

// Which runs: all that fit everything given. `since` and `until` are times at which dead and held runs became so; of
// others (one of those states among them is enough) times of receipt.
struct Selection {
  std::optional<RunId> run;  // this one only; not of a job
  std::optional<FlowId> flow;
  std::vector<RunState> states;
  bool untaken = false;  // instead of runs: events that the flow takes now and never took
  // Of dead and held runs only.
  std::string group;       // Cause::id
  std::string category;    // Cause::category
  std::string text;        // a part of the summary
  std::string connection;  // a held call's
  Time since = Time::min(), until = Time::max();
};

// Something that is done to each of many runs, in the order of their events, flow by flow.
struct Job {
  enum class Kind : std::uint8_t { kReplay, kDiscard, kDelivered, kRepeat } kind = Kind::kReplay;
  enum class State : std::uint8_t { kRunning, kDone, kStopped } state = State::kRunning;
  std::uint64_t id = 0;
  Selection select;
  Replay how;                  // of a decision about held runs only `by` and `redo`
  Time created = Time::max();  // what changed later is not among the selected; now at the latest
  std::uint64_t selected = 0, done = 0, refused = 0;
  std::uint64_t gone = 0;  // when their turn came, something else had been done to them; known of all once it is done
  std::string last_error;  // why one was refused
  // The last run that was looked at.
  FlowId flow;
  Position after;
};
std::string_view job_kind_name(Job::Kind kind);  // "replay", "discard", "delivered", "repeat"
std::optional<Job::Kind> job_kind_from_name(std::string_view name);
std::string_view job_state_name(Job::State state);  // "running", "done", "stopped"

struct JobCount {
  std::uint64_t runs = 0;
  std::vector<std::pair<std::string, std::uint64_t>> flows;  // those with runs among them
};

struct FlowSnapshot {
  std::string name;
  FlowId id;
  bool removed = false;           // no longer in the config; works off its runs
  bool full = false;              // stopped reading: waiting_max is reached
  bool paused = false;            // reads nothing until it is resumed
  std::string paused_why;         // by whom or for what
  std::optional<Time> next_time;  // of its schedules
  Position read_to;               // the dispatcher has seen every event up to here
  std::uint64_t lag = 0;          // positions of the log beyond read_to: at least as many as events not yet looked at
  std::size_t running = 0, queued = 0;  // in memory: working; behind an older run of their key
  std::size_t retrying = 0, parked = 0, held = 0, waiting = 0;
  std::size_t gathering = 0;  // calls of running ones that wait for others to leave with (`batch`)
  bool braked = false;        // its brake holds: what comes is held until a person lets it go
  std::uint64_t delivered = 0, skipped = 0, stale = 0, dead = 0, cancelled = 0;  // since this engine started
  Duration oldest{0};  // since the receipt of the oldest event not ended; parked and waiting ones left out
};

struct BucketSnapshot {
  std::string name;
  double count = 0;  // 0: no rate limit
  Duration window{0};
  double used = 0;  // of count, now
  std::uint32_t in_flight = 0, concurrent = 0;
  std::size_t waiting = 0;
  Duration blocked{0};       // how long the vendor's answer still keeps it shut
  std::optional<Time> ends;  // of a window of ten minutes or more: when all of it is spent at the present rate
};

struct ConnectionSnapshot {
  std::string name, connector;
  bool needs_authorization = false;
  std::uint64_t succeeded = 0, failed = 0, limited = 0;   // attempts since this engine started
  std::uint64_t recent_succeeded = 0, recent_failed = 0;  // in the last five minutes
  std::optional<Time> last_success, last_failure;
  std::string last_error;  // redacted, one line
  std::optional<Category> last_category;
  std::optional<Incident> incident;  // until it has caught up
  std::size_t held_in_outage = 0;
  std::vector<BucketSnapshot> buckets;
};

struct EngineSnapshot {
  Time at;
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
  // Swaps flows and connections at one moment; on an error nothing is changed, but that flows may have the new names by
  // which the store knows them from then on: the same reload goes on from there. Runs stay with the flow they began
  // with; removed flows take no more events. Connections that needed authorization are tried again.
  Async<void> reload(EngineConfig config);
  // Takes nothing more, lets calls under way end and be journaled until the deadline, then cancels the rest (an unsafe
  // call that is cut off has an unknown outcome). Everything is durable on return. Also right after a failed start.
  Async<void> drain(Deadline deadline);
  // Cancels everything at once and leaves the rest to the next start, as a crash does.
  asio::awaitable<void> halt();

  // Decides a run that is held or waits for approval, durably, and lets it go on. kNotFound when there is no such run;
  // kInvalid for an answer that is not one to what it waits for (kDelivered: to an unknown outcome), and for a damaged
  // journal when no flow is left to begin with; kCorrupt when its journal turns out to be damaged, for which it is held
  // then. `by` names who decided, for the timeline.
  Async<void> settle_held(RunId run, HeldAnswer answer, Decision by);
  // Lets go what the flow's brake holds, and counts anew. kNotFound; kInvalid when its brake does not hold.
  Result<void> release_brake(std::string_view flow);
  // Has an ended run begin again, durably, in its place in its lane: before those of its key that have not begun. Also
  // one that its flow never took (always from the start, with the present flow). kNotFound when its event is no longer
  // kept, kConflict while it is worked on, kCorrupt when its journal is damaged, kInvalid with the reason.
  Async<void> replay(RunId run, Replay how);
  // Gives a dead letter up, durably; what it kept is let go. kInvalid unless it is one, kConflict.
  Async<void> discard(RunId run, std::string by);
  // Puts other data in the place of the event's, for the next replay of this dead letter. The event stays as it is.
  // Errors as discard, and kTooLarge.
  Async<void> edit(RunId run, json::Document data, std::string by);
  // How many runs a job on the selection would be given now, of those that have not changed after `created`.
  Async<JobCount> count(Selection select, Time created = Time::max());
  // Begins a job, durably: a restart goes on with it. It paces itself by the room that the flows have. kInvalid for one
  // run, and for damaged journals; kUnavailable when too many are at work; kConflict while one at work decides
  // otherwise about runs that may be the same; the store's.
  Async<Job> start_job(Job job);
  // It ends before its next run, also after a restart. kNotFound unless it is at work; the store's: it ends, but may go
  // on after a restart.
  Async<void> stop_job(std::uint64_t id);
  // Those at work and the last ones that ended, by number.
  Async<std::vector<Job>> jobs();

  // Tries the connection's held runs again (its credentials were renewed). kNotFound.
  Result<void> authorized(std::string_view connection);

  // Has the flow read nothing more until it is resumed; its runs go on. Durable: it stays so over restarts and reloads.
  // `why` is shown. kNotFound.
  Async<void> pause(std::string flow, std::string why);
  // kNotFound; also of a flow that is not paused nothing is changed.
  Async<void> resume(std::string flow);
  // Starts a flow that has the trigger `manual`, with this data: an event, durable on return. `id` is its id, for a
  // repeat to change nothing; empty: a new one. kNotFound; kInvalid when the flow has no such trigger.
  Async<EventPtr> start_flow(std::string flow, std::string id, json::Document data);

  // Makes one safe call outside of any run, within the connection's budget: whether the connection works. Not
  // journaled.
  asio::awaitable<Verdict> probe(ActionPtr action, Deadline deadline);

  // Whoever keeps it is the only one of this shard that works on the durable table `bucket`, as runs do in their turn.
  // Not kept beyond the engine.
  asio::awaitable<std::shared_ptr<void>> table_turn(std::string bucket);

  EngineSnapshot snapshot() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::engine
