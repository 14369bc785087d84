// Dead letters and runs that begin again: one, many, from where they failed or from the start.
#include "engine/cause.h"
#include "engine/engine_fixture.h"
#include "engine/index_key.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;

class ReplayTest : public EngineTest {
 protected:
  Result<void> replay(Position event, Replay how = {}) {
    if (how.by.empty()) how.by = "ada";
    Result<void> done;
    await(keep(engine_->replay(RunId{FlowId(1), event}, how), &done));
    settle();
    return done;
  }
  Result<void> discard(Position event) {
    Result<void> done;
    await(keep(engine_->discard(RunId{FlowId(1), event}, "ada"), &done));
    return done;
  }
  Result<void> edit(Position event, const std::string& data) {
    Result<void> done;
    await(keep(engine_->edit(RunId{FlowId(1), event}, *json::parse(data), "ada"), &done));
    return done;
  }
  static Selection all_dead() {
    Selection select;
    select.states = {RunState::kDead};
    return select;
  }
  Job start_job(Selection select, Replay how = {}) {
    Job job;
    job.select = std::move(select);
    job.how = std::move(how);
    Result<Job> started;
    await(keep(engine_->start_job(job), &started));
    EXPECT_TRUE(started) << started.error().message;
    return started ? *started : Job();
  }
  std::vector<Job> jobs() {
    Result<std::vector<Job>> listed;
    await(keep(engine_->jobs(), &listed));
    return *listed;
  }
  // A dead letter of which the call to `path` was refused.
  Position dead_at(const std::string& path, const std::string& data = "{}") {
    transport_.by_path[path] = status(422);
    const Position event = post(data);
    advance(1s);
    EXPECT_EQ(state(event), RunState::kDead);
    transport_.by_path.clear();
    return event;
  }
  static Replay from_start() {
    Replay how;
    how.from = Replay::From::kStart;
    return how;
  }
};

TEST_F(ReplayTest, GoesOnAtTheStepThatFailed) {
  start({flow({step("a", kUnsafeSpec), step("b")})});
  const Position event = dead_at("/b");
  ASSERT_TRUE(replay(event));
  EXPECT_FALSE(replay(event)) << "it is being worked on";
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  EXPECT_EQ(transport_.count("/b"), 2u);
  EXPECT_EQ(replay(event).error().code, Code::kInvalid);
  EXPECT_EQ(replay(event).error().message,
            "the run is delivered, and no step of it failed: `tieline replay f/1` has it begin again from the start");
}

TEST_F(ReplayTest, FromTheStartMakesEveryCallButThoseToBeSkipped) {
  auto skipped = step("a", kUnsafeSpec);
  skipped->on_replay = OnReplay::kSkip;
  auto last = step("c");
  last->from_bound = true;
  auto untouched = step("d");
  untouched->on_replay = OnReplay::kSkip;
  start({flow({step("b"), skipped, last, untouched})});
  const Position event = dead_at("/c");
  ASSERT_TRUE(replay(event, from_start()));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  EXPECT_EQ(transport_.count("/b"), 2u);
  EXPECT_EQ(transport_.count("/d"), 1u) << "it was not made before";
  EXPECT_EQ(transport_.sent[4].body, transport_.sent[2].body) << "what /a bound then";
}

TEST_F(ReplayTest, WhatFailedHasAnotherKeyAndWhatWasMadeItsOwn) {
  constexpr ActionSpec kKeyedSpec{Safety::kUnsafe, false, true, 1, Duration(0)};
  start({flow({step("a", kKeyedSpec), step("b", kKeyedSpec)})});
  const Position event = dead_at("/b");
  ASSERT_TRUE(replay(event, from_start()));
  advance(1s);
  ASSERT_EQ(transport_.sent.size(), 4u);
  const auto key = [&](std::size_t i) { return std::string(find_header(transport_.sent[i].headers, "X-Key")); };
  EXPECT_EQ(key(0), key(2));
  EXPECT_NE(key(1), key(3));
}

TEST_F(ReplayTest, AKeyThatMayHaveWorkedIsKept) {
  constexpr ActionSpec kKeyedSpec{Safety::kUnsafe, false, true, 1, Duration(0)};
  start({flow({step("a", kKeyedSpec)})});
  transport_.script = {lost(), status(422)};
  const Position event = post("{}");
  advance(60s);
  EXPECT_EQ(state(event), RunState::kDead);
  ASSERT_TRUE(replay(event));
  advance(1s);
  ASSERT_EQ(transport_.sent.size(), 3u);
  EXPECT_EQ(find_header(transport_.sent[0].headers, "X-Key"), find_header(transport_.sent[2].headers, "X-Key"));
}

TEST_F(ReplayTest, WhatMayHaveHappenedIsAskedForAgain) {
  limits_.held_keep = 60s;
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(100s);
  EXPECT_EQ(state(event), RunState::kDead);
  for (const Replay& how : {Replay{}, from_start()}) {
    ASSERT_TRUE(replay(event, how));
    advance(1s);
    EXPECT_EQ(state(event), RunState::kHeld);
    EXPECT_EQ(transport_.count("/a"), 1u);
    advance(100s);
    EXPECT_EQ(state(event), RunState::kDead);
  }
  // Another flow cannot find that out.
  auto other = flow({step("z")});
  other->hash = "h2";
  flows_ = {other};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  Replay now;
  now.as_now = true;
  EXPECT_EQ(replay(event, now).error().code, Code::kInvalid);
}

