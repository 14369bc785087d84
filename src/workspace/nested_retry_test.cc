// Steps inside steps when something fails: what is tried again, waits, is held or goes on after a crash, and what is
// not.
#include <memory>
#include <string>

#include "workspace/nested_flow_fixture.h"

namespace tieline::workspace {
namespace {

TEST_F(NestedFlow, OnlyFailedItemsAreTriedAgainWhateverTheOrder) {
  for (const char* concurrency : {"1", "4"}) {
    vendor_.forget();
    start(std::string("  - foreach: .list\n    steps: [ { call: api.things.make, with: { n: =$item } }, { call: "
                      "api.things.put, with: { n: =$item } } ]\n    concurrency: ") +
          concurrency + "\n");
    vendor_.scripts[R"(make {"n":3})"] = {status(503), status(503)};
    vendor_.scripts[R"(put {"n":5})"] = {status(500)};
    const Position event = post(items(10));
    advance(50ms);
    EXPECT_EQ(run_of(event).state, RunState::kRetrying);
    EXPECT_NE(run_of(event).summary.find("item "), std::string::npos) << run_of(event).summary;
    EXPECT_EQ(vendor_.sent.size(), 19u) << "all the others went on";
    crash();
    advance(60s);
    EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
    for (int n = 0; n < 10; ++n) {
      const std::string with = " {\"n\":" + std::to_string(n) + "}";
      EXPECT_EQ(vendor_.count("make" + with), n == 3 ? 3u : 1u) << n;
      EXPECT_EQ(vendor_.count("put" + with), n == 5 ? 2u : 1u) << n;
    }
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  }
}

TEST_F(NestedFlow, WaitsOfOneItemAreNotMovedByThoseOfAnother) {
  start("  - foreach: .list\n    steps: [ { call: api.things.put, with: { n: =$item } } ]\n");
  const Exchange quick = status(503);
  Exchange slow = status(503);
  slow.response.headers = {{"Retry-After", "600"}};
  vendor_.scripts[R"(put {"n":0})"] = {slow};
  vendor_.scripts[R"(put {"n":1})"] = {quick, quick};
  const Position event = post(items(2));
  advance(120s);
  EXPECT_EQ(vendor_.count(R"(put {"n":1})"), 3u);
  EXPECT_EQ(vendor_.count(R"(put {"n":0})"), 1u) << "it asked for ten minutes";
  EXPECT_EQ(run_of(event).state, RunState::kRetrying);
  crash();
  advance(600s);
  EXPECT_EQ(vendor_.count(R"(put {"n":0})"), 2u);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered);
}

TEST_F(NestedFlow, AnItemThatIsNotThereYetWaitsWhileOthersAreTriedAgain) {
  start(
      "  - foreach: .list\n    steps: [ { call: api.things.read, with: { n: =$item }, "
      "on: { empty: { wait: 10m, for: 1h }, missing: { wait: 10m, for: 1h } } } ]\n");
  vendor_.scripts[R"(read {"n":0})"] = {status(200, "[]"), status(404), status(503)};
  vendor_.scripts[R"(read {"n":1})"] = {status(503)};
  vendor_.down[R"(read {"n":2})"] = status(200, "[]");
  const Position event = post(items(3));
  advance(120s);
  EXPECT_EQ(vendor_.count(R"(read {"n":1})"), 2u);
  EXPECT_EQ(vendor_.count(R"(read {"n":0})"), 1u) << "in ten minutes";
  crash();
  advance(600s);
  EXPECT_EQ(vendor_.count(R"(read {"n":0})"), 2u);
  advance(700s);
  EXPECT_EQ(vendor_.count(R"(read {"n":0})"), 4u);
  EXPECT_EQ(run_of(event).state, RunState::kRetrying);
  advance(3600s);
  EXPECT_EQ(run_of(event).state, RunState::kDead);
  EXPECT_NE(run_of(event).summary.find("1 of 3 items failed: item 3: api.things.read: found nothing"),
            std::string::npos)
      << run_of(event).summary;
  EXPECT_NE(run_of(event).summary.find("; asked for 1h"), std::string::npos) << run_of(event).summary;
  EXPECT_EQ(vendor_.count(R"(read {"n":2})"), 7u);
  EXPECT_EQ(vendor_.count(R"(read {"n":1})"), 2u);
}

TEST_F(NestedFlow, ItemsThatFailForGoodAreCountedAndTheOthersDone) {
  start(
      "  - foreach: .list\n    steps: [ { call: api.things.put, with: { n: =$item } } ]\n    concurrency: 2\n"
      "  - { call: api.things.put, with: { after: true } }\n");
  vendor_.down[R"(put {"n":3})"] = status(422);
  vendor_.down[R"(put {"n":7})"] = status(500);
  vendor_.down[R"(put {"n":9})"] = status(422);
  const Position event = post(items(40));
  advance(300s);
  EXPECT_EQ(run_of(event).state, RunState::kDead);
  EXPECT_EQ(run_of(event).summary.find("validation: 3 of 40 items failed: item 4: api.things.put: "), 0u)
      << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.size(), 42u);
  EXPECT_EQ(vendor_.count(R"(put {"n":7})"), 3u);
  EXPECT_EQ(vendor_.count(R"(put {"n":3})"), 1u);
}

