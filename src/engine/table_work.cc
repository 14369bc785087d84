#include "engine/table_work.h"

#include "base/text.h"
#include "engine/once.h"

namespace tieline::engine {
namespace {

using CallResult = RunContext::CallResult;

struct Desk {
  Shard& shard;
  Run& run;
  TableWork& work;
  CallHistory& history;
  const CallId& id;
  const std::string& path;  // as RecordBody's
  Transition& transition;

  RecordBody body(Category category) const {
    RecordBody out;
    out.call = id.call;
    out.items = id.items;
    out.path = path;
    out.action = work.what;
    out.category = category;
    out.resolved = Resolved::kTable;
    return out;
  }
  CallResult refused(const Error& error) const {
    transition.kind = Transition::Kind::kRefused;
    transition.summary = error.message;
    CallResult result;
    result.step = StepResult::suspend();
    return result;
  }
};

// Journals what it came to; with the next thing that the shard waits for it is durable.
Async<void> journal(Desk& desk, RecordBody body, std::vector<KeyPut> puts) {
  const std::uint32_t number = desk.history.attempts + 1;
  desk.history.outcome(body.conclusion(), number, desk.shard.now());
  RecordDraft draft;
  draft.kind = RecordKind::kOutcome;
  draft.step = desk.id.step;
  draft.attempt = static_cast<std::uint16_t>(number);
  draft.body = std::move(body);
  draft.puts = std::move(puts);
  return append_record(desk.shard, desk.run, std::move(draft), Sync::kWithNext);
}

// Nothing is there yet: the run looks again, until it has looked for long enough. No call's policy knows of it.
asio::awaitable<CallResult> wait(Desk& desk, const TableDecision& decision) {
  const TableWait& wait = *decision.wait;
  const Time now = desk.shard.now();
  const auto& first = desk.history.policy.first;
  if (first && now - *first >= wait.keep_for) {
    CallResult result;
    result.step = StepResult::fail({Code::kNotFound, wait.what + "; looked for " + format_duration(wait.keep_for), {}});
    co_return result;
  }
  if (!first) {
    RecordBody missing = desk.body(Category::kMissing);
    missing.message = wait.what;
    auto written = co_await journal(desk, std::move(missing), {});
    if (!written) co_return desk.refused(written.error());
  }
  Transition& to = desk.transition;
  to.kind = Transition::Kind::kState;
  to.state = RunState::kRetrying;
  to.due = now + wait.again;
  to.summary = one_line(wait.what);
  to.step = desk.id.step;
  to.attempt = static_cast<std::uint16_t>(desk.history.attempts);
  to.body = desk.body(Category::kMissing);
  to.body.wait = wait.again;
  CallResult result;
  result.step = StepResult::suspend();
  co_return result;
}

}  // namespace

asio::awaitable<CallResult> do_table_work(Shard& shard, Run& run, TableWork& work, CallId id, std::string path,
                                          Transition& transition) {
  Desk desk{shard, run, work, run.history.call(id), id, path, transition};
  CallResult result;
  // What the run has gone on with stands for all of it, whatever the table says by now.
  if (desk.history.last && desk.history.last->category == Category::kDelivered) {
    result.value = desk.history.last->result.value_or(json::Document());
    co_return result;
  }
  // Two runs must not decide on one table by turns. A line break begins no key of a `once`.
  OnceGuard guard;
  std::string turn = "\n" + work.bucket;
  co_await guard.enter(shard, std::move(turn));
  std::vector<std::optional<Bytes>> entries;
  for (const std::string& key : work.keys) {
    std::string bucket = work.bucket, name = key;
    auto entry = co_await shard.deps.state.get(std::move(bucket), std::move(name));
    if (!entry) {
      shard.store_failed(entry.error());
      co_return desk.refused(entry.error());
    }
    entries.push_back(entry->has_value() ? std::optional((*entry)->value) : std::nullopt);
  }
  const std::string by = run.flow->name + "/" + std::to_string(run.id.event.value);
  TableDecision decision = work.decide(entries, shard.now(), by);
  if (decision.wait) co_return co_await wait(desk, decision);
  if (run.flow->mode == FlowMode::kShadow && !decision.puts.empty()) {
    decision.puts.clear();
    decision.words += " (not written: the flow is a shadow)";
  }
  result.step = std::move(decision.step);
  if (result.step.kind != StepResult::Kind::kNext) co_return result;
  result.value = decision.value;
  RecordBody body = desk.body(Category::kDelivered);
  body.message = std::move(decision.words);
  body.result = std::move(decision.value);
  auto written = co_await journal(desk, std::move(body), std::move(decision.puts));
  if (!written) co_return desk.refused(written.error());
  co_return result;
}

}  // namespace tieline::engine
