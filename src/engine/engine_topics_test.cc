// What flows publish and who subscribes to it; pauses of flows, and flows that times and people start.
#include <set>

#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

// Publishes what it is told on a topic, `times` times.
class TestPublish final : public Step {
 public:
  explicit TestPublish(std::string topic, std::size_t times = 1) : topic_(std::move(topic)), times_(times) {
    kind_ = "publish";
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    for (std::size_t i = 0; i < times_; ++i) {
      Publication publication;
      publication.topic = topic_;
      publication.subject = std::string(context.input().root()["about"].as_string());
      publication.op = Op::kCreated;
      publication.data = context.input();
      auto kept = context.publish(std::move(publication));
      if (!kept) co_return StepResult::fail(std::move(kept.error()));
    }
    co_return StepResult::next();
  }

 private:
  std::string topic_;
  std::size_t times_;
};

class TestSkip final : public Step {
 public:
  asio::awaitable<StepResult> run(RunContext&) const override { co_return StepResult::skip("enough"); }
};

class EngineTopicsTest : public EngineTest {
 protected:
  // A flow that is started by webhooks (`topic` empty) or by a topic.
  std::shared_ptr<Flow> named(const std::string& name, std::vector<std::shared_ptr<const Step>> steps,
                              const std::string& topic = {}, const std::string& filter = {}) {
    auto out = flow(std::move(steps));
    out->name = name;
    out->hash = name;
    if (topic.empty()) return out;
    out->triggers.clear();
    TopicTrigger trigger;
    trigger.topic = *TopicPattern::parse(topic);
    if (!filter.empty()) trigger.filter = std::make_shared<Member>(filter);
    out->topics = {trigger};
    return out;
  }
  std::shared_ptr<TestPublish> publish(std::string topic, std::size_t times = 1) {
    return std::make_shared<TestPublish>(std::move(topic), times);
  }
  std::vector<EventPtr> published() {
    Result<std::vector<EventPtr>> all;
    await(keep(store_->read(Position(0), ReadLimits{.count = 10'000}), &all));
    std::vector<EventPtr> out;
    for (const EventPtr& event : *all) {
      if (topic_of(event->source)) out.push_back(event);
    }
    return out;
  }
  FlowSnapshot snapshot(std::string_view name) {
    for (const FlowSnapshot& one : engine_->snapshot().flows) {
      if (one.name == name) return one;
    }
    return {};
  }
  std::vector<RunStatus> dead() {
    RunQuery query;
    query.states = {RunState::kDead};
    Result<std::vector<RunStatus>> found;
    await(keep(store_->runs(query), &found));
    return *found;
  }
};

TEST_F(EngineTopicsTest, PublishesWhenTheRunEndsAndStartsWhoSubscribed) {
  start({named("from", {step("a"), publish("customer.created")}), named("one", {step("one")}, "customer.*"),
         named("all", {step("all")}, "customer.>"), named("other", {step("other")}, "order.>")});
  const Position event = post(R"({"about":"c-7","n":1})");
  advance(1s);
  const auto events = published();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]->source, "topic/customer.created");
  EXPECT_EQ(events[0]->type, "customer.created");
  EXPECT_EQ(events[0]->subject, "c-7");
  EXPECT_EQ(events[0]->op, Op::kCreated);
  EXPECT_EQ(events[0]->hops, 1u);
  EXPECT_EQ(*events[0]->data, R"({"about":"c-7","n":1})");
  EXPECT_TRUE(events[0]->id.starts_with(std::to_string(event.value) + "-1-")) << events[0]->id;
  EXPECT_EQ(transport_.count("/one"), 1u);
  EXPECT_EQ(transport_.count("/all"), 1u);
  EXPECT_EQ(transport_.count("/other"), 0u);
  const auto end = decode(records(event).back().body);
  ASSERT_TRUE(end);
  ASSERT_EQ(end->published.size(), 1u);
  EXPECT_EQ(end->published[0].id, events[0]->id);
}

TEST_F(EngineTopicsTest, NothingIsPublishedWhileTheRunWaitsNorWhenItDies) {
  start({named("from", {publish("t"), step("a")})});
  transport_.script = {status(503), status(503), status(503)};
  post("{}");
  advance(1ms);
  EXPECT_TRUE(published().empty());
  advance(std::chrono::hours(1));
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_TRUE(published().empty());
}

TEST_F(EngineTopicsTest, ADeadLetterIsToldOfEachTimeItBecomesOne) {
  auto from = named("from", {publish("t"), step("a")});
  from->on_dead = "dead.from";
  start({from, named("ops", {step("ops")}, "dead.*")});
  transport_.by_path["/a"] = status(422, {}, R"({"why":"no"})");
  const Position event = post(R"({"n":1})");
  advance(1s);
  ASSERT_EQ(published().size(), 1u);
  const EventPtr told = published()[0];
  EXPECT_EQ(told->source, "topic/dead.from");
  EXPECT_EQ(told->subject, "from/1");
  EXPECT_EQ(told->hops, 1u);
  const auto data = json::parse(*told->data);
  EXPECT_EQ(data->root()["run"].as_string(), "from/1");
  EXPECT_EQ(data->root()["cause"].as_string(), run_of(event)->summary);
  EXPECT_EQ(data->root()["event"]["type"].as_string(), "order");
  EXPECT_EQ(json::print(data->root()["data"]), R"({"n":1})");
  EXPECT_EQ(transport_.count("/ops"), 1u);
  EXPECT_EQ(decode(records(event).back().body)->published[0].id, told->id);
  crash();
  advance(1s);
  EXPECT_EQ(published().size(), 1u);
  const std::size_t before = transport_.count("/ops");
  Result<void> replayed;
  await(keep(engine_->replay(RunId{FlowId(1), event}, Replay{}), &replayed));
  advance(1s);
  ASSERT_EQ(published().size(), 2u);
  EXPECT_NE(published()[1]->id, told->id);
  EXPECT_EQ(transport_.count("/ops"), before + 1);
}

TEST_F(EngineTopicsTest, ADeadLetterThatTellsOfItselfEnds) {
  auto round = named("round", {step("a")}, "dead.>");
  round->on_dead = "dead.round";
  auto first = named("first", {step("a")});
  first->on_dead = "dead.first";
  start({first, round});
  transport_.by_path["/a"] = status(422);
  post("{}");
  advance(1min);
  EXPECT_EQ(dead().size(), limits_.hops_max + 1u);
  EXPECT_EQ(published().size(), limits_.hops_max);
}

TEST_F(EngineTopicsTest, WhatIsHeldForTooLongIsToldOf) {
  auto from = named("from", {step("a", kUnsafeSpec)});
  from->on_dead = "dead.from";
  start({from});
  transport_.script = {lost()};
  post("{}");
  advance(limits_.held_keep + 1h);
  ASSERT_EQ(dead().size(), 1u);
  ASSERT_EQ(published().size(), 1u);
  EXPECT_NE(published()[0]->data->find("held for too long"), std::string::npos);
  EXPECT_NE(published()[0]->data->find(R"("data":{})"), std::string::npos) << *published()[0]->data;
}

TEST_F(EngineTopicsTest, ARunThatRetriedPublishesOnce) {
  start({named("from", {publish("t"), step("a")})});
  transport_.script = {status(503)};
  post("{}");
  advance(std::chrono::minutes(5));
  EXPECT_EQ(published().size(), 1u);
}

TEST_F(EngineTopicsTest, ASkippedRunHasPublishedWhatItSaidBefore) {
  start({named("from", {publish("t"), std::make_shared<TestSkip>(), publish("u")})});
  post("{}");
  advance(1s);
  ASSERT_EQ(published().size(), 1u);
  EXPECT_EQ(published()[0]->source, "topic/t");
}

TEST_F(EngineTopicsTest, EventsOfOneRunHaveIdsOfTheirOwn) {
  start({named("from", {publish("t", 3), publish("t", 2)}), named("g", {publish("t", 2)})});
  post("{}");
  advance(1s);
  std::set<std::string> ids;
  for (const EventPtr& event : published()) ids.insert(event->id);
  EXPECT_EQ(ids.size(), 7u);
}

TEST_F(EngineTopicsTest, ACrashPublishesNothingTwiceAndLosesNothing) {
  start({named("from", {step("a"), publish("t")}), named("to", {step("to")}, "t")});
  store_->set_autosync(true);
  post("{}");
  settle();
  store_->set_autosync(false);  // the end, and with it the event, will not become durable
  advance(1s);
  EXPECT_EQ(transport_.count("/to"), 0u);
  crash();
  store_->set_autosync(true);
  advance(1s);
  EXPECT_EQ(published().size(), 1u);
  EXPECT_EQ(transport_.count("/to"), 1u);
  store_->sync();
  crash();
  advance(1s);
  EXPECT_EQ(published().size(), 1u);
  EXPECT_EQ(transport_.count("/to"), 1u);
}

TEST_F(EngineTopicsTest, AFilterOfTheTriggerKeepsEventsAwayWithoutARun) {
  start({named("from", {publish("t")}), named("to", {step("to")}, "t", "wanted")});
  post(R"({"wanted":false})");
  post(R"({"wanted":true})");
  post("{}");
  advance(1s);
  EXPECT_EQ(published().size(), 3u);
  EXPECT_EQ(transport_.count("/to"), 1u);
  EXPECT_EQ(snapshot("to").skipped, 0u);
  EXPECT_EQ(snapshot("to").delivered, 1u);
  EXPECT_EQ(snapshot("to").lag, 0u);
}

TEST_F(EngineTopicsTest, WhatAFilterKeepsAwayIsNotUntaken) {
  start({named("to", {step("to")}, "t", "wanted"), named("from", {publish("t")})});
  for (const char* data : {R"({"wanted":false})", R"({"wanted":true})", "{}", R"({"fail":true})"}) post(data);
  advance(1s);
  ASSERT_EQ(transport_.count("/to"), 1u);
  Selection select;
  select.untaken = true;
  select.flow = FlowId(1);
  Result<JobCount> count;
  await(keep(engine_->count(select), &count));
  EXPECT_EQ(count->runs, 0u);
  auto another = named("another", {step("another")}, "t", "wanted");
  flows_.push_back(another);
  Result<void> reloaded;
  await(keep(engine_->reload(config()), &reloaded));
  select.flow = shown("another").id;
  await(keep(engine_->count(select), &count));
  EXPECT_EQ(count->runs, 2u) << "the one that it wants, and the one of which that cannot be told";
}

TEST_F(EngineTopicsTest, AFilterThatFailsIsADeadLetter) {
  start({named("from", {publish("t")}), named("to", {step("to")}, "t", "wanted")});
  post(R"({"fail":true})");
  advance(1s);
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_NE(dead()[0].summary.find("the filter of the trigger"), std::string::npos) << dead()[0].summary;
}

TEST_F(EngineTopicsTest, AnEventThatGoesInACircleIsStopped) {
  start({named("from", {publish("t")}), named("a", {publish("u")}, "t"), named("b", {publish("t")}, "u")});
  post("{}");
  advance(1s);
  EXPECT_EQ(published().size(), limits_.hops_max);
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_NE(dead()[0].summary.find("goes in a circle"), std::string::npos) << dead()[0].summary;
}

TEST_F(EngineTopicsTest, ARunThatPublishesTooMuchIsADeadLetter) {
  limits_.published_max = 3;
  limits_.published_bytes_max = 100;
  start({named("many", {publish("t", 4)}), named("large", {publish("t")})});
  post(R"({"text":")" + std::string(100, 'x') + "\"}");
  advance(1s);
  EXPECT_EQ(dead().size(), 2u);
  EXPECT_TRUE(published().empty());
}

TEST_F(EngineTopicsTest, OneDeadSubscriberDelaysNoOther) {
  start({named("from", {publish("t")}), named("good", {step("good")}, "t"), named("bad", {step("bad")}, "t"),
         named("fine", {step("fine")}, ">")});
  transport_.by_path["/bad"] = status(503);
  for (int i = 0; i < 20; ++i) post("{}");
  advance(1s);
  EXPECT_EQ(snapshot("good").delivered, 20u);
  EXPECT_EQ(snapshot("fine").delivered, 20u);
  EXPECT_EQ(snapshot("bad").retrying + snapshot("bad").held, 20u);
  transport_.by_path.clear();
  advance(std::chrono::minutes(10));
  EXPECT_EQ(snapshot("bad").delivered, 20u);
  EXPECT_EQ(transport_.count("/good"), 20u);
}

TEST_F(EngineTopicsTest, APausedFlowReadsNothingAndLosesNothing) {
  start({flow({step("a")})});
  Result<void> done;
  await(keep(engine_->pause("f", "ada: too much"), &done));
  ASSERT_TRUE(done);
  post("{}");
  advance(1s);
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_TRUE(snapshot("f").paused);
  EXPECT_EQ(snapshot("f").paused_why, "ada: too much");
  EXPECT_EQ(snapshot("f").lag, 1u);
  crash();
  post("{}");
  advance(1s);
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_TRUE(snapshot("f").paused);
  await(keep(engine_->pause("f", "again"), &done));
  ASSERT_TRUE(done);
  await(keep(engine_->resume("f"), &done));
  ASSERT_TRUE(done);
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 2u);
  store_->sync();
  crash();
  post("{}");
  advance(1s);
  EXPECT_EQ(transport_.sent.size(), 3u);
  EXPECT_FALSE(snapshot("f").paused);
  await(keep(engine_->pause("nobody", ""), &done));
  EXPECT_EQ(done.error().code, Code::kNotFound);
  await(keep(engine_->resume("nobody"), &done));
  EXPECT_EQ(done.error().code, Code::kNotFound);
}

