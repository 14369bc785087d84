#include "engine/jobs.h"

#include <algorithm>

#include "engine/cause.h"
#include "engine/runner.h"

namespace tieline::engine {
namespace {

// Counts one more as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

constexpr std::size_t kPage = 500;         // runs in memory
constexpr std::size_t kRunningMax = 8;     // jobs at once
constexpr std::size_t kKept = 100;         // jobs that are remembered
constexpr Duration kLookAgain{1'000'000};  // whether the job is stopped, while its flow has no room
constexpr std::uint64_t kSaveEvery = 64;   // runs; what was done since is found done by the next process

bool by_change(const Selection& select) {
  return std::ranges::all_of(select.states,
                             [](RunState state) { return state == RunState::kDead || state == RunState::kHeld; });
}

// It may go otherwise in a moment: the store is full, or stopping.
bool passes(Code code) { return code == Code::kUnavailable || code == Code::kFull || code == Code::kTimeout; }

// Also where its filter fails: that is a dead letter, as of an event that is new.
bool takes(const FlowPtr& flow, FlowId id, const EventPtr& event) {
  if (!flow->matches(*event)) return false;
  if (!flow->has_filters()) return true;
  Run run;
  run.id = RunId{id, event->position};
  run.event = event;
  run.flow = flow;
  prepare(run);
  return !run.unwanted;
}

}  // namespace

Async<void> Jobs::recover() {
  const std::string bucket(kJobBucket);
  CO_TRY(const std::vector<Entry> entries,
         co_await shard_.deps.state.scan(bucket, std::string(), std::string(), 2 * kKept + kRunningMax));
  for (const Entry& entry : entries) {
    auto job = decode_job(entry.value);
    if (!job) continue;
    last_id_ = std::max(last_id_, job->id);
    if (job->state == Job::State::kRunning) running_.emplace(job->id, std::move(*job));
  }
  co_return Result<void>();
}

void Jobs::begin() {
  for (const auto& [id, job] : running_) shard_.timers.spawn(work(id));
}

bool Jobs::fits(const Selection& select, const RunStatus& status, Time created) {
  if (status.changed > created || status.changed > select.until) return false;
  const CauseSelection cause{select.group, select.category, select.text, select.connection};
  if (cause.empty()) return true;
  const Dispatcher* dispatcher = find_(status.run.flow);
  return matches(cause, dispatcher == nullptr ? std::string_view() : dispatcher->name(), status);
}

Async<std::vector<FlowId>> Jobs::flows_of(Selection select) {
  std::vector<FlowId> flows;
  if (select.flow) {
    flows.push_back(*select.flow);
    co_return flows;
  }
  CO_TRY(const auto known, co_await shard_.deps.journal.flows());
  for (const auto& [id, name] : known) flows.push_back(id);
  co_return flows;
}

Async<Jobs::Page> Jobs::page(Selection select, FlowId flow, Position after, Time created) {
  if (select.untaken) co_return co_await page_of_untaken(std::move(select), flow, after);
  Page page;
  RunQuery query;
  query.flow = flow;
  query.states = select.states;
  query.after = after;
  query.count = kPage;
  Position end(UINT64_MAX);
  const bool changes = by_change(select);
  if (changes) {
    query.since = select.since;
    select.since = Time::min();
  } else {
    if (select.since != Time::min()) {
      CO_TRY(const Position first, co_await shard_.deps.log.first_at_or_after(select.since));
      if (first.value > 0) query.after = std::max(after, Position(first.value - 1));
    }
    if (select.until != Time::max()) {
      CO_TRY(end, co_await shard_.deps.log.first_at_or_after(select.until));
    }
    select.until = Time::max();
  }
  CO_TRY(const std::vector<RunStatus> found, co_await shard_.deps.journal.runs(query));
  page.last = found.size() < kPage;
  for (const RunStatus& status : found) {
    page.next = status.run.event;
    if (status.run.event >= end) {
      page.last = true;
      break;
    }
    if (fits(select, status, created)) page.runs.push_back(status.run.event);
  }
  co_return page;
}

// Events that the flow takes and of which nothing is journaled.
Async<Jobs::Page> Jobs::page_of_untaken(Selection select, FlowId flow, Position after) {
  Page page;
  page.last = true;
  Dispatcher* dispatcher = find_(flow);
  if (dispatcher == nullptr || dispatcher->flow() == nullptr) co_return page;
  if (after.value == 0 && select.since != Time::min()) {
    CO_TRY(const Position first, co_await shard_.deps.log.first_at_or_after(select.since));
    if (first.value > 0) after = Position(first.value - 1);
  }
  ReadLimits limits;
  limits.count = shard_.limits.read_batch;
  CO_TRY(const std::vector<EventPtr> events, co_await shard_.deps.log.read(after, limits));
  page.last = events.empty();
  for (const EventPtr& event : events) {
    page.next = event->position;
    if (event->received >= select.until || event->position > dispatcher->read_to()) {
      page.last = true;
      break;
    }
    const FlowPtr now = dispatcher->flow();
    if (now == nullptr || !takes(now, flow, event) || dispatcher->works_on(event->position)) continue;
    const RunId run{flow, event->position};
    CO_TRY(const auto status, co_await shard_.deps.journal.status(run));
    if (!status) page.runs.push_back(event->position);
  }
  co_return page;
}

Async<JobCount> Jobs::count(Selection select, Time created) {
  JobCount count;
  if (select.run) {
    CO_TRY(const auto status, co_await shard_.deps.journal.status(*select.run));
    const bool fitting =
        status ? std::ranges::find(select.states, status->state) != select.states.end() : select.untaken;
    if (fitting) count.runs = 1;
    if (const Dispatcher* dispatcher = find_(select.run->flow); fitting && dispatcher != nullptr)
      count.flows.emplace_back(dispatcher->name(), 1);
    co_return count;
  }
  CO_TRY(const std::vector<FlowId> flows, co_await flows_of(select));
  for (const FlowId flow : flows) {
    std::uint64_t runs = 0;
    Position after;
    for (bool more = true; more;) {
      CO_TRY(const Page found, co_await page(select, flow, after, created));
      runs += found.runs.size();
      after = found.next;
      more = !found.last;
      co_await next_turn();
    }
    count.runs += runs;
    const Dispatcher* dispatcher = find_(flow);
    if (runs > 0 && dispatcher != nullptr) count.flows.emplace_back(dispatcher->name(), runs);
  }
  co_return count;
}

// Working.

// Since its page was read another job, or a person, may have done something to it.
Async<bool> Jobs::still_selected(const Job& job, RunId run) {
  CO_TRY(const auto status, co_await shard_.deps.journal.status(run));
  if (!status) co_return job.select.untaken;
  const bool selected = std::ranges::find(job.select.states, status->state) != job.select.states.end();
  co_return selected && status->changed <= job.created;
}

// False where the run is no longer what was selected.
Async<bool> Jobs::perform(const Job& job, RunId run) {
  Dispatcher* dispatcher = find_(run.flow);
  if (dispatcher == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(run.flow.value));
  Decision by{job.how.by, job.how.redo};
  CO_TRY(const bool same, co_await still_selected(job, run));
  if (!same) co_return false;
  switch (job.kind) {
    case Job::Kind::kReplay: {
      Replay how = job.how;
      how.job = job.id;
      CO_TRY_VOID(co_await dispatcher->replay(run.event, std::move(how)));
      co_return true;
    }
    case Job::Kind::kDiscard: CO_TRY_VOID(co_await dispatcher->discard(run.event, job.how.by)); co_return true;
    case Job::Kind::kDelivered:
    case Job::Kind::kRepeat: break;
  }
  const auto answer = job.kind == Job::Kind::kDelivered ? HeldAnswer::kDelivered : HeldAnswer::kRepeat;
  CO_TRY_VOID(co_await dispatcher->settle_held(run.event, answer, std::move(by)));
  co_return true;
}

// False when the job was stopped.
asio::awaitable<bool> Jobs::do_to(Job& job, RunId run) {
  while (job.state == Job::State::kRunning) {
    Dispatcher* dispatcher = find_(run.flow);
    if (job.kind == Job::Kind::kReplay && dispatcher != nullptr && !dispatcher->has_room_to_replay()) {
      co_await dispatcher->other_room(shard_.deps.clock.deadline_in(kLookAgain));
      continue;
    }
    auto performed = co_await perform(job, run);
    if (!performed && passes(performed.error().code)) {
      co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
      continue;
    }
    if (!performed) {
      ++job.refused;
      job.last_error = performed.error().message;
    } else {
      ++(*performed ? job.done : job.gone);
    }
    job.flow = run.flow;
    job.after = run.event;
    if ((job.done + job.refused + job.gone) % kSaveEvery == 0) co_await save(job);
    co_return true;
  }
  co_return false;
}

Async<bool> Jobs::work_on_flow(Job& job, FlowId flow) {
  Position after = job.flow == flow ? job.after : Position();
  for (bool more = true; more;) {
    CO_TRY(const Page found, co_await page(job.select, flow, after, job.created));
    for (const Position event : found.runs) {
      const RunId run{flow, event};
      const bool going = co_await do_to(job, run);
      if (!going) co_return false;
    }
    after = found.next;
    more = !found.last;
    co_await next_turn();
  }
  co_return true;
}

asio::awaitable<void> Jobs::work(std::uint64_t id) {
  Job& job = running_.at(id);
  for (bool finished = false; !finished && job.state == Job::State::kRunning;) {
    auto flows = co_await flows_of(job.select);
    Result<bool> worked = true;
    const std::vector<FlowId> in_order = flows ? *flows : std::vector<FlowId>{};
    for (const FlowId flow : in_order) {
      if (flow < job.flow) continue;
      worked = co_await work_on_flow(job, flow);
      if (!worked || !*worked) break;
    }
    finished = flows.has_value() && worked && *worked;
    if (!finished && job.state == Job::State::kRunning) co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
  }
  if (job.state == Job::State::kRunning) {
    job.state = Job::State::kDone;
    // Those that were gone before it came to read of them.
    job.gone = std::max(job.gone, job.selected - std::min(job.selected, job.done + job.refused));
  }
  co_await save(job);
  running_.erase(id);
}

// Durable on return. kConflict where somebody else has written it meanwhile.
Async<void> Jobs::write(const Job& job) {
  const std::string bucket(kJobBucket), key = job_key(job.id);
  CO_TRY(const auto present, co_await shard_.deps.state.get(bucket, key));
  if (!present) co_return Result<void>();
  CO_TRY_VOID(co_await shard_.deps.state.update(bucket, key, encode(job), present->revision));
  co_return Result<void>();
}

// Until the store takes it: a job that is done must not look as if it went on.
asio::awaitable<void> Jobs::save(const Job& job) {
  while (true) {
    const auto written = co_await write(job);
    if (written) co_return;
    if (written.error().code != Code::kConflict) co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
  }
}

// Asked for.

// Another decision about runs that may be the same ones: which of the two a run is given would be chance.
std::optional<Error> Jobs::contradicts(const Job& job) const {
  for (const auto& [id, other] : running_) {
    const bool flows = !job.select.flow || !other.select.flow || *job.select.flow == *other.select.flow;
    const bool states = std::ranges::any_of(job.select.states, [&](RunState state) {
      return std::ranges::find(other.select.states, state) != other.select.states.end();
    });
    if (job.kind == other.kind || !flows || !states) continue;
    return Error{Code::kConflict,
                 "job " + std::to_string(id) + " (" + std::string(job_kind_name(other.kind)) +
                     ") is at work on runs that these may be: wait until it is done, or stop it",
                 {}};
  }
  return std::nullopt;
}

Async<Job> Jobs::start(Job job) {
  if (job.select.run || job.how.damaged)
    co_return failure(Code::kInvalid,
                      "a job is for many runs, whose journals are whole: do to one what you want done to it");
  if (running_.size() + starting_ >= kRunningMax)
    co_return failure(Code::kUnavailable, std::to_string(kRunningMax) + " jobs are at work: wait for one, or stop one");
  if (auto error = contradicts(job)) co_return failure(std::move(*error));
  const Counted turn(starting_);  // counting takes long, and others ask meanwhile
  job.created = std::min(job.created, shard_.now());
  CO_TRY(const JobCount selected, co_await count(job.select, job.created));
  job.selected = selected.runs;
  job.id = ++last_id_;
  job.state = Job::State::kRunning;
  const std::string bucket(kJobBucket);
  CO_TRY_VOID(co_await forget_old());
  if (auto error = contradicts(job)) co_return failure(std::move(*error));
  running_.emplace(job.id, job);  // before it is written: others are to see it from now on
  auto written = co_await shard_.deps.state.create(bucket, job_key(job.id), encode(job));
  if (!written) {
    running_.erase(job.id);
    co_return failure(std::move(written.error()));
  }
  shard_.timers.spawn(work(job.id));
  co_return job;
}

Async<void> Jobs::forget_old() {
  const std::string bucket(kJobBucket);
  CO_TRY(const std::vector<Entry> entries,
         co_await shard_.deps.state.scan(bucket, std::string(), std::string(), 2 * kKept));
  std::size_t over = entries.size() < kKept ? 0 : entries.size() - kKept + 1;
  for (const Entry& entry : entries) {
    const auto job = decode_job(entry.value);
    if (over == 0) break;
    if (job && running_.contains(job->id)) continue;
    CO_TRY_VOID(co_await shard_.deps.state.erase(bucket, entry.key, entry.revision));
    --over;
  }
  co_return Result<void>();
}

Async<void> Jobs::stop(std::uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) co_return failure(Code::kNotFound, "no job " + std::to_string(id) + " is at work");
  found->second.state = Job::State::kStopped;  // it ends before its next run
  // Whoever was told so must not see it go on after a restart. Once it is not at work any more, that is written.
  while (running_.contains(id)) {
    const Job stopped = running_.at(id);
    auto written = co_await write(stopped);
    if (written || written.error().code != Code::kConflict) co_return written;
  }
  co_return Result<void>();
}

Async<std::vector<Job>> Jobs::list() {
  const std::string bucket(kJobBucket);
  CO_TRY(const std::vector<Entry> entries,
         co_await shard_.deps.state.scan(bucket, std::string(), std::string(), 2 * kKept));
  std::vector<Job> jobs;
  for (const Entry& entry : entries) {
    auto job = decode_job(entry.value);
    if (!job) continue;
    const auto running = running_.find(job->id);
    jobs.push_back(running == running_.end() ? std::move(*job) : running->second);
  }
  co_return jobs;
}

}  // namespace tieline::engine
