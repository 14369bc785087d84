// What a person decides about a run that is held or has ended: to go on, to begin again, to give up, to work on other
// data. It must never begin a run again whose end is not known, nor one whose event is gone.
#include <algorithm>

#include "engine/dispatcher.h"
#include "engine/runner.h"

namespace tieline::engine {

Async<void> Dispatcher::settle_held(Position event, HeldAnswer answer, Decision by) {
  const auto found = waiting_.find(event.value);
  const bool asked =
      found != waiting_.end() && found->second.state == RunState::kWaiting && found->second.pause.approval;
  if (found == waiting_.end() || (found->second.state != RunState::kHeld && !asked))
    co_return failure(Code::kNotFound, "no held run of flow " + name_ + " on event " + std::to_string(event.value));
  const bool approval = answer == HeldAnswer::kApproved || answer == HeldAnswer::kDeclined;
  if (approval != asked)
    co_return failure(Code::kInvalid, asked ? "the run waits for approval: say yes or no to it"
                                            : "the run does not wait for approval: it is held (" +
                                                  std::string(hold_name(found->second.hold)) + ")");
  if (answer == HeldAnswer::kDelivered && found->second.hold != Hold::kUnknownOutcome)
    co_return failure(Code::kInvalid, "the run is held (" + std::string(hold_name(found->second.hold)) +
                                          "): only an unknown outcome can be said to be delivered");
  const Waiting before = begin_decision(event);
  Run run;
  run.id = RunId{id_, event};
  run.lane = before.lane;
  auto draft = co_await decision(run, before.hold, answer);
  Result<void> written;
  if (draft) {
    draft->body.by = std::move(by.by);
    draft->body.redo = by.redo;
    written = co_await append_record(shard_, run, std::move(*draft), Sync::kWait);
  } else {
    written = failure(draft.error());
  }
  const bool damaged = !written && written.error().code == Code::kCorrupt;
  if (!written && !damaged) {
    // Its connection may have been served meanwhile, and has passed over it.
    Waiting again = before;
    if (before.hold == Hold::kAuthorization || before.hold == Hold::kOutage) again.due = shard_.now();
    wait_again(event, again);
    co_return written;
  }
  // Whoever loads a damaged journal holds the run for it.
  for (Connection* connection : shard_.connections.all()) {
    connection->held.erase(run.id);
    if (before.hold == Hold::kOutage) connection->forget_in_outage(run.id);
  }
  if (asked) {
    rejoin_lane(event);
  } else {
    leave_waiting(event, false);
  }
  co_return written;
}

// The record that says what a person decided; the numbers of `run` are filled in.
Async<RecordDraft> Dispatcher::decision(Run& run, Hold hold, HeldAnswer answer) {
  CO_TRY(const auto status, co_await shard_.deps.journal.status(run.id));
  CO_TRY(const std::vector<Record> records, co_await shard_.deps.journal.read(run.id));
  run.records = status ? status->records : 0;
  auto history = RunHistory::of(records, run.records);
  RecordDraft draft;
  draft.state = RunState::kRunning;
  draft.body.answer = answer;
  const bool of_a_hold = answer == HeldAnswer::kDelivered || answer == HeldAnswer::kRepeat;
  if (of_a_hold) draft.body.hold = hold;
  if (hold == Hold::kJournal) {
    if (last_flow_ == nullptr)
      co_return failure(Code::kInvalid, "flow " + name_ + " is removed: the run cannot begin again");
    draft.body.start = RecordBody::Start{last_flow_->hash, shard_.now()};
    co_return draft;
  }
  if (!history) co_return failure(std::move(history.error()).in(std::string(hold_name(Hold::kJournal))));
  const auto body = history->held() ? decode(history->held()->body) : Result<RecordBody>();
  if (!history->held() || !body)
    co_return failure(Code::kCorrupt, "the journal of the held run does not say why it is held");
  draft.step = history->held()->step;
  draft.attempt = history->held()->attempt;
  draft.body.call = body->call;
  draft.body.items = body->items;
  draft.body.path = body->path;
  draft.body.action = body->action;
  co_return draft;
}

// Ended runs.

// The run rests: nothing here works on it or waits with it. Fills what the next record needs.
Async<void> Dispatcher::known_to_rest(Run& run, std::optional<RunStatus>& status) {
  CO_TRY(status, co_await shard_.deps.journal.status(run.id));
  if (status && !is_terminal(status->state)) {
    const bool held = status->state == RunState::kHeld;
    co_return failure(Code::kConflict, "the run has not ended: it is " + std::string(run_state_name(status->state)) +
                                           (held ? ", and `tieline held` says what it waits for" : ""));
  }
  if (works_on(run.id.event)) co_return failure(Code::kConflict, "the run is being worked on");
  run.records = status ? status->records : 0;
  run.lane = status ? status->lane : 0;
  co_return Result<void>();
}

// What a run begins again with; the run is filled as far as finding its lane needs.
Async<RecordDraft> Dispatcher::beginning_again(Run& run, const Replay& how) {
  std::vector<Position> wanted{run.id.event};
  CO_TRY(const std::vector<EventPtr> events, co_await shard_.deps.log.get(std::move(wanted)));
  if (events.empty()) co_return failure(Code::kNotFound, "its event is no longer kept");
  run.event = events.front();
  if (run.event->data_expired) co_return failure(Code::kNotFound, "its event's data is no longer kept");
  CO_TRY(const std::vector<Record> records, co_await shard_.deps.journal.read(run.id));
  auto history = RunHistory::of(records, run.records);
  const bool fresh = run.records == 0;
  const bool start = fresh || how.from == Replay::From::kStart || how.as_now;
  if (!history && !(start && how.damaged))
    co_return failure(Code::kCorrupt, "its journal is damaged (" + history.error().message +
                                          "): look at the vendor, then replay that one run from the start");
  if (history) run.history = std::move(*history);
  if (fresh || how.as_now || !run.history.start()) {
    if (flow_ == nullptr) co_return failure(Code::kInvalid, "flow " + name_ + " is removed");
    run.flow = flow_;
  } else {
    CO_TRY(run.flow, co_await shard_.flows.find(name_, run.history.start()->flow));
  }
  if (fresh && !flow_->matches(*run.event)) co_return failure(Code::kInvalid, "the flow does not take such events");
  const bool other_flow = run.history.start() && run.history.start()->flow != run.flow->hash;
  if (other_flow && run.history.uncertain() != nullptr)
    co_return failure(Code::kInvalid,
                      "whether a call of it happened is not known: replay it as then, which finds out or asks");
  use_edited_data(run);
  prepare(run);
  if (fresh && run.unwanted) co_return failure(Code::kInvalid, "the flow's filter leaves such events out");
  RecordDraft draft;
  draft.body.replay = RecordBody::Replay{start, how.as_now, how.damaged && start, how.job};
  draft.body.redo = how.redo;
  draft.body.by = how.by;
  if (start) draft.body.start = RecordBody::Start{run.flow->hash, shard_.now()};
  if (!run.broken) draft.puts = index_puts(run, fixed_variables(run, shard_.now()), shard_.index_until());
  co_return draft;
}

Async<void> Dispatcher::replay(Position event, Replay how) {
  Run run;
  run.id = RunId{id_, event};
  std::optional<RunStatus> status;
  CO_TRY_VOID(co_await known_to_rest(run, status));
  if (!status && event > read_to_) co_return failure(Code::kConflict, "the flow has yet to look at the event");
  if (how.as_now) how.from = Replay::From::kStart;
  if (status && status->state != RunState::kDead && how.from == Replay::From::kFailed)
    co_return failure(Code::kInvalid, "the run is " + std::string(run_state_name(status->state)) +
                                          ", and no step of it failed: `tieline replay " + name_ + "/" +
                                          std::to_string(event.value) + "` has it begin again from the start");
  // Nobody else may decide it meanwhile.
  Waiting entry;
  entry.state = RunState::kRunning;
  entry.received = shard_.now();
  keep_waiting(event, entry);
  auto draft = co_await beginning_again(run, how);
  if (!draft) {
    rests_again(event);
    co_return failure(std::move(draft.error()));
  }
  const std::uint64_t lane = run.lane;
  // Its end is journaled, and it is about to leave its lane; or its place in it could not be journaled.
  if (lane != 0 && lanes_.contains(lane, event)) {
    rests_again(event);
    co_return failure(Code::kConflict, "the run is being worked on");
  }
  entry.lane = lane;
  keep_waiting(event, entry);
  // The lane's head has begun: its version was compared already, and its calls may have been made.
  if (lane != 0) lanes_.place(lane, event);
  auto written = co_await append_record(shard_, run, std::move(*draft), Sync::kWait);
  if (written) {
    leave_waiting(event, false);
    co_return written;
  }
  rests_again(event);
  if (lane != 0) leave_lane(lane, event);
  co_return written;
}

// Appends a record to a run that is and stays dead until it is written.
Async<void> Dispatcher::journal_of_dead(Run& run, RecordDraft draft) {
  std::optional<RunStatus> status;
  CO_TRY_VOID(co_await known_to_rest(run, status));
  if (!status || status->state != RunState::kDead)
    co_return failure(Code::kInvalid, "the run is no dead letter" +
                                          (status ? ": it is " + std::string(run_state_name(status->state)) : ""));
  Waiting entry;
  entry.state = RunState::kRunning;
  keep_waiting(run.id.event, entry);
  auto written = co_await append_record(shard_, run, std::move(draft), Sync::kWait);
  rests_again(run.id.event);
  co_return written;
}

Async<void> Dispatcher::discard(Position event, std::string by) {
  Run run;
  run.id = RunId{id_, event};
  RecordDraft draft;
  draft.state = RunState::kDiscarded;
  draft.summary = "by " + by;
  draft.body.by = std::move(by);
  co_return co_await journal_of_dead(run, std::move(draft));
}

Async<void> Dispatcher::edit(Position event, json::Document data, std::string by) {
  Run run;
  run.id = RunId{id_, event};
  RecordDraft draft;
  draft.kind = RecordKind::kNote;
  draft.body.data = std::move(data);
  draft.body.by = std::move(by);
  co_return co_await journal_of_dead(run, std::move(draft));
}

bool Dispatcher::has_room_to_replay() const {
  return ready_.size() + loading_ < window() && waiting() - pausing_ < shard_.limits.waiting_max / 2;
}

asio::awaitable<void> Dispatcher::other_room(Deadline deadline) {
  (void)co_await room_.wait(shard_.deps.clock, deadline);
}

}  // namespace tieline::engine
