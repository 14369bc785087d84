// Waits and approvals: what leaves its lane, who cancels it, and how it comes back.
#include <gmock/gmock.h>

#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

// Pauses as it is told; a test sees how often it was asked.
class TestPause final : public Step {
 public:
  explicit TestPause(Duration after, bool keep = false) : after_(after), keep_(keep) { kind_ = "wait"; }
  explicit TestPause(std::string who, Duration after = Duration(0)) : after_(after), who_(std::move(who)) {
    kind_ = "approve";
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    Pause pause;
    pause.keep = keep_;
    if (after_.count() > 0) pause.until = context.now() + after_;
    if (!who_.empty()) {
      pause.approval = true;
      pause.who = who_;
      pause.then = Pause::Then::kFail;
    }
    co_return co_await context.pause(std::move(pause));
  }

 private:
  Duration after_{0};
  bool keep_ = false;
  std::string who_;
};

class PauseTest : public EngineTest {};

TEST_F(PauseTest, AWaitIsDurableAndItsLaneGoesOn) {
  start({flow({step("a"), std::make_shared<TestPause>(hours(2), true), step("b")}, true)});
  const Position first = post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(state(first), RunState::kWaiting);
  EXPECT_EQ(summary(first), "waits until 2026-11-23T02:00:00.001000Z; newer runs of its key leave it alone");
  const Position second = post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(transport_.count("/a"), 2u) << "the lane goes on";
  EXPECT_EQ(snapshot().waiting, 2u);
  EXPECT_EQ(snapshot().oldest, Duration(0)) << "a wait that was asked for is no latency";
  crash();
  EXPECT_EQ(snapshot().waiting, 2u);
  advance(hours(2));
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u) << "nothing is done again";
  EXPECT_EQ(transport_.count("/b"), 2u);
}

TEST_F(PauseTest, RunsThatPauseTakeNoRoomFromAJob) {
  limits_.waiting_max = 8;
  start({flow({step("a"), std::make_shared<TestPause>(hours(2))})});
  transport_.script = {status(422)};
  const Position dead = post("{}");
  for (int i = 0; i < 6; ++i) post("{}");
  advance(1s);
  ASSERT_EQ(snapshot().waiting, 6u);
  Job job;
  job.select.states = {RunState::kDead};
  Result<Job> started;
  await(keep(engine_->start_job(job), &started));
  advance(1s);
  EXPECT_EQ(state(dead), RunState::kWaiting);
  crash();
  EXPECT_EQ(snapshot().waiting, 7u);
  advance(hours(2));
  EXPECT_EQ(snapshot().delivered, 7u);
}

TEST_F(PauseTest, ARemovedFlowIsShownWhileItsRunsPause) {
  start({flow({std::make_shared<TestPause>(hours(2))})});
  post("{}");
  advance(1s);
  source_.known["h1"] = flows_[0];
  flows_.clear();
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  EXPECT_TRUE(shown("f").removed);
  EXPECT_EQ(shown("f").waiting, 1u);
  advance(hours(3));
  EXPECT_TRUE(engine_->snapshot().flows.empty());
}

