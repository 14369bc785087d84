// Flows that change, go or come back while runs work, and connections whose credentials do.
#include "engine/engine_fixture.h"

namespace tieline::engine {
namespace {

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
  limit(1, std::chrono::hours(1));
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

}  // namespace
}  // namespace tieline::engine
