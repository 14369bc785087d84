// Calls of which nobody knows whether they happened: held, looked for, repeated; and what happens once.
#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

TEST_F(EngineTest, HoldsAnUnknownOutcomeUntilAPersonSays) {
  start({flow({step("a", kUnsafeSpec), step("b")})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(std::chrono::hours(1));
  EXPECT_EQ(state(event), RunState::kHeld);
  EXPECT_EQ(hold_of_summary(run_of(event)->summary), Hold::kUnknownOutcome);
  crash();
  advance(std::chrono::hours(1));
  EXPECT_EQ(transport_.sent.size(), 1u);
  ASSERT_TRUE(settle_held(event, HeldAnswer::kDelivered).has_value());
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  EXPECT_EQ(transport_.count("/b"), 1u);
  EXPECT_EQ(settle_held(event, HeldAnswer::kRepeat).error().code, Code::kNotFound);
}

TEST_F(EngineTest, RepeatsAHeldCallWhenTold) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {status(504)};
  const Position event = post("{}");
  advance(1s);
  ASSERT_TRUE(settle_held(event, HeldAnswer::kRepeat).has_value());
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u);
}

TEST_F(EngineTest, ACrashUnderAnUnsafeCallIsAnUnknownOutcome) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.latency = 60s;
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 1u);
  crash();
  advance(60s);
  EXPECT_EQ(state(event), RunState::kHeld);
  EXPECT_EQ(transport_.sent.size(), 1u);
}

