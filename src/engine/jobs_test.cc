// Jobs: what a person decides about many runs, which they take and when they work.
#include "engine/replay_fixture.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;

TEST_F(ReplayTest, AJobReplaysEachOnceAndInOrderOverCrashes) {
  limits_.window = 8;
  limits_.waiting_max = 40;
  start({flow({step("a", kUnsafeSpec)}, true)});
  transport_.by_path["/a"] = status(422);
  std::vector<Position> events;
  for (int i = 0; i < 200; ++i)
    events.push_back(post("{\"key\":" + std::to_string(i % 7) + ",\"n\":" + std::to_string(i) + "}"));
  advance(1s);
  transport_.by_path.clear();
  transport_.sent.clear();
  transport_.latency = 2ms;
  const Job job = start_job(all_dead());
  EXPECT_EQ(job.selected, 200u);
  for (int i = 0; i < 4; ++i) {
    advance(11ms);
    EXPECT_LT(transport_.sent.size(), 190u);
    EXPECT_LE(engine_->snapshot().flows[0].parked, 20u);
    crash();  // what is cut off has an unknown outcome
  }
  // Held runs take room from the job until they are decided.
  for (int i = 0; i < 20 && jobs().at(0).state == Job::State::kRunning; ++i) {
    for (const Position event : events) {
      if (state(event) == RunState::kHeld) {
        ASSERT_TRUE(settle_held(event, HeldAnswer::kDelivered));
      }
    }
    advance(1s);
  }
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].state, Job::State::kDone);
  EXPECT_EQ(jobs()[0].refused, 0u) << jobs()[0].last_error;
  for (const Position event : events) {
    if (state(event) == RunState::kHeld) {
      ASSERT_TRUE(settle_held(event, HeldAnswer::kDelivered));
      advance(1s);
    }
  }
  std::map<std::string, int> made;
  std::map<std::string, int> last;
  for (const Request& request : transport_.sent) {
    ++made[request.body];
    const auto body = json::parse(request.body);
    const std::string key(body->root()["key"].number_text());
    const int n = static_cast<int>(*body->root()["n"].as_int64());
    EXPECT_GE(n, last[key]) << "out of order in lane " << key;
    last[key] = n;
  }
  EXPECT_EQ(made.size(), 200u);
  for (const auto& [body, times] : made) EXPECT_EQ(times, 1) << body;
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(ReplayTest, AJobTakesWhatFits) {
  start({flow({step("a")})});
  transport_.script = {status(422, {}, R"("contact 17")"), status(422, {}, R"("contact 4")"), status(404)};
  const Position one = post("{}"), two = post("{}"), other = post("{}");
  advance(1s);
  const auto group = cause_of("f", run_of(one)->summary).id;
  EXPECT_EQ(group, cause_of("f", run_of(two)->summary).id);
  EXPECT_NE(group, cause_of("f", run_of(other)->summary).id);
  Selection select = all_dead();
  select.group = group;
  Result<JobCount> count;
  await(keep(engine_->count(select), &count));
  EXPECT_EQ(count->runs, 2u);
  start_job(select);
  advance(1s);
  EXPECT_EQ(state(two), RunState::kDelivered);
  EXPECT_EQ(state(other), RunState::kDead);
  Selection late = all_dead();
  late.since = clock_.now();
  EXPECT_EQ(start_job(late).selected, 0u);
  Selection delivered;
  delivered.states = {RunState::kDelivered};
  delivered.flow = FlowId(1);
  EXPECT_EQ(start_job(delivered, from_start()).selected, 2u);
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 7u);
}

TEST_F(ReplayTest, OnlyWhatHasFailedHasACause) {
  start({flow({step("a")})});
  transport_.script = {status(422, {}, R"("contact 17")")};
  const Position dead = post("{}");
  post("{}");
  advance(1s);
  const std::string group = cause_of("f", run_of(dead)->summary).id;
  for (const auto member : {&Selection::group, &Selection::category, &Selection::text, &Selection::connection}) {
    Selection select;
    select.states = {RunState::kDead, RunState::kDelivered};
    select.*member = member == &Selection::group ? group : member == &Selection::category ? "validation" : "api";
    Result<JobCount> count;
    await(keep(engine_->count(select), &count));
    EXPECT_EQ(count->runs, member == &Selection::connection ? 0u : 1u) << "a delivered run has none";
  }
}

TEST_F(ReplayTest, AJobIsGivenWhatWasCountedBefore) {
  start({flow({step("a")})});
  transport_.by_path["/a"] = status(422);
  post("{}");
  advance(1s);
  Job job;
  job.select = all_dead();
  job.created = clock_.now();
  advance(1s);
  const Position later = post("{}");
  advance(1s);
  const auto records = run_of(later)->records;
  Result<JobCount> count;
  await(keep(engine_->count(job.select, job.created), &count));
  EXPECT_EQ(count->runs, 1u);
  Result<Job> started;
  await(keep(engine_->start_job(job), &started));
  EXPECT_EQ(started->selected, 1u);
  advance(1s);
  EXPECT_EQ(run_of(later)->records, records) << "nobody asked for it";
  EXPECT_EQ(jobs().at(0).done, 1u);
}