TEST_F(NestedFlow, ACrashInTheMiddleRepeatsNothingThatIsKnown) {
  // At each moment of the work: every answer that is durable by then was asked for once.
  for (int at = 1; at <= 40; ++at) {
    vendor_.forget();
    start(
        "  - foreach: .list\n    steps: [ { call: api.things.key, with: { n: =$item } }, { call: api.things.put, "
        "with: { n: =$item } } ]\n    concurrency: 4\n    collect: all\n");
    const Position event = post(items(16));
    advance(Duration(at * 250));
    crash(event);
    advance(100s);
    ASSERT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
    for (const auto& [what, keys] : vendor_.keys) EXPECT_EQ(keys.size(), 1u) << what << " has two keys";
    std::size_t again = 0;
    for (int n = 0; n < 16; ++n) {
      for (const std::string action : {"key", "put"}) {
        const std::size_t made = vendor_.count(action + " {\"n\":" + std::to_string(n) + "}");
        const bool known = known_.contains("api.things." + action + " " + std::to_string(n));
        EXPECT_TRUE(known ? made == 1 : made >= 1) << action << " " << n << ": " << made;
        again += made - 1;
      }
    }
    EXPECT_LE(again, 8u) << "each of four had one call under way, and one whose outcome was not durable yet";
    stop();
    store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
  }
}

TEST_F(NestedFlow, OneArmThatFailsLetsTheOthersEndAndIsRetriedAlone) {
  start(R"(
  - parallel:
      bad: [ { call: api.things.put, with: { n: 1 } } ]
      good: [ { call: api.things.make, with: { n: 2 } }, { call: api.things.make, with: { n: 3 } } ]
  - { call: api.things.put, with: { after: true } }
)");
  vendor_.scripts[R"(put {"n":1})"] = {status(500)};
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kRetrying);
  EXPECT_EQ(vendor_.sent.size(), 3u);
  crash();
  advance(30s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered);
  EXPECT_EQ(vendor_.sent.size(), 5u);
}

TEST_F(NestedFlow, AHeldItemWaitsForTheRetriesOfOthersThenForAPerson) {
  start("  - foreach: .list\n    steps: [ { call: api.things.make, with: { n: =$item } } ]\n    concurrency: 3\n");
  vendor_.scripts[R"(make {"n":1})"] = {lost()};
  vendor_.scripts[R"(make {"n":2})"] = {status(503)};
  vendor_.scripts[R"(make {"n":4})"] = {lost()};
  const Position event = post(items(6));
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kRetrying);
  advance(20s);
  ASSERT_EQ(run_of(event).state, RunState::kHeld);
  EXPECT_NE(run_of(event).summary.find("item 2"), std::string::npos) << run_of(event).summary;
  crash();
  ASSERT_TRUE(settle_held(event, engine::HeldAnswer::kDelivered));
  advance(1s);
  ASSERT_EQ(run_of(event).state, RunState::kHeld);
  EXPECT_NE(run_of(event).summary.find("item 5"), std::string::npos) << run_of(event).summary;
  ASSERT_TRUE(settle_held(event, engine::HeldAnswer::kRepeat));
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.count(R"(make {"n":1})"), 1u);
  EXPECT_EQ(vendor_.count(R"(make {"n":4})"), 2u);
  EXPECT_EQ(vendor_.sent.size(), 8u);
}

TEST_F(NestedFlow, OneOnceKeyOfSeveralItemsIsMadeOnce) {
  start(
      "  - foreach: .list\n    steps: [ { call: api.things.make, with: { n: 1 }, once: '\"same\"' } ]\n    "
      "concurrency: 3\n"
      "    collect: all\n");
  vendor_.scripts[R"(make {"n":1})"] = {lost()};
  const Position event = post(items(3));
  advance(120s);
  ASSERT_EQ(run_of(event).state, RunState::kHeld) << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.size(), 1u) << "an item of the same key must not make it while another may have";
  ASSERT_TRUE(settle_held(event, engine::HeldAnswer::kRepeat));
  advance(60s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.size(), 2u);
}

TEST_F(NestedFlow, AConflictReadsAgainWhatTheItemReadAndNotWhatItsItemsCameFrom) {
  start(R"(
  - { call: api.things.read, with: { list: true }, as: top }
  - foreach: .list
    steps:
      - { call: api.things.read, with: { n: =$item }, as: found }
      - { call: api.things.put, with: { n: '=$found.got.n' } }
  - { call: api.things.put, with: { after: true } }
)");
  vendor_.scripts[R"(put {"n":1})"] = {status(409)};
  vendor_.scripts[R"(put {"after":true})"] = {status(409)};
  const Position event = post(items(3));
  advance(60s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.count(R"(read {"list":true})"), 1u);
  EXPECT_EQ(vendor_.count(R"(read {"n":0})"), 1u);
  EXPECT_EQ(vendor_.count(R"(read {"n":1})"), 2u);
  EXPECT_EQ(vendor_.count(R"(put {"n":0})"), 1u);
}

TEST_F(NestedFlow, DrainsInTheMiddleAndGoesOnAfterwards) {
  start("  - foreach: .list\n    steps: [ { call: api.things.make, with: { n: =$item } } ]\n    concurrency: 2\n");
  const Position event = post(items(10));
  advance(Duration(2'500));
  Result<void> drained;
  const Deadline soon = clock_.deadline_in(10s);
  await(keep(engine_->drain(soon), &drained));
  ASSERT_TRUE(drained);
  EXPECT_LT(vendor_.sent.size(), 10u);
  engine_.reset();
  begin();
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered);
  EXPECT_EQ(vendor_.sent.size(), 10u);
}

}  // namespace
}  // namespace tieline::workspace
