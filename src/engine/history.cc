#include "engine/history.h"

#include <algorithm>

namespace tieline::engine {
namespace {

// A person had a run with a damaged journal begin from nothing: only such a record has both.
bool begins_again(const Record& record, const RecordBody& body) {
  return record.kind == RecordKind::kState && body.start && body.answer == HeldAnswer::kRepeat;
}

}  // namespace

void CallHistory::restart() {
  policy = AttemptHistory();
  standing_since.reset();
  conflicts = 0;
  last.reset();
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
}

void CallHistory::intent(std::uint32_t attempt, Time at) {
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
  open = false;
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
    open_known = true;
  }
  if (body.category == Category::kRateLimited) {
    --policy.tries;
    stand(at);
  }
  if (body.category == Category::kAuth || body.outage) --policy.tries;
  if (body.category == Category::kConflict) ++conflicts;
  last = std::move(body);
  last_at = at;
  undecided = true;
}

void CallHistory::answered(HeldAnswer answer) {
  open = undecided = false;
  if (answer == HeldAnswer::kRepeat) {
    // Whoever asks for it again gives it a whole policy's worth of tries.
    policy = AttemptHistory();
    first_sent.reset();
    conflicts = 0;
    standing_since.reset();
    last.reset();
    repeat_asked = true;
    return;
  }
  RecordBody delivered;
  delivered.category = Category::kDelivered;
  delivered.result = json::Document();
  last = std::move(delivered);
}

bool RunHistory::began() const {
  return std::any_of(calls_.begin(), calls_.end(),
                     [](const auto& entry) { return entry.second.attempts > 0 || entry.second.last.has_value(); });
}

void RunHistory::take(const Record& record, const RecordBody& body) {
  CallHistory& call = this->call(record.step, body.call);
  switch (record.kind) {
    case RecordKind::kIntent: call.intent(record.attempt, record.at); break;
    case RecordKind::kOutcome: call.outcome(body.conclusion(), record.attempt, record.at); break;
    case RecordKind::kState:
      stated_ = true;
      held_.reset();
      // Whoever wrote this knew of the open attempt, and was not under way with it any more.
      if (call.open && !call.open_known && (record.state == RunState::kRetrying || record.state == RunState::kHeld)) {
        call.open_since = record.at;
        call.open_known = true;
      }
      if (record.state == RunState::kRetrying || record.state == RunState::kHeld) call.undecided = false;
      if (record.state == RunState::kRetrying) call.stand(record.due);
      if (record.state == RunState::kRetrying && body.category == Category::kConflict) {
        const auto from = calls_.find({record.step, body.call});
        for (auto earlier = calls_.begin(); earlier != from; ++earlier) earlier->second.reread = true;
      }
      if (record.state == RunState::kHeld) {
        call.stand(record.at);
        held_ = record;
      }
      if (body.answer) call.answered(*body.answer);
      break;
    case RecordKind::kNote: break;
  }
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
    if (begins_again(record, *body)) {
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
