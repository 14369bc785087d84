#include "engine/runner.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "engine/index_key.h"
#include "engine/outbox.h"
#include "engine/scope.h"
#include "engine/version.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kIndexValueBytesMax = 512;
constexpr std::size_t kVersionKeyBytesMax = 2'048;

Transition ended(RunState state, std::string summary = {}) {
  Transition out;
  out.state = state;
  out.summary = one_line(std::move(summary));
  return out;
}

std::string version_key(const Run& run) {
  return std::to_string(run.id.flow.value) + ':' + json::print(run.key.root());
}

struct VersionCheck {
  std::optional<Transition> stop;
  std::optional<KeyPut> put;  // with the run's end, when it completes
};

bool has_version(const Run& run) { return run.flow->version != nullptr && run.lane != 0; }

asio::awaitable<VersionCheck> check_version(Shard& shard, const Run& run,
                                            const std::vector<json::Document>& variables) {
  VersionCheck check;
  auto version = run.flow->version->run_one(run.data, variables);
  if (!version) {
    check.stop = failed(std::move(version.error()).in("version"), 0);
    co_return check;
  }
  if (version->root().is_null()) co_return check;
  KeyPut put;
  put.bucket = std::string(kVersionBucket);
  put.key = version_key(run);
  put.value = json::print(version->root());
  if (put.key.size() > kVersionKeyBytesMax) {
    check.stop = failed(Error{Code::kInvalid, "`key` is too long for a flow with a `version`", {}}, 0);
    co_return check;
  }
  // A run that has begun was newer when it did, and nothing of its lane has completed since: unless it waited outside.
  // One that completed before and begins again is as new as itself.
  if (!run.history.began() || run.history.paused()) {
    auto stored = co_await shard.deps.state.get(put.bucket, put.key);
    if (!stored) {
      shard.store_failed(stored.error());
      check.stop.emplace();
      check.stop->kind = Transition::Kind::kRefused;
      co_return check;
    }
    if (stored->has_value()) {
      const auto last = json::parse((*stored)->value);
      const std::weak_ordering order =
          last ? compare_versions(version->root(), last->root()) : std::weak_ordering::greater;
      if (order < 0 || (order == 0 && !run.history.completed())) {
        check.stop = ended(RunState::kStale, "version " + put.value + " is not newer than " + (*stored)->value);
        co_return check;
      }
    }
  }
  check.put = std::move(put);
  co_return check;
}

// Where the run goes whose steps came to this.
Transition conclude(StepResult result, Scope& scope) {
  if (result.kind == StepResult::Kind::kSuspend) return std::move(scope.transition);
  if (result.kind == StepResult::Kind::kNext) return ended(RunState::kDelivered);
  Transition skipped = ended(RunState::kSkipped, result.reason);
  skipped.step = scope.step();
  return skipped;
}

// Where a run goes that does not begin: its flow's brake holds it, or a newer one of its key stands for it.
std::optional<Transition> kept_back(Shard& shard, const Run& run) {
  if (run.history.began() || run.history.paused()) return std::nullopt;
  if (run.superseded_by)
    return ended(RunState::kSkipped, "event " + std::to_string(run.superseded_by->value) + " of its key is newer");
  const auto& brake = run.flow->brake;
  if (!brake || run.history.admitted() || !brake->action.empty() || (brake->op && brake->op != run.event->op))
    return std::nullopt;
  if (passes_brake(shard, run)) return std::nullopt;
  Transition held = ended(RunState::kHeld, braked_summary(*brake));
  held.hold = held.body.hold = Hold::kBrake;
  return held;
}

// What is journaled with a run's end.
struct Ending {
  std::vector<KeyPut> puts;
  std::vector<NewEvent> events;
};

asio::awaitable<void> journal_end(Shard& shard, Run& run, Transition& end, Ending ending) {
  RecordDraft draft;
  draft.step = end.step;
  draft.attempt = end.attempt;
  if (is_terminal(end.state)) {
    const std::uint32_t call = end.body.call;
    draft.body = std::exchange(end.body, {});
    end.body.call = call;
    if (end.state == RunState::kDelivered && !run.words.empty()) draft.body.message = run.words;
  } else {
    draft.body = end.body;
  }
  draft.puts = std::move(ending.puts);
  publish_with(draft, end.state == RunState::kDead ? death_notice(shard, run, end) : std::move(ending.events));
  draft.state = end.state;
  draft.due = end.due;
  draft.summary = end.summary;
  // A run's end is waited for where others of its key come after it: were both lost, the older effect would be repeated
  // after the newer one. And where it publishes: whoever subscribed sees the event when it is durable.
  const bool waits = !is_terminal(end.state) || run.lane != 0 || !draft.events.empty();
  const Sync sync = waits ? Sync::kWait : Sync::kWithNext;
  auto written = co_await append_record(shard, run, std::move(draft), sync);
  if (written) co_return;
  if (written.error().code != Code::kTooLarge && written.error().code != Code::kInvalid) {
    end.kind = Transition::Kind::kRefused;
    co_return;
  }
  // It will never be taken as it is: without what came with it the run at least ends.
  Error why = written.error();
  end = failed(std::move(why).in("the events it publishes or the keys it writes cannot be kept"), end.step);
  RecordDraft bare;
  bare.step = end.step;
  bare.body = end.body;
  bare.state = end.state;
  bare.summary = end.summary;
  publish_with(bare, death_notice(shard, run, end));
  auto ended_at_last = co_await append_record(shard, run, std::move(bare), Sync::kWait);
  if (!ended_at_last) end.kind = Transition::Kind::kRefused;
}

}  // namespace

