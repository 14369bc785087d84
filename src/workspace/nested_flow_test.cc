// Flows with steps inside steps, as they are written, run by the engine on the store's fake and a scripted vendor.
#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <set>

#include "engine/record.h"
#include "engine/shard_fixture.h"
#include "workspace/compile.h"

namespace tieline::workspace {
namespace {

Exchange status(int code, Bytes body = "{}") {
  Exchange exchange;
  exchange.phase = Phase::kAnswered;
  exchange.response = Response{code, {}, std::move(body)};
  return exchange;
}

Exchange lost() {
  Exchange exchange;
  exchange.phase = Phase::kSent;
  exchange.error = Error{Code::kUnavailable, "connection reset", {}};
  return exchange;
}

// Answers to one request by script, then with 200 and what was sent.
class Vendor final : public Transport {
 public:
  explicit Vendor(Clock& clock) : clock_(clock) {}
  asio::awaitable<Exchange> send(Request request, Deadline) override {
    const std::string what = request.url.substr(std::string("https://api.example/").size()) + " " + request.body;
    sent.push_back(what);
    for (const auto& [name, value] : request.headers) keys[what].insert(name == "X-Key" ? value : "");
    most_at_once = std::max(most_at_once, ++at_once);
    Exchange exchange = status(200, "{\"got\":" + request.body + "}");
    if (const auto page = pages.find(what); page != pages.end()) exchange = status(200, page->second);
    if (auto& script = scripts[what]; !script.empty()) {
      exchange = script.front();
      script.pop_front();
    }
    if (down.contains(what)) exchange = down[what];
    struct Left {
      std::size_t& count;
      ~Left() { --count; }
    } left{at_once};
    co_await clock_.sleep(latency(what));
    co_return exchange;
  }
  std::size_t count(std::string_view what) const {
    return static_cast<std::size_t>(std::count(sent.begin(), sent.end(), what));
  }
  Duration latency(const std::string& what) const {
    const auto found = latencies.find(what);
    return found == latencies.end() ? Duration(1'000) : found->second;
  }
  void forget() {
    scripts.clear();
    down.clear();
    keys.clear();
    sent.clear();
    most_at_once = 0;
  }
  std::map<std::string, std::deque<Exchange>> scripts;
  std::map<std::string, Exchange> down;
  std::map<std::string, std::string> pages;
  std::map<std::string, Duration> latencies;
  std::map<std::string, std::set<std::string>> keys;
  std::vector<std::string> sent;
  std::size_t at_once = 0, most_at_once = 0;

 private:
  Clock& clock_;
};

class ApiAction final : public Action {
 public:
  ApiAction(const std::string& connection, const std::string& resource, std::string name) : path_(std::move(name)) {
    connection_ = connection;
    name_ = connection + "." + resource + "." + path_;
    safety_ = path_ == "read" || path_ == "list" ? Safety::kSafe
              : path_ == "put"                   ? Safety::kRepeatable
                                                 : Safety::kUnsafe;
    has_idempotency_key_ = path_ == "key";
    url_ = "https://api.example/" + (connection == "api" ? path_ : name_);
    buckets_ = {"calls"};
  }
  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    Request request;
    request.url = url_;
    request.headers = {{"X-Key", identity.key}};
    request.body = json::print(args.root());
    return request;
  }
  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, std::chrono::hours(1));
    if (verdict.category == Category::kDelivered) {
      verdict.result = *json::parse(exchange.response.body);
      if (path_ == "list") verdict.result = verdict.result.part(verdict.result.root()["data"]);
      verdict.empty = verdict.result.root().is_array() && verdict.result.root().size() == 0;
    }
    verdict.message = "said " + exchange.response.body;
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const override {
    const auto body = json::parse(exchange.response.body);
    const json::Value next = body->root()["next"];
    if (path_ != "list" || !next.is_string()) return std::optional<Request>();
    Request more = request;
    more.url = url_ + std::string(next.as_string());
    return std::optional<Request>(more);
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }

 private:
  std::string path_, url_;
};

class ApiActions final : public steps::Actions {
 public:
  std::vector<std::string> connections() const override {
    return {"api", "bank", "books", "chat", "crm", "log", "stock"};
  }
  bool loaded(std::string_view) const override { return true; }
  std::vector<std::string> resources(std::string_view) const override {
    return {"things", "deals", "deposits", "entries", "items", "lines", "messages", "orders", "owners"};
  }
  std::vector<std::string> actions(std::string_view, std::string_view) const override {
    return {"read", "list", "put", "make", "key"};
  }
  std::optional<steps::ActionInfo> find(std::string_view connection, std::string_view resource,
                                        std::string_view action) const override {
    auto made = std::make_shared<ApiAction>(std::string(connection), std::string(resource), std::string(action));
    return steps::ActionInfo{.arguments = {}, .other_arguments = true, .action = std::move(made)};
  }
};

class Sources final : public FlowSource {
 public:
  Result<FlowPtr> compile(const std::string&, const std::string&, const std::string&) override { return flow; }
  FlowPtr flow;
};

class NestedFlow : public engine::ShardTest {
 protected:
  // A flow of these steps.
  void start(const std::string& steps) {
    FlowInput input;
    input.name = "f";
    input.file = "flows/f.yaml";
    input.yaml = "on: { webhook: shop }\nretry: { first: 10s, max: 10s, multiplier: 1, tries: 3 }\nsteps:\n" + steps;
    input.zone = "UTC";
    spec::Problems problems;
    const CompiledFlow compiled = compile_flow(input, actions_, problems);
    ASSERT_TRUE(compiled.flow != nullptr) << problems.text();
    sources_.flow = compiled.flow;
    begin();
  }
  void begin() {
    engine::EngineDeps deps{context_.get_executor(), clock_, 7, *store_, *store_, *store_, vendor_, sources_};
    engine_ = std::make_unique<engine::Engine>(deps, limits_);
    engine::EngineConfig config;
    config.flows = {sources_.flow};
    ConnectionInfo api;
    api.name = "api";
    config.connections = {api};
    Result<void> started;
    await(keep(engine_->start(config), &started));
    ASSERT_TRUE(started.has_value());
    settle();
  }
  // `known_`: what is durable of the event's run by then.
  void crash(Position event = Position(1)) {
    kill();
    known_.clear();
    for (const Record& record : records(event)) {
      const auto body = engine::decode(record.body);
      if (record.kind == RecordKind::kOutcome && body->category == Category::kDelivered && !body->items.empty())
        known_.insert(body->action + " " + std::to_string(body->items.front()));
    }
    begin();
  }
  RunStatus run_of(Position event) { return ShardTest::run_of(event).value_or(RunStatus{}); }
  static std::string items(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + std::to_string(i);
    return "{\"list\":[" + out + "]}";
  }

  Vendor vendor_{clock_};
  ApiActions actions_;
  Sources sources_;
  std::set<std::string> known_;
};

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
