// Resources that a flow reads: all of them, what changed, what is gone; over crashes, outages and pages that are too
// large. A vendor in memory answers; what the flow was told is compared with it.
#include <map>

#include "engine/engine_fixture.h"
#include "engine/record.h"
#include "engine/sync_state.h"

namespace tieline::engine {
namespace {

using namespace std::chrono_literals;

// The things that the vendor has.
struct Thing {
  Time updated;
  int state = 0;
  bool gone = false;  // as it tells of it, where it does
};
struct Vendor {
  std::map<int, Thing> things;
  std::size_t page_size = 3;
  std::vector<std::string> asked;  // "all", "changes 2026-…"; of first pages only
  std::size_t answered = 0;
  int refuse = 0;  // status, where it is not 0

  void put(int id, Time now) {
    Thing& thing = things[id];
    thing.updated = now;
    ++thing.state;
    thing.gone = false;
  }
  static std::string record(int id, const Thing& thing) {
    return R"({"id":)" + std::to_string(id) + R"(,"at":")" + format_time(thing.updated) + R"(","state":)" +
           std::to_string(thing.state) + (thing.gone ? R"(,"gone":true})" : "}");
  }
  // {"things":[…],"next":"4"}: by id, or by when they changed; from a place on.
  Exchange answer(const Request& request) {
    if (refuse != 0) return status(refuse);
    ++answered;
    const auto body = json::parse(request.body);
    const bool changes = body->root()["since"].is_string();
    const std::size_t mark = request.url.find('?');
    const bool first = mark == std::string::npos && !body->root().has("from");
    const std::string place = body->root().has("from") ? std::string(body->root()["from"].as_string())
                                                       : request.url.substr(std::min(mark, request.url.size() - 1) + 1);
    const std::size_t from = first ? 0 : std::stoul(place);
    if (first) asked.push_back(changes ? "changes " + std::string(body->root()["since"].as_string()) : "all");
    std::vector<std::pair<int, Thing>> found;
    for (const auto& [id, thing] : things) {
      if (!changes || thing.updated >= *parse_time(body->root()["since"].as_string())) found.emplace_back(id, thing);
    }
    if (changes)
      std::stable_sort(found.begin(), found.end(),
                       [](const auto& a, const auto& b) { return a.second.updated < b.second.updated; });
    std::string out = R"({"things":[)";
    for (std::size_t i = from; i < std::min(found.size(), from + page_size); ++i)
      out += (i > from ? "," : "") + record(found[i].first, found[i].second);
    out += "]";
    if (from + page_size < found.size()) out += R"(,"next":")" + std::to_string(from + page_size) + '"';
    return status(200, {}, out + "}");
  }
};

class ListAction final : public Action {
 public:
  enum class Pages : std::uint8_t { kNone, kAddress, kBody };
  ListAction(std::string name, Pages pages) : pages_(pages) {
    name_ = "api.things." + std::move(name);
    connection_ = "api";
    safety_ = Safety::kSafe;
    buckets_ = {TestAction::kBucket};
  }
  Result<Request> render(const json::Document& args, const CallIdentity&) const override {
    Request request;
    request.method = "POST";
    request.url = "https://api.example/things";
    request.body = json::print(args.root());
    return request;
  }
  Verdict judge(const Exchange& exchange, Time) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    if (verdict.category != Category::kDelivered) return verdict;
    const auto body = json::parse(exchange.response.body);
    verdict.result = body->part(body->root()["things"]);
    verdict.empty = verdict.result.root().size() == 0;
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const override {
    const auto body = json::parse(exchange.response.body);
    if (pages_ == Pages::kNone || !body->root().has("next")) return std::optional<Request>();
    Request next = request;
    const std::string from(body->root()["next"].as_string());
    if (pages_ == Pages::kAddress) {
      next.url = "https://api.example/things?" + from;
    } else {
      const auto before = json::parse(request.body);
      json::Builder out;
      out.begin_object();
      if (before->root().has("since")) out.key("since").copy(before->root()["since"]);
      out.key("from").string(from);
      next.body = json::print(out.end_object().finish().root());
    }
    return std::optional(std::move(next));
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }

