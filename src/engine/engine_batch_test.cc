// A flow's `batch`: calls of several runs in one request, and what each run knows of it.
#include <gmock/gmock.h>

#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr ActionSpec kMany{Safety::kRepeatable, false, false, 1, Duration(0), 100};
constexpr ActionSpec kManyUnsafe{Safety::kUnsafe, false, false, 1, Duration(0), 100};

// Answers with a status for each row: its own `say`, else 200. A request with a row that is `poison` is refused whole.
Exchange table(const Request& request) {
  const auto args = json::parse(request.body);
  json::Builder out;
  out.begin_array();
  for (const json::Value row : args->root()["rows"].elements()) {
    if (row["poison"].truthy()) return status(422, {}, R"({"error":"no","code":"BAD"})");
    out.begin_object().key("status").integer(row["say"].as_int64().value_or(200));
    out.key("error").string("row " + json::print(row["n"])).key("n").copy(row["n"]).end_object();
  }
  return status(200, {}, json::print(out.end_array().finish().root()));
}

class BatchTest : public EngineTest {
 protected:
  BatchTest() { transport_.answer = table; }
  std::shared_ptr<Flow> gathering(std::uint32_t count, ActionSpec spec = kMany, bool keyed = false) {
    call_ = step("rows", spec);
    auto made = flow({call_}, keyed);
    made->batch = Batch{count, 1'000'000, 1s};
    return made;
  }
  Position post_row(int n, const std::string& more = "") { return post("{\"n\":" + std::to_string(n) + more + "}"); }
  // The `n` of the rows of each request so far.
  std::vector<std::string> requests() const {
    std::vector<std::string> out;
    for (const Request& request : transport_.sent) {
      const auto args = json::parse(request.body);
      std::string rows;
      for (const json::Value row : args->root()["rows"].elements())
        rows += (rows.empty() ? "" : " ") + json::print(row["n"]);
      out.push_back(rows);
    }
    return out;
  }
  RecordBody last_body(Position event) {
    const auto all = records(event);
    for (auto record = all.rbegin(); record != all.rend(); ++record) {
      if (record->kind == RecordKind::kOutcome) return *decode(record->body);
    }
    ADD_FAILURE() << "no outcome";
    return {};
  }
  std::shared_ptr<TestCall> call_;
};

TEST_F(BatchTest, AFullOneLeavesAtOnceAndEachRunHasItsOwnAnswer) {
  start({gathering(3)});
  const Position first = post_row(1), second = post_row(2), third = post_row(3);
  settle();
  EXPECT_THAT(requests(), ElementsAre("1 2 3"));
  advance(100ms);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(third), RunState::kDelivered);
  const RecordBody body = last_body(second);
  EXPECT_EQ(body.together, 3u);
  EXPECT_EQ(json::print(body.result->root()["n"]), "2");
  EXPECT_EQ(json::parse(body.request->body)->root()["rows"].size(), 1u);  // what it asked for itself
  EXPECT_EQ(body.response->body, "");                                     // the answers of others are theirs
}

TEST_F(BatchTest, OneThatIsNotFullLeavesInTime) {
  start({gathering(3)});
  post_row(1);
  advance(600ms);
  post_row(2);
  advance(399ms);
  EXPECT_THAT(requests(), ElementsAre());
  advance(2ms);
  EXPECT_THAT(requests(), ElementsAre("1 2"));
  post_row(3);
  advance(1001ms);
  EXPECT_THAT(requests(), ElementsAre("1 2", "3"));
}

TEST_F(BatchTest, WhatWaitsForOthersIsCounted) {
  auto other = gathering(3);
  other->name = "f-other";
  start({gathering(3), other});
  const auto gathered = [&] {
    std::vector<std::size_t> out;
    for (const FlowSnapshot& one : engine_->snapshot().flows) out.push_back(one.gathering);
    return out;
  };
  post_row(1);
  post_row(2, R"(,"channel":"a")");
  settle();
  EXPECT_THAT(gathered(), ElementsAre(2u, 2u));
  advance(1001ms);
  EXPECT_THAT(gathered(), ElementsAre(0u, 0u));
}

TEST_F(BatchTest, NeitherTooMuchDataNorMoreThanTheActionTakes) {
  auto small = gathering(10);
  small->batch->bytes = 40;
  ActionSpec two = kMany;
  two.items = 2;
  auto few = gathering(10, two);
  few->name = "g";
  start({small, few});
  for (int n = 1; n <= 4; ++n) post_row(n);
  settle();
  EXPECT_THAT(requests(), testing::UnorderedElementsAre("1 2", "1 2", "3 4"));
  advance(1001ms);
  EXPECT_THAT(requests(), testing::UnorderedElementsAre("1 2", "1 2", "3 4", "3 4"));
}

