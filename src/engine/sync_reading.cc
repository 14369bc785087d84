#include "engine/sync_reading.h"

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "engine/outbox.h"
#include "engine/sync_state.h"

namespace tieline::engine {
namespace {

// Entries of known records that one run looks at, and how many at once.
constexpr std::size_t kLookedMax = 10'000, kLookedAtOnce = 500;
// A clock that was wrong by more than this may cost changes, until the next reading of all.
constexpr Duration kClocksMove = 2h;
// As many records are worked on before others of the shard get their turn.
constexpr std::size_t kRecordsOfATurn = 32;

class Reader {
 public:
  Reader(Shard& shard, Run& run, Scope& scope, const SyncRequest& request, std::uint16_t step)
      : shard_(shard), run_(run), scope_(scope), source_(*request.source), flow_(request.flow), step_(step) {}

  asio::awaitable<StepResult> read();

 private:
  Async<std::optional<StepResult>> begin();
  Async<bool> goes_on_later() const;
  asio::awaitable<StepResult> read_one();
  Async<bool> take(const json::Document& records);
  Async<bool> take_record(const json::Document& record);
  std::optional<Op> op_of(const std::optional<KnownRecord>& before, const KnownRecord& now) const;
  Async<std::optional<KnownRecord>> known(const std::string& id);
  Async<bool> look_for_gone();
  bool goes_in_a_circle(const std::string& next);
  bool turn_page(const std::string& next);
  void remember(const std::string& id, KnownRecord record);
  bool has_room(std::size_t bytes) const;
  void tell(Op op, const std::string& id, std::optional<Time> at, std::string data);
  void conclude();
  StepResult go_on();
  StepResult end();
  StepResult refused(const Error& error);