void use_edited_data(Run& run) {
  if (!run.history.data()) return;
  auto edited = std::make_shared<Event>(*run.event);
  edited->data = std::make_shared<const std::string>(json::print(run.history.data()->root()));
  run.event = std::move(edited);
}

void prepare(Run& run) {
  auto data = json::parse(run.event->data);
  if (!data) {
    run.broken = std::move(data.error()).in("the event's data");
    return;
  }
  run.data = std::move(*data);
  const bool filters = run.flow->has_filters();
  if (run.flow->key == nullptr && !filters) return;
  std::vector<json::Document> variables = fixed_variables(run, run.event->received);
  if (filters) {
    auto wanted = run.flow->wants(*run.event, run.data, variables);
    if (!wanted) run.broken = std::move(wanted.error()).in("the filter of the trigger");
    run.unwanted = wanted && !*wanted;
    if (!wanted || run.unwanted || run.flow->key == nullptr) return;
  }
  auto key = run.flow->key->run_one(run.data, variables);
  if (!key) {
    run.broken = std::move(key.error()).in("key");
    return;
  }
  run.key = std::move(*key);
  if (run.key.root().is_null()) return;
  run.lane = std::max<std::uint64_t>(1, hash64(json::print(run.key.root()), run.id.flow.value));
}

std::vector<json::Document> fixed_variables(const Run& run, Time started) {
  std::vector<json::Document> out(std::max(kFixedSlots, run.flow->variables.size()));
  const auto& visible = run.flow->visible;
  out[kSlotVars] = run.flow->workspace_variables;
  if (visible[kSlotEvent]) out[kSlotEvent] = event_envelope(*run.event, run.data, run.key.root());
  json::Builder builder;
  if (visible[kSlotFlow]) {
    builder.begin_object().key("name").string(run.flow->name).key("hash").string(run.flow->hash).end_object();
    out[kSlotFlow] = builder.finish();
  }
  if (visible[kSlotRun]) {
    const std::string id = std::to_string(run.id.flow.value) + "-" + std::to_string(run.id.event.value);
    builder.begin_object().key("id").string(id).key("started").string(format_time(started));
    builder.key("replay").integer(run.history.replays()).end_object();
    out[kSlotRun] = builder.finish();
  }
  return out;
}

std::vector<KeyPut> index_puts(const Run& run, const std::vector<json::Document>& variables, Time until) {
  std::vector<KeyPut> out;
  for (const IndexKey& index : run.flow->index) {
    // What cannot be found by its value is still found by its event: a failing index program fails nothing.
    const auto value = index.value->run_one(run.data, variables);
    if (!value || value->root().is_null()) continue;
    const std::string text =
        value->root().is_string() ? std::string(value->root().as_string()) : json::print(value->root());
    if (text.size() > kIndexValueBytesMax || text.find('\0') != std::string::npos) continue;
    KeyPut put;
    put.bucket = std::string(kIndexBucket);
    put.key = index_key(index.name, text, run.id.event);
    put.until = until;
    out.push_back(std::move(put));
  }
  return out;
}

bool passes_brake(Shard& shard, const Run& run) {
  if (run.brake_released || run.history.passed_brake() || shard.deps.faults.ignore_brake) return true;
  return shard.brakes[run.id.flow].pass(*run.flow->brake, shard.deps.clock.instant());
}

std::string braked_summary(const Brake& brake) {
  const std::string what = brake.action.empty() ? brake.of : "calls of " + brake.of;
  return std::string(hold_name(Hold::kBrake)) + ": more than " + std::to_string(brake.max) + " " + what + " in " +
         format_duration(brake.window);
}

asio::awaitable<void> work(Shard& shard, Run& run, Transition& end) {
  if (!run.started) run.started = shard.now();
  Ending ending;
  if (run.broken) {
    end = failed(*run.broken, 0);
  } else {
    run.items = 0;
    forget_published(run);
    Scope scope(shard, run, fixed_variables(run, *run.started));
    run.concealed.clear();
    if (!run.stated && !run.flow->index.empty()) ending.puts = index_puts(run, scope.variables(), shard.index_until());
    VersionCheck version;
    if (has_version(run)) version = co_await check_version(shard, run, scope.variables());
    if (version.stop) {
      end = std::move(*version.stop);
    } else if (auto back = kept_back(shard, run)) {
      end = std::move(*back);
    } else {
      StepResult result = co_await scope.go_through(run.flow->steps, 0);
      end = conclude(std::move(result), scope);
    }
    const bool completed = (end.state == RunState::kDelivered || end.state == RunState::kSkipped) &&
                           !run.superseded_by && run.flow->mode != FlowMode::kShadow;
    if (version.put && completed) ending.puts.push_back(std::move(*version.put));
    if (completed) {
      std::move(run.puts.begin(), run.puts.end(), std::back_inserter(ending.puts));
      ending.events = take_published(shard, run);
    }
  }
  if (end.kind == Transition::Kind::kState) co_await journal_end(shard, run, end, std::move(ending));
}

}  // namespace tieline::engine