 private:
  const Pages pages_;
};

struct Traits {
  bool changes = true, in_order = false;
  ListAction::Pages pages = ListAction::Pages::kAddress;  // of changes
  Deletions deletions = Deletions::kNone;
};

class Things final : public SyncSource {
 public:
  explicit Things(Traits traits) {
    name_ = "api.things";
    resource_ = "things";
    all_ = std::make_shared<ListAction>("list", ListAction::Pages::kAddress);
    if (traits.changes) changes_ = std::make_shared<ListAction>("changed", traits.pages);
    overlap_ = 10s;
    in_order_ = traits.in_order;
    pages_changes_ = traits.pages != ListAction::Pages::kNone;
    deletions_ = traits.deletions;
  }
  Result<json::Document> all_arguments() const override { return json::Builder().begin_object().end_object().finish(); }
  Result<json::Document> changes_arguments(Time since) const override {
    json::Builder out;
    out.begin_object().key("since").string(format_time(since));
    return out.end_object().finish();
  }
  Result<Facts> facts(const json::Document& record) const override {
    if (!record.root()["id"].is_number()) return failure(Code::kInvalid, "it has no id");
    Facts out;
    out.id = json::print(record.root()["id"]);
    out.number = true;
    TRY(out.updated, parse_time(record.root()["at"].as_string()));
    out.version = json::print(record.root()["state"]);
    out.deleted = record.root()["gone"].truthy();
    return out;
  }
};

class ReadStep final : public Step {
 public:
  explicit ReadStep(Traits traits) : request_{std::make_shared<Things>(traits), "f"} { kind_ = "read"; }
  asio::awaitable<StepResult> run(RunContext& context) const override { return context.read(request_); }

