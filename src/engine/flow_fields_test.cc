// What a flow says of all its runs: mode, concurrency, coalescing, its brake, where it begins; and pauses in its steps.
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

class FlowFieldsTest : public EngineTest {
 protected:
  std::string summary(Position event) {
    const auto found = run_of(event);
    return found ? found->summary : "no run";
  }
  FlowSnapshot snapshot() const { return engine_->snapshot().flows.at(0); }
};

TEST_F(FlowFieldsTest, AShadowRendersAndSendsNothing) {
  auto shadow = flow({step("a", kUnsafeSpec), step("b")});
  shadow->mode = FlowMode::kShadow;
  start({shadow});
  const Position event = post(R"({"n":1})");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_TRUE(transport_.sent.empty());
  const auto kept = records(event);
  ASSERT_EQ(kept.size(), 3u);
  const auto first = decode(kept[0].body);
  EXPECT_EQ(first->resolved, Resolved::kShadow);
  EXPECT_EQ(first->request->body, R"({"n":1})");
  EXPECT_THAT(first->request->url, HasSubstr("/a"));
}

TEST_F(FlowFieldsTest, AShadowOfAFlowWithOnceClaimsNothing) {
  auto call = step("a", kUnsafeSpec);
  call->once = true;
  auto shadow = flow({call});
  shadow->mode = FlowMode::kShadow;
  start({shadow});
  post(R"({"once":"k"})");
  advance(1s);
  auto live = std::make_shared<Flow>(*shadow);
  live->mode = FlowMode::kLive;
  live->hash = "h2";
  flows_ = {live};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  const Position event = post(R"({"once":"k"})");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

TEST_F(FlowFieldsTest, APausedFlowTakesNothingAndLosesNothing) {
  auto paused = flow({step("a")});
  paused->mode = FlowMode::kPaused;
  start({paused});
  const Position event = post("{}");
  advance(1s);
  EXPECT_FALSE(run_of(event).has_value());
  EXPECT_TRUE(snapshot().paused);
  auto live = std::make_shared<Flow>(*paused);
  live->mode = FlowMode::kLive;
  flows_ = {live};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(FlowFieldsTest, NoMoreRunsWorkAtOnceThanTheFlowSays) {
  auto narrow = flow({step("a")});
  narrow->concurrency = 2;
  transport_.latency = 1s;
  start({narrow});
  for (int i = 0; i < 5; ++i) post("{}");
  advance(500ms);
  EXPECT_EQ(transport_.sent.size(), 2u);
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 4u);
  advance(2s);
  EXPECT_EQ(snapshot().delivered, 5u);
}

TEST_F(FlowFieldsTest, ConcurrencyHoldsForRunsThatComeBackToo) {
  auto narrow = flow({step("a")});
  narrow->concurrency = 1;
  start({narrow});
  transport_.by_path["/a"] = status(503);
  for (int i = 0; i < 4; ++i) post("{}");
  advance(200ms);
  EXPECT_EQ(snapshot().retrying, 4u);
  transport_.by_path.clear();
  transport_.latency = 30s;
  transport_.sent.clear();
  advance(25s);  // all are due
  EXPECT_EQ(transport_.sent.size(), 1u);
  advance(hours(1));
  EXPECT_EQ(snapshot().delivered, 4u);
}

TEST_F(FlowFieldsTest, OfTheRunsThatWaitOnlyTheNewestWorks) {
  auto newest = flow({step("a")}, true);
  newest->coalesce = true;
  transport_.latency = 1s;
  start({newest});
  std::vector<Position> events;
  for (int i = 0; i < 4; ++i) events.push_back(post(R"({"key":"k"})"));
  advance(5s);
  EXPECT_EQ(state(events[0]), RunState::kDelivered);
  EXPECT_EQ(state(events[1]), RunState::kSkipped);
  EXPECT_EQ(state(events[2]), RunState::kSkipped);
  EXPECT_EQ(state(events[3]), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 2u);
  EXPECT_EQ(summary(events[1]), "event 4 of its key is newer");
}

TEST_F(FlowFieldsTest, ARunThatHasBegunIsNotCoalescedAway) {
  auto newest = flow({step("a", kUnsafeSpec), step("b")}, true);
  newest->coalesce = true;
  start({newest});
  transport_.script = {status(200), status(503)};
  const Position first = post(R"({"key":"k"})");
  advance(100ms);
  EXPECT_EQ(state(first), RunState::kRetrying);
  const Position second = post(R"({"key":"k"})");
  advance(hours(1));
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
}

TEST_F(FlowFieldsTest, ABrakeHoldsWhatIsTooMuchUntilAPersonLetsItGo) {
  auto braked = flow({step("a")});
  braked->brake = Brake{3, 5min, "runs", std::nullopt, {}};
  start({braked});
  std::vector<Position> events;
  for (int i = 0; i < 6; ++i) events.push_back(post("{}"));
  advance(hours(1));
  EXPECT_EQ(transport_.sent.size(), 3u);
  EXPECT_EQ(state(events[5]), RunState::kHeld);
  EXPECT_EQ(summary(events[5]), "brake: more than 3 runs in 5m");
  EXPECT_TRUE(snapshot().braked);
  store_->sync();
  crash();
  EXPECT_EQ(state(events[5]), RunState::kHeld) << "a restart is no click";
  const Position later = post("{}");
  advance(1s);
  EXPECT_EQ(state(later), RunState::kHeld) << "it holds until it is let go";
  ASSERT_TRUE(settle_held(events[3], HeldAnswer::kRepeat).has_value());
  advance(1s);
  EXPECT_EQ(state(events[3]), RunState::kDelivered) << "one alone";
  EXPECT_EQ(state(events[4]), RunState::kHeld);
  ASSERT_TRUE(engine_->release_brake("f").has_value());
  advance(1s);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 7u);
  EXPECT_FALSE(snapshot().braked);
  EXPECT_FALSE(engine_->release_brake("f").has_value());
}

