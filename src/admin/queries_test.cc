#include "admin/queries.h"

#include <gmock/gmock.h>

#include <set>

#include "admin/test_support.h"
#include "base/text.h"

namespace tieline::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class QueriesTest : public AdminTest {
 protected:
  // Two flows; events 1 to 4; runs in several states, indexed by order number (2 and 3 are of the same order).
  void SetUp() override {
    deals = flow("orders-to-deals");
    mail = flow("orders-to-mail");
    const struct {
      RunState state;
      const char *summary, *order;
    } runs[] = {{RunState::kDelivered, "", "104"},
                {RunState::kHeld, "unknown outcome: reset", "1042"},
                {RunState::kDead, "validation: no", "1042"},
                {RunState::kRetrying, "transient: down", "7"}};
    for (const auto& one : runs) {
      const Position position = event("shopify", "hook-" + std::to_string(++last));
      clock.advance(10s);
      state({deals, position}, one.state, one.summary, {index("order", one.order, position)});
    }
    state({mail, Position(1)}, RunState::kSkipped, "test order");
  }

  std::vector<std::string> listed(RunFilter filter) {
    const auto result = await(list_runs(asked(), std::move(filter)));
    EXPECT_TRUE(result) << result.error().text();
    std::vector<std::string> names;
    if (!result) return names;
    for (const json::Value run : result->root()["runs"].elements()) names.emplace_back(run["run"].as_string());
    return names;
  }
  Error refused(RunFilter filter) {
    const auto result = await(list_runs(asked(), std::move(filter)));
    EXPECT_FALSE(result);
    return result ? Error{} : result.error();
  }
  Result<json::Document> described(const std::string& id, std::vector<std::string> sources = {"stripe", "shopify"}) {
    return await(describe(asked(), id, std::move(sources)));
  }

  Ports asked() { return {*store, *store, *store, flows}; }
  // A flow as a workspace has it, found by `index: { order: .order_number }`.
  static FlowPtr taking(const std::string& name, const std::string& type) {
    auto made = std::make_shared<Flow>();
    made->name = name;
    made->triggers = {{"shopify", {type}}};
    made->variables = {"event", "vars", "flow", "run"};
    auto program = json::compile(".order_number", made->variables);
    EXPECT_TRUE(program);
    made->index = {{"order", std::move(*program)}};
    return made;
  }

  FlowId deals, mail;
  std::vector<FlowPtr> flows;
  int last = 0;
};

TEST_F(QueriesTest, RunsAreListedNewestFirstAndFiltered) {
  EXPECT_THAT(listed({}), ElementsAre("orders-to-deals/4", "orders-to-deals/3", "orders-to-deals/2",
                                      testing::AnyOf("orders-to-deals/1", "orders-to-mail/1"),
                                      testing::AnyOf("orders-to-deals/1", "orders-to-mail/1")));
  EXPECT_THAT(listed({.flow = "orders-to-mail"}), ElementsAre("orders-to-mail/1"));
  EXPECT_THAT(listed({.state = "held"}), ElementsAre("orders-to-deals/2"));
  EXPECT_THAT(listed({.state = "pending"}), ElementsAre("orders-to-deals/4"));
  EXPECT_THAT(listed({.flow = "orders-to-deals", .count = 2}), ElementsAre("orders-to-deals/4", "orders-to-deals/3"));
  EXPECT_THAT(listed({.flow = "orders-to-deals", .after = Position(0), .count = 1}), ElementsAre("orders-to-deals/1"));
  EXPECT_THAT(listed({.flow = "orders-to-deals", .after = Position(2)}),
              ElementsAre("orders-to-deals/3", "orders-to-deals/4"))
      << "oldest first behind a place";
  EXPECT_THAT(listed({.flow = "orders-to-deals", .since = clock.now() - 10s}),
              ElementsAre("orders-to-deals/4", "orders-to-deals/3"));
}

