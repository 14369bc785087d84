// A flow as the engine runs it: compiled, immutable, named by the hash of its source. Steps are ports: the engine knows
// no step kind, a step knows no engine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "async/async.h"
#include "core/connector.h"
#include "core/event.h"
#include "core/journal.h"
#include "core/schedule.h"
#include "core/sync_source.h"
#include "core/template.h"
#include "core/topic.h"
#include "json/program.h"

namespace tieline {

// Waits grow from `first` by `multiplier` up to `max`, each with full jitter; a run gives up after `keep_for` of trying
// (waits for limits, holds and outages do not count) or after `tries` attempts, whichever comes first.
struct RetryPolicy {
  Duration first{5'000'000};
  Duration max{3'600'000'000};
  double multiplier = 2.0;
  Duration keep_for{24 * 3'600'000'000LL};
  std::uint32_t tries = 0;  // 0: no limit
};

enum class OnUnknown : std::uint8_t { kHold, kRepeat, kDrop };
// What a replay from the start does with a call that was made before.
enum class OnReplay : std::uint8_t { kAgain, kSkip };
// What an expected answer does to the run.
enum class OnAnswer : std::uint8_t { kFail, kSkip, kContinue };

// `on:` of a call: by "empty", "missing", "conflict", or the vendor's code.
struct AnswerRule {
  std::string answer;
  OnAnswer then = OnAnswer::kFail;
  // Of "empty" and "missing", not zero: asks again after this, until `keep_for` has passed; then the run is a dead
  // letter.
  Duration again{0};
  Duration keep_for{0};
};

// A secret of a run: programs see the handle, only a call's request the secret.
struct Concealed {
  std::string name, handle, secret;
};

// One call as a step asks for it; the engine owns everything about sending it.
struct CallRequest {
  ActionPtr action;
  json::Document args;              // an object
  std::optional<std::string> once;  // the evaluated key
  const std::vector<AnswerRule>* on = nullptr;
  const RetryPolicy* retry = nullptr;  // nullptr: the flow's
  std::optional<Duration> timeout;
  OnUnknown on_unknown = OnUnknown::kHold;
  const std::vector<Concealed>* concealed = nullptr;  // the engine's own: what handles among the args stand for
  // Of a safe action: one page instead of all of them together. The engine's own; outlives the call.
  struct Page {
    std::string at;  // as `next` of the page before said; empty: the first one
    // Where the next one is, once the call has ended; empty: it was the last one. Only for `at`.
    std::string next;
  };
  Page* page = nullptr;
  OnReplay on_replay = OnReplay::kAgain;
  bool one_item = false;  // of an action that takes items: its one item is the run's own, and so is its result
};

// What a step did.
struct StepResult {
  enum class Kind : std::uint8_t { kNext, kSkip, kFail, kSuspend } kind = Kind::kNext;
  std::string reason;  // kSkip: why
  Error error;         // kFail: a validation error of the run
  static StepResult next() { return {}; }
  static StepResult skip(std::string why) { return {Kind::kSkip, std::move(why), {}}; }
  static StepResult fail(Error why) { return {Kind::kFail, {}, std::move(why)}; }
  // The engine already wrote the run's next state (retrying, held, dead): stop here.
  static StepResult suspend() { return {Kind::kSuspend, {}, {}}; }
};

// A wait outside of the run's lane, durable: until a moment, or until a person answers.
struct Pause {
  Time until = Time::max();
  bool approval = false;
  std::string who;  // of an approval: who is asked, as written; may be empty
  enum class Then : std::uint8_t { kGoOn, kSkip, kFail } then = Then::kGoOn;  // at `until`
  bool keep = false;  // a newer run of its key does not cancel it
};

// An event that a step publishes on a topic.
struct Publication {
  std::string topic;
  std::string type;     // empty: the topic
  std::string subject;  // what it is about; may be empty
  Op op = Op::kOther;
  json::Document data;
};

// A table's entry is not there yet: look again, and how long at most.
struct TableWait {
  Duration again{0};
  Duration keep_for{0};
  std::string what;  // "nothing is linked to easypost.tracker EZ1"
};
// What follows from a table's entries.
struct TableDecision {
  StepResult step;  // kNext: `value` is what to bind, and `puts` are written
  json::Document value;
  std::vector<KeyPut> puts;  // durable together with the answer
  std::string words;         // for the timeline
  std::optional<TableWait> wait;
};
// A step's work on a durable table: reads, decides, writes, as one.
struct TableWork {
  std::string what;  // for the timeline: "lookup hubspot.company 77"
  std::string bucket;
  std::vector<std::string> keys;
  // Values beside keys, nothing for one that is not there; `by` names the run. Must not suspend.
  std::function<TableDecision(const std::vector<std::optional<Bytes>>& entries, Time now, const std::string& by)>
      decide;
};

class Step;
// Steps inside a step, compiled. `first` is the number of the first one, counted from the step that holds them: all
// steps of a flow are numbered in the order in which they are written, a step before those inside it.
struct StepList {
  std::string name;  // of an arm of `parallel`
  std::vector<std::shared_ptr<const Step>> steps;
  std::uint32_t first = 1;
  std::vector<std::size_t> slots;  // of the names that they bind
};

// The work of a `foreach`, as its step asks for it.
struct EachRequest {
  std::optional<CallRequest> pages;  // the items are what a safe call gives, page by page; else those of `list`
  json::Document list;
  const StepList* steps = nullptr;  // for each item; outlives the work
  std::size_t item_slot = 0, index_slot = 0;
  std::optional<std::size_t> as_slot;
  std::uint32_t concurrency = 1;  // items at a time
  bool collect = false;
};

// A resource that a flow reads for another one: what its one step asks for.
struct SyncRequest {
  SyncSourcePtr source;
  std::string flow;  // for which its records are
};

// What a step may use of the run it works in. Owned by the engine; valid during Step::run.
class RunContext {
 public:
  virtual ~RunContext() = default;
  // `.` and the variables by slot (Flow::variables); steps evaluate templates with them.
  virtual const json::Document& input() const = 0;
  virtual void set_input(json::Document value) = 0;
  virtual const std::vector<json::Document>& variables() const = 0;
  virtual void bind(std::size_t slot, json::Document value) = 0;

  // Performs the call durably: journal, budget, retry, unknown outcomes, `once`. kNext: `value` is what to bind (null
  // after `on: continue`). Any other kind: return it from the step as it is.
  struct CallResult {
    StepResult step;
    json::Document value;
  };
  virtual asio::awaitable<CallResult> call(CallRequest request) = 0;

  // The time of the shard's clock.
  virtual Time now() const = 0;
  // kNext when the moment has come or a person agreed; else return it from the step as it is. The moment of the first
  // time counts: the step runs again whenever the run is resumed.
  virtual asio::awaitable<StepResult> pause(Pause pause) = 0;

  // Kept until the run ends, and then committed together with its end; a run that ends as dead publishes nothing. Its
  // id follows from run, step and order. kInvalid when the run publishes too much, or went through too many flows.
  virtual Result<void> publish(Publication publication) = 0;

  // Works on a durable table, and journals the answer: every later pass of the run is given the same one. As of call().
  virtual asio::awaitable<CallResult> table(TableWork work) = 0;

  // Bytes that are the same in every pass of this run and step, and that nobody without the store's key can tell.
  // kUnavailable where there is no key.
  virtual Result<Bytes> derive(std::string_view purpose, std::size_t count) = 0;
  // The handle that stands for `secret` in programs and data. As a whole leaf of a call's arguments it becomes the
  // secret, in the bytes of the request; what is kept of the exchange is redacted.
  virtual json::Document conceal(std::string name, std::string handle, std::string secret) = 0;

  // Steps of the list one after the other, as if they stood in place of the one that holds them. Any other kind than
  // kNext: return it from that step as it is.
  virtual asio::awaitable<StepResult> work(const StepList& list) = 0;
  // All lists at the same time, each with variables and `.` of its own; returns when all have ended. What their slots
  // hold is taken over when all went through. `lists` outlives the work.
  virtual asio::awaitable<StepResult> work_all(const std::vector<StepList>& lists) = 0;
  // The steps of a list for each item, each with variables and `.` of its own; a skip ends its item only, and a failure
  // keeps the other items from nothing. `collected`: for each item that went through, in their order, the result of its
  // last `map`, or the item.
  struct EachResult {
    StepResult step;
    json::Document collected;
  };
  virtual asio::awaitable<EachResult> each(EachRequest request) = 0;

  // Reads the next page of a resource, and has what is new in it published when the run ends, together with how far the
  // reading came. Any other kind than kNext: return it from the step as it is.
  virtual asio::awaitable<StepResult> read(const SyncRequest& request) = 0;
};

class Step {
 public:
  virtual ~Step() = default;
  // Steps without a call are synchronous in effect and must be pure: they run again after a restart.
  virtual asio::awaitable<StepResult> run(RunContext& context) const = 0;

  // Constant after construction.
  const std::string& kind() const { return kind_; }  // "call", "filter", …
  const std::string& name() const { return name_; }  // `name:`, or empty
  const Place& place() const { return place_; }
  const json::Program* condition() const { return condition_.get(); }  // `if:`, checked by the engine; may be null
  std::uint32_t size() const { return size_; }                         // of steps: itself and those inside it

 protected:
  friend class FlowBuilder;
  std::uint32_t size_ = 1;
  std::string kind_, name_;
  Place place_;
  std::shared_ptr<const json::Program> condition_;
};

struct WebhookTrigger {
  std::string connection;
  std::vector<std::string> types;  // event types; empty: all
};

struct TopicTrigger {
  TopicPattern topic;
  std::vector<std::string> types;               // event types; empty: all
  std::shared_ptr<const json::Program> filter;  // may be null; where it is false there is no run
};

struct ScheduleTrigger {
  Schedule schedule;
  bool run_missed = true;  // once for all that it missed while nothing ran; else they are left out
  static constexpr std::string_view kType = "schedule";
  std::string type{kType};  // of its events
  bool at_once = false;     // one that is new begins with the moment before it
};

// Records of a resource, read by a flow of their own (kReaderPrefix).
struct SyncTrigger {
  std::string resource;  // "hubspot.contacts"
};

// live; shadow: calls are rendered and journaled, nothing is sent; paused: the flow takes no events.
enum class FlowMode : std::uint8_t { kLive, kShadow, kPaused };
// What the journal keeps of a call beside what it came to: the whole exchange (cut to a bound), or nothing.
enum class HistoryKept : std::uint8_t { kFull, kBrief };

// Where a flow that the journal does not know yet begins to read.
struct StartFrom {
  enum class Kind : std::uint8_t { kNow, kEarliest, kTime } kind = Kind::kNow;
  Time time;  // of receipt, with kTime
};

// More than `max` of something within `window` hold the flow's runs until a person releases them.
struct Brake {
  std::uint32_t max = 0;
  Duration window{0};
  std::string of;        // as written: "deletes", "runs", or an action's name
  std::optional<Op> op;  // counts the events of this op
  std::string action;    // counts the calls of this action; empty with `op`, and for all runs
};

// Calls of several runs to one action leave in one request, where the action takes several items: at most so many of
// them, with so much data, gathered for so long.
struct Batch {
  std::uint32_t count = 100;
  std::size_t bytes = 1'000'000;
  Duration time{1'000'000};
};

struct IndexKey {
  std::string name;
  std::shared_ptr<const json::Program> value;
};

// The variables that every program of every flow sees, in this order; `as:` and `let:` names follow.
inline constexpr std::size_t kSlotEvent = 0, kSlotVars = 1, kSlotFlow = 2, kSlotRun = 3, kFixedSlots = 4;

// How the flows begin that subscriptions are made of.
inline constexpr std::string_view kSubscriptionPrefix = "subscriptions/";
// How the flows begin that read a resource for another one: "syncs/FLOW/CONNECTION.RESOURCE".
inline constexpr std::string_view kReaderPrefix = "syncs/";
// The types of the events with which a reading begins: of what changed, of all records.
inline constexpr std::string_view kReadChanges = "changes", kReadAll = "all";
// The code of an answer by which a subscriber says that it wants no more.
inline constexpr std::string_view kGoneCode = "gone";

struct Flow {
  std::string name;
  std::string hash;    // of the source: its YAML, `$vars` and zone
  std::string source;  // what compiling it again needs
  std::vector<WebhookTrigger> triggers;
  std::vector<TopicTrigger> topics;
  std::vector<ScheduleTrigger> schedules;
  std::vector<SyncTrigger> syncs;
  bool reads = false;                                 // its one step reads a resource for another flow
  bool manual = false;                                // a person may start it
  bool pauses_when_gone = false;                      // a call that ends with kGoneCode pauses it
  std::vector<std::string> publishes;                 // the topics of its steps, and on_dead
  std::string on_dead;                                // the topic that tells of its dead letters; or empty
  std::vector<std::string> variables;                 // names by slot
  std::shared_ptr<const json::Program> key, version;  // may be null
  std::vector<IndexKey> index;
  RetryPolicy retry;
  FlowMode mode = FlowMode::kLive;
  HistoryKept history = HistoryKept::kFull;
  std::uint32_t concurrency = 0;  // runs at work at once; 0: no limit but the window
  bool coalesce = false;          // of the runs of one key that wait, only the newest works
  std::optional<Brake> brake;
  std::optional<Batch> batch;
  StartFrom from;
  std::string was;  // the name under which the journal may know it; or empty
  Priority priority = Priority::kNormal;
  json::Document workspace_variables;  // `$vars`
  // By slot: false where no program can see the variable, which is then not made.
  std::array<bool, kFixedSlots> visible{true, true, true, true};
  std::vector<std::shared_ptr<const Step>> steps;

  bool matches(const Event& event) const;
  // Of an event that matches: whether some trigger that it matches wants its data. kInvalid when a filter fails.
  bool has_filters() const;
  Result<bool> wants(const Event& event, const json::Document& data, std::span<const json::Document> values) const;
};
using FlowPtr = std::shared_ptr<const Flow>;

// How the engine finds the flow that a stored run began with.
class FlowSource {
 public:
  virtual ~FlowSource() = default;
  // Compiles `source` (as Flow::source gave it). kInvalid when it no longer compiles, with the reason.
  virtual Result<FlowPtr> compile(const std::string& name, const std::string& hash, const std::string& source) = 0;
};

}  // namespace tieline
