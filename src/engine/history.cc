#include "engine/history.h"

#include <algorithm>

namespace tieline::engine {
namespace {

// A person had a run with a damaged journal begin from nothing.
bool begins_again(const Record& record, const RecordBody& body) {
  const bool decided = body.answer == HeldAnswer::kRepeat || (body.replay && body.replay->damaged);
  return record.kind == RecordKind::kState && body.start && decided;
}

// Of calls: at the item `around`, or at one of a `foreach` inside it.
bool inside(const std::vector<std::uint32_t>& items, const std::vector<std::uint32_t>& around) {
  return items.size() >= around.size() && std::equal(around.begin(), around.end(), items.begin());
}

}  // namespace

void CallHistory::restart() {
  policy = AttemptHistory();
  standing_since.reset();
  asking_since.reset();
  conflicts = 0;
  last.reset();
  due.reset();
  undecided = reread = false;
}

void CallHistory::begin(Time at) {
  if (standing_since) {
    const Duration stood = std::max(Duration(0), Duration(at - *standing_since));
    if (policy.first) policy.standing += stood;
    if (open) lookups_standing += stood;
    standing_since.reset();
  }
  if (!policy.first) policy.first = at;
  due.reset();
}

void CallHistory::intent(std::uint32_t attempt, Time at) {
  if (open) key_used = true;
  if (reread) restart();
  begin(at);
  if (!first_sent) first_sent = at;
  attempts = attempt;
  ++policy.tries;
  open = true;
  open_since = at;
  open_known = false;
  lookups = 0;
  lookups_standing = Duration(0);
  repeat_asked = false;
  undecided = true;
}

void CallHistory::unanswered(const char* message, Time at) {
  open = key_used = false;
  undecided = true;
  last_at = at;
  last = RecordBody();
  last->category = Category::kTransient;
  last->message = message;
}

void CallHistory::outcome(RecordBody body, std::uint32_t attempt, Time at) {
  if (body.lookup) {
    begin(at - body.took);
    if (!body.outage) ++lookups;
    if (body.resolved == Resolved::kAnswer) return;  // the look-up itself failed: nothing is known yet
    if (body.resolved == Resolved::kNotFound) return unanswered("an attempt without an answer did not happen", at);
    open = false;
    last = std::move(body);
    return;
  }
  if (body.resolved == Resolved::kDropped) {
    open = false;
    last = std::move(body);
    return;
  }
  if (attempt > attempts) {  // without an intent
    if (reread) restart();
    begin(at - body.took);
    attempts = attempt;
    ++policy.tries;
  }
  open = body.category == Category::kUnknown;
  if (open) {
    open_since = at;
    open_known = key_used = true;
  }
  if (body.category == Category::kRateLimited || body.halved) {
    --policy.tries;
    stand(at);
  }
  if (body.category == Category::kAuth || body.outage) --policy.tries;
  if (body.category == Category::kConflict && !body.halved) ++conflicts;
  if (body.category == Category::kDelivered && !body.empty) asking_since.reset();
  last = std::move(body);
  last_at = at;
  undecided = true;
}

void CallHistory::try_anew() {
  policy = AttemptHistory();
  standing_since.reset();
  due.reset();
  conflicts = 0;
}

void CallHistory::answered(HeldAnswer answer) {
  open = undecided = false;
  due.reset();
  if (answer == HeldAnswer::kRepeat) {
    // Whoever asks for it again gives it a whole policy's worth of tries.
    policy = AttemptHistory();
    first_sent.reset();
    key_used = false;
    conflicts = 0;
    standing_since.reset();
    asking_since.reset();
    last.reset();
    repeat_asked = true;
    return;
  }
  RecordBody delivered;
  delivered.category = Category::kDelivered;
  delivered.result = json::Document();
  last = std::move(delivered);
}

void CallHistory::not_there(Time at) {
  policy = AttemptHistory();
  asking_since = asking_since.value_or(at);
  if (key_used) return;
  // A vendor answers an earlier key with what it answered then. By the attempt's number, however often this is told.
  asked = attempts;
  first_sent.reset();
}

const PauseHistory* RunHistory::pause(const CallId& id) const {
  const auto found = pauses_.find(id);
  return found == pauses_.end() ? nullptr : &found->second;
}

void CallHistory::again(std::uint32_t replay, bool from_start, bool failed) {
  const bool happened = last && last->happened;
  const bool delivered = last && last->category == Category::kDelivered;
  replayed = replay;
  if (last && !last->action.empty()) keyed_for = last->action;
  if (happened) {
    open = open_known = true;
    open_since = last_at;
  }
  if (from_start && last && !open && !failed) earlier = std::make_shared<const RecordBody>(*last);
  // What is known to have failed is another request: its key would only bring the same answer again. But of an attempt
  // before it nothing may be known, and only the same key keeps that from happening twice.
  if (last && !open && !delivered && !key_used) {
    key_round = replay;
    first_sent.reset();
  }
  restart();
  repeat_asked = false;
  lookups = 0;
  lookups_standing = Duration(0);
}

const CallHistory* RunHistory::uncertain() const {
  for (const auto& [key, call] : calls_) {
    if (call.open || (call.last && call.last->happened)) return &call;
  }
  return nullptr;
}

void RunHistory::begin_again(const RecordBody& body) {
  const bool from_start = body.start.has_value();
  stated_ = true;
  began_ = admitted_ = false;
  ++replays_;
  held_.reset();
  if (from_start) pauses_.clear();
  // Of no call it died: perhaps of an approval that nobody gave in time, which is asked for anew.
  if (!from_start && !failed_)
    std::erase_if(pauses_, [&](const auto& pause) { return pause.first.step >= failed_step_ && !pause.second.answer; });
  for (auto& [key, call] : calls_) {
    const bool failed = key == failed_;
    const bool behind = key.step >= failed_step_ || !key.items.empty();  // other items may have failed at other steps
    const bool known =
        call.last && call.last->category == Category::kDelivered && !call.last->happened && !call.asking_since;
    // From the failed step on: what is done stays done.
    if (from_start || failed || (behind && !known)) call.again(replays_, from_start, failed);
    call.redo = body.redo;
  }
  redo_ = body.redo;
  failed_.reset();
  failed_step_ = 0;
}

void RunHistory::answered(const Record& record, const RecordBody& body) {
  const CallId id{body.items, record.step, body.call};
  switch (*body.answer) {
    case HeldAnswer::kApproved:
    case HeldAnswer::kDeclined: {
      PauseHistory& pause = pauses_[id];
      pause.answer = body.answer;
      pause.by = body.by;
      return;
    }
    case HeldAnswer::kDelivered:
    case HeldAnswer::kRepeat: break;
  }
  if (body.hold == Hold::kBrake) passed_brake_ = true;
  // Records of before holds were said with the answer are of unknown outcomes.
  const bool of_a_call = !body.action.empty() && body.hold != Hold::kBrake;
  if (!of_a_call) return;
  CallHistory& of = call(id);
  if (body.hold.value_or(Hold::kUnknownOutcome) == Hold::kUnknownOutcome) {
    of.answered(*body.answer);
  } else {
    of.try_anew();
  }
  of.redo = body.redo;
}

void RunHistory::forget(const std::vector<std::uint32_t>& items, std::uint32_t first, std::uint32_t count) {
  auto at = calls_.lower_bound(CallId{items, 0, 0});
  while (at != calls_.end() && inside(at->first.items, items)) {
    const bool meant = at->first.step >= first && at->first.step - first < count;
    at = meant ? calls_.erase(at) : std::next(at);
  }
}

// The call waits until then: whoever wrote this knew what had become of its attempts.
void RunHistory::wait(CallHistory& call, const Record& record, const RecordBody& body, Time until) {
  // It was not under way with an open attempt any more.
  if (call.open && !call.open_known) {
    call.open_since = record.at;
    call.open_known = true;
  }
  call.undecided = false;
  if (!body.hold && body.category == Category::kMissing && body.resolved != Resolved::kTable) call.not_there(record.at);
  call.stand(until);
  if (!body.hold && body.category == Category::kConflict) read_again(CallId{body.items, record.step, body.call});
}

// What the steps before a conflict have read is old. But what a `foreach` between them and it has taken its items from
// must stay: its items are known by their place.
void RunHistory::read_again(const CallId& before) {
  const auto first = calls_.lower_bound(CallId{before.items, 0, 0});
  std::uint32_t from = 0;
  auto at = first;
  for (; at != calls_.end() && inside(at->first.items, before.items); ++at) {
    const CallId& id = at->first;
    if (id.items.size() > before.items.size() && id.step < before.step) from = std::max<std::uint32_t>(from, id.step);
  }
  for (at = first; at != calls_.end() && at->first < before; ++at) {
    if (at->first.step >= from) at->second.reread = true;
  }
}

void RunHistory::take(const Record& record, const RecordBody& body) {
  const CallId id{body.items, record.step, body.call};
  if (body.until) pauses_[id].until = *body.until;
  switch (record.kind) {
    case RecordKind::kIntent:
      began_ = true;
      call(id).intent(record.attempt, record.at);
      break;
    case RecordKind::kOutcome:
      began_ = true;
      call(id).outcome(body.conclusion(), record.attempt, record.at);
      break;
    case RecordKind::kState: take_state(record, body); break;
    case RecordKind::kNote:
      if (body.data) data_ = body.data;
      if (body.hold) wait(call(id), record, body, record.at);
      if (!body.hold && body.wait) {
        call(id).due = record.at + *body.wait;
        wait(call(id), record, body, *call(id).due);
      }
      break;
  }
}

void RunHistory::take_state(const Record& record, const RecordBody& body) {
  const CallId id{body.items, record.step, body.call};
  CallHistory& call = this->call(id);
  stated_ = true;
  held_.reset();
  if (record.state == RunState::kRetrying) wait(call, record, body, record.due);
  // A hold of the run as a whole says nothing of the call at its first step.
  const bool of_the_run = body.action.empty() && (body.hold == Hold::kFlow || body.hold == Hold::kBrake);
  if (record.state == RunState::kHeld && !of_the_run) wait(call, record, body, record.at);
  if (record.state == RunState::kHeld || record.state == RunState::kWaiting) held_ = record;
  const Hold hold = body.hold.value_or(Hold::kUnknownOutcome);
  const bool before_it = hold == Hold::kBrake || hold == Hold::kFlow || hold == Hold::kJournal;
  if (!before_it && (record.state == RunState::kRetrying || record.state == RunState::kHeld)) admitted_ = true;
  if (record.state == RunState::kWaiting) began_ = false;  // it left its lane: others have come before it
  if (body.answer) answered(record, body);
  if (record.state == RunState::kDead) {
    failed_step_ = record.step;
    failed_.reset();
    if (!body.action.empty()) failed_ = id;
  }
  if (record.state == RunState::kDelivered || record.state == RunState::kSkipped) completed_ = true;
}

Result<void> RunHistory::take(std::span<const Record> records) {
  for (const Record& record : records) {
    if (record.number != records_ + 1)
      return failure(Code::kCorrupt, "record " + std::to_string(records_ + 1) + " is missing");
    auto body = decode(record.body);
    if (!body) return failure(Code::kCorrupt, "record " + std::to_string(record.number) + ": " + body.error().message);
    records_ = record.number;
    if (body->start) start_ = body->start;
    if (!start_) return failure(Code::kCorrupt, "its first record does not say which flow it began with");
    if (record.kind == RecordKind::kState && body->replay) {
      begin_again(*body);
    } else if (begins_again(record, *body)) {
      stated_ = true;
    } else {
      take(record, *body);
    }
  }
  return {};
}

Result<RunHistory> RunHistory::of(const std::vector<Record>& records, std::uint32_t known) {
  RunHistory history;
  auto whole = history.take(records);
  for (std::size_t i = records.size(); !whole && i-- > 0;) {
    const auto body = decode(records[i].body);
    if (!body || !begins_again(records[i], *body)) continue;
    history = RunHistory();
    history.records_ = records[i].number - 1;
    whole = history.take(std::span(records).subspan(i));
    break;
  }
  if (!whole) return failure(std::move(whole.error()));
  if (known > history.records_)
    return failure(Code::kCorrupt, "record " + std::to_string(history.records_ + 1) + " is missing");
  return history;
}

}  // namespace tieline::engine
