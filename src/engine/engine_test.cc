// The engine as a whole, on the store's fake and a scripted vendor: what the simulation's chance would find too seldom.
#include "engine/engine.h"

#include "engine/cause.h"
#include "engine/engine_fixture.h"
#include "engine/index_key.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using std::chrono::hours;

TEST_F(EngineTest, DeliversAMatchingEventAndSettlesTheOthers) {
  start({flow({step("a"), step("b")})});
  const Position other = post("{}", "refund");
  const Position event = post(R"({"n":1})");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_FALSE(run_of(other).has_value());
  EXPECT_EQ(transport_.sent.size(), 2u);
  EXPECT_EQ(engine_->snapshot().flows[0].delivered, 1u);
  EXPECT_EQ(engine_->snapshot().flows[0].lag, 0u);
  EXPECT_EQ(engine_->snapshot().connections[0].succeeded, 2u);
}

TEST_F(EngineTest, KeepsNoSecretAndTheExchangeInWords) {
  start({flow({step("a")})});
  transport_.script = {status(422, {{"Set-Cookie", "x"}, {"X-Request-Id", "r1"}}, "{\"echo\":\"hush-hush\"}")};
  const Position event = post(R"({"n":1})");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDead);
  std::string all = run_of(event)->summary;
  for (const Record& record : records(event)) all += record.body + record.summary;
  EXPECT_EQ(all.find("hush"), std::string::npos) << all;
  EXPECT_EQ(all.find("Set-Cookie"), std::string::npos);
  const auto body = decode(records(event).front().body);
  EXPECT_EQ(body->category, Category::kValidation);
  EXPECT_EQ(body->response->status, 422);
  EXPECT_EQ(body->response->headers.front().second, "r1");
  EXPECT_EQ(body->request->body, R"({"n":1})");
  EXPECT_EQ(body->start->flow, "h1");
}

TEST_F(EngineTest, ResumesAtTheCallThatFailed) {
  start({flow({step("a"), step("b")})});
  transport_.script = {status(200), status(503, {{"Retry-After", "30"}})};
  const Position event = post("{}");
  advance(29s);
  EXPECT_EQ(state(event), RunState::kRetrying);
  EXPECT_EQ(transport_.sent.size(), 2u);
  crash();
  advance(100s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  EXPECT_EQ(transport_.count("/b"), 2u);
}

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

TEST_F(EngineTest, HoldsRunsOfAConnectionThatNeedsAuthorizationAndResumesThem) {
  start({flow({step("a")})});
  transport_.by_path["/a"] = status(401);
  std::vector<Position> events;
  for (int i = 0; i < 4; ++i) {
    events.push_back(post("{}"));
    advance(1s);
  }
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kHeld);
  EXPECT_TRUE(engine_->snapshot().connections[0].needs_authorization);
  EXPECT_EQ(transport_.sent.size(), 1u);  // nothing is burned
  EXPECT_EQ(settle_held(events[0], HeldAnswer::kDelivered).error().code, Code::kInvalid);
  advance(400s);
  EXPECT_EQ(transport_.sent.size(), 2u);  // one tries in a while
  transport_.by_path.clear();
  advance(400s);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_FALSE(engine_->snapshot().connections[0].needs_authorization);
}

TEST_F(EngineTest, ARestartTriesRefusedCredentialsWithOneRun) {
  start({flow({step("a")})});
  transport_.by_path["/a"] = status(401);
  std::vector<Position> events;
  for (int i = 0; i < 20; ++i) events.push_back(post("{}"));
  advance(1s);
  const std::size_t sent = transport_.sent.size();
  for (int i = 1; i <= 3; ++i) {
    crash();
    advance(60s);
    EXPECT_TRUE(engine_->snapshot().connections[0].needs_authorization);
    EXPECT_EQ(transport_.sent.size(), sent + i);
  }
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kHeld);
  transport_.by_path.clear();
  crash();
  advance(1s);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, AProbeGivesUpInTheBudgetsQueueAtItsDeadline) {
  Bucket slow;
  slow.name = TestAction::kBucket;
  slow.count = 1;
  slow.window = std::chrono::hours(1);
  buckets_ = {slow};
  start({flow({step("a")})});
  post("{}");
  advance(1s);
  ActionSpec safe;
  safe.safety = Safety::kSafe;
  Verdict verdict;
  const auto probe = [](Engine* engine, ActionPtr action, Deadline deadline, Verdict* out) -> asio::awaitable<void> {
    *out = co_await engine->probe(std::move(action), deadline);
  };
  const Time asked = clock_.now();
  await(probe(engine_.get(), std::make_shared<TestAction>("health", safe), clock_.deadline_in(5s), &verdict));
  EXPECT_EQ(verdict.category, Category::kTransient);
  EXPECT_LE(clock_.now() - asked, Duration(5s));
  EXPECT_EQ(transport_.count("/health"), 0u);
}