TEST_F(QueriesTest, RunsAreFoundByAKeyOfTheIndex) {
  EXPECT_THAT(listed({.key = "order=1042"}), ElementsAre("orders-to-deals/3", "orders-to-deals/2"));
  EXPECT_THAT(listed({.key = "order=104"}), testing::UnorderedElementsAre("orders-to-deals/1", "orders-to-mail/1"))
      << "a value is never the beginning of another one";
  EXPECT_THAT(listed({.key = "order=1"}), ElementsAre());
  EXPECT_THAT(listed({.state = "held", .key = "order=1042", .count = 1}), ElementsAre("orders-to-deals/2"))
      << "what does not fit takes no place of the count";
  EXPECT_THAT(listed({.flow = "orders-to-mail", .key = "order=104"}), ElementsAre("orders-to-mail/1"));
  EXPECT_THAT(listed({.key = "order=1042", .after = Position(2)}), ElementsAre("orders-to-deals/3"));
  EXPECT_THAT(listed({.key = "order=1042", .after = Position(1), .count = 1}), ElementsAre("orders-to-deals/2"));
}

TEST_F(QueriesTest, AWrongQuestionIsAnsweredWithTheRightOne) {
  EXPECT_THAT(refused({.flow = "orders-to-deal"}).message, HasSubstr("did you mean \"orders-to-deals\"?"));
  EXPECT_EQ(refused({.flow = "orders-to-deal"}).code, Code::kNotFound);
  EXPECT_THAT(refused({.state = "helt"}).message, HasSubstr("did you mean \"held\"?"));
  EXPECT_EQ(refused({.key = "1042"}).code, Code::kInvalid);
}

TEST_F(QueriesTest, ARunIsListedWithItsEvent) {
  const auto result = await(list_runs(asked(), {.state = "retrying"}));
  ASSERT_TRUE(result);
  EXPECT_EQ(
      json::print(result->root()["runs"].at(0)),
      R"({"run":"orders-to-deals/4","flow":"orders-to-deals","state":"retrying","changed":"2026-10-26T07:34:00Z",)"
      R"("due":"2026-10-26T07:35:00Z","summary":"transient: down","event":4,)"
      R"("event_id":"hook-4","source":"shopify","type":"orders/create","subject":"881","op":"created",)"
      R"("time":"2026-10-26T07:33:49Z","received":"2026-10-26T07:33:50Z"})");
}

TEST_F(QueriesTest, AnEventIsFoundByRunPositionOrTheVendorsId) {
  for (const char* id : {"2", "orders-to-deals/2", "hook-2"}) {
    const auto found = described(id);
    ASSERT_TRUE(found) << id;
    EXPECT_EQ(found->root()["event"].as_int64(), 2) << id;
    EXPECT_EQ(json::print(found->root()["data"]), R"({"n":1.10})") << "numbers as they came";
  }
  for (const char* id : {"99", "orders-to-deals/99", "hook-9", ""}) {
    const auto found = described(id);
    ASSERT_FALSE(found) << id;
    EXPECT_EQ(found.error().code, Code::kNotFound) << id;
  }
  EXPECT_FALSE(described("hook-2", {"stripe"})) << "of a source that was not asked";
}

TEST_F(QueriesTest, AVendorsIdWithSlashesIsNotTakenForAPosition) {
  event("shopify", "gid://shopify/Order/2");
  const auto found = described("gid://shopify/Order/2");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->root()["event"].as_int64(), 5);
  EXPECT_FALSE(described("gid://shopify/Order/3"));
}