TEST_F(ReplayTest, ACallThatFailedAndHappenedIsNotMadeAgain) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {status(200, {}, "not JSON")};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDead);
  ASSERT_TRUE(replay(event));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kHeld);
  EXPECT_EQ(transport_.count("/a"), 1u);
  ASSERT_TRUE(settle_held(event, HeldAnswer::kDelivered));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(ReplayTest, WorksOnEditedDataWhileTheEventStaysAsItIs) {
  auto one = flow({step("a"), step("b")});
  one->index = {{"order", std::make_shared<Member>("n")}};
  start({one});
  const Position event = dead_at("/b", R"({"n":1})");
  ASSERT_TRUE(edit(event, R"({"n":2})"));
  ASSERT_TRUE(edit(event, R"({"n":3})"));
  EXPECT_EQ(state(event), RunState::kDead);
  crash();
  ASSERT_TRUE(replay(event));
  crash();
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.back().body, R"({"n":3})");
  std::vector<Position> wanted{event};
  Result<std::vector<EventPtr>> events;
  await(keep(store_->get(std::move(wanted)), &events));
  EXPECT_EQ(*events->front()->data, R"({"n":1})");
  Result<std::vector<Entry>> found;
  await(keep(store_->scan(std::string(kIndexBucket), index_prefix("order=3"), "", 10), &found));
  EXPECT_EQ(found->size(), 1u);
  EXPECT_EQ(edit(event, "{}").error().code, Code::kInvalid);
}

TEST_F(ReplayTest, AsNowTakesThePresentFlow) {
  start({flow({step("a"), step("b")})});
  const Position event = dead_at("/b");
  auto next = flow({step("c")});
  next->hash = "h2";
  flows_ = {next};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  Replay now;
  now.as_now = true;
  ASSERT_TRUE(replay(event, now));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/c"), 1u);
  EXPECT_EQ(transport_.sent.size(), 3u);
}

TEST_F(ReplayTest, TakesItsPlaceInItsLane) {
  start({flow({step("a")}, true)});
  const Position first = dead_at("/a", R"({"key":1,"n":1})"), second = dead_at("/a", R"({"key":1,"n":2})");
  transport_.by_path["/a"] = status(503);
  const Position third = post(R"({"key":1,"n":3})"), fourth = post(R"({"key":1,"n":4})");
  advance(1s);
  EXPECT_EQ(state(third), RunState::kRetrying);
  transport_.by_path.clear();
  transport_.latency = 100ms;
  const std::size_t before = transport_.sent.size();
  ASSERT_TRUE(replay(second));
  ASSERT_TRUE(replay(first));  // before the second, behind the third, which has begun
  advance(300s);
  for (const Position event : {first, second, third, fourth}) EXPECT_EQ(state(event), RunState::kDelivered);
  std::string order;
  for (std::size_t i = before; i < transport_.sent.size(); ++i) order += transport_.sent[i].body.substr(13, 1);
  EXPECT_EQ(order, "3124");
}

TEST_F(ReplayTest, OlderVersionsAreStaleAndTheSameOneIsNot) {
  auto one = flow({step("a")}, true);
  one->version = std::make_shared<Member>("v");
  start({one});
  const Position old = post(R"({"key":1,"v":1})"), latest = post(R"({"key":1,"v":2})");
  advance(1s);
  ASSERT_TRUE(replay(old, from_start()));
  ASSERT_TRUE(replay(latest, from_start()));
  advance(1s);
  EXPECT_EQ(state(old), RunState::kStale);
  EXPECT_EQ(state(latest), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 3u);
}

TEST_F(ReplayTest, OnceIsRespectedUnlessToldOtherwise) {
  auto call = step("a", kUnsafeSpec);
  call->once = true;
  start({flow({call, step("b")})});
  const Position event = post(R"({"once":"k"})");
  advance(1s);
  ASSERT_TRUE(replay(event, from_start()));
  advance(1s);
  EXPECT_EQ(transport_.count("/a"), 1u);
  Replay redo = from_start();
  redo.redo = true;
  ASSERT_TRUE(replay(event, redo));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u);
  const auto all = records(event);
  EXPECT_TRUE(std::ranges::any_of(all, [](const Record& record) {
    const auto body = decode(record.body);
    return body->redo && body->by == "ada";
  }));
}

TEST_F(ReplayTest, ADiscardedRunIsOverForGood) {
  start({flow({step("a")})});
  const Position event = dead_at("/a");
  ASSERT_TRUE(discard(event));
  EXPECT_EQ(state(event), RunState::kDiscarded);
  EXPECT_EQ(discard(event).error().code, Code::kInvalid);
  const Position delivered = post("{}");
  advance(1s);
  EXPECT_EQ(discard(delivered).error().code, Code::kInvalid);
}

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

TEST_F(ReplayTest, ADamagedJournalBeginsAgainOnlyWhereThatIsSaid) {
  start({flow({step("a", kUnsafeSpec), step("b")})});
  const Position event = dead_at("/b");
  store_->lose(RunId{FlowId(1), event}, 2);
  EXPECT_EQ(replay(event).error().code, Code::kCorrupt);
  EXPECT_EQ(replay(event, from_start()).error().code, Code::kCorrupt);
  Replay how = from_start();
  how.damaged = true;
  ASSERT_TRUE(replay(event, how));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

}  // namespace
}  // namespace tieline::engine