TEST_F(EngineTopicsTest, AMisspelledFlowIsToldOfTheOneThatIsMeant) {
  auto orders = flow({step("a")});
  orders->name = "orders-to-deals";
  start({orders});
  const std::string told = "no flow is called order-to-deals; did you mean \"orders-to-deals\"?";
  Result<void> done;
  await(keep(engine_->pause("order-to-deals", ""), &done));
  EXPECT_EQ(done.error().message, told);
  await(keep(engine_->resume("order-to-deals"), &done));
  EXPECT_EQ(done.error().message, told);
  EXPECT_EQ(engine_->release_brake("order-to-deals").error().message, told);
}

TEST_F(EngineTopicsTest, RunsOfAPausedFlowGoOn) {
  start({flow({step("a")})});
  transport_.script = {status(503)};
  const Position event = post("{}");
  advance(1ms);
  Result<void> done;
  await(keep(engine_->pause("f", "ada"), &done));
  advance(std::chrono::minutes(5));
  EXPECT_EQ(state(event), RunState::kDelivered);
}

TEST_F(EngineTopicsTest, APersonStartsAManualFlow) {
  auto manual = named("m", {step("a")});
  manual->triggers.clear();
  manual->manual = true;
  start({manual, named("n", {step("b")})});
  Result<EventPtr> event;
  await(keep(engine_->start_flow("m", "", *json::parse(R"({"n":1})")), &event));
  ASSERT_TRUE(event) << event.error().text();
  EXPECT_EQ((*event)->source, "manual/m");
  advance(1s);
  EXPECT_EQ(state((*event)->position), RunState::kDelivered);
  EXPECT_EQ(transport_.count("/a"), 1u);
  for (int i = 0; i < 2; ++i) {
    await(keep(engine_->start_flow("m", "mine", *json::parse("null")), &event));
    ASSERT_TRUE(event);
    EXPECT_EQ((*event)->id, "mine");
    advance(1s);
    EXPECT_EQ(transport_.count("/a"), 2u);
  }
  await(keep(engine_->start_flow("n", "", json::Document()), &event));
  EXPECT_EQ(event.error().code, Code::kInvalid);
  await(keep(engine_->start_flow("o", "", json::Document()), &event));
  EXPECT_EQ(event.error().code, Code::kNotFound);
}

