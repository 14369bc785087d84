// The engine as a whole, on the store's fake and a scripted vendor: what the simulation's chance would find too seldom.
#include "engine/engine.h"

#include "engine/engine_fixture.h"
#include "engine/index_key.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

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

}  // namespace
}  // namespace tieline::engine
