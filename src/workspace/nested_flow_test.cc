// Flows with steps inside steps: which steps run, what they see and give, and their bounds.
#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "workspace/nested_flow_fixture.h"

namespace tieline::workspace {
namespace {

TEST_F(NestedFlow, ABranchTakesTheFirstArmThatHoldsAndItsNamesStay) {
  start(R"(
  - branch:
      - if: .n > 10
        steps: [ { let: { size: large } } ]
      - if: .n > 5
        steps: [ { call: api.things.read, with: { n: =.n }, as: found }, { map: { n: =.n, found: '=$found.got.n' } } ]
      - else: [ { let: { size: small } } ]
  - call: api.things.put
    with: { size: =$size, found: =$found, now: =. }
)");
  post(R"({"n":20})");
  post(R"({"n":7})");
  post(R"({"n":1})");
  advance(1s);
  const std::vector<std::string> sent{R"(put {"size":"large","found":null,"now":{"n":20}})", R"(read {"n":7})",
                                      R"(put {"size":null,"found":{"got":{"n":7}},"now":{"n":7,"found":7}})",
                                      R"(put {"size":"small","found":null,"now":{"n":1}})"};
  for (const std::string& one : sent) EXPECT_EQ(vendor_.count(one), 1u) << one;
  EXPECT_EQ(vendor_.sent.size(), 4u);
}

TEST_F(NestedFlow, ForeachGivesEachItemItsOwnAndCollectsInOrder) {
  start(R"(
  - let: { before: =1 }
  - foreach: .list
    as: number
    steps:
      - filter: $item != 2
      - let: { mine: '=$item * 10 + $before' }
      - { call: api.things.put, with: { at: =$index, is: =$mine, as: =$number, top: '=.list | length' } }
      - map: { is: =$mine }
    collect: all
    concurrency: 3
  - { call: api.things.put, with: { all: =$all, mine: =$mine, dot: '=.list | length' } }
)");
  vendor_.latencies[R"(put {"at":0,"is":1,"as":0,"top":5})"] = 10s;
  const Position event = post(items(5));
  advance(20s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.back(), R"(put {"all":[{"is":1},{"is":11},{"is":31},{"is":41}],"mine":null,"dot":5})");
  EXPECT_EQ(vendor_.sent.size(), 5u);
  EXPECT_EQ(vendor_.most_at_once, 3u);
}

TEST_F(NestedFlow, KeysOfItemsDifferAndThoseOfOtherCallsAreWhatTheyWere) {
  start(
      "  - { call: api.things.key, with: { alone: true } }\n"
      "  - foreach: .list\n    steps: [ { call: api.things.key, with: { n: =$item } } ]\n");
  post(items(3));
  advance(1s);
  std::set<std::string> all;
  for (const auto& [what, keys] : vendor_.keys) all.insert(*keys.begin());
  EXPECT_EQ(all.size(), 4u);
  EXPECT_EQ(*vendor_.keys[R"(key {"alone":true})"].begin(), "tl-c12a3d2ec46e0129dd1ca2ad9728872d");
}

TEST_F(NestedFlow, PagesAreWorkedOnAsTheyComeAndKeptOverACrash) {
  start(R"(
  - foreach: { call: api.things.list, with: { of: =.id } }
    steps: [ { call: api.things.make, with: { n: =$item, at: =$index } } ]
    collect: seen
  - { call: api.things.put, with: { seen: =$seen } }
)");
  vendor_.pages[R"(list {"of":7})"] = R"({"data":["a","b"],"next":"?p=2"})";
  vendor_.pages[R"(list?p=2 {"of":7})"] = R"({"data":["c"],"next":"?p=3"})";
  vendor_.pages[R"(list?p=3 {"of":7})"] = R"({"data":["d","e"]})";
  vendor_.scripts[R"(make {"n":"b","at":1})"] = {status(503)};
  vendor_.scripts[R"(list?p=3 {"of":7})"] = {status(503)};
  const Position event = post(R"({"id":7})");
  advance(Duration(1'000'000));
  const std::vector<std::string> order{R"(list {"of":7})",     R"(make {"n":"a","at":0})", R"(make {"n":"b","at":1})",
                                       R"(list?p=2 {"of":7})", R"(make {"n":"c","at":2})", R"(list?p=3 {"of":7})"};
  ASSERT_GE(vendor_.sent.size(), order.size());
  EXPECT_TRUE(std::equal(order.begin(), order.end(), vendor_.sent.begin()));
  // What the vendor says of its pages now must not move the items.
  vendor_.pages[R"(list {"of":7})"] = R"({"data":["new","a","b"],"next":"?p=2"})";
  crash();
  advance(60s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.back(), R"(put {"seen":["a","b","c","d","e"]})");
  EXPECT_EQ(vendor_.count(R"(list {"of":7})"), 1u);
  EXPECT_EQ(vendor_.count(R"(list?p=2 {"of":7})"), 1u);
  EXPECT_EQ(vendor_.count(R"(list?p=3 {"of":7})"), 2u);
  EXPECT_EQ(vendor_.count(R"(make {"n":"b","at":1})"), 2u);
  EXPECT_EQ(vendor_.sent.size(), 11u);
}

TEST_F(NestedFlow, ItemsAreBoundedAndMustBeAList) {
  limits_.items_max = 20;
  start(
      "  - foreach: .list\n    steps: [ { foreach: .list, steps: [ { map: =$item } ], collect: inner } ]\n    collect: "
      "all\n");
  const Position few = post(items(3)), many = post(items(21)), product = post(items(5));
  const Position none = post("{}"), wrong = post(R"({"list":{"a":1}})");
  advance(1s);
  EXPECT_EQ(run_of(few).state, RunState::kDelivered) << run_of(few).summary;
  EXPECT_EQ(run_of(none).state, RunState::kDelivered);
  EXPECT_EQ(run_of(many).summary, "validation: `foreach` has more than 20 items, which is the most of one run");
  EXPECT_EQ(run_of(product).state, RunState::kDead);
  EXPECT_EQ(run_of(wrong).summary, "validation: `foreach` needs a list of items, and was given an object");
}

TEST_F(NestedFlow, WhatIsCollectedAndStreamedIsBounded) {
  limits_.result_bytes_max = 100;
  start("  - { foreach: .list, steps: [ { map: { text: =\"0123456789 0123456789 \\($item)\" } } ], collect: all }\n");
  const Position event = post(items(9));
  advance(1s);
  EXPECT_EQ(run_of(event).summary, "validation: what `foreach` collects is together more than 100 bytes");
}

TEST_F(NestedFlow, StreamedPagesAreBounded) {
  limits_.streamed_bytes_max = 30;
  start("  - { foreach: { call: api.things.list }, steps: [ { call: api.things.put, with: { n: =$item } } ] }\n");
  vendor_.pages["list {}"] = R"({"data":["0123456789"],"next":"?p=2"})";
  vendor_.pages["list?p=2 {}"] = R"({"data":["0123456789 0123456789"]})";
  const Position event = post("{}");
  advance(1s);
  EXPECT_EQ(run_of(event).summary, "validation: the pages of `foreach` are together more than 30 bytes");
  EXPECT_EQ(vendor_.sent.size(), 3u);
}

TEST_F(NestedFlow, ParallelArmsWorkAtOnceAndJoin) {
  start(R"(
  - parallel:
      one: [ { call: api.things.read, with: { n: 1 }, as: first }, { map: .x } ]
      two: [ { call: api.things.read, with: { n: 2 }, as: second } ]
  - { call: api.things.put, with: { first: '=$first.got.n', second: '=$second.got.n', dot: =. } }
)");
  const Position event = post(R"({"x":1})");
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kDelivered) << run_of(event).summary;
  EXPECT_EQ(vendor_.sent.back(), R"(put {"first":1,"second":2,"dot":{"x":1}})");
  EXPECT_EQ(vendor_.most_at_once, 2u);
}

TEST_F(NestedFlow, SkipsEndAnItemOrTheRun) {
  start(R"(
  - foreach: .list
    steps:
      - { stop: enough, if: $item == 1 }
      - { call: api.things.put, with: { n: =$item } }
  - parallel:
      a: [ { filter: { if: .go, reason: not going } } ]
      b: [ { call: api.things.put, with: { b: true } } ]
  - { call: api.things.put, with: { after: true } }
)");
  const Position event = post(items(3));
  advance(1s);
  EXPECT_EQ(run_of(event).state, RunState::kSkipped);
  EXPECT_EQ(run_of(event).summary, "not going");
  EXPECT_EQ(vendor_.sent.size(), 3u);
}

TEST_F(NestedFlow, SaysWhereItIsInWords) {
  start(R"(
  - foreach: .list
    name: each line
    steps:
      - parallel:
          crm: [ { call: api.things.put, with: { n: =$item }, name: tell the crm } ]
          chat: [ { branch: [ { if: true, steps: [ { call: api.things.put, with: { m: =$item } } ] } ] } ]
)");
  const Position event = post(items(1));
  advance(1s);
  std::set<std::string> paths;
  std::set<std::uint16_t> numbers;
  for (const Record& record : records(event)) {
    if (record.kind != RecordKind::kOutcome) continue;
    paths.insert(engine::decode(record.body)->path);
    numbers.insert(record.step);
  }
  EXPECT_EQ(paths, (std::set<std::string>{"each line › item 1 › step 2 › crm › tell the crm",
                                          "each line › item 1 › step 2 › chat › step 5"}));
  EXPECT_EQ(numbers, (std::set<std::uint16_t>{2, 4}));
}

// docs/nested-steps.md: each block says its event, what is answered, its steps, and what they send.
TEST_F(NestedFlow, DoesWhatThePageSays) {
  std::ifstream file("docs/nested-steps.md", std::ios::binary);
  std::string line, steps, event;
  std::vector<std::string> gives;
  std::size_t examples = 0;
  bool inside = false;
  const auto after = [&](std::string_view mark) { return line.starts_with(mark) ? line.substr(mark.size()) : ""; };
  while (std::getline(file, line)) {
    if (line == "```yaml") {
      inside = true;
    } else if (line == "```" && inside) {
      inside = false;
      ++examples;
      start(steps);
      const Position position = post(event);
      advance(10s);
      EXPECT_EQ(run_of(position).state, RunState::kDelivered) << steps << run_of(position).summary;
      EXPECT_EQ(vendor_.sent, gives) << steps;
      stop();
      store_ = std::make_unique<store::MemoryStore>(context_.get_executor(), clock_);
      vendor_.forget();
      steps.clear();
      gives.clear();
    } else if (const std::string what = after("# event: "); inside && !what.empty()) {
      event = what;
    } else if (const std::string given = after("# => "); inside && !given.empty()) {
      gives.push_back(given);
    } else if (const std::string answered = after("# answer: "); inside && !answered.empty()) {
      const std::size_t arrow = answered.find(" => ");
      vendor_.pages[answered.substr(0, arrow)] = answered.substr(arrow + 4);
    } else if (inside) {
      steps += "  " + line + "\n";
    }
  }
  EXPECT_EQ(examples, 4u);
}

}  // namespace
}  // namespace tieline::workspace
