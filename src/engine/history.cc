#include "engine/history.h"

#include <algorithm>

namespace tieline::engine {
namespace {

// A person had a run with a damaged journal begin from nothing: only such a record has both.
bool begins_again(const Record& record, const RecordBody& body) {
  return record.kind == RecordKind::kState && body.start && body.answer == HeldAnswer::kRepeat;
}

// Of calls: at the item `around`, or at one of a `foreach` inside it.
bool inside(const std::vector<std::uint32_t>& items, const std::vector<std::uint32_t>& around) {
  return items.size() >= around.size() && std::equal(around.begin(), around.end(), items.begin());
}

}  // namespace

void CallHistory::restart() {
  policy = AttemptHistory();
  standing_since.reset();
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
    ++lookups;
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
  if (body.category == Category::kAuth) --policy.tries;
  if (body.category == Category::kConflict) ++conflicts;
  last = std::move(body);
  last_at = at;
  undecided = true;
}

void CallHistory::answered(HeldAnswer answer) {
  open = undecided = false;
  due.reset();
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
  CallHistory& call = this->call(CallId{body.items, record.step, body.call});
  switch (record.kind) {
    case RecordKind::kIntent: call.intent(record.attempt, record.at); break;
    case RecordKind::kOutcome: call.outcome(body.conclusion(), record.attempt, record.at); break;
    case RecordKind::kState:
      stated_ = true;
      held_.reset();
      if (record.state == RunState::kRetrying) wait(call, record, body, record.due);
      if (record.state == RunState::kHeld) {
        wait(call, record, body, record.at);
        held_ = record;
      }
      if (body.answer) call.answered(*body.answer);
      break;
    case RecordKind::kNote:
      if (body.hold) wait(call, record, body, record.at);
      if (!body.hold && body.wait) {
        call.due = record.at + *body.wait;
        wait(call, record, body, *call.due);
      }
      break;
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