TEST_F(EngineTest, LooksForAnUnknownOutcomeOnceItIsVisible) {
  ActionSpec spec = kUnsafeSpec;
  spec.find = true;
  start({flow({step("a", spec)})});
  transport_.by_path["/find"] = status(200, {}, "{\"id\":\"found\"}");
  transport_.script = {lost()};
  const Position found = post("{}");
  advance(1s);
  EXPECT_EQ(transport_.count("/find"), 0u);
  advance(5s);
  EXPECT_EQ(state(found), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  transport_.by_path["/find"] = status(404);
  transport_.script = {lost()};
  const Position missing = post("{}");
  advance(20s);
  EXPECT_EQ(state(missing), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 3u);
}

TEST_F(EngineTest, WhatIsLookedForAndNotThereIsTriedByThePolicy) {
  ActionSpec spec = kUnsafeSpec;
  spec.find = true;
  auto steady = flow({step("a", spec)});
  steady->retry.multiplier = 1;
  start({steady});
  transport_.by_path["/find"] = status(404);
  transport_.by_path["/a"] = status(502);
  const Position event = post("{}");
  advance(300s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(transport_.count("/a"), 3u);
  EXPECT_EQ(transport_.count("/find"), 3u);
  EXPECT_NE(run_of(event)->summary.find("gave up after 3 tries"), std::string::npos) << run_of(event)->summary;
}

TEST_F(EngineTest, WaitsBeforeItRepeatsWhatWasNotThere) {
  ActionSpec spec = kUnsafeSpec;
  spec.find = true;
  auto slow = flow({step("a", spec)});
  slow->retry.first = slow->retry.max = std::chrono::hours(10);
  start({slow});
  transport_.by_path["/find"] = status(404);
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(60s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  EXPECT_EQ(transport_.count("/find"), 1u);
  EXPECT_EQ(transport_.count("/a"), 1u);
  advance(std::chrono::hours(10));
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u);
}

// An outcome became durable, and the process ended before the state record that follows from it did.
struct Undecided {
  const char* name;
  ActionSpec spec;
  Exchange answer;
  Duration waits;         // nothing may leave earlier
  std::uint32_t earlier;  // attempts before the one
  RunState then = RunState::kDelivered;
};

TEST_F(EngineTest, ACrashBeforeTheDecisionSkipsNeitherWaitNorTries) {
  ActionSpec keyed = kUnsafeSpec;
  keyed.key = true;
  for (const Undecided& c :
       std::vector<Undecided>{{"a 503 and its wait", kUnsafeSpec, status(503, {{"Retry-After", "40"}}), 40s, 0},
                              {"a limit and its wait", kUnsafeSpec, status(429, {{"Retry-After", "25"}}), 25s, 0},
                              {"the last try", kUnsafeSpec, status(503), 0s, 2, RunState::kDead},
                              {"the last try of a repeatable call", {}, status(503), 0s, 2, RunState::kDead},
                              {"the last try with a key", keyed, lost(), 0s, 2, RunState::kHeld}}) {
    SCOPED_TRACE(c.name);
    auto steady = flow({step("a", c.spec)});
    steady->retry.first = steady->retry.max = 1s;
    start({steady});
    transport_.sent.clear();
    transport_.script.assign(c.earlier, status(503));
    transport_.script.push_back(c.answer);
    const Position event = post("{}");
    while (transport_.sent.size() <= c.earlier) advance(100ms);
    advance(5ms);
    // The store as the crash left it: what came after the outcome is gone.
    std::vector<Record> kept = records(event);
    while (kept.back().kind != RecordKind::kOutcome) kept.pop_back();
    Result<std::vector<EventPtr>> events;
    await(keep(store_->get({event}), &events));
    const Time at = kept.back().at;
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
    Result<FlowId> id;
    await(keep(store_->open_flow("f", Position(0)), &id));
    Result<std::vector<Appended>> appended;
    std::vector<NewEvent> again{*events->front()};
    await(keep(store_->append(std::move(again), Deadline()), &appended));
    for (Record& record : kept) {
      record.run.event = appended->front().at;
      Result<void> written;
      await(keep(store_->append(std::move(record), Sync::kWait), &written));
      ASSERT_TRUE(written.has_value()) << written.error().message;
    }
    start({steady});
    while (clock_.now() < at + c.waits - 1ms) {
      EXPECT_EQ(transport_.sent.size(), c.earlier + 1);
      advance(std::min(Duration(100ms), Duration(at + c.waits - 1ms - clock_.now())));
    }
    advance(70s);
    EXPECT_EQ(state(appended->front().at), c.then);
    EXPECT_EQ(transport_.sent.size(), c.earlier + (c.then == RunState::kDelivered ? 2 : 1));
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  }
}

TEST_F(EngineTest, ACrashUnderARepeatableCallOfAKeyCostsATry) {
  auto once = step("a");  // `once` journals its intent
  once->once = true;
  auto single = flow({once});
  single->retry.tries = 1;
  start({single});
  transport_.latency = 60s;
  const Position event = post(R"({"once":"x"})");
  advance(1s);
  crash();
  advance(60s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(transport_.sent.size(), 1u);
}

TEST_F(EngineTest, RepeatsWithTheSameIdempotencyKey) {
  ActionSpec spec = kUnsafeSpec;
  spec.key = true;
  start({flow({step("a", spec)})});
  transport_.script = {lost(), status(502)};
  const Position event = post("{}");
  advance(200s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  ASSERT_EQ(transport_.sent.size(), 3u);
  EXPECT_EQ(find_header(transport_.sent[0].headers, "X-Key"), find_header(transport_.sent[2].headers, "X-Key"));
  const Position other = post("{}");
  advance(1s);
  EXPECT_EQ(state(other), RunState::kDelivered);
  EXPECT_NE(find_header(transport_.sent[0].headers, "X-Key"), find_header(transport_.sent[3].headers, "X-Key"));
}

TEST_F(EngineTest, HoldsWhatTheVendorsIdempotencyKeyNoLongerCovers) {
  ActionSpec spec = kUnsafeSpec;
  spec.key = true;
  spec.key_keep = 600s;
  auto patient = flow({step("a", spec)});
  patient->retry.first = patient->retry.max = 400s;
  patient->retry.tries = 0;
  start({patient});
  for (int i = 0; i < 50; ++i) transport_.script.push_back(lost());
  const Time begun = clock_.now();
  const Position event = post("{}");
  advance(std::chrono::hours(3));
  EXPECT_EQ(state(event), RunState::kHeld);
  EXPECT_EQ(hold_of_summary(run_of(event)->summary), Hold::kUnknownOutcome);
  EXPECT_GE(transport_.sent.size(), 2u);
  for (const Record& record : records(event)) {
    if (record.kind == RecordKind::kIntent) {
      EXPECT_LT(record.at, begun + spec.key_keep);
    }
  }
}

TEST_F(EngineTest, DropsAnUnknownOutcomeWhereTheFlowSaysSo) {
  auto dropping = step("a", kUnsafeSpec);
  dropping->on_unknown = OnUnknown::kDrop;
  start({flow({dropping, step("b")})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

TEST_F(EngineTest, OnceBindsTheFirstResultForTheSecondRun) {
  auto once = step("a", kUnsafeSpec);
  once->once = true;
  start({flow({once})});
  const Position first = post(R"({"once":"x"})"), second = post(R"({"once":"x"})"), other = post(R"({"once":"y"})");
  advance(1s);
  for (const Position event : {first, second, other}) EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 2u);
  const auto body = decode(records(second).front().body);
  EXPECT_EQ(body->resolved, Resolved::kOnce);
  EXPECT_EQ(json::print(body->result->root()), "{\"id\":1}");
}

TEST_F(EngineTest, OnceWaitsForARunWhoseOutcomeIsUnknown) {
  auto once = step("a", kUnsafeSpec);
  once->once = true;
  start({flow({once})});
  transport_.script = {lost()};
  const Position first = post(R"({"once":"x"})");
  advance(1s);
  const Position second = post(R"({"once":"x"})");
  advance(std::chrono::hours(2));
  EXPECT_EQ(state(first), RunState::kHeld);
  EXPECT_EQ(state(second), RunState::kRetrying);
  ASSERT_TRUE(settle_held(first, HeldAnswer::kDelivered).has_value());
  advance(60s);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

TEST_F(EngineTest, OnceStaysDoneWhenTheAnswerCannotBeReadOrKept) {
  for (const Bytes& answer : {Bytes("no JSON"), "\"" + Bytes(17u << 20, 'x') + "\""}) {
    auto once = step("a", kUnsafeSpec);
    once->once = true;
    start({flow({once})});
    transport_.sent.clear();
    transport_.script = {status(200, {}, answer)};
    const Position first = post(R"({"once":"x"})");
    advance(1s);
    const Position second = post(R"({"once":"x"})");
    advance(1s);
    EXPECT_EQ(state(first), RunState::kDead);
    EXPECT_NE(run_of(first)->summary.find("the call was made"), std::string::npos) << run_of(first)->summary;
    EXPECT_EQ(state(second), RunState::kDelivered);
    EXPECT_EQ(transport_.count("/a"), 1u);
    const auto body = decode(records(second).front().body);
    EXPECT_EQ(body->resolved, Resolved::kOnce);
    EXPECT_TRUE(body->result->root().is_null());
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  }
}

// Who waits for a key is woken when it is its turn, and not whenever one before it is done.
TEST_F(EngineTest, ManyRunsOfOneKeyWakeEachOtherOnceEach) {
  auto call = step("a");
  call->once = true;
  start({flow({call})});
  transport_.latency = 50ms;
  std::vector<NewEvent> events;
  for (int i = 0; i < 400; ++i) events.push_back(event(R"({"once":"k"})", "order"));
  append(std::move(events));
  context_.restart();
  clock_.advance(100ms);
  std::size_t handlers = 0;
  while (const std::size_t ran = context_.poll()) {
    handlers += ran;
    context_.restart();
  }
  advance(60s);
  EXPECT_EQ(transport_.sent.size(), 1u);
  EXPECT_EQ(shown("f").delivered, 400u);
  EXPECT_GE(handlers, 400u);
  EXPECT_LE(handlers, 2 * 400u);
}

TEST_F(EngineTest, HeldForTooLongBecomesADeadLetter) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(std::chrono::days(29));
  EXPECT_EQ(state(event), RunState::kHeld);
  advance(std::chrono::days(2));
  EXPECT_EQ(state(event), RunState::kDead);
}

}  // namespace
}  // namespace tieline::engine