TEST_F(EngineTest, RenewedCredentialsResumeHeldRunsAtOnce) {
  start({flow({step("a")})});
  transport_.script = {status(401)};
  const Position event = post("{}");
  advance(1s);
  ASSERT_TRUE(engine_->authorized("api").has_value());
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(engine_->authorized("nobody").error().code, Code::kNotFound);
}

TEST_F(EngineTest, WaitingForItsOwnBudgetIsNotTrying) {
  Bucket slow;
  slow.name = TestAction::kBucket;
  slow.count = 1;
  slow.window = 600s;
  buckets_ = {slow};
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
  Bucket slow;
  slow.name = TestAction::kBucket;
  slow.count = 1;
  slow.window = 60s;
  buckets_ = {slow};
  start({flow({step("a")})});
  for (int i = 0; i < 10; ++i) post("{}");
  advance(std::chrono::minutes(11));
  ASSERT_EQ(transport_.sent.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(find_header(transport_.sent[i].headers, "X-Now"), format_time(transport_.left[i])) << i;
}

TEST_F(EngineTest, SpendsWhatItsArgumentsSayAndHearsWhatTheVendorSays) {
  Bucket bucket;
  bucket.name = TestAction::kBucket;
  bucket.count = 10;
  bucket.window = 100s;
  buckets_ = {bucket};
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

TEST_F(EngineTest, MergesThePagesOfASafeCall) {
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  spec.pages = 3;
  start({flow({step("list", spec)})});
  transport_.script = {status(200, {}, "[1,2]"), status(200, {}, "[3]"), status(200, {}, "[4]")};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  const auto body = decode(records(event).front().body);
  EXPECT_EQ(json::print(body->result->root()), "[1,2,3,4]");
  EXPECT_EQ(body->pages, 3u);
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

TEST_F(EngineTest, AForeachGivesUpOnPagesWithoutItems) {
  limits_.pages_max = 5;
  std::vector<std::shared_ptr<const Step>> inside{step("item")};
  auto each = std::make_shared<TestEach>(std::move(inside), kFixedSlots + 1);
  each->pages = std::make_shared<TestAction>("list", ActionSpec{Safety::kSafe, false, false, 9, Duration(0)});
  auto paged = flow({each});
  paged->variables.emplace_back("item");
  start({paged});
  for (int i = 0; i < 9; ++i) transport_.script.push_back(status(200, {}, i == 3 ? "[{}]" : "[]"));
  const Position event = post("{}");
  advance(10s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(transport_.count("/item"), 1u);
  EXPECT_EQ(transport_.sent.size(), 8u);
  EXPECT_NE(run_of(event)->summary.find("`foreach` was given more than 5 pages without an item"), std::string::npos);
}

TEST_F(EngineTest, ALimitBetweenPagesRepeatsOnlyThatPage) {
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  spec.pages = 3;
  start({flow({step("list", spec)})});
  transport_.script = {status(200, {}, "[1,2]"), status(429, {{"Retry-After", "5"}}),
                       status(429, {{"Retry-After", "9"}}), status(200, {}, "[3]"), status(200, {}, "[4]")};
  const Position event = post("{}");
  advance(10s);
  EXPECT_EQ(transport_.sent.size(), 3u);
  advance(10s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/list"), 1u);
  EXPECT_EQ(transport_.count("/list2"), 3u);
  const auto body = decode(records(event).front().body);
  EXPECT_EQ(json::print(body->result->root()), "[1,2,3,4]");
  EXPECT_EQ(body->pages, 3u);
  EXPECT_EQ(engine_->snapshot().connections[0].limited, 2u);
}

TEST_F(EngineTest, PagesThatCannotBeKeptAreNotFetchedToTheEnd) {
  limits_.result_bytes_max = 10;
  ActionSpec spec;
  spec.safety = Safety::kSafe;
  spec.pages = 9;
  start({flow({step("list", spec)})});
  for (int i = 0; i < 9; ++i) transport_.script.push_back(status(200, {}, "[1,2]"));
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_EQ(transport_.sent.size(), 3u);
}

TEST_F(EngineTest, AMappingThatFailsIsADeadLetterWithoutACall) {
  start({flow({step("a")}, true)});
  const Position bad_key = post(R"({"fail":true})"), bad_args = post(R"({"bad":true,"key":2})");
  advance(1s);
  EXPECT_EQ(run_of(bad_key)->summary, "validation: key: it fails");
  EXPECT_EQ(run_of(bad_args)->summary, "validation: api.a: bad does not fit");
  EXPECT_EQ(transport_.sent.size(), 0u);
}

TEST_F(EngineTest, OlderVersionsAreStale) {
  auto versioned = flow({step("a")}, true);
  versioned->version = std::make_shared<Member>("version");
  start({versioned});
  const Position two = post(R"({"key":1,"version":2})"), one = post(R"({"key":1,"version":1})"),
                 same = post(R"({"key":1,"version":2})"), other = post(R"({"key":2,"version":1})"),
                 ten = post(R"({"key":1,"version":10})");
  advance(1s);
  EXPECT_EQ(state(two), RunState::kDelivered);
  EXPECT_EQ(state(one), RunState::kStale);
  EXPECT_EQ(state(same), RunState::kStale);
  EXPECT_EQ(state(other), RunState::kDelivered);
  EXPECT_EQ(state(ten), RunState::kDelivered);
}

TEST_F(EngineTest, WritesIndexKeys) {
  auto indexed = flow({step("a")});
  indexed->index = {{"order", std::make_shared<Member>("order")}};
  start({indexed});
  const Position event = post(R"({"order":1042})");
  advance(1s);
  Result<std::vector<Entry>> found;
  await(keep(store_->scan(std::string(kIndexBucket), index_prefix("order=1042"), "", 10), &found));
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(index_position(found->front().key), event);
}

TEST_F(EngineTest, ADeadTargetFillsTheJournalAndThenStopsTheReading) {
  limits_.window = 8;
  limits_.waiting_max = 20;
  auto patient = flow({step("a")});
  patient->retry.tries = 0;
  patient->retry.first = patient->retry.max = 600s;
  start({patient});
  transport_.by_path["/a"] = status(503);
  for (int i = 0; i < 60; ++i) post("{}");
  advance(1s);
  const FlowSnapshot before = engine_->snapshot().flows[0];
  EXPECT_TRUE(before.full);
  EXPECT_GT(before.lag, 30u);
  EXPECT_LE(before.retrying, 20u + 8u);
  EXPECT_EQ(before.running + before.queued, 0u);
  transport_.by_path.clear();
  advance(std::chrono::hours(1));
  EXPECT_EQ(engine_->snapshot().flows[0].delivered, 60u);
}

TEST_F(EngineTest, JournalIsToldWhichFlowsAreConfigured) {
  auto first = flow({step("a")});
  start({first});
  EXPECT_EQ(store_->configured_flows().size(), 1u);
  auto renamed = flow({step("a")});
  renamed->name = "renamed";
  flows_ = {renamed};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  ASSERT_TRUE(reloaded.has_value());
  EXPECT_EQ(store_->configured_flows(), (std::vector<FlowId>{FlowId(2)}));
  crash();
  EXPECT_EQ(store_->configured_flows(), (std::vector<FlowId>{FlowId(2)}));
}

TEST_F(EngineTest, RunsStayWithTheFlowTheyBeganWith) {
  auto old_flow = flow({step("old"), step("old2")});
  start({old_flow});
  transport_.script = {status(200), status(503, {{"Retry-After", "50"}})};
  const Position pinned = post("{}");
  advance(1s);
  auto new_flow = flow({step("new")});
  new_flow->hash = "h2";
  flows_ = {new_flow};
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  ASSERT_TRUE(reloaded.has_value());
  const Position fresh = post("{}");
  advance(1s);
  EXPECT_EQ(state(fresh), RunState::kDelivered);
  source_.known["h1"] = old_flow;
  Result<void> flushed;
  await(keep(store_->flush(), &flushed));  // a run's end is durable soon, not at once
  crash();
  advance(100s);
  EXPECT_EQ(state(pinned), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/old2"), 2u);
  EXPECT_EQ(transport_.count("/new"), 1u);
}

// A clock on which every look takes a while, as on a shard that has no time, up to a number of looks.
class BusyClock final : public Clock {
 public:
  BusyClock(Clock& clock, std::int64_t looks, std::function<void()> then)
      : clock_(clock), looks_(looks), then_(std::move(then)) {}
  Time now() const override { return clock_.now(); }
  Instant instant() const override {
    if (looked_ < looks_ && ++looked_ == looks_) then_();
    return clock_.instant() + Duration(looked_ * 1'000);
  }
  asio::awaitable<void> sleep_until(Instant when) override { return clock_.sleep_until(when); }

 private:
  Clock& clock_;
  const std::int64_t looks_;
  const std::function<void()> then_;
  mutable std::int64_t looked_ = 0;
};

TEST_F(EngineTest, ABusyShardBeginsNoMoreRunsThanStayWarm) {
  transport_.latency = std::chrono::hours(1);
  const std::size_t events = 300;
  start({flow({step("a")})});
  for (std::size_t i = 0; i < events; ++i) post("{}");
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), events);  // it has time, and the vendor takes long

  transport_.sent.clear();
  std::size_t warm = 0;
  BusyClock busy(clock_, 100'000, [&] { warm = transport_.sent.size(); });
  crash_onto(busy);
  advance(1s);
  EXPECT_LT(warm, events / 2);
  EXPECT_GT(warm, 50u);
  EXPECT_EQ(transport_.sent.size(), events);  // it has time again, and none of the first has ended
  stop();                                     // before its clock goes
}

TEST_F(EngineTest, ARemovedFlowFinishesItsRunsAndTakesNoMore) {
  start({flow({step("a")})});
  transport_.script = {status(503)};
  const Position pending = post("{}");
  advance(1ms);
  flows_.clear();
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  const Position later = post("{}");
  advance(60s);
  EXPECT_EQ(state(pending), RunState::kDelivered);
  EXPECT_FALSE(run_of(later).has_value());
  EXPECT_TRUE(engine_->snapshot().flows.empty());
}

TEST_F(EngineTest, AFlowThatNoLongerCompilesHoldsItsRuns) {
  start({flow({step("a")})});
  transport_.script = {status(503)};
  const Position event = post("{}");
  advance(1ms);
  auto changed = flow({step("a")});
  changed->hash = "h2";
  flows_ = {changed};
  crash();
  advance(60s);
  EXPECT_EQ(state(event), RunState::kHeld);
  source_.known["h1"] = flow({step("a")});
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  advance(1s);
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTest, AChangedKeyLetsNoReleasedRunOvertake) {
  auto by_old = flow({step("a"), step("b")});
  by_old->key = std::make_shared<Member>("old");
  start({by_old});
  transport_.latency = 10s;
  const Position first = post(R"({"old":1,"new":2})");  // under way, without a record
  transport_.latency = 1ms;
  transport_.script = {status(401)};
  const Position second = post(R"({"old":2,"new":2})");
  advance(1s);
  ASSERT_EQ(state(second), RunState::kHeld);
  auto by_new = flow({step("a"), step("b")});
  by_new->key = std::make_shared<Member>("new");
  by_new->hash = "h2";
  source_.known["h1"] = by_old;
  flows_ = {by_new};
  transport_.sent.clear();
  transport_.latency = 10s;
  crash();
  advance(15s);  // a of the first one is answered, which renews the connection; b is under way
  EXPECT_EQ(transport_.sent.size(), 2u);
  advance(4s);
  EXPECT_EQ(transport_.count("/a"), 1u);
  advance(60s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_EQ(transport_.sent.size(), 4u);
}

TEST_F(EngineTest, TwoFlowsOfOneNameChangeNothing) {
  start({flow({step("a")})});
  auto twin = flow({step("b")});
  flows_.push_back(twin);
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  EXPECT_EQ(reloaded.error().code, Code::kInvalid);
  post("{}");
  advance(1s);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

TEST_F(EngineTest, ANameThatAFlowHasIsNoFormerNameOfAnother) {
  start({flow({step("a")})});
  const auto named = [&](std::string name, std::string was) {
    auto out = flow({step("b")});
    out->name = out->hash = std::move(name);
    out->was = std::move(was);
    return out;
  };
  const auto reload = [&](std::vector<FlowPtr> flows) {
    flows_ = std::move(flows);
    Result<void> reloaded;
    await(keep(engine_->reload(config()), &reloaded));
    return reloaded;
  };
  const FlowPtr present = flows_[0];
  EXPECT_EQ(reload({present, named("g", "f")}).error().code, Code::kInvalid);
  EXPECT_EQ(reload({named("f", "f")}).error().code, Code::kInvalid);
  EXPECT_EQ(reload({named("g", "f"), named("h", "f")}).error().code, Code::kInvalid);
  EXPECT_EQ(shown("f").id, FlowId(1)) << "nothing was renamed";
  post("{}");
  advance(1s);
  EXPECT_EQ(transport_.count("/a"), 1u);
  // A new process on the same files says so, too, and nothing runs.
  kill();
  EngineDeps deps{context_.get_executor(), clock_, 7, *store_, *store_, *store_, transport_, source_};
  engine_ = std::make_unique<Engine>(deps, limits_);
  flows_ = {present, named("g", "f")};
  Result<void> started;
  await(keep(engine_->start(config()), &started));
  EXPECT_EQ(started.error().code, Code::kInvalid);
}

TEST_F(EngineTest, DrainingLetsCallsEndAndLeavesTheRestToTheNextStart) {
  start({flow({step("a", kUnsafeSpec), step("b")})});
  transport_.latency = 5s;
  const Position event = post("{}");
  settle();
  EXPECT_EQ(transport_.sent.size(), 1u);
  Result<void> drained;
  const Deadline deadline = clock_.deadline_in(20s);
  await(keep(engine_->drain(deadline), &drained));
  EXPECT_TRUE(drained.has_value());
  EXPECT_EQ(transport_.sent.size(), 1u);
  crash();
  advance(20s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
}

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

TEST_F(EngineTest, HeldForTooLongBecomesADeadLetter) {
  start({flow({step("a", kUnsafeSpec)})});
  transport_.script = {lost()};
  const Position event = post("{}");
  advance(std::chrono::days(29));
  EXPECT_EQ(state(event), RunState::kHeld);
  advance(std::chrono::days(2));
  EXPECT_EQ(state(event), RunState::kDead);
}

// Runs that begin again.

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
  EXPECT_EQ(replay(event).error().code, Code::kInvalid) << "no step of it failed";
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

TEST(Cause, IsTheSameWhereOnlyValuesDiffer) {
  const auto message = [](std::string_view summary) { return cause_of("f", summary).message; };
  EXPECT_EQ(cause_of("f", "permanent: api.get: contact 17 not found").category, "permanent");
  EXPECT_EQ(message("permanent: api.get: contact 17 not found"), "api.get: contact # not found");
  EXPECT_EQ(message("validation: h.v3.get: \"a b\" isn't `x`, 1.10 or ann@example.com"), "h.v3.get: # isn't #, # or #");
  EXPECT_EQ(message("validation: a.b: status 422"), "a.b: status 422");
  EXPECT_EQ(message("x: 7c9e6679-7425-40de-944b-e07fc1f90ae7/gid://shop/1"), "#/gid://shop/#");
  EXPECT_NE(cause_of("f", "x: y").id, cause_of("g", "x: y").id);
  EXPECT_EQ(message("no colon 5"), "no colon #");
}

}  // namespace
}  // namespace tieline::engine