 private:
  SyncRequest request_;
};

class One final : public json::Program {
 public:
  One() : Program("1") {}
  Result<std::vector<json::Document>> run(const json::Document&, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    return std::vector<json::Document>{json::make_integer(1)};
  }
};

const std::string kReader = "syncs/f/api.things";

class EngineSyncTest : public EngineTest {
 protected:
  // The flow that is told, and the one that reads for it: every minute, and all of it at noon.
  std::vector<FlowPtr> flows(Traits traits = {}) {
    auto told = flow({step("sink")});
    told->triggers.clear();
    told->syncs = {{"api.things"}};
    auto reader = flow({std::make_shared<ReadStep>(traits)});
    reader->name = kReader;
    reader->hash = "reader";
    reader->triggers.clear();
    reader->reads = reader->manual = true;
    reader->key = std::make_shared<One>();
    ScheduleTrigger often{Schedule::every(60s, 0s)};
    often.type = kReadChanges;
    often.at_once = true;
    ScheduleTrigger noon{*Schedule::parse("0 12 * * *", "UTC")};
    noon.type = kReadAll;
    reader->schedules = {often, noon};
    transport_.answer = [this](const Request& request) {
      return request.url.find("/things") == std::string::npos ? status(200) : vendor_.answer(request);
    };
    return {told, reader};
  }
  // What the flow was told, in order: "snapshot 3/1", with id and state.
  std::vector<std::string> told() {
    Result<std::vector<EventPtr>> all;
    await(keep(store_->read(Position(0), ReadLimits{.count = 100'000}), &all));
    std::vector<std::string> out;
    for (const EventPtr& event : *all) {
      if (event->source != "sync/f/api.things") continue;
      const auto data = json::parse(event->data);
      EXPECT_EQ(event->subject, json::print(data->root()["id"]));
      EXPECT_EQ(event->type, "things." + std::string(op_name(event->op)));
      out.push_back(std::string(op_name(event->op)) + ' ' + event->subject +
                    (data->root().has("state") ? '/' + json::print(data->root()["state"]) : std::string()));
    }
    return out;
  }
  std::vector<std::string> told_since(std::size_t before) {
    std::vector<std::string> all = told();
    return {all.begin() + static_cast<std::ptrdiff_t>(before), all.end()};
  }
  // What somebody knows who was told all of it, and that nothing was told twice.
  void expect_known() {
    std::map<std::string, std::string> known;
    std::map<std::string, int> times;
    for (const std::string& one : told()) {
      EXPECT_EQ(++times[one], 1) << one;
      const std::string what = one.substr(one.find(' ') + 1);
      const std::string id = what.substr(0, what.find('/'));
      if (one.starts_with("deleted")) {
        EXPECT_EQ(known.erase(id), 1u) << one;
      } else {
        known[id] = what;
      }
    }
    std::map<std::string, std::string> wanted;
    for (const auto& [id, thing] : vendor_.things)
      wanted[std::to_string(id)] = std::to_string(id) + '/' + std::to_string(thing.state);
    EXPECT_EQ(known, wanted);
  }
  void put(int id) { vendor_.put(id, clock_.now()); }
  // By hand.
  Position start_reader(const std::string& data) {
    Result<EventPtr> event;
    await(keep(engine_->start_flow(kReader, "", *json::parse(data)), &event));
    advance(1s);
    return event ? (*event)->position : Position(0);
  }
  std::vector<RunStatus> ended(RunState state) {
    Result<std::vector<RunStatus>> found;
    RunQuery query;
    query.flow = FlowId(2);
    query.states = {state};
    query.count = 10'000;
    await(keep(store_->runs(std::move(query)), &found));
    return *found;
  }

  Vendor vendor_;
};
using Told = std::vector<std::string>;

TEST_F(EngineSyncTest, TellsAllOfItOnceThenWhatChanged) {
  for (int id = 1; id <= 7; ++id) put(id);
  start(flows());
  advance(1s);
  EXPECT_EQ(told(), (Told{"snapshot 1/1", "snapshot 2/1", "snapshot 3/1", "snapshot 4/1", "snapshot 5/1",
                          "snapshot 6/1", "snapshot 7/1"}));
  EXPECT_EQ(vendor_.asked, Told{"all"});
  EXPECT_EQ(vendor_.answered, 3u);
  EXPECT_EQ(transport_.count("/sink"), 7u);
  put(2);
  put(8);
  advance(120s);
  EXPECT_EQ(told_since(7), (Told{"updated 2/2", "created 8/1"}));
  EXPECT_EQ(transport_.count("/sink"), 9u);
  const std::size_t asked = vendor_.asked.size();
  advance(600s);
  EXPECT_EQ(told().size(), 9u);
  EXPECT_EQ(vendor_.asked.size(), asked + 10);
}

TEST_F(EngineSyncTest, EachPageSaysWhatItCameTo) {
  for (int id = 1; id <= 4; ++id) put(id);
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(1s);
  put(2);
  advance(60s);
  std::vector<std::string> words;
  for (const RunStatus& run : ended(RunState::kDelivered)) {
    Result<std::vector<Record>> kept;
    await(keep(store_->read(run.run), &kept));
    words.push_back(decode(kept->back().body)->message);
  }
  EXPECT_EQ(words, (Told{"page 1 of all: 3 records, 3 told", "page 2 of all: 1 record, 1 told",
                         "looked for what is gone, 0 told",
                         "page 1 of what changed since 2026-11-22T23:59:49.998000Z: 3 records, 0 told",
                         "page 2 of what changed since 2026-11-22T23:59:49.998000Z: 1 record, 1 told"}));
}

TEST_F(EngineSyncTest, AsksFromTheLastChangeOnWithAnOverlap) {
  put(1);
  start(flows());
  advance(30s);
  put(1);
  const Time changed = clock_.now();
  advance(120s);
  ASSERT_EQ(vendor_.asked.size(), 3u);
  // As far as the first answer shows, the vendor's clock may be as late as the answer came.
  EXPECT_EQ(vendor_.asked[1], "changes " + format_time(*parse_time("2026-11-23T00:00:00Z") - 10s - 1ms));
  EXPECT_EQ(vendor_.asked[2], "changes " + format_time(changed - 10s));
}

// What changes behind the reader's back, on a page that it has read, is not later than what it has met.
TEST_F(EngineSyncTest, WhatChangesWhileItReadsIsReadAgain) {
  for (int id = 1; id <= 9; ++id) put(id);
  transport_.latency = 20s;
  start(flows());
  advance(25s);
  put(1);
  put(9);  // has yet to be read: its change is the latest one of the reading
  advance(300s);
  expect_known();
}

// The same where the vendor's clock is far behind ours.
TEST_F(EngineSyncTest, WhatChangesWhileItReadsIsReadAgainByTheVendorsClock) {
  const auto late = [&](int id) { vendor_.put(id, clock_.now() - std::chrono::days(6)); };
  for (int id = 1; id <= 9; ++id) late(id);
  transport_.latency = 20s;
  start(flows());
  advance(21s);
  late(1);
  advance(18s);
  late(9);  // has yet to be read, and is later than the change before by more than the overlap
  advance(300s);
  expect_known();
}

TEST_F(EngineSyncTest, WhatAReadingOfAllDoesNotGiveIsGone) {
  for (int id = 1; id <= 7; ++id) put(id);
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(1s);
  vendor_.things.erase(3);
  vendor_.things.erase(7);
  advance(std::chrono::hours(11));
  EXPECT_EQ(told().size(), 7u);
  advance(std::chrono::hours(1));
  EXPECT_EQ(told_since(7), (Told{"deleted 3", "deleted 7"}));
  put(3);  // it is back
  advance(120s);
  EXPECT_EQ(told_since(9), Told{"created 3/1"});
  advance(std::chrono::hours(25));
  EXPECT_EQ(told().size(), 10u);
}

TEST_F(EngineSyncTest, ATombstoneTellsOnceThatARecordIsGone) {
  put(1);
  put(2);
  start(flows({.deletions = Deletions::kTombstones}));
  advance(1s);
  put(2);
  vendor_.things[2].gone = true;
  put(5);  // come and gone between two readings: nobody was told of it
  vendor_.things[5].gone = true;
  advance(300s);
  EXPECT_EQ(told_since(2), Told{"deleted 2/2"});
}

TEST_F(EngineSyncTest, AResourceWithoutChangesIsReadAsAWhole) {
  put(1);
  start(flows({.changes = false, .deletions = Deletions::kFullDiff}));
  advance(1s);
  put(1);
  put(2);
  advance(60s);
  vendor_.things.erase(2);
  advance(60s);
  EXPECT_EQ(told(), (Told{"snapshot 1/1", "updated 1/2", "created 2/1", "deleted 2"}));
  EXPECT_EQ(vendor_.asked, (Told{"all", "all", "all"}));
}

class EngineSyncCrashTest : public EngineSyncTest, public testing::WithParamInterface<bool> {};

// A crash at each moment of a reading of all, of one of changes, and of the look for what is gone.
TEST_P(EngineSyncCrashTest, LosesNothingAndTellsNothingTwice) {
  transport_.latency = 10ms;
  for (int id = 1; id <= 10; ++id) put(id);
  const auto pages = GetParam() ? ListAction::Pages::kBody : ListAction::Pages::kAddress;
  start(flows({.in_order = GetParam(), .pages = pages, .deletions = Deletions::kFullDiff}));
  int next = 11;
  for (int i = 0; i < 400; ++i) {
    advance(i % 40 < 30 ? 7ms : 61s);
    if (i % 3 == 0) store_->sync();
    crash();
    if (i % 20 == 10) {
      put(next++);
      put(1 + i % 7);
      vendor_.things.erase(8 + i / 40);
    }
  }
  advance(std::chrono::hours(25));
  expect_known();
}

INSTANTIATE_TEST_SUITE_P(Pages, EngineSyncCrashTest, testing::Bool(),
                         [](const auto& one) { return std::string(one.param ? "InTheBody" : "InTheAddress"); });

TEST_F(EngineSyncTest, APageThatIsTooLargeForOneRunIsToldInSeveral) {
  vendor_.page_size = 100;
  limits_.published_max = 8;
  for (int id = 1; id <= 50; ++id) put(id);
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(10s);
  EXPECT_EQ(told().size(), 50u);
  expect_known();
  vendor_.things.clear();
  put(1);
  advance(std::chrono::hours(13));
  EXPECT_EQ(told().size(), 50u + 49);  // the one that is there is as it was
  expect_known();
}

TEST_F(EngineSyncTest, AReadingThatFailsIsADeadLetterAndTheNextBeginsAnew) {
  for (int id = 1; id <= 7; ++id) put(id);
  transport_.latency = 1s;
  start(flows());
  advance(500ms);
  vendor_.refuse = 422;
  advance(10s);
  EXPECT_EQ(told().size(), 3u);  // the first page
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 1u);
  vendor_.refuse = 0;
  advance(120s);
  expect_known();
  // Whoever replays its page has it read once more: nothing of it is news.
  Result<void> replayed;
  Replay how;
  how.by = "ada";
  await(keep(engine_->replay(dead[0].run, how), &replayed));
  ASSERT_TRUE(replayed) << replayed.error().text();
  advance(10s);
  EXPECT_TRUE(ended(RunState::kDead).empty());
  expect_known();
}

TEST_F(EngineSyncTest, AfterAnOutageOneReadingDoesTheWorkOfAllThatWaited) {
  put(1);
  start(flows());
  advance(90s);
  vendor_.refuse = 503;
  put(2);
  advance(std::chrono::minutes(30));
  vendor_.refuse = 0;
  const std::size_t before = vendor_.asked.size();
  advance(std::chrono::minutes(10));
  expect_known();
  EXPECT_LE(vendor_.asked.size(), before + 13) << "one for each minute, and those of the outage together";
  EXPECT_GE(ended(RunState::kSkipped).size(), 20u);
}

// The list of changes has one page; what is behind it comes when it is asked for from the last change on.
TEST_F(EngineSyncTest, ChangesInOrderAreReadFromTheLastOneOn) {
  put(1);
  start(flows({.in_order = true, .pages = ListAction::Pages::kNone}));
  advance(1s);
  for (int id = 2; id <= 20; ++id) {
    advance(5s);
    put(id);
  }
  advance(120s);
  expect_known();
  const std::size_t asked = vendor_.asked.size();
  advance(60s);
  EXPECT_LE(vendor_.asked.size(), asked + 2);
}

// Many that changed at one moment are gone through page by page; those that follow, from their last change on.
TEST_F(EngineSyncTest, ChangesOfOneMomentAreReadToTheEnd) {
  put(1);
  start(flows({.in_order = true, .pages = ListAction::Pages::kBody}));
  advance(1s);
  for (int id = 2; id <= 20; ++id) put(id);
  advance(5s);
  for (int id = 15; id <= 25; ++id) put(id);
  advance(120s);
  expect_known();
}

TEST_F(EngineSyncTest, ARecordWithoutAnIdStopsTheReadingAndSaysWhich) {
  put(1);
  start(flows());
  advance(1s);
  transport_.answer = [](const Request&) {
    return status(200, {}, R"({"things":[{"id":5,"state":1,"at":"2026-11-23T00:00:00Z"},{"no":1}]})");
  };
  advance(60s);
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].summary, "validation: record 2 of the page: it has no id");
  EXPECT_EQ(told().size(), 1u);  // nothing of a page that is not whole
}

TEST_F(EngineSyncTest, APersonHasAllOfItReadNow) {
  put(1);
  put(2);
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(1s);
  vendor_.things.erase(2);
  start_reader(R"({"all":true})");
  EXPECT_EQ(told_since(2), Told{"deleted 2"});
}

// The flow maps otherwise than before, say.
TEST_F(EngineSyncTest, APersonHasAllOfItToldAnew) {
  for (int id = 1; id <= 7; ++id) put(id);
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(1s);
  vendor_.things.erase(7);
  start_reader(R"({"anew":true})");
  EXPECT_EQ(told_since(7), (Told{"snapshot 1/1", "snapshot 2/1", "snapshot 3/1", "snapshot 4/1", "snapshot 5/1",
                                 "snapshot 6/1", "deleted 7"}));
  advance(std::chrono::hours(25));
  EXPECT_EQ(told().size(), 14u);
}

// What a replay meets is something else than what it met then: its events are others.
TEST_F(EngineSyncTest, AReplayOfAReadingThatIsOverLosesNothing) {
  for (int id = 1; id <= 5; ++id) put(id);
  start(flows());
  advance(1s);
  const std::vector<RunStatus> pages = ended(RunState::kDelivered);
  ASSERT_EQ(pages.size(), 2u);
  put(1);
  put(4);
  put(5);
  Result<void> replayed;
  await(keep(engine_->replay(pages[1].run, {.from = Replay::From::kStart, .by = "ada"}), &replayed));
  ASSERT_TRUE(replayed) << replayed.error().text();
  advance(1s);
  expect_known();
  EXPECT_EQ(told().size(), 8u);
  advance(120s);
  expect_known();
}

// It died of what it was answered; the vendor has mended that.
TEST_F(EngineSyncTest, AReplayAsksAgain) {
  for (int id = 1; id <= 30; ++id) put(id);
  bool circle = false;
  const auto answer = [&](const Request& request) {
    if (request.url.find("/things") == std::string::npos) return status(200);
    Exchange exchange = vendor_.answer(request);
    std::string& body = exchange.response.body;
    const std::size_t at = circle ? body.find(R"("next":"18")") : std::string::npos;
    if (at != std::string::npos) body.replace(at, 11, R"("next":"9")");
    return exchange;
  };
  const auto all = flows({.deletions = Deletions::kFullDiff});
  transport_.answer = answer;
  start(all);
  advance(2s);
  expect_known();
  circle = true;
  start_reader(R"({"all":true})");
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 1u);
  advance(120s);  // changes were read meanwhile
  circle = false;
  Result<void> replayed;
  await(keep(engine_->replay(dead[0].run, {.by = "ada"}), &replayed));
  ASSERT_TRUE(replayed) << replayed.error().text();
  advance(5s);
  expect_known();
  EXPECT_EQ(told().size(), 30u);  // nothing is gone
}

// Until somebody replays it, or its next time comes; what changed is read meanwhile.
TEST_F(EngineSyncTest, AReadingOfAllThatFailedBeginsAgainWhenItsPageIsReplayed) {
  for (int id = 1; id <= 7; ++id) put(id);
  transport_.latency = 1s;
  start(flows({.deletions = Deletions::kFullDiff}));
  advance(10s);
  vendor_.things.erase(2);
  const Told before = told();
  Result<EventPtr> started;
  await(keep(engine_->start_flow(kReader, "", *json::parse(R"({"all":true})")), &started));
  advance(500ms);
  vendor_.refuse = 422;  // from its second page on
  advance(5s);
  vendor_.refuse = 0;
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 1u);
  put(1);
  advance(300s);
  EXPECT_EQ(told_since(before.size()), Told{"updated 1/2"});
  Result<void> replayed;
  await(keep(engine_->replay(dead[0].run, {.by = "ada"}), &replayed));
  advance(30s);
  EXPECT_EQ(told_since(before.size()), (Told{"updated 1/2", "deleted 2"}));
  EXPECT_TRUE(ended(RunState::kDead).empty());
}