TEST_F(ReplayTest, JobsThatAreCountedAtOnceAreNotMoreThanMayWork) {
  start({flow({step("a")})});
  for (int i = 0; i < 3; ++i) dead_at("/a");
  TaskGroup asking(context_.get_executor());
  std::vector<Result<Job>> started(12);
  for (Result<Job>& one : started) {
    Job job;
    job.select = all_dead();
    asking.spawn(keep(engine_->start_job(job), &one));
  }
  advance(1s);
  EXPECT_EQ(std::ranges::count_if(started, [](const Result<Job>& one) { return one.has_value(); }), 8);
  advance(30s);
  start_job(all_dead());
  await(asking.stop());
}

TEST_F(ReplayTest, AFlowTakesWhatCameBeforeIt) {
  start({flow({step("a")})});
  const Position before = post("{}", "refund"), after = post("{}", "refund");
  auto wider = flow({step("a")});
  wider->hash = "h2";
  wider->triggers = {{"shop", {}}};
  flows_ = {wider};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  Selection untaken;
  untaken.untaken = true;
  untaken.flow = FlowId(1);
  EXPECT_EQ(start_job(untaken, from_start()).selected, 2u);
  advance(1s);
  EXPECT_EQ(state(before), RunState::kDelivered);
  EXPECT_EQ(state(after), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 2u);
}

TEST_F(ReplayTest, OfTwoJobsThatWaitForRoomOneReplaysARun) {
  limits_.window = 1;
  start({flow({step("a", kUnsafeSpec)})});
  const Position first = dead_at("/a"), second = dead_at("/a");
  transport_.by_path.clear();
  transport_.sent.clear();
  transport_.latency = 1s;
  start_job(all_dead(), from_start());
  start_job(all_dead(), from_start());
  advance(30s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 2u) << "what the other one has replayed is not dead any more";
  std::uint64_t done = 0, gone = 0;
  for (const Job& job : jobs()) {
    EXPECT_EQ(job.done + job.gone, job.selected) << "of all it is told what became of them";
    EXPECT_EQ(job.refused, 0u) << job.last_error;
    done += job.done, gone += job.gone;
  }
  EXPECT_EQ(done, 2u);
  EXPECT_GE(gone, 1u);
}

TEST_F(ReplayTest, OfTwoDecisionsAboutTheSameRunsTheSecondWaits) {
  limits_.window = 1;
  start({flow({step("a", kUnsafeSpec)})});
  dead_at("/a"), dead_at("/a");
  transport_.latency = 1s;
  Selection ours = all_dead();
  ours.flow = FlowId(1);
  start_job(ours, from_start());
  Job discard;
  discard.kind = Job::Kind::kDiscard;
  discard.select = all_dead();
  Result<Job> refused;
  await(keep(engine_->start_job(discard), &refused));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_EQ(refused.error().message,
            "job 1 (replay) is at work on runs that these may be: wait until it is done, or stop it");
  Selection elsewhere = all_dead();
  elsewhere.flow = FlowId(2);
  discard.select = elsewhere;
  await(keep(engine_->start_job(discard), &refused));
  EXPECT_TRUE(refused) << refused.error().message;
  advance(30s);
  discard.select = all_dead();
  await(keep(engine_->start_job(discard), &refused));
  EXPECT_TRUE(refused) << refused.error().message;
}

TEST_F(ReplayTest, AJobLeavesRoomForWhatIsNewWhereItsTargetIsDead) {
  limits_.window = 1;
  limits_.waiting_max = 8;
  start({flow({step("a")})});
  for (int i = 0; i < 20; ++i) dead_at("/a");
  transport_.by_path["/a"] = status(503);
  start_job(all_dead());
  advance(2s);
  EXPECT_LE(shown("f").retrying + shown("f").held, 4u);
  EXPECT_FALSE(shown("f").full);
  const Position fresh = post("{}");
  advance(1s);
  EXPECT_EQ(state(fresh), RunState::kRetrying) << "it was read";
  transport_.by_path.clear();
  advance(hours(1));
  EXPECT_EQ(jobs().at(0).state, Job::State::kDone);
  EXPECT_EQ(shown("f").delivered, 21u);
}

TEST_F(ReplayTest, AStoppedJobStaysStoppedAndNeedsNoRoomForThat) {
  limits_.window = 1;
  limits_.waiting_max = 4;
  start({flow({step("a")})});
  for (int i = 0; i < 6; ++i) dead_at("/a");
  transport_.by_path["/a"] = status(503);
  const auto stop_job = [&](const Job& job) {
    Result<void> stopped;
    await(keep(engine_->stop_job(job.id), &stopped));
    return stopped;
  };
  const Job first = start_job(all_dead());
  advance(1s);
  ASSERT_EQ(jobs().at(0).state, Job::State::kRunning) << "its flow has no room";
  ASSERT_TRUE(stop_job(first));
  crash();
  EXPECT_EQ(jobs().at(0).state, Job::State::kStopped);
  // None of them is at work still: more are stopped than may be at work at once.
  for (int i = 0; i < 9; ++i) {
    const Job next = start_job(all_dead());
    advance(1ms);
    ASSERT_TRUE(stop_job(next));
    EXPECT_FALSE(stop_job(Job()));
    advance(1s);
  }
  transport_.by_path.clear();
  const std::size_t made = shown("f").delivered;
  advance(hours(1));
  EXPECT_LT(shown("f").delivered, made + 6) << "what no job had begun again stays dead";
}

}  // namespace
}  // namespace tieline::engine