TEST_F(PauseTest, ANewerRunCancelsAWait) {
  start({flow({step("a"), std::make_shared<TestPause>(hours(2)), step("b")}, true)});
  const Position first = post(R"({"key":"k"})"), other = post(R"({"key":"other"})");
  advance(1min);
  const Position second = post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(state(first), RunState::kCancelled);
  EXPECT_EQ(summary(first), "the run of event 3 of its key is newer");
  EXPECT_EQ(state(second), RunState::kWaiting);
  advance(hours(3));
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(state(other), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/b"), 2u);
  EXPECT_EQ(snapshot().cancelled, 1u);
}

TEST_F(PauseTest, ThousandsOfCancelledWaitsTakeNoneAway) {
  start({flow({std::make_shared<TestPause>(hours(2))}, true)});
  const Position other = post(R"({"key":"other"})");
  std::vector<NewEvent> events;
  for (int i = 0; i < 2'500; ++i) events.push_back(event(R"({"key":"k"})", "order"));
  append(std::move(events));
  advance(1min);
  EXPECT_EQ(snapshot().cancelled, 2'499u);
  EXPECT_EQ(snapshot().waiting, 2u);
  advance(hours(2));
  EXPECT_EQ(state(other), RunState::kDelivered);
  EXPECT_EQ(snapshot().delivered, 2u);
}

TEST_F(PauseTest, WhatIsCancelledHasTakenAsLongAsItWaited) {
  struct Ends final : EngineObserver {
    void run_ended(const RunInfo& info) override { latencies[info.state] = info.latency; }
    std::map<RunState, Duration> latencies;
  } ends;
  observer_ = &ends;
  start({flow({std::make_shared<TestPause>(hours(2))}, true)});
  post(R"({"key":"k"})");
  advance(1min);
  post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(ends.latencies.at(RunState::kCancelled), 1min);
}

TEST_F(PauseTest, AWaitThatTheStoreRefusedToCancelIsCancelledWhenItIsOver) {
  start({flow({std::make_shared<TestPause>(hours(2)), step("a")}, true)});
  const Position waiting = post(R"({"key":"k"})");
  advance(1s);
  auto plain = flow({step("b")}, true);
  plain->hash = "h2";
  source_.known["h1"] = flows_[0];
  flows_ = {plain};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  store_->set_sync_delay(2s);
  const Position newer = post(R"({"key":"k"})");
  advance(1s);
  ASSERT_EQ(transport_.count("/b"), 1u);
  store_->refuse(Code::kFull);  // its end is on its way already, what it cancels is not
  advance(1min);
  store_->refuse(std::nullopt);
  ASSERT_EQ(state(newer), RunState::kDelivered);
  ASSERT_EQ(state(waiting), RunState::kWaiting);
  advance(hours(3));
  EXPECT_EQ(state(waiting), RunState::kCancelled);
  EXPECT_EQ(summary(waiting), "the run of event 2 of its key is newer");
  EXPECT_EQ(transport_.count("/a"), 0u);
}

TEST_F(PauseTest, AWaitThatANewerRunCouldNotCancelIsCancelledWhenItIsOver) {
  faults_.cancel_nothing = true;  // as if the process had ended in between
  start({flow({step("a"), std::make_shared<TestPause>(hours(2)), step("b")}, true)});
  const Position first = post(R"({"key":"k"})"), other = post(R"({"key":"other"})");
  advance(1min);
  const Position second = post(R"({"key":"k"})");
  advance(1min);
  faults_.cancel_nothing = false;
  crash();
  EXPECT_EQ(state(first), RunState::kWaiting);
  EXPECT_EQ(state(second), RunState::kWaiting);
  advance(hours(3));
  EXPECT_EQ(state(first), RunState::kCancelled);
  EXPECT_EQ(summary(first), "the run of event 3 of its key is newer");
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(state(other), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/b"), 2u);
}

TEST_F(PauseTest, ARunThatIsSkippedCancelsNothing) {
  start({flow({step("a"), std::make_shared<TestPause>(hours(2)), step("b")}, true)});
  const Position first = post(R"({"key":"k"})");
  advance(1min);
  transport_.by_path["/a"] = status(422);
  const Position second = post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(state(second), RunState::kDead);
  EXPECT_EQ(state(first), RunState::kWaiting);
}

TEST_F(PauseTest, WhatWaitedGoesOnBehindTheRunThatWorksAndBeforeTheYounger) {
  start({flow({std::make_shared<TestPause>(1min, true), step("a")}, true)});
  const Position first = post(R"({"key":"k"})");
  advance(30s);
  transport_.latency = 20s;
  std::vector<std::shared_ptr<const Step>> plain{step("a")};
  auto other = flow(plain, true);
  other->hash = "h2";
  source_.known["h1"] = flows_[0];
  flows_ = {other};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  advance(25s);
  const Position second = post(R"({"key":"k","n":2})"), third = post(R"({"key":"k","n":3})");
  advance(10s);  // the wait ends while the second one works
  EXPECT_EQ(transport_.sent.size(), 1u);
  advance(5min);
  ASSERT_EQ(transport_.sent.size(), 3u);
  EXPECT_THAT(transport_.sent[0].body, HasSubstr("\"n\":2"));
  EXPECT_THAT(transport_.sent[1].body, testing::Not(HasSubstr("\"n\"")));
  EXPECT_THAT(transport_.sent[2].body, HasSubstr("\"n\":3"));
  for (const Position event : {first, second, third}) EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(PauseTest, APersonApprovesOrDeclines) {
  start({flow({step("a"), std::make_shared<TestPause>("finance"), step("b")}, true)});
  const Position yes = post(R"({"key":"k"})"), no = post(R"({"key":"l"})");
  advance(hours(100));
  EXPECT_EQ(summary(yes), "waits for approval by finance");
  EXPECT_FALSE(settle_held(yes, HeldAnswer::kRepeat).has_value());
  ASSERT_TRUE(settle_held(yes, HeldAnswer::kApproved).has_value());
  for (const Record& record : records(yes))
    EXPECT_FALSE(decode(record.body)->hold.has_value()) << "it was asked for, and never held";
  advance(1s);
  store_->sync();
  crash();
  ASSERT_TRUE(settle_held(no, HeldAnswer::kDeclined).has_value());
  advance(1s);
  EXPECT_EQ(state(yes), RunState::kDelivered);
  EXPECT_EQ(state(no), RunState::kSkipped);
  EXPECT_EQ(summary(no), "declined by ada");
  EXPECT_EQ(transport_.count("/a"), 2u);
  EXPECT_EQ(transport_.count("/b"), 1u);
  EXPECT_EQ(settle_held(no, HeldAnswer::kApproved).error().code, Code::kNotFound);
}

TEST_F(PauseTest, AnApprovalIsAnsweredWhileItsLaneBecomesFree) {
  start({flow({std::make_shared<TestPause>("finance", 1min), step("a")}, true)});
  const Position asked = post(R"({"key":"k"})");
  advance(30s);
  auto plain = flow({step("b")}, true);
  plain->hash = "h2";
  source_.known["h1"] = flows_[0];
  flows_ = {plain};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  transport_.by_path["/b"] = status(422);  // what does not deliver cancels nothing
  transport_.latency = 60s;
  const Position head = post(R"({"key":"k"})");
  advance(59s);  // the time to approve is over, and the lane is busy
  ASSERT_EQ(state(asked), RunState::kWaiting);
  store_->set_sync_delay(2s);
  advance(2s);  // the head's end is on its way into the store
  TaskGroup group(context_.get_executor());
  Result<void> answered = failure(Code::kTimeout, "not yet");
  group.spawn(keep(engine_->settle_held(RunId{FlowId(1), asked}, HeldAnswer::kApproved, Decision{"ada"}), &answered));
  advance(5s);  // the lane is free before the answer is durable
  EXPECT_TRUE(answered.has_value());
  advance(2min);
  EXPECT_EQ(state(head), RunState::kDead);
  EXPECT_EQ(state(asked), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

TEST_F(PauseTest, AWaitThatIsOverInAnOlderProcessGoesOnAtTheStart) {
  start({flow({std::make_shared<TestPause>(1min), step("a")}, true)});
  const Position event = post(R"({"key":"k"})");
  advance(1s);
  auto next = store_->crash();
  stop();
  store_ = std::move(next);
  advance(hours(1));
  start(flows_);
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(PauseTest, WhoseWaitIsOverKeepsItsPlaceThroughACrash) {
  start({flow({std::make_shared<TestPause>(1min), step("a", kUnsafeSpec)}, true)});
  const Position waiting = post(R"({"key":"k"})");
  advance(30s);
  transport_.latency = 100s;
  advance(35s);  // the wait is over, and its call is under way
  ASSERT_EQ(transport_.sent.size(), 1u);
  store_->sync();
  crash();
  advance(1s);
  EXPECT_EQ(state(waiting), RunState::kHeld) << "its call may have happened";
  const Position younger = post(R"({"key":"k"})");
  transport_.latency = 1ms;
  advance(hours(1));
  EXPECT_EQ(state(waiting), RunState::kHeld) << "nothing cancels what may have been done";
  EXPECT_EQ(state(younger), RunState::kParked);
}

TEST_F(PauseTest, AWaitThatEndedWhileNothingRanComesBeforeWhatIsYounger) {
  start({flow({std::make_shared<TestPause>(1min, true), step("a")}, true)});
  const Position first = post(R"({"key":"k","n":1})");
  advance(1s);
  auto next = store_->crash();
  stop();
  store_ = std::move(next);
  const Position second = post(R"({"key":"k","n":2})");
  advance(hours(1));
  start(flows_);
  advance(1s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_THAT(transport_.sent.at(0).body, HasSubstr("\"n\":1"));
  EXPECT_EQ(state(second), RunState::kWaiting);
}

TEST_F(PauseTest, ARefusedEndCancelsNothing) {
  start({flow({step("a"), std::make_shared<TestPause>(hours(2))}, true)});
  const Position waiting = post(R"({"key":"k"})");
  advance(1s);
  transport_.latency = 10s;
  auto plain = flow({step("b")}, true);
  plain->hash = "h2";
  source_.known["h1"] = flows_[0];
  flows_ = {plain};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  post(R"({"key":"k"})");
  advance(5s);
  store_->refuse(Code::kFull);
  advance(6s);
  store_->refuse(std::nullopt);
  EXPECT_EQ(state(waiting), RunState::kWaiting);
}

TEST_F(PauseTest, AnApprovalThatNobodyGaveIsAskedForAnew) {
  start({flow({step("a"), std::make_shared<TestPause>("finance", 1min), step("b")}, true)});
  const Position event = post(R"({"key":"k"})");
  advance(2min);
  ASSERT_EQ(state(event), RunState::kDead);
  Replay how;
  how.from = Replay::From::kFailed;
  how.by = "ada";
  Result<void> replayed;
  await(keep(engine_->replay(RunId{FlowId(1), event}, how), &replayed));
  ASSERT_TRUE(replayed.has_value()) << replayed.error().message;
  settle();
  EXPECT_EQ(state(event), RunState::kWaiting);
  ASSERT_TRUE(settle_held(event, HeldAnswer::kApproved).has_value());
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

}  // namespace
}  // namespace tieline::engine
