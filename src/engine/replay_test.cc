// Dead letters and runs that begin again: from where they failed or from the start.
#include "engine/replay_fixture.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;

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
