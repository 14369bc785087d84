// A store that refuses, or has lost what a run was: nothing is sent twice, and nobody is left without a word.
#include "engine/engine_fixture.h"

namespace tieline::engine {
namespace {

TEST_F(EngineTest, SendsNothingThatTheStoreWouldNotJournal) {
  start({flow({step("a"), step("b", kUnsafeSpec)})});
  transport_.latency = 5s;
  const Position event = post("{}");
  settle();
  store_->refuse(Code::kFull);
  advance(60s);
  EXPECT_EQ(transport_.sent.size(), 1u);
  EXPECT_NE(engine_->snapshot().store_error, "");
  store_->refuse(std::nullopt);
  advance(60s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(engine_->snapshot().store_error, "");
  EXPECT_EQ(transport_.count("/b"), 1u);
  const std::vector<Record> written = records(event);
  for (std::size_t i = 0; i < written.size(); ++i) EXPECT_EQ(written[i].number, i + 1);  // a refused one takes none
}

TEST_F(EngineTest, ALostIntentHoldsTheRunAndNothingIsSentTwice) {
  for (const std::uint32_t lost_number : {1u, 3u}) {
    start({flow({step("a", kUnsafeSpec), step("b", kUnsafeSpec)})});
    transport_.latency = 20s;
    const Position event = post("{}");
    advance(30s);  // under way with b: intent, outcome, intent
    ASSERT_EQ(records(event).size(), 3u);
    const std::size_t sent = transport_.sent.size();
    store_->lose(RunId{FlowId(1), event}, lost_number);
    crash();
    advance(60s);
    EXPECT_EQ(transport_.sent.size(), sent);
    ASSERT_EQ(state(event), RunState::kHeld);
    EXPECT_EQ(hold_of_summary(run_of(event)->summary), Hold::kJournal);
    const std::string missing = "its journal is damaged: record " + std::to_string(lost_number) + " is missing";
    EXPECT_EQ(run_of(event)->summary.substr(0, missing.size()), missing);
    crash();  // and stays so
    advance(60s);
    EXPECT_EQ(state(event), RunState::kHeld);
    EXPECT_EQ(settle_held(event, HeldAnswer::kDelivered).error().code, Code::kInvalid);
    ASSERT_TRUE(settle_held(event, HeldAnswer::kRepeat).has_value());
    advance(1s);
    crash();  // what was begun again is resumed as any other run
    advance(60s);
    EXPECT_EQ(hold_of_summary(run_of(event)->summary), Hold::kUnknownOutcome);
    ASSERT_TRUE(settle_held(event, HeldAnswer::kDelivered).has_value());
    advance(60s);
    EXPECT_EQ(state(event), RunState::kDelivered);
    EXPECT_EQ(transport_.sent.size(), sent + 2);
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  }
}

TEST_F(EngineTest, ALostFirstRecordOfARemovedFlowIsHeld) {
  const auto only = flow({step("a")}, true);
  start({only});
  transport_.script = {status(503, {{"Retry-After", "600"}})};
  const Position event = post(R"({"key":1})");
  advance(1s);
  store_->lose(RunId{FlowId(1), event}, 1);
  flows_.clear();
  crash();
  advance(std::chrono::hours(1));
  ASSERT_EQ(state(event), RunState::kHeld);
  EXPECT_EQ(settle_held(event, HeldAnswer::kRepeat).error().code, Code::kInvalid);  // with which flow?
  flows_ = {only};
  crash();
  ASSERT_TRUE(settle_held(event, HeldAnswer::kRepeat).has_value());
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u);
}

TEST_F(EngineTest, DamageThatADecisionMeetsHoldsTheRunForIt) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(1s);
  store_->lose(RunId{FlowId(1), event}, 2);
  EXPECT_EQ(settle_held(event, HeldAnswer::kRepeat).error().code, Code::kCorrupt);
  advance(1s);
  EXPECT_EQ(hold_of_summary(run_of(event)->summary), Hold::kJournal);
  EXPECT_EQ(transport_.sent.size(), 1u);
  advance(std::chrono::days(31));
  EXPECT_EQ(state(event), RunState::kDead);
}

}  // namespace
}  // namespace tieline::engine