TEST_F(QueriesTest, AnEventIsDescribedWithTheStoryOfEachRun) {
  const RunId run{deals, event("shopify", "hook-5")};
  engine::RecordBody body{.action = "hubspot.deals.upsert", .category = Category::kDelivered};
  body.took = 40ms;
  body.request = engine::KeptRequest{"POST", "https://api.example.com/deals", {}, R"({"a":1})"};
  body.response = engine::KeptResponse{.status = 200, .phase = "answered", .body = R"({"id":"7"})"};
  record(run, RecordKind::kOutcome, body);
  clock.advance(1500ms);
  state(run, RunState::kDelivered);
  const auto found = described("hook-5");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->root()["runs"].size(), 1u);
  const json::Value told = found->root()["runs"].at(0);
  EXPECT_EQ(told["state"].as_string(), "delivered");
  EXPECT_EQ(told["took_us"].as_int64(), 1'500'000);
  EXPECT_EQ(told["story"].size(), 2u);
  EXPECT_EQ(in_words(found->root()),
            "Event 5: orders/create from shopify (id hook-5)\n"
            "  about     881\n"
            "  happened  2026-10-26T07:33:59Z\n"
            "  received  2026-10-26T07:34:00Z\n"
            "\n"
            "Run orders-to-deals/5: delivered, 1.5 s after it was received\n"
            "  2026-10-26T07:34:00Z  hubspot.deals.upsert: answered 200 in 40 ms\n"
            "      > POST https://api.example.com/deals\n"
            "      > {\"a\":1}\n"
            "      < {\"id\":\"7\"}\n"
            "  2026-10-26T07:34:01.500000Z  delivered\n");
}

TEST_F(QueriesTest, AnEventThatNoFlowTookUpSaysSo) {
  event("shopify", "hook-5");
  const auto found = described("5");
  ASSERT_TRUE(found);
  EXPECT_THAT(in_words(found->root()), HasSubstr("No flow has taken it up"));
}

TEST_F(QueriesTest, AnEventThatWaitsForItsFirstRecordIsPending) {
  flows = {taking("orders-to-deals", "orders/create"), taking("never-started", "orders/create")};
  event("shopify", "hook-5", R"({"order_number":2003})");
  event("shopify", "hook-6");
  await(store->flush());
  EXPECT_THAT(listed({.state = "pending"}), ElementsAre("orders-to-deals/6", "orders-to-deals/5", "orders-to-deals/4"));
  EXPECT_THAT(listed({.count = 2}), ElementsAre("orders-to-deals/6", "orders-to-deals/5"));
  EXPECT_THAT(listed({.after = Position(4), .count = 1}), ElementsAre("orders-to-deals/5")) << "oldest first";
  EXPECT_THAT(listed({.key = "order=2003"}), ElementsAre("orders-to-deals/5")) << "by what its index will hold";
  EXPECT_THAT(listed({.flow = "orders-to-mail", .state = "pending"}), ElementsAre());
  EXPECT_THAT(listed({.state = "delivered"}), ElementsAre("orders-to-deals/1"));
  EXPECT_THAT(in_words(described("5")->root()),
              HasSubstr("Run orders-to-deals/5: pending\n  nothing of it is written"));

  state({deals, Position(5)}, RunState::kDelivered);
  store->settle(deals, Position(6));
  EXPECT_THAT(listed({.state = "pending"}), ElementsAre("orders-to-deals/4")) << "each is over, or has a record";
}

TEST_F(QueriesTest, EventsThatNoFlowTakesAreListed) {
  flows = {taking("orders-to-deals", "orders/paid")};
  event("shopify", "hook-5");
  EXPECT_THAT(listed({.state = "unmatched"}), ElementsAre("5")) << "1 to 4 have runs of an earlier form of the flow";
  EXPECT_THAT(listed({}), testing::Not(testing::Contains("5")));
  EXPECT_THAT(in_words(described("5")->root()), HasSubstr("No flow takes it"));
  EXPECT_EQ(refused({.state = "unmatched", .key = "order=7"}).code, Code::kInvalid);
  flows = {};
  EXPECT_EQ(refused({.state = "unmatched"}).code, Code::kUnavailable);
}

TEST_F(QueriesTest, ANameThatNoIndexHasIsAMistake) {
  flows = {taking("orders-to-deals", "orders/create")};
  EXPECT_THAT(refused({.key = "ordr=1042"}).message, HasSubstr("did you mean \"order\"?"));
  EXPECT_EQ(refused({.key = "ordr=1042"}).code, Code::kNotFound);
  EXPECT_THAT(listed({.key = "order=9999"}), ElementsAre());
}

