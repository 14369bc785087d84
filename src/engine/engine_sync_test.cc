// Resources that a flow reads: what it is told of all of them, of what changed and of what is gone, and what a person
// may ask for.
#include "engine/engine_sync_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

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

}  // namespace
}  // namespace tieline::engine