  Shard& shard_;
  Run& run_;
  Scope& scope_;
  const SyncSource& source_;
  const std::string& flow_;
  const std::uint16_t step_;
  SyncState state_;
  Reading reading_;
  std::map<std::string, KnownRecord> changed_;  // by this page
  std::size_t bytes_ = 0, told_ = 0;            // of what it tells
  std::string words_;                           // what it read
};

// The store's, but for what no other try mends.
StepResult Reader::refused(const Error& error) {
  if (error.code == Code::kInvalid || error.code == Code::kCorrupt || error.code == Code::kTooLarge)
    return StepResult::fail(error);
  shard_.store_failed(error);
  scope_.transition.kind = Transition::Kind::kRefused;
  scope_.transition.summary = error.message;
  return StepResult::suspend();
}

asio::awaitable<StepResult> Reader::read() {
  auto stored = co_await shard_.deps.state.get(std::string(kSyncBucket), sync_key(run_.id.flow));
  if (!stored) co_return refused(stored.error());
  if (*stored) {
    // One that is damaged begins anew: the records that are known keep it from telling all of them again.
    if (auto state = decode_sync_state((*stored)->value)) state_ = std::move(*state);
  }
  const bool goes_on = run_.event->source.starts_with(kReadingSource);
  const bool current = goes_on && state_.reading && state_.reading->next == run_.event->id;
  if (goes_on && !current && run_.history.replays() == 0) co_return StepResult::skip("another reading took its place");
  if (current) {
    reading_ = *state_.reading;
  } else {
    // Whoever replays a page whose reading is over has it begin again.
    auto needless = co_await begin();
    if (!needless) co_return refused(needless.error());
    if (*needless) co_return std::move(**needless);
  }
  // A replay asks again: what its page was answered before may be what it died of, or a page of another reading.
  const CallId call{{}, step_, 0};
  const auto& answered = run_.history.call(call).last;
  if (run_.history.replays() > 0 && answered && answered->category == Category::kDelivered)
    run_.history.forget({}, step_, 1);
  if (!reading_.looked) co_return co_await read_one();
  words_ = "looked for what is gone";
  auto more = co_await look_for_gone();
  if (!more) co_return refused(more.error());
  co_return *more ? go_on() : end();
}

// What a person writes beside `all` and `anew` would do nothing, and he would not know.
std::optional<Error> refuse_unknown(const Event& event, json::Value asked) {
  if (!event.source.starts_with(kManualSource) || asked.is_null()) return std::nullopt;
  bool known = asked.is_object();
  for (const auto [name, value] : asked.members())
    known = known && (name == "all" || name == "anew") && value.kind() == json::Kind::kBool;
  if (known) return std::nullopt;
  return Error{Code::kInvalid,
               R"(a reading takes nothing, {"all": true} or {"anew": true}, and was given )" +
                   truncated(json::print(asked), 100),
               {}};
}

// A skip where another reading has done the work, or does it.
Async<std::optional<StepResult>> Reader::begin() {
  const Event& event = *run_.event;
  const Time now = shard_.now();
  const json::Value asked = run_.data.root();
  if (auto unknown = refuse_unknown(event, asked)) co_return failure(std::move(*unknown));
  const bool anew = asked["anew"].truthy();
  // A clock that was ahead told a time that has yet to come: what changed meanwhile is not known.
  if (state_.since && *state_.since > now) {
    state_.since.reset();
    state_.behind.reset();
  }
  const bool all = anew || event.type == kReadAll || asked["all"].truthy() || !state_.since || !source_.changes();
  const std::optional<Time>& last = all ? state_.began_all : state_.began;
  if (!anew && last && *last >= event.received && *last <= now)
    co_return std::optional(StepResult::skip("what it asks for was read at " + format_time(*last)));
  if (!anew && state_.reading && (state_.reading->all || !all)) {
    CO_TRY(const bool later, co_await goes_on_later());
    if (later) co_return std::optional(StepResult::skip("a reading is under way"));
  }
  reading_.id = state_.last_id = std::max(run_.id.event.value, state_.last_id + 1);
  reading_.all = all;
  reading_.anew = anew;
  reading_.begun = event.received;
  if (!all) reading_.from = *state_.since - source_.overlap();
  state_.began = now;
  if (all) state_.began_all = now;
  co_return std::optional<StepResult>();
}

// Whether the reading that is under way has a run that will go on. All of them have one lane, and so does this one: it
// stands behind, or has ended, and then nothing goes on.
Async<bool> Reader::goes_on_later() const {
  for (const std::string* name : {&run_.flow->name, &run_.flow->was}) {
    if (name->empty()) continue;
    std::string source = std::string(kReadingSource) + *name, id = state_.reading->next;
    auto event = co_await shard_.deps.log.find(std::move(source), std::move(id));
    if (!event && event.error().code == Code::kNotFound) continue;
    if (!event) co_return failure(std::move(event.error()));
    const RunId run{run_.id.flow, (*event)->position};
    CO_TRY(const auto status, co_await shard_.deps.journal.status(run));
    co_return status ? !is_terminal(status->state) : run.event > run_.id.event;
  }
  co_return false;
}

asio::awaitable<StepResult> Reader::read_one() {
  CallRequest call;
  call.action = reading_.all ? source_.all() : source_.changes();
  if (call.action == nullptr)
    co_return StepResult::fail({Code::kInvalid, source_.name() + " cannot be asked for changes any more", {}});
  auto arguments = reading_.all ? source_.all_arguments() : source_.changes_arguments(*reading_.from);
  if (!arguments) co_return StepResult::fail(std::move(arguments.error()));
  call.args = std::move(*arguments);
  CallRequest::Page page;
  page.at = reading_.page;
  call.page = &page;
  RunContext::CallResult answer = co_await scope_.call(std::move(call));
  if (answer.step.kind != StepResult::Kind::kNext) co_return std::move(answer.step);
  const json::Kind kind = answer.value.root().kind();
  if (kind != json::Kind::kArray) co_return StepResult::fail({Code::kInvalid, "the page is no list of records", {}});
  words_ = "page " + std::to_string(reading_.pages + 1) + " of " +
           (reading_.all ? std::string("all") : "what changed since " + format_time(*reading_.from)) + ": " +
           counted(answer.value.root().size(), "record", "records");
  auto whole = co_await take(answer.value);
  if (!whole) co_return refused(whole.error());
  // What is left of it is read once more: what was told by then is known.
  reading_.partly = !*whole;
  if (!*whole) co_return go_on();
  ++reading_.pages;
  if (goes_in_a_circle(page.next))
    co_return StepResult::fail(
        {Code::kInvalid, "the vendor's pages lead in a circle: the next one was read before", {}});
  co_return turn_page(page.next) ? go_on() : end();
}

// Brent: the mark moves on after 1, 2, 4, 8 … pages, so that a circle of any length comes to it again.
bool Reader::goes_in_a_circle(const std::string& next) {
  if (next.empty()) return false;
  const std::uint64_t here = hash64(next);
  if (reading_.turned > 0 && here == reading_.mark) return true;
  const bool power_of_two = (reading_.turned & (reading_.turned + 1)) == 0;
  if (power_of_two) reading_.mark = here;
  ++reading_.turned;
  return false;
}

// False: it was the last one.
bool Reader::turn_page(const std::string& next) {
  const bool newer = reading_.from && reading_.latest && *reading_.latest > *reading_.from;
  if (!reading_.all && source_.in_order() && newer && (!next.empty() || !source_.pages_changes())) {
    // From the last change on, instead of a place in a list that moves while it is read.
    reading_.from = reading_.latest;
    reading_.page.clear();
    reading_.turned = 0;
    return true;
  }
  reading_.page = next;
  if (!next.empty()) return true;
  if (!reading_.all || source_.deletions() != Deletions::kFullDiff) return false;
  reading_.looked = synced_prefix(run_.id.flow);
  return true;
}

// False: there is no room for all that is new; what was told is known then.
Async<bool> Reader::take(const json::Document& records) {
  const json::Value root = records.root();
  for (std::size_t i = 0; i < root.size(); ++i) {
    const json::Document record = records.part(root.at(i));
    auto taken = co_await take_record(record);
    if (!taken) {
      Error why = std::move(taken.error());
      co_return failure(std::move(why).in("record " + std::to_string(i + 1) + " of the page"));
    }
    if (!*taken) co_return false;
    if (i % kRecordsOfATurn == kRecordsOfATurn - 1) co_await next_turn();
  }
  co_return true;
}

Async<bool> Reader::take_record(const json::Document& record) {
  CO_TRY(SyncSource::Facts facts, source_.facts(record));
  if (facts.updated) reading_.latest = std::max(reading_.latest.value_or(*facts.updated), *facts.updated);
  CO_TRY(const std::optional<KnownRecord> before, co_await known(facts.id));
  KnownRecord now{reading_.id, facts.deleted, facts.number, facts.updated, std::move(facts.version)};
  const std::optional<Op> op = op_of(before, now);
  if (!op) {
    const bool was_there = before && !before->deleted;
    const bool marks = was_there && reading_.all && source_.deletions() == Deletions::kFullDiff;
    if (marks && before->seen != reading_.id) remember(facts.id, std::move(now));
    co_return true;
  }
  std::string data = json::print(record.root());
  if (!has_room(data.size())) co_return false;
  // What is there again did not change when it came back, and is newer than its deletion all the same.
  std::optional<Time> at = facts.updated;
  if (at && before && before->deleted && before->updated) at = std::max(*at, *before->updated + Duration(1));
  tell(*op, facts.id, at, std::move(data));
  remember(facts.id, std::move(now));
  co_return true;
}

// What the flow is told of a record; nothing where it knows.
std::optional<Op> Reader::op_of(const std::optional<KnownRecord>& before, const KnownRecord& now) const {
  const bool was_there = before && !before->deleted;
  if (now.deleted) return was_there ? std::optional(Op::kDeleted) : std::nullopt;
  const bool met = before && before->seen == reading_.id;
  // A page that had no room is read once more.
  if (met && reading_.partly) return std::nullopt;
  if (reading_.anew && !met) return Op::kSnapshot;
  if (!was_there) return state_.finished ? Op::kCreated : Op::kSnapshot;
  if (before->version == now.version) return std::nullopt;
  // What is searched for changes may lag behind what was listed.
  if (!reading_.all && now.updated && before->updated && *now.updated < *before->updated) return std::nullopt;
  return Op::kUpdated;
}

Async<std::optional<KnownRecord>> Reader::known(const std::string& id) {
  if (const auto found = changed_.find(id); found != changed_.end()) co_return std::optional(found->second);
  std::string key = synced_prefix(run_.id.flow) + id;
  CO_TRY(const auto entry, co_await shard_.deps.state.get(std::string(kSyncedBucket), std::move(key)));
  if (!entry) co_return std::optional<KnownRecord>();
  // One that is damaged is told once more.
  auto record = decode_known_record(entry->value);
  co_return record ? std::optional(std::move(*record)) : std::nullopt;
}

void Reader::remember(const std::string& id, KnownRecord record) { changed_[id] = std::move(record); }

// One publication is left for the event that goes on. What is larger than all that a run may tell is told alone.
bool Reader::has_room(std::size_t bytes) const {
  if (run_.published.empty()) return true;
  return run_.published.size() + 1 < shard_.limits.published_max && bytes_ + bytes <= shard_.limits.published_bytes_max;
}

void Reader::tell(Op op, const std::string& id, std::optional<Time> at, std::string data) {
  bytes_ += data.size();
  NewEvent event;
  event.source = std::string(kSyncSource) + flow_ + '/' + source_.name();
  event.type = source_.resource() + '.' + std::string(op_name(op));
  event.subject = id;
  event.op = op;
  if (at) event.time = *at;
  event.data = std::make_shared<const std::string>(std::move(data));
  publish_own(run_, std::move(event), step_);
  ++told_;
}

// Records that no page of the reading gave. True: there are more to look at.
Async<bool> Reader::look_for_gone() {
  const std::string prefix = synced_prefix(run_.id.flow);
  for (std::size_t looked = 0; looked < kLookedMax; looked += kLookedAtOnce) {
    CO_TRY(const auto entries,
           co_await shard_.deps.state.scan(std::string(kSyncedBucket), prefix, *reading_.looked, kLookedAtOnce));
    for (const Entry& entry : entries) {
      auto known = decode_known_record(entry.value);
      if (known && !known->deleted && known->seen < reading_.id) {
        KnownRecord record = std::move(*known);
        const std::string id = entry.key.substr(prefix.size());
        json::Builder data;
        data.begin_object().key("id");
        record.number ? data.number(id) : data.string(id);
        std::string text = json::print(data.end_object().finish().root());
        if (!has_room(text.size())) co_return true;
        record.updated = shard_.now();
        tell(Op::kDeleted, id, record.updated, std::move(text));
        record.deleted = true;
        remember(id, std::move(record));
      }
      reading_.looked = entry.key;
    }
    if (entries.size() < kLookedAtOnce) co_return false;
  }
  co_return true;
}

// What is known and how far it came, with the run's end.
void Reader::conclude() {
  run_.words = words_ + ", " + std::to_string(told_) + " told";
  const std::string prefix = synced_prefix(run_.id.flow);
  for (const auto& [id, record] : changed_)
    run_.puts.push_back({std::string(kSyncedBucket), prefix + id, encode(record), Time::max()});
  run_.puts.push_back({std::string(kSyncBucket), sync_key(run_.id.flow), encode(state_), Time::max()});
}

StepResult Reader::go_on() {
  json::Builder data;
  data.begin_object().key("reading").integer(static_cast<std::int64_t>(reading_.id));
  data.key("page").integer(static_cast<std::int64_t>(reading_.pages + 1));
  // For whoever replays it.
  if (reading_.all) data.key(reading_.anew ? "anew" : "all").boolean(true);
  data.end_object();
  NewEvent event;
  event.source = std::string(kReadingSource) + run_.flow->name;
  event.type = "reading";
  event.data = std::make_shared<const std::string>(json::print(data.finish().root()));
  publish_own(run_, std::move(event), step_);
  reading_.next = run_.published.back().id;
  state_.reading = std::move(reading_);
  conclude();
  return StepResult::next();
}

// What changed while it was read is read once more: pages that were read before do not have it.
StepResult Reader::end() {
  const Time begun = reading_.begun;
  if (reading_.latest) {
    const Duration behind = std::max(shard_.now() - *reading_.latest, Duration(0));
    state_.behind = std::min(state_.behind.value_or(behind), behind);
    // What changes after `begun` has a later time than this by the vendor's clock, too.
    Time since = std::min(*reading_.latest, begun - *state_.behind);
    // Where nothing changes for long, what changed last must not be read for ever.
    since = std::max(since, begun - *state_.behind - kClocksMove);
    if (state_.since) since = std::max(since, *state_.since);
    state_.since = since;
  }
  state_.finished = true;
  state_.reading.reset();
  conclude();
  return StepResult::next();
}

}  // namespace

asio::awaitable<StepResult> read_page(Shard& shard, Run& run, Scope& scope, const SyncRequest& request,
                                      std::uint16_t step) {
  Reader reader(shard, run, scope, request, step);
  co_return co_await reader.read();
}

}  // namespace tieline::engine