TEST_F(QueriesTest, ARunThatWaitsForAVendorsLimitSaysUntilWhen) {
  const RunId run{deals, event("shopify", "hook-5")};
  engine::RecordBody body{.action = "hubspot.deals.upsert", .category = Category::kRateLimited};
  body.wait = 10s;
  body.response = engine::KeptResponse{.status = 429, .phase = "answered"};
  record(run, RecordKind::kOutcome, body);
  const auto result = await(list_runs(asked(), {.state = "running"}));
  ASSERT_TRUE(result);
  const json::Value row = result->root()["runs"].at(0);
  EXPECT_EQ(row["summary"].as_string(), "hubspot.deals.upsert: the vendor's limit, waits until 2026-10-26T07:34:10Z");
  EXPECT_TRUE(row["took_us"].is_null()) << "it is not over";
  EXPECT_THAT(in_words(described("5")->root()), HasSubstr("rate_limited; will try again at 2026-10-26T07:34:10Z"));
}

TEST_F(QueriesTest, ARunIsNamedByFlowAndPosition) {
  const auto run = await(find_run(ports(), "orders-to-mail/12"));
  ASSERT_TRUE(run);
  EXPECT_EQ(*run, (RunId{mail, Position(12)}));
  for (const char* wrong : {"orders-to-mail", "orders-to-mail/", "orders-to-mail/x", "12"})
    EXPECT_EQ(await(find_run(ports(), wrong)).error().code, Code::kInvalid) << wrong;
  EXPECT_EQ(await(find_run(ports(), "other/12")).error().code, Code::kNotFound);
}

TEST_F(QueriesTest, AKeyWithMoreEntriesThanOneScanIsReadWhole) {
  for (int i = 0; i < 600; ++i) {
    const Position position = event("shopify", "many-" + std::to_string(i));
    state({deals, position}, RunState::kDelivered, "", {index("order", "many", position)});
  }
  EXPECT_EQ(listed({.key = "order=many", .count = 1000}).size(), 600u);
  EXPECT_EQ(listed({.key = "order=many", .count = 5000}).size(), 600u);
}

// Two flows of one event, and a page that ends between them.
TEST_F(QueriesTest, APageEndsWithAllRunsOfItsLastEvent) {
  for (const Position at : {Position(2), Position(3), Position(4)}) state({mail, at}, RunState::kDelivered);
  for (const std::size_t count : {1u, 2u, 3u, 5u}) {
    RunFilter filter{.state = {}, .after = Position(0), .count = count};
    std::set<std::string> seen;
    while (true) {
      const auto page = listed(filter);
      for (const std::string& run : page) EXPECT_TRUE(seen.insert(run).second) << run << " twice";
      if (page.size() < count) break;
      filter.after = Position(*whole_number(page.back().substr(page.back().rfind('/') + 1)));
    }
    EXPECT_EQ(seen.size(), 8u) << count;
  }
}

TEST_F(QueriesTest, ApprovalsAreListedAmongAllThatWaits) {
  for (int i = 0; i < 40; ++i) {
    const Position at = event("shopify", "wait-" + std::to_string(i));
    state({deals, at}, RunState::kWaiting,
          i % 4 == 0 ? "waits for approval by finance" : "waits until 2026-11-30T09:00:00Z",
          {index("order", "99", at)});
    state({mail, at}, RunState::kWaiting, i % 4 == 0 ? "waits for approval" : "waits until 2026-11-30T09:00:00Z");
  }
  EXPECT_EQ(listed({.state = "approval"}).size(), 20u);
  EXPECT_EQ(listed({.flow = "orders-to-mail", .state = "approval"}).size(), 10u);
  EXPECT_EQ(listed({.state = "approval", .key = "order=99"}).size(), 20u);
  RunFilter filter{.state = "approval", .after = Position(0), .count = 3};
  EXPECT_THAT(listed(filter),
              ElementsAre("orders-to-deals/5", "orders-to-mail/5", "orders-to-deals/9", "orders-to-mail/9"));
  filter.count = 1;
  filter.after = Position(5);
  EXPECT_THAT(listed(filter), ElementsAre("orders-to-deals/9", "orders-to-mail/9"));
}

}  // namespace
}  // namespace tieline::admin
