// Readings over crashes, outages, refusals, clocks, replays and reloads: nothing is lost, nothing told twice.
#include "engine/engine_sync_fixture.h"
#include "engine/sync_state.h"

namespace tieline::engine {
namespace {

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