class EngineScheduleTest : public EngineTopicsTest {
 protected:
  std::shared_ptr<Flow> scheduled(std::string_view text, bool run_missed = true) {
    auto out = named("s", {step("a")});
    out->triggers.clear();
    out->schedules = {{*Schedule::parse(text, "UTC"), run_missed}};
    return out;
  }
  std::vector<std::string> came() {
    Result<std::vector<EventPtr>> all;
    await(keep(store_->read(Position(0), ReadLimits{}), &all));
    std::vector<std::string> out;
    for (const EventPtr& event : *all) {
      EXPECT_EQ(event->source, "schedule/s");
      out.push_back(event->id + (event->data->find("\"missed\":true") != std::string::npos ? " missed" : ""));
    }
    return out;
  }
};
using Times = std::vector<std::string>;

// The clock begins at 2026-11-23T00:00:00Z.
TEST_F(EngineScheduleTest, RunsWhenItsTimeCame) {
  start({scheduled("0 6 * * *")});
  EXPECT_EQ(snapshot("s").next_time, parse_time("2026-11-23T06:00:00Z").value());
  advance(std::chrono::hours(6) - 1s);
  EXPECT_EQ(came(), Times{});
  advance(2s);
  EXPECT_EQ(came(), Times{"2026-11-23T06:00:00Z"});
  EXPECT_EQ(transport_.count("/a"), 1u);
  EXPECT_EQ(snapshot("s").next_time, parse_time("2026-11-24T06:00:00Z").value());
  advance(std::chrono::days(2));
  EXPECT_EQ(came(), (Times{"2026-11-23T06:00:00Z", "2026-11-24T06:00:00Z", "2026-11-25T06:00:00Z"}));
  EXPECT_EQ(transport_.count("/a"), 3u);
}

