// Retries, limits and what is asked for again: what the engine waits for, and what that costs a run.
#include "engine/engine_fixture.h"

namespace tieline::engine {
namespace {

TEST_F(EngineTest, AWallClockSetBackKeepsNoRetryWaiting) {
  start({flow({step("a")})});
  transport_.script = {status(503, {{"Retry-After", "30"}}), status(503, {{"Retry-After", "30"}})};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  clock_.jump_wall(-1h);
  advance(28s);
  EXPECT_EQ(transport_.sent.size(), 1u);
  advance(2s);
  EXPECT_EQ(transport_.sent.size(), 2u);
  advance(28s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(3s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, AWallClockSetBackBetweenTwoStartsKeepsNoRetryWaiting) {
  start({flow({step("a")})});
  transport_.script = {status(503, {{"Retry-After", "30"}})};
  const Position event = post("{}");
  advance(1s);
  clock_.jump_wall(-1h);
  crash();
  advance(29s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(2s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, GivesUpAfterItsTriesAndLetsTheLaneGoOn) {
  start({flow({step("a")}, true)});
  transport_.script = {status(500), status(500), status(500)};
  const Position first = post(R"({"key":1})"), second = post(R"({"key":1})");
  advance(1s);
  EXPECT_EQ(state(second), RunState::kParked);
  advance(300s);
  EXPECT_EQ(state(first), RunState::kDead);
  EXPECT_NE(run_of(first)->summary.find("gave up after 3 tries"), std::string::npos) << run_of(first)->summary;
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 4u);
}

TEST_F(EngineTest, ALimitCostsNoTryAndShutsTheConnection) {
  start({flow({step("a")})});
  for (int i = 0; i < 5; ++i) transport_.script.push_back(status(429, {{"Retry-After", "20"}}));
  const Position first = post("{}");
  advance(1s);
  const Position second = post("{}");
  advance(15s);
  EXPECT_EQ(transport_.sent.size(), 1u);  // the second waits with the first
  advance(200s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 7u);
}

TEST_F(EngineTest, ARetryAfterOfNothingIsNoLoop) {
  start({flow({step("a")})});
  transport_.by_path["/a"] = status(429, {{"Retry-After", "0"}});
  post("{}");
  advance(60s);
  EXPECT_LE(transport_.sent.size(), 12u);
}

TEST_F(EngineTest, ALongLimitIsWaitedForInTheJournal) {
  start({flow({step("a")})});
  transport_.script = {status(429, {{"Retry-After", "600"}})};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(700s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, WaitingForItsOwnBudgetIsNotTrying) {
  limit(1, 600s);
  auto hasty = flow({step("a")});
  hasty->retry.tries = 0;
  hasty->retry.keep_for = 300s;
  start({hasty});
  transport_.script = {status(503), status(503), status(503)};
  const Position event = post("{}");
  advance(std::chrono::minutes(31));
  EXPECT_EQ(transport_.sent.size(), 4u);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, WhatWaitsForItsBudgetIsSignedWhenItLeaves) {
  limit(1, 60s);
  start({flow({step("a")})});
  for (int i = 0; i < 10; ++i) post("{}");
  advance(std::chrono::minutes(11));
  ASSERT_EQ(transport_.sent.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(find_header(transport_.sent[i].headers, "X-Now"), format_time(transport_.left[i])) << i;
}

TEST_F(EngineTest, SpendsWhatItsArgumentsSayAndHearsWhatTheVendorSays) {
  limit(10, 100s);
  start({flow({step("a")})});
  post(R"({"cost":7,"channel":"x"})");
  advance(1s);
  post(R"({"cost":4,"channel":"x"})");
  post(R"({"cost":4,"channel":"y"})");
  advance(90s);
  EXPECT_EQ(transport_.sent.size(), 2u);  // x has no room for four more
  transport_.script = {status(200, {{"X-Used", "10"}})};
  advance(15s);
  EXPECT_EQ(transport_.sent.size(), 3u);
  post(R"({"channel":"x"})");
  advance(90s);
  EXPECT_EQ(transport_.sent.size(), 3u);  // by our count there were six left
  advance(20s);
  EXPECT_EQ(transport_.sent.size(), 4u);
}

TEST_F(EngineTest, AConflictIsTriedAFewTimes) {
  start({flow({step("a")})});
  auto patient = flow({step("a")});
  transport_.by_path["/a"] = status(409);
  const Position event = post("{}");
  advance(400s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(run_of(event)->summary.rfind("validation: ", 0), 0u) << run_of(event)->summary;
}

TEST_F(EngineTest, AConflictReadsAgainAndMapsAgain) {
  ActionSpec safe;
  safe.safety = Safety::kSafe;
  auto put = step("put");
  put->from_bound = true;
  start({flow({step("new", kUnsafeSpec), step("up"), step("get", safe), put})});
  transport_.script = {status(200), status(200), status(200, {}, R"({"v":1})"), status(409)};
  const Position event = post("{}");
  advance(100ms);
  EXPECT_EQ(state(event), RunState::kRetrying);
  crash();
  advance(20s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/put"), 2u);
  EXPECT_EQ(transport_.count("/new"), 1u);
  EXPECT_EQ(transport_.count("/up"), 1u);
  EXPECT_EQ(transport_.count("/get"), transport_.count("/put"));
  std::string before;
  for (const Request& request : transport_.sent) {
    if (!request.url.ends_with("/put")) continue;
    EXPECT_NE(request.body, before);
    before = request.body;
  }
}

TEST_F(EngineTest, OnSaysWhatMissingAndEmptyMean) {
  auto a = step("a"), b = step("b");
  a->on = {{"missing", OnAnswer::kContinue}};
  b->on = {{"empty", OnAnswer::kSkip}};
  start({flow({a, b})});
  transport_.script = {status(404), status(200, {}, "[]")};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kSkipped);
  EXPECT_EQ(run_of(event)->summary.rfind("api.b: found nothing", 0), 0u);
}

TEST_F(EngineTest, AsksAgainForWhatIsNotThereYetAndBurnsNoTry) {
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  auto a = step("a", spec), b = step("b");
  a->on = {{.answer = "empty", .again = 600s, .keep_for = 3600s}};
  b->on = {{.answer = "missing", .again = 600s, .keep_for = 3600s}};
  start({flow({a, b})});
  // Two of three tries fail before each answer.
  transport_.script = {status(503), status(503), status(200, {}, "[]"),
                       status(503), status(503), status(200, {}, "[]")};
  const Position event = post("{}");
  advance(300s);
  EXPECT_EQ(transport_.count("/a"), 3u);
  EXPECT_EQ(state(event), RunState::kRetrying);
  EXPECT_EQ(run_of(event)->summary.rfind("api.a: found nothing", 0), 0u);
  crash();
  advance(200s);
  EXPECT_EQ(transport_.count("/a"), 3u);  // at its time, and not before
  advance(700s);
  EXPECT_EQ(transport_.count("/a"), 6u);
  transport_.script = {status(200, {}, "[1]"), status(404)};
  advance(150s);
  EXPECT_EQ(transport_.count("/a"), 7u);
  EXPECT_EQ(transport_.count("/b"), 1u);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(700s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 7u);
  EXPECT_EQ(transport_.count("/b"), 2u);
}

TEST_F(EngineTest, StopsAskingAfterItsTime) {
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  auto a = step("a", spec);
  a->on = {{.answer = "empty", .again = 600s, .keep_for = 3600s}};
  start({flow({a})});
  transport_.script.assign(9, status(200, {}, "[]"));
  const Position event = post("{}");
  advance(1800s);
  crash();
  advance(1700s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  advance(800s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(run_of(event)->summary, "validation: api.a: found nothing: said []; asked for 1h");
  EXPECT_EQ(transport_.count("/a"), 7u);
}

TEST_F(EngineTest, WhatIsAskedAgainHasAnotherIdempotencyKey) {
  ActionSpec spec = kUnsafeSpec;
  spec.key = true;
  auto a = step("a", spec);
  a->on = {{.answer = "missing", .again = 600s, .keep_for = 3600s}};
  start({flow({a})});
  transport_.script = {status(404), status(503), status(404)};
  const Position event = post("{}");
  advance(300s);
  crash();
  advance(400s);
  ASSERT_EQ(transport_.sent.size(), 3u);
  crash();
  advance(700s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  ASSERT_EQ(transport_.sent.size(), 4u);
  const auto key = [&](std::size_t i) { return std::string(find_header(transport_.sent[i].headers, "X-Key")); };
  EXPECT_NE(key(0), key(1)) << "the vendor would answer as it did before";
  EXPECT_EQ(key(1), key(2)) << "a try of the same";
  EXPECT_NE(key(2), key(3));
}

TEST_F(EngineTest, ACrashBeforeTheDecisionToAskAgainLosesNothing) {
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  auto a = step("a", spec);
  a->on = {{.answer = "empty", .again = 600s, .keep_for = 3600s}};
  start({flow({a})});
  transport_.script = {status(200, {}, "[]")};
  const Position event = post("{}");
  crash();
  advance(10s);
  EXPECT_LE(transport_.count("/a"), 2u);
  advance(700s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

}  // namespace
}  // namespace tieline::engine