// A search for changes may show an older state than the list that was read before it.
TEST_F(EngineSyncTest, AnOlderStateThanTheKnownOneIsNoChange) {
  put(1);
  start(flows());
  advance(30s);
  put(1);
  advance(60s);
  EXPECT_EQ(told(), (Told{"snapshot 1/1", "updated 1/2"}));
  const Thing now = vendor_.things[1];
  vendor_.things[1].state = 1;
  vendor_.things[1].updated -= 5s;
  advance(60s);
  vendor_.things[1] = now;
  advance(120s);
  EXPECT_EQ(told().size(), 2u);
}

// Its row was marked as gone later than it changed.
TEST_F(EngineSyncTest, WhatIsThereAgainIsNewerThanItsDeletion) {
  put(1);
  put(2);
  start(flows({.changes = false, .deletions = Deletions::kFullDiff}));
  advance(1s);
  const Thing thing = vendor_.things[2];
  vendor_.things.erase(2);
  advance(60s);
  vendor_.things[2] = thing;
  advance(60s);
  EXPECT_EQ(told_since(2), (Told{"deleted 2", "created 2/1"}));
  Result<std::vector<EventPtr>> all;
  await(keep(store_->read(Position(0), ReadLimits{.count = 100'000}), &all));
  std::vector<Time> times;
  for (const EventPtr& event : *all) {
    if (event->source == "sync/f/api.things" && event->subject == "2") times.push_back(event->time);
  }
  ASSERT_EQ(times.size(), 3u);
  EXPECT_LT(times[1], times[2]);
}

TEST_F(EngineSyncTest, APausedReaderAsksNothingAndMissesNothing) {
  put(1);
  start(flows());
  advance(1s);
  Result<void> done;
  await(keep(engine_->pause(kReader, "by ada"), &done));
  const std::size_t asked = vendor_.asked.size();
  put(2);
  advance(std::chrono::minutes(10));
  EXPECT_EQ(vendor_.asked.size(), asked);
  await(keep(engine_->resume(kReader), &done));
  advance(1s);
  EXPECT_EQ(vendor_.asked.size(), asked + 1);  // for all ten
  expect_known();
}

TEST_F(EngineSyncTest, AReloadBetweenTwoPagesChangesNothing) {
  for (int id = 1; id <= 12; ++id) put(id);
  transport_.latency = 1s;
  start(flows());
  for (int i = 0; i < 4; ++i) {
    advance(700ms);
    flows_ = flows();  // with steps of its own
    Result<void> reloaded;
    await(keep(engine_->reload(config()), &reloaded));
    ASSERT_TRUE(reloaded) << reloaded.error().text();
  }
  advance(30s);
  EXPECT_EQ(told().size(), 12u);
  expect_known();
}

TEST_F(EngineSyncTest, ADamagedEntryIsReadOnceMore) {
  put(1);
  put(2);
  start(flows());
  advance(1s);
  const auto damage = [&](std::string_view bucket, const std::string& key) {
    Result<std::optional<Entry>> entry;
    await(keep(store_->get(std::string(bucket), key), &entry));
    ASSERT_TRUE(entry && *entry) << key;
    Result<std::uint64_t> written;
    await(keep(store_->update(std::string(bucket), key, "damaged", (*entry)->revision), &written));
    ASSERT_TRUE(written);
  };
  damage(kSyncBucket, sync_key(FlowId(2)));
  advance(60s);
  EXPECT_EQ(told().size(), 2u);
  EXPECT_EQ(vendor_.asked.back(), "all");
  damage(kSyncedBucket, synced_prefix(FlowId(2)) + "1");
  put(1);
  advance(120s);
  EXPECT_EQ(told_since(2), Told{"created 1/2"});
  EXPECT_TRUE(ended(RunState::kDead).empty());
}

TEST_F(EngineSyncTest, PagesThatLeadInACircleAreADeadLetter) {
  for (int id = 1; id <= 30; ++id) put(id);
  const auto answer = [&](const Request& request) {
    if (request.url.find("/things") == std::string::npos) return status(200);
    Exchange exchange = vendor_.answer(request);
    std::string& body = exchange.response.body;
    // From the sixth page back to the fourth.
    if (const std::size_t at = body.find(R"("next":"18")"); at != std::string::npos)
      body.replace(at, 11, R"("next":"9")");
    return exchange;
  };
  const auto all = flows();
  transport_.answer = answer;
  start(all);
  advance(30s);
  EXPECT_LE(vendor_.answered, 20u);
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].summary, "validation: the vendor's pages lead in a circle: the next one was read before");
}

// A vendor whose clock is days behind, or a copy of one whose clock stands.
TEST_F(EngineSyncTest, ChangesAreFoundByTheVendorsClock) {
  const auto late = [&](int id) { vendor_.put(id, clock_.now() - std::chrono::days(6)); };
  late(1);
  start(flows());
  for (int i = 0; i < 5; ++i) {
    advance(std::chrono::hours(1));
    late(1);
    late(2 + i);
  }
  advance(120s);
  expect_known();
  EXPECT_EQ(std::ranges::count(vendor_.asked, "all"), 1);
}

TEST_F(EngineSyncTest, WhatIsCreatedInAnEmptyResourceIsNew) {
  start(flows());
  advance(std::chrono::hours(1));
  vendor_.put(1, clock_.now() - std::chrono::days(1));
  advance(120s);
  put(2);
  advance(120s);
  EXPECT_EQ(told(), (Told{"created 1/1", "created 2/1"}));
}

// Many changed at one moment, then nothing more: they are not read for ever.
TEST_F(EngineSyncTest, WhatChangedLastIsNotReadForEver) {
  for (int id = 1; id <= 9; ++id) put(id);
  start(flows());
  advance(120s);
  const std::size_t before = vendor_.answered;
  advance(120s);
  EXPECT_EQ(vendor_.answered, before + 6);  // all of them again, of three pages
  advance(std::chrono::hours(3));
  const std::size_t later = vendor_.answered;
  advance(120s);
  EXPECT_EQ(vendor_.answered, later + 2);
  put(5);
  advance(61s);
  expect_known();
}

TEST_F(EngineSyncTest, WhatAPersonAsksForThatThereIsNotIsRefused) {
  put(1);
  start(flows());
  advance(1s);
  for (const char* data : {R"({"al":true})", "[1]", R"({"all":"yes"})", "7"}) start_reader(data);
  const std::vector<RunStatus> dead = ended(RunState::kDead);
  ASSERT_EQ(dead.size(), 4u);
  EXPECT_EQ(dead[0].summary,
            "validation: a reading takes nothing, {\"all\": true} or {\"anew\": true}, and was given {\"al\":true}");
  start_reader("{}");
  start_reader(R"({"all":false})");
  EXPECT_EQ(ended(RunState::kDead).size(), 4u);
}

// Its last reading began, by a clock that was wrong, later than it is now; and so did many before.
TEST_F(EngineSyncTest, AClockThatWasAheadKeepsNothingFromBeingRead) {
  put(1);
  start(flows());
  advance(1s);
  const auto put_by_the_vendors_clock = [&](int id, Duration ahead) { vendor_.put(id, clock_.now() - ahead); };
  clock_.jump_wall(std::chrono::hours(5));
  advance(std::chrono::hours(6));
  put_by_the_vendors_clock(1, std::chrono::hours(5));
  put_by_the_vendors_clock(2, std::chrono::hours(5));
  advance(120s);
  clock_.jump_wall(-std::chrono::hours(5));
  put(3);
  advance(180s);
  expect_known();
  put(4);
  advance(120s);
  expect_known();
}

// Asked for before a reading of all that did not tell what was known.
TEST_F(EngineSyncTest, WhatIsAskedForAnewIsToldWhateverWasReadSince) {
  put(1);
  start(flows({.changes = false}));
  advance(1s);
  Result<void> done;
  await(keep(engine_->pause(kReader, "by ada"), &done));
  start_reader(R"({"all":true})");
  start_reader(R"({"anew":true})");
  await(keep(engine_->resume(kReader), &done));
  advance(30s);
  EXPECT_EQ(told(), (Told{"snapshot 1/1", "snapshot 1/1"}));
}

// Each answer gives it another version, and a page has more records than one run may tell of.
TEST_F(EngineSyncTest, APageThatIsReadOnceMoreIsNotReadForEver) {
  vendor_.page_size = 100;
  limits_.published_max = 8;
  for (int id = 1; id <= 30; ++id) put(id);
  const auto all = flows();
  transport_.answer = [&](const Request& request) {
    if (request.url.find("/things") == std::string::npos) return status(200);
    for (auto& [id, thing] : vendor_.things) ++thing.state;
    return vendor_.answer(request);
  };
  start(all);
  advance(10s);
  EXPECT_EQ(told().size(), 30u);
  EXPECT_LE(vendor_.answered, 6u);
}

TEST_F(EngineSyncTest, ARenamedFlowGoesOn) {
  put(1);
  put(2);
  std::vector<FlowPtr> before = flows();
  start(before);
  advance(1s);
  auto told_flow = std::make_shared<Flow>(*before[0]);
  auto reader = std::make_shared<Flow>(*before[1]);
  store_->sync();
  told_flow->name = "g";
  told_flow->was = "f";
  reader->name = "syncs/g/api.things";
  reader->was = kReader;
  flows_ = {told_flow, reader};
  crash();
  put(3);
  advance(120s);
  EXPECT_EQ(told(), (Told{"snapshot 1/1", "snapshot 2/1", "created 3/1"}));
  EXPECT_EQ(transport_.count("/sink"), 3u);
}

TEST(SyncState, ReadsWhatItWrote) {
  SyncState state;
  EXPECT_FALSE(decode_sync_state(encode(state))->since);
  state.since = from_unix_us(5);
  state.behind = Duration(15);
  state.began = from_unix_us(6);
  state.reading.emplace();
  state.last_id = 7;
  state.reading->id = 7;
  state.reading->anew = true;
  state.reading->all = true;
  state.reading->begun = from_unix_us(8);
  state.reading->from = from_unix_us(-9);
  state.reading->next = "n";
  state.reading->page = "/a?b";
  state.reading->looked = "2\nx";
  state.reading->pages = 10;
  state.reading->turned = 2;
  state.reading->mark = ~std::uint64_t(0);
  state.finished = true;
  const auto read = decode_sync_state(encode(state));
  ASSERT_TRUE(read);
  EXPECT_EQ(encode(*read), encode(state));
  for (const char* bad : {"", "[]", R"({"reading":{}})", "{"})
    EXPECT_EQ(decode_sync_state(bad).error().code, Code::kCorrupt) << bad;
  const KnownRecord records[] = {{1, false, false, std::nullopt, ""}, {2, true, true, from_unix_us(-3), "a b"}};
  for (const KnownRecord& record : records) {
    const auto known = decode_known_record(encode(record));
    ASSERT_TRUE(known);
    EXPECT_EQ(encode(*known), encode(record));
    EXPECT_EQ(known->version, record.version);
    EXPECT_EQ(known->updated, record.updated);
  }
  for (const char* bad : {"", "x", "1", "1 d", "1 d x", "1 d 5x y", "1d - x"})
    EXPECT_EQ(decode_known_record(bad).error().code, Code::kCorrupt) << bad;
}

}  // namespace
}  // namespace tieline::engine