TEST_F(EngineScheduleTest, ACrashRunsNothingTwice) {
  start({scheduled("*/10 * * * *")});
  advance(std::chrono::minutes(1));
  for (int i = 0; i < 12; ++i) {
    advance(std::chrono::minutes(5));
    store_->sync();
    crash();
  }
  EXPECT_EQ(came().size(), 6u);
  EXPECT_EQ(transport_.count("/a"), 6u);
}

TEST_F(EngineScheduleTest, WhatWasMissedRunsOnceForAll) {
  start({scheduled("0 6 * * *")});
  auto next = store_->crash();
  stop();
  store_ = std::move(next);
  clock_.advance(std::chrono::days(3) + std::chrono::hours(12));
  start(flows_);
  advance(1s);
  EXPECT_EQ(came(), Times{"2026-11-26T06:00:00Z missed"});
  EXPECT_EQ(transport_.count("/a"), 1u);
  advance(std::chrono::days(1));
  EXPECT_EQ(came().size(), 2u);
}

TEST_F(EngineScheduleTest, WhatWasMissedIsLeftOutWhereTheFlowSaysSo) {
  start({scheduled("0 6 * * *", false)});
  auto next = store_->crash();
  stop();
  store_ = std::move(next);
  clock_.advance(std::chrono::days(3) + std::chrono::hours(12));
  start(flows_);
  advance(1s);
  EXPECT_EQ(came(), Times{});
  advance(std::chrono::days(1));
  EXPECT_EQ(came(), Times{"2026-11-27T06:00:00Z"});
}

TEST_F(EngineScheduleTest, AnotherScheduleBeginsWhenItIsWritten) {
  start({scheduled("0 6 * * *")});
  advance(std::chrono::hours(12));
  flows_ = {scheduled("0 10 * * *")};
  Result<void> done;
  await(keep(engine_->reload(config()), &done));
  ASSERT_TRUE(done);
  advance(std::chrono::hours(2));
  EXPECT_EQ(came(), Times{"2026-11-23T06:00:00Z"});
  advance(std::chrono::days(1));
  EXPECT_EQ(came(), (Times{"2026-11-23T06:00:00Z", "2026-11-24T10:00:00Z"}));
}

TEST_F(EngineScheduleTest, AStoreThatRefusesOnlyDelaysIt) {
  start({scheduled("0 6 * * *")});
  advance(std::chrono::hours(6) - 1s);
  store_->refuse(Code::kFull);
  advance(20s);
  store_->refuse(std::nullopt);
  EXPECT_EQ(came(), Times{});
  advance(10s);
  EXPECT_EQ(came(), Times{"2026-11-23T06:00:00Z"});
  EXPECT_EQ(transport_.count("/a"), 1u);
}

}  // namespace
}  // namespace tieline::engine
