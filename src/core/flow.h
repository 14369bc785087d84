// A flow as the engine runs it: compiled, immutable, named by the hash of its source. Steps are ports: the engine knows
// no step kind, a step knows no engine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/async.h"
#include "core/connector.h"
#include "core/event.h"
#include "core/template.h"
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
// What an expected answer does to the run.
enum class OnAnswer : std::uint8_t { kFail, kSkip, kContinue };

// `on:` of a call: by "empty", "missing", "conflict", or the vendor's code.
struct AnswerRule {
  std::string answer;
  OnAnswer then = OnAnswer::kFail;
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
  // Of a safe action: one page instead of all of them together; which one, as CallResult::next of the page before said.
  // Empty: the first one.
  bool one_page = false;
  std::string page;
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
    std::string next;  // with CallRequest::one_page: the next page, or empty after the last one
  };
  virtual asio::awaitable<CallResult> call(CallRequest request) = 0;

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

struct IndexKey {
  std::string name;
  std::shared_ptr<const json::Program> value;
};

// The variables that every program of every flow sees, in this order; `as:` and `let:` names follow.
inline constexpr std::size_t kSlotEvent = 0, kSlotVars = 1, kSlotFlow = 2, kSlotRun = 3, kFixedSlots = 4;

struct Flow {
  std::string name;
  std::string hash;    // of the source: its YAML, `$vars` and zone
  std::string source;  // what compiling it again needs
  std::vector<WebhookTrigger> triggers;
  std::vector<std::string> variables;                 // names by slot
  std::shared_ptr<const json::Program> key, version;  // may be null
  std::vector<IndexKey> index;
  RetryPolicy retry;
  json::Document workspace_variables;  // `$vars`
  // By slot: false where no program can see the variable, which is then not made.
  std::array<bool, kFixedSlots> visible{true, true, true, true};
  std::vector<std::shared_ptr<const Step>> steps;

  bool matches(const Event& event) const;
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