TEST_F(BatchTest, CallsThatNameTheirItemsLeaveTogetherToo) {
  start({gathering(4)});
  const Position first = post(R"({"rows":[{"n":1},{"n":2}]})"), second = post(R"({"rows":[{"n":3},{"n":4}]})");
  settle();
  EXPECT_THAT(requests(), ElementsAre("1 2 3 4"));
  advance(100ms);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(json::print(last_body(second).result->root().at(1)["n"]), "4");
}

TEST_F(BatchTest, OtherArgumentsKeepThemApart) {
  start({gathering(2)});
  post_row(1, R"(,"channel":"a")");
  post_row(2, R"(,"channel":"b")");
  settle();
  EXPECT_THAT(requests(), ElementsAre());
  post_row(3, R"(,"channel":"a")");
  settle();
  EXPECT_THAT(requests(), ElementsAre("1 3"));
}

TEST_F(BatchTest, AnItemThatFailsIsItsOwnRunsAlone) {
  start({gathering(3)});
  const Position good = post_row(1), wrong = post_row(2, R"(,"say":422)"), late = post_row(3, R"(,"say":503)");
  advance(100ms);
  EXPECT_EQ(state(good), RunState::kDelivered);
  EXPECT_EQ(state(wrong), RunState::kDead);
  EXPECT_THAT(run_of(wrong)->summary, HasSubstr("row 2"));
  EXPECT_EQ(state(late), RunState::kRetrying);
  advance(20s);
  ASSERT_GE(requests().size(), 2u);
  EXPECT_EQ(requests()[1], "3");
}

TEST_F(BatchTest, OneThatSpoilsTheWholeIsFoundByHalves) {
  auto once = gathering(8);
  once->retry.tries = 1;
  start({once});
  std::vector<Position> events;
  for (int n = 1; n <= 8; ++n) events.push_back(post_row(n, n == 3 ? R"(,"poison":true)" : ""));
  advance(10s);
  std::vector<std::size_t> sizes;
  for (const std::string& rows : requests()) sizes.push_back((rows.size() + 1) / 2);
  EXPECT_THAT(sizes, ElementsAre(8, 4, 4, 2, 2, 1, 1));
  for (int n = 1; n <= 8; ++n) {
    const Position event = events[static_cast<std::size_t>(n - 1)];
    EXPECT_EQ(state(event), n == 3 ? RunState::kDead : RunState::kDelivered) << n;
  }
}

TEST_F(BatchTest, WhatIsTriedInHalvesIsToldAsRefusedAndNotAsLimited) {
  start({gathering(2)});
  const Position good = post_row(1), bad = post_row(2, R"(,"poison":true)");
  advance(10s);
  ASSERT_EQ(state(good), RunState::kDelivered);
  ASSERT_EQ(state(bad), RunState::kDead);
  const auto all = records(good);
  const auto whole = std::find_if(all.begin(), all.end(), [](const Record& one) {
    return one.kind == RecordKind::kOutcome && decode(one.body)->together == 2;
  });
  ASSERT_NE(whole, all.end());
  const auto body = decode(whole->body);
  EXPECT_EQ(body->category, Category::kValidation);
  EXPECT_TRUE(body->halved);
  EXPECT_EQ(body->wait, std::nullopt);
  EXPECT_THAT(body->message, HasSubstr("refused together with 1 item of another run, so it goes with fewer"));
  for (const ConnectionSnapshot& one : engine_->snapshot().connections) EXPECT_EQ(one.limited, 0u) << one.name;
}

TEST_F(BatchTest, WhatTheWholeWasRefusedForIsNoAnswerToEachRow) {
  limit(1, std::chrono::hours(1));
  auto made = gathering(2);
  call_->on = {AnswerRule{"BAD", OnAnswer::kSkip}};
  start({made});
  const Position good = post_row(1), bad = post_row(2, R"(,"poison":true)");
  advance(10s);
  ASSERT_THAT(requests(), ElementsAre("1 2"));  // its halves wait for the budget
  Result<void> flushed;
  await(keep(store_->flush(), &flushed));
  crash();
  advance(4h);
  EXPECT_EQ(state(good), RunState::kDelivered);
  EXPECT_EQ(state(bad), RunState::kSkipped);
}

TEST_F(BatchTest, AnUnsafeRequestThatMayHaveDoneSomethingIsNotCut) {
  transport_.answer = [](const Request&) { return status(422); };
  start({gathering(2, kManyUnsafe)});
  post_row(1), post_row(2);
  advance(5s);
  EXPECT_THAT(requests(), testing::UnorderedElementsAre("1 2", "1", "2"));  // 422: nothing was done
}

