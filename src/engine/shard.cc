#include "engine/shard.h"

#include "base/check.h"

namespace tieline::engine {

namespace {

Async<void> append(Shard& shard, Run& run, Record record, Sync sync) {
  const bool states = record.kind == RecordKind::kState;
  auto written = co_await shard.deps.journal.append(std::move(record), sync);
  // A number that a refused record kept would look like a lost one.
  if (written) {
    ++run.records;
    run.stated = run.stated || states;
    shard.store_refuses = false;
  } else {
    shard.store_failed(written.error());
  }
  co_return written;
}

}  // namespace

namespace {

Record numbered(Shard& shard, Run& run, RecordDraft&& draft) {
  Record record;
  record.run = run.id;
  record.number = run.records + 1;
  record.kind = draft.kind;
  record.step = draft.step;
  record.attempt = draft.attempt;
  record.at = shard.now();
  if (record.number == 1) {
    if (!run.started) run.started = record.at;
    draft.body.start = RecordBody::Start{run.flow->hash, *run.started};
  }
  record.body = encode(draft.body);
  record.puts = std::move(draft.puts);
  if (draft.kind == RecordKind::kState) {
    record.state = draft.state;
    record.due = draft.due;
    record.summary = std::move(draft.summary);
  }
  record.lane = run.lane;
  return record;
}

Async<void> append_in_turn(Shard& shard, Run& run, RecordDraft draft, Sync sync) {
  co_await run.turns->enter();
  struct Turn {
    Gate& gate;
    explicit Turn(Gate& entered) : gate(entered) {}
    ~Turn() { gate.leave(); }
  } turn(*run.turns);
  co_return co_await append(shard, run, numbered(shard, run, std::move(draft)), sync);
}

}  // namespace

Async<void> append_record(Shard& shard, Run& run, RecordDraft&& draft, Sync sync) {
  CHECK(run.flow != nullptr || run.records > 0);
  if (run.turns != nullptr) return append_in_turn(shard, run, std::move(draft), sync);
  return append(shard, run, numbered(shard, run, std::move(draft)), sync);
}

}  // namespace tieline::engine
