// What a flow says of all its runs: mode, concurrency, coalescing, its brake, where it begins.
#include <gmock/gmock.h>

#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;
using testing::HasSubstr;

class FlowFieldsTest : public EngineTest {};

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

TEST_F(FlowFieldsTest, AReloadThatFailsRenamesNothingBeforeTheRest) {
  start({flow({step("a")})});
  source_.known["h1"] = flows_[0];
  auto renamed = flow({step("b")});
  renamed->name = renamed->hash = "g";
  renamed->was = "f";
  auto added = flow({step("c")});
  added->name = added->hash = "n";
  flows_ = {renamed, added};
  store_->set_sync_delay(2s);
  TaskGroup group(context_.get_executor());
  Result<void> reloaded;
  group.spawn(keep(engine_->reload(config()), &reloaded));
  advance(9s);  // four entries of the two sources are written, and the next write is under way
  store_->refuse(Code::kFull);
  advance(10s);
  EXPECT_EQ(reloaded.error().code, Code::kFull);
  EXPECT_EQ(shown("f").id, FlowId(1));
  EXPECT_FALSE(shown("f").removed);
  store_->refuse(std::nullopt);
  await(keep(engine_->reload(config()), &reloaded));
  EXPECT_TRUE(reloaded.has_value());
  EXPECT_EQ(shown("g").id, FlowId(1));
  post("{}");
  advance(1min);
  EXPECT_EQ(transport_.count("/b"), 1u);
  EXPECT_EQ(transport_.count("/c"), 1u);
}

TEST_F(FlowFieldsTest, WhatARenameLeftUndoneTheNextReloadDoes) {
  start({flow({step("a")})});
  source_.known["h1"] = flows_[0];
  Result<void> done;
  await(keep(engine_->pause("f", "by ada"), &done));
  auto renamed = flow({step("b")});
  renamed->name = renamed->hash = "g";
  renamed->was = "f";
  flows_ = {renamed};
  store_->set_sync_delay(2s);
  TaskGroup group(context_.get_executor());
  group.spawn(keep(engine_->reload(config()), &done));
  advance(5s);  // its source is written, and its new name is under way
  store_->refuse(Code::kFull);
  advance(10s);
  EXPECT_EQ(done.error().code, Code::kFull);
  store_->refuse(std::nullopt);
  await(keep(engine_->reload(config()), &done));
  EXPECT_TRUE(done.has_value());
  EXPECT_EQ(shown("g").paused_why, "by ada");
  Result<std::vector<Entry>> entries;
  await(keep(store_->scan("paused", "", "", 10), &entries));
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->at(0).key, "g");
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

}  // namespace
}  // namespace tieline::engine