TEST_F(BatchTest, ACallWithoutItemsGoesByItself) {
  start({gathering(2, kManyUnsafe)});
  transport_.answer = [](const Request&) { return status(200, {}, "[]"); };
  const Position event = post(R"({"rows":[]})");
  advance(5s);
  EXPECT_EQ(state(event), RunState::kDelivered);
  EXPECT_EQ(requests().size(), 1u);
}

TEST_F(BatchTest, RunsThatComeBackFillItToo) {
  limits_.window = 2;
  auto made = gathering(6);
  made->batch->time = 1min;
  transport_.answer = [](const Request&) { return status(503); };
  start({made});
  for (int n = 1; n <= 6; ++n) post_row(n);
  advance(1s);
  ASSERT_EQ(requests().size(), 1u);
  transport_.answer = table;
  crash();
  advance(59s);  // each waited for its own time; the last one of them filled the request
  EXPECT_EQ(requests().size(), 2u);
  EXPECT_EQ(requests().back().size(), 11u) << requests().back();
}

TEST_F(BatchTest, AnOutageCostsNoneOfThemATry) {
  transport_.answer = [](const Request&) { return status(503); };
  limits_.breaker.failures = 1;
  limits_.breaker.runs = 1;
  auto made = gathering(2);
  made->retry.tries = 1;
  start({made});
  std::vector<Position> events;
  for (int n = 1; n <= 6; ++n) events.push_back(post_row(n));
  advance(1h);
  transport_.answer = table;
  advance(1h);
  // The first request told of the outage; the two that were under way with it failed in it.
  for (std::size_t i = 2; i < events.size(); ++i) EXPECT_EQ(state(events[i]), RunState::kDelivered) << i;
}

TEST_F(BatchTest, ABacklogOfAnOutageComesBackInFullRequests) {
  transport_.answer = [](const Request&) { return status(503); };
  limits_.breaker.failures = 3;
  start({gathering(20)});
  for (int n = 1; n <= 400; ++n) post_row(n);
  advance(1h);
  transport_.answer = table;
  const auto delivered = [&] { return engine_->snapshot().flows.at(0).delivered; };
  for (int i = 0; i < 600 && delivered() == 0; ++i) advance(1s);
  advance(15s);
  EXPECT_EQ(delivered(), 400u);
}

TEST_F(BatchTest, AStopWhileItWaitsForItsBudgetLeavesNothingBehind) {
  limit(1, std::chrono::hours(1));
  start({gathering(2, kManyUnsafe)});
  std::vector<Position> events;
  for (int n = 1; n <= 4; ++n) events.push_back(post_row(n));
  advance(10s);
  ASSERT_THAT(requests(), ElementsAre("1 2"));
  const Instant before = clock_.instant();
  Result<void> drained;
  await(keep(engine_->drain({before + 10s}), &drained));
  EXPECT_EQ(clock_.instant(), before);
  crash();
  advance(2h);
  for (const Position event : events) EXPECT_EQ(state(event), RunState::kDelivered) << event.value;
  EXPECT_THAT(requests(), ElementsAre("1 2", "3 4"));
}

TEST_F(BatchTest, OneKeyOfOnceIsMadeOnceAmongThem) {
  auto made = gathering(2, kManyUnsafe);
  call_->once = true;
  start({made});
  const Position first = post_row(1, R"(,"once":"k")"), second = post_row(2, R"(,"once":"k")"),
                 other = post_row(3, R"(,"once":"l")");
  advance(1min);
  for (const Position event : {first, second, other}) EXPECT_EQ(state(event), RunState::kDelivered) << event.value;
  EXPECT_THAT(requests(), ElementsAre("1 3"));
}

TEST_F(BatchTest, AFailureOfTheWholeIsTriedAgainTogether) {
  transport_.script.push_back(status(503));
  start({gathering(2)});
  const Position first = post_row(1), second = post_row(2);
  advance(100ms);
  EXPECT_EQ(state(first), RunState::kRetrying);
  EXPECT_EQ(state(second), RunState::kRetrying);
  advance(21s);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_GE(requests().size(), 2u);
}

TEST_F(BatchTest, OneRequestSpendsOnce) {
  limit(1, std::chrono::hours(1));
  start({gathering(5)});
  const Position first = post_row(1);
  for (int n = 2; n <= 5; ++n) post_row(n);
  advance(100ms);
  EXPECT_THAT(requests(), ElementsAre("1 2 3 4 5"));
  EXPECT_EQ(state(first), RunState::kDelivered);
}

TEST_F(BatchTest, RunsOfOneKeyDoNotWaitForEachOther) {
  start({gathering(2, kMany, true)});
  const Position first = post_row(1, R"(,"key":"k")"), second = post_row(2, R"(,"key":"k")");
  advance(1100ms);
  EXPECT_EQ(state(first), RunState::kDelivered);
  advance(1100ms);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_THAT(requests(), ElementsAre("1", "2"));
}