TEST_F(FlowFieldsTest, ABrakeCountsARunOnceThoughItIsHeldBeforeItsFirstCall) {
  auto braked = flow({step("a")});
  braked->brake = Brake{3, 5min, "runs", std::nullopt, {}};
  start({braked});
  transport_.script = {status(401)};
  std::vector<Position> events{post("{}")};
  advance(1s);
  for (int i = 0; i < 2; ++i) events.push_back(post("{}"));
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 1u);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kHeld);
  ASSERT_TRUE(engine_->authorized("api").has_value());
  advance(1s);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered) << summary(event);
  EXPECT_FALSE(snapshot().braked);
  const Position fourth = post("{}");
  advance(1s);
  EXPECT_EQ(summary(fourth), "brake: more than 3 runs in 5m");
}

TEST_F(FlowFieldsTest, ABrakeOfAnActionCountsItsCallsOnceEach) {
  auto braked = flow({step("a"), step("b")});
  braked->brake = Brake{2, 10min, "api.b", std::nullopt, "api.b"};
  braked->retry.tries = 0;
  start({braked});
  transport_.by_path["/b"] = status(503);
  const Position first = post("{}");
  advance(15s);
  EXPECT_EQ(state(first), RunState::kRetrying);
  transport_.by_path.clear();
  advance(40s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  const Position second = post("{}"), third = post("{}");
  advance(1s);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(state(third), RunState::kHeld);
  EXPECT_EQ(summary(third), "brake: more than 2 calls of api.b in 10m");
  ASSERT_TRUE(engine_->release_brake("f").has_value());
  advance(1s);
  EXPECT_EQ(state(third), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 3u) << "what was done before the brake is not done again";
}

TEST_F(FlowFieldsTest, ANewFlowBeginsWhereItSays) {
  start({flow({step("a")})});
  const Position old = post("{}");
  advance(hours(1));
  const Position recent = post("{}");
  const auto add = [&](std::string name, StartFrom from) {
    auto added = flow({step(name)});
    added->name = name;
    added->hash = name;
    added->from = from;
    flows_.push_back(added);
  };
  add("now", {});
  add("all", {StartFrom::Kind::kEarliest, {}});
  add("hour", {StartFrom::Kind::kTime, clock_.now() - 30min});
  add("future", {StartFrom::Kind::kTime, clock_.now() + hours(5)});
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  ASSERT_TRUE(reloaded.has_value());
  advance(1s);
  EXPECT_EQ(transport_.count("/now"), 0u);
  EXPECT_EQ(transport_.count("/all"), 2u);
  EXPECT_EQ(transport_.count("/hour"), 1u);
  EXPECT_EQ(transport_.count("/future"), 0u);
  EXPECT_EQ(state(old), RunState::kDelivered);
  EXPECT_EQ(state(recent), RunState::kDelivered);
}

TEST_F(FlowFieldsTest, ARenamedFlowKeepsItsRunsAndItsPlace) {
  start({flow({step("a")})});
  transport_.by_path["/a"] = status(503);
  const Position event = post("{}");
  advance(1s);
  ASSERT_EQ(state(event), RunState::kRetrying);
  source_.known["h1"] = flows_[0];
  auto renamed = flow({step("b")});
  renamed->name = "g";
  renamed->hash = "h2";
  renamed->was = "f";
  flows_ = {renamed};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  ASSERT_TRUE(reloaded.has_value()) << reloaded.error().message;
  const Position next = post("{}");
  transport_.by_path.clear();
  advance(hours(1));
  EXPECT_EQ(state(event), RunState::kDelivered) << "with the flow it began with";
  EXPECT_EQ(state(next), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/b"), 1u);
  EXPECT_EQ(engine_->snapshot().flows.size(), 1u);
  EXPECT_EQ(snapshot().name, "g");
  crash();
  EXPECT_EQ(snapshot().name, "g");
  EXPECT_EQ(snapshot().id, FlowId(1));
}

TEST_F(FlowFieldsTest, BriefHistoryKeepsWhatCallsCameTo) {
  auto brief = flow({step("a", kUnsafeSpec)});
  brief->history = HistoryKept::kBrief;
  start({brief});
  const Position event = post(R"({"n":"a person's name"})");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  for (const Record& record : records(event)) EXPECT_THAT(record.body, testing::Not(HasSubstr("a person's name")));
  const auto outcome = decode(records(event)[1].body);
  EXPECT_EQ(outcome->response->status, 200);
  EXPECT_TRUE(outcome->result.has_value()) << "what later steps need is kept";
}

TEST_F(FlowFieldsTest, AWaitIsDurableAndItsLaneGoesOn) {
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

TEST_F(FlowFieldsTest, ANewerRunCancelsAWait) {
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

TEST_F(FlowFieldsTest, AWaitThatANewerRunCouldNotCancelIsCancelledWhenItIsOver) {
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

TEST_F(FlowFieldsTest, ARunThatIsSkippedCancelsNothing) {
  start({flow({step("a"), std::make_shared<TestPause>(hours(2)), step("b")}, true)});
  const Position first = post(R"({"key":"k"})");
  advance(1min);
  transport_.by_path["/a"] = status(422);
  const Position second = post(R"({"key":"k"})");
  advance(1min);
  EXPECT_EQ(state(second), RunState::kDead);
  EXPECT_EQ(state(first), RunState::kWaiting);
}

TEST_F(FlowFieldsTest, WhatWaitedGoesOnBehindTheRunThatWorksAndBeforeTheYounger) {
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

TEST_F(FlowFieldsTest, APersonApprovesOrDeclines) {
  start({flow({step("a"), std::make_shared<TestPause>("finance"), step("b")}, true)});
  const Position yes = post(R"({"key":"k"})"), no = post(R"({"key":"l"})");
  advance(hours(100));
  EXPECT_EQ(summary(yes), "waits for approval by finance");
  EXPECT_FALSE(settle_held(yes, HeldAnswer::kRepeat).has_value());
  ASSERT_TRUE(settle_held(yes, HeldAnswer::kApproved).has_value());
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

TEST_F(FlowFieldsTest, AWaitThatIsOverInAnOlderProcessGoesOnAtTheStart) {
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

TEST_F(FlowFieldsTest, WhoseWaitIsOverKeepsItsPlaceThroughACrash) {
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

TEST_F(FlowFieldsTest, AWaitThatEndedWhileNothingRanComesBeforeWhatIsYounger) {
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

TEST_F(FlowFieldsTest, ARefusedEndCancelsNothing) {
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

TEST_F(FlowFieldsTest, RepeatOfWhatWaitsForItsConnectionForgetsNothing) {
  auto call = step("a", ActionSpec{Safety::kUnsafe, true, false, 1, Duration(0)});
  start({flow({call})});
  transport_.script = {lost(), status(401)};  // the call's answer, and the look-up's
  const Position event = post("{}");
  advance(10s);
  ASSERT_EQ(state(event), RunState::kHeld);
  transport_.by_path["/find"] = status(200, {}, R"({"id":7})");
  ASSERT_TRUE(settle_held(event, HeldAnswer::kRepeat).has_value());
  advance(hours(1));
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u) << "it is looked for, not made again";
}

TEST_F(FlowFieldsTest, AFlowThatComesBackReadsNothingTwice) {
  start({flow({step("a")}, true)});
  const Position done = post(R"({"key":"k"})");
  advance(1s);
  transport_.by_path["/a"] = status(503);
  const Position open = post(R"({"key":"l"})"), parked = post(R"({"key":"l"})");
  advance(1s);
  store_->sync();
  const auto flows = flows_;
  source_.known["h1"] = flows[0];
  auto next = store_->crash();
  stop();
  store_ = std::move(next);
  start({});
  const Position missed = post(R"({"key":"l"})");
  flows_ = flows;
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  transport_.by_path.clear();
  transport_.sent.clear();
  advance(hours(1));
  EXPECT_EQ(transport_.sent.size(), 3u);
  for (const Position event : {done, open, parked, missed}) EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(FlowFieldsTest, TheBrakeCountsNoRunThatOnlyWaitsForAnothersOnce) {
  auto call = step("a", kUnsafeSpec);
  call->once = true;
  auto braked = flow({call});
  braked->brake = Brake{2, 10min, "api.a", std::nullopt, "api.a"};
  start({braked});
  transport_.script = {lost()};
  const Position first = post(R"({"once":"k"})");
  advance(1s);
  ASSERT_EQ(state(first), RunState::kHeld);
  const Position second = post(R"({"once":"k"})");
  advance(5min);  // it looks again and again
  EXPECT_FALSE(snapshot().braked);
  ASSERT_TRUE(settle_held(first, HeldAnswer::kDelivered).has_value());
  advance(1min);
  EXPECT_EQ(state(second), RunState::kDelivered);
}

TEST_F(FlowFieldsTest, AnApprovalThatNobodyGaveIsAskedForAnew) {
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
