#include "engine/runner.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "engine/index_key.h"
#include "engine/scope.h"
#include "engine/version.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kIndexValueBytesMax = 512;

Transition ended(RunState state, std::string summary = {}) {
  Transition out;
  out.state = state;
  out.summary = truncated(summary, 300);
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
  // A run that has begun was newer when it did, and nothing of its lane has completed since.
  if (!run.history.began()) {
    auto stored = co_await shard.deps.state.get(put.bucket, put.key);
    if (!stored) {
      shard.store_failed(stored.error());
      check.stop.emplace();
      check.stop->kind = Transition::Kind::kRefused;
      co_return check;
    }
    if (stored->has_value()) {
      const auto last = json::parse((*stored)->value);
      if (last && compare_versions(version->root(), last->root()) <= 0) {
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

asio::awaitable<void> journal_end(Shard& shard, Run& run, Transition& end, std::vector<KeyPut> puts) {
  RecordDraft draft;
  draft.step = end.step;
  draft.attempt = end.attempt;
  draft.body = end.body;
  draft.puts = std::move(puts);
  draft.state = end.state;
  draft.due = end.due;
  draft.summary = end.summary;
  // A run's end is waited for where others of its key come after it: were both lost, the older effect would be repeated
  // after the newer one.
  const Sync sync = is_terminal(end.state) && run.lane == 0 ? Sync::kWithNext : Sync::kWait;
  auto written = co_await append_record(shard, run, std::move(draft), sync);
  if (!written) end.kind = Transition::Kind::kRefused;
}

}  // namespace

void prepare(Run& run) {
  auto data = json::parse(run.event->data);
  if (!data) {
    run.broken = std::move(data.error()).in("the event's data");
    return;
  }
  run.data = std::move(*data);
  if (run.flow->key == nullptr) return;
  std::vector<json::Document> variables = fixed_variables(run, run.event->received);
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
    builder.begin_object().key("id").string(id).key("started").string(format_time(started)).end_object();
    out[kSlotRun] = builder.finish();
  }
  return out;
}

std::vector<KeyPut> index_puts(const Run& run, const std::vector<json::Document>& variables) {
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
    out.push_back(std::move(put));
  }
  return out;
}

asio::awaitable<Transition> work(Shard& shard, Run& run) {
  if (!run.started) run.started = shard.now();
  Transition end;
  std::vector<KeyPut> puts;
  if (run.broken) {
    end = failed(*run.broken, 0);
  } else {
    run.items = 0;
    Scope scope(shard, run, fixed_variables(run, *run.started));
    if (!run.stated) puts = index_puts(run, scope.variables());
    VersionCheck version;
    if (has_version(run)) version = co_await check_version(shard, run, scope.variables());
    if (version.stop) {
      end = std::move(*version.stop);
    } else {
      StepResult result = co_await scope.go_through(run.flow->steps, 0);
      end = conclude(std::move(result), scope);
    }
    const bool completed = end.state == RunState::kDelivered || end.state == RunState::kSkipped;
    if (version.put && completed) puts.push_back(std::move(*version.put));
  }
  if (end.kind == Transition::Kind::kState) co_await journal_end(shard, run, end, std::move(puts));
  co_return end;
}

}  // namespace tieline::engine