TEST_F(BatchTest, TheWindowIsAsWideAsTheBatch) {
  limits_.window = 4;
  start({gathering(6)});
  for (int n = 1; n <= 6; ++n) post_row(n);
  settle();
  EXPECT_THAT(requests(), ElementsAre("1 2 3 4 5 6"));
}

TEST_F(BatchTest, MoreItemsThanTheActionTakesAreRefused) {
  ActionSpec two = kMany;
  two.items = 2;
  start({gathering(2, two)});
  const Position event = post(R"({"rows":[{"n":1},{"n":2},{"n":3}]})");
  advance(100ms);
  EXPECT_EQ(state(event), RunState::kDead);
  EXPECT_THAT(run_of(event)->summary, HasSubstr("takes at most 2 items, and was given 3"));
  EXPECT_THAT(requests(), ElementsAre());
}

TEST_F(BatchTest, WithoutABatchTheItemsOfOneCallAreJudgedByThemselves) {
  auto plain = flow({step("rows", kManyUnsafe)});
  start({plain});
  const Position both = post(R"({"rows":[{"n":1},{"n":2}]})");
  const Position partly = post(R"({"rows":[{"n":1},{"n":2,"say":503}]})");
  advance(100ms);
  EXPECT_EQ(last_body(both).result->root().size(), 2u);
  EXPECT_EQ(state(both), RunState::kDelivered);
  EXPECT_EQ(state(partly), RunState::kDead);  // a second time would do the first item twice
  EXPECT_THAT(run_of(partly)->summary, HasSubstr("item 2 of 2: row 2 (1 other went through)"));
  EXPECT_TRUE(last_body(partly).happened);
}

TEST_F(BatchTest, ACrashWhileItGathersLeavesNothingUnknown) {
  start({gathering(3, kManyUnsafe)});
  const Position first = post_row(1), second = post_row(2);
  settle();
  crash();
  advance(1100ms);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_EQ(state(second), RunState::kDelivered);
  EXPECT_THAT(requests(), ElementsAre("1 2"));
}

TEST_F(BatchTest, NothingLeavesBeforeEveryIntentIsDurable) {
  start({gathering(2, kManyUnsafe)});
  transport_.latency = 10s;
  const Position first = post_row(1), second = post_row(2);
  settle();
  EXPECT_THAT(requests(), ElementsAre("1 2"));
  crash();  // it was sent, and its answer is lost
  advance(30s);
  EXPECT_EQ(state(first), RunState::kHeld);
  EXPECT_EQ(state(second), RunState::kHeld);
  EXPECT_THAT(requests(), ElementsAre("1 2"));
}

TEST_F(BatchTest, ALostAnswerHoldsEachRunOfIt) {
  transport_.script.push_back(lost());
  start({gathering(2, kManyUnsafe)});
  const Position first = post_row(1), second = post_row(2);
  advance(1h);
  EXPECT_EQ(state(first), RunState::kHeld);
  EXPECT_EQ(state(second), RunState::kHeld);
  EXPECT_EQ(requests().size(), 1u);
}

TEST_F(BatchTest, AStopWaitsForNothingThatStillGathers) {
  start({gathering(3, kManyUnsafe)});
  const Position first = post_row(1);
  settle();
  const Instant before = clock_.instant();
  Result<void> drained;
  await(keep(engine_->drain({before + 10s}), &drained));
  EXPECT_TRUE(drained.has_value());
  EXPECT_EQ(clock_.instant(), before);
  crash();
  EXPECT_THAT(requests(), ElementsAre());
  advance(1100ms);
  EXPECT_EQ(state(first), RunState::kDelivered);
  EXPECT_THAT(requests(), ElementsAre("1"));
}

TEST_F(BatchTest, InAnOutageOneProbesForAll) {
  transport_.answer = [](const Request&) { return status(503); };
  limits_.breaker.failures = 3;
  start({gathering(2)});
  for (int n = 1; n <= 6; ++n) post_row(n);
  advance(100ms);
  EXPECT_EQ(requests().size(), 3u);
  advance(4min);
  for (std::size_t i = 3; i < requests().size(); ++i) EXPECT_EQ(requests()[i].size(), 1u) << requests()[i];
  EXPECT_LE(requests().size(), 12u);  // the probes, one in a while
  transport_.answer = table;
  advance(10min);
  for (std::uint64_t n = 1; n <= 6; ++n) EXPECT_EQ(state(Position{n}), RunState::kDelivered) << n;
}

}  // namespace
}  // namespace tieline::engine
