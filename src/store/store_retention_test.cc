// What goes when: each clock by itself, what is owed exempt, and what a disk that runs low costs first.
#include <limits>

#include "store/faulty_disk.h"
#include "store/files.h"
#include "store/segment.h"
#include "store/sql.h"
#include "store/store_core.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;

class StoreRetention : public WorkedStoreTest {
 protected:
  // Time passes, and events of another time follow.
  void pass(std::chrono::hours time, int first) {
    clock_.advance(time);
    fill(first, 20);
    ASSERT_TRUE(store_->maintain());
  }
  std::size_t segments_that_hold(Holds holds) {
    std::size_t count = 0;
    for (const auto& path : files_like("sealed-"))
      count += SegmentReader::open(path.string(), {})->head().holds == holds;
    return count;
  }
  bool anywhere(const std::string& text) {
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(in), {});
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_F(StoreRetention, DataGoesBeforeTheHistory) {
  options_.keep = hours(100);
  options_.keep_payloads = hours(10);
  options_.dedupe_window = hours(50);
  open();
  const FlowId flow = work(40);
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(segments_that_hold(Holds::kHistory), 0u);
  pass(hours(20), 1000);
  EXPECT_GT(segments_that_hold(Holds::kHistory), 2u);
  EXPECT_GT(store_->stats().oldest_position, 30u);
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    const auto events = run(shard_->get({Position(1), Position(10), Position(14)}));
    ASSERT_EQ(events->size(), 3u);
    EXPECT_TRUE((*events)[0]->data_expired);
    EXPECT_EQ(*(*events)[0]->data, "null");
    EXPECT_EQ((*events)[0]->id, "1");
    for (std::size_t i = 1; i < 3; ++i) {  // held and dead
      EXPECT_FALSE((*events)[i]->data_expired);
      EXPECT_EQ(*(*events)[i]->data, *make_event((*events)[i]->id, "shopify", 400).data);
    }
    EXPECT_EQ(run(shard_->read(RunId{flow, Position(1)}))->size(), 2u);
    EXPECT_EQ(run(shard_->status({flow, Position(1)}))->value().state, RunState::kDelivered);
    EXPECT_EQ(all_ids().front(), "1000");  // no flow is given what has no data
    EXPECT_TRUE(run(shard_->append(make_events({"1"}), Deadline::never()))->front().duplicate);
    EXPECT_TRUE(store_->verify()->clean());
    // A flow that is new begins where the data does.
    const auto late = run(shard_->open_flow("late", Position(0)));
    EXPECT_EQ(run(shard_->cursor(*late))->floor.value + 1, store_->stats().oldest_position);
    reopen();
  }
  EXPECT_FALSE(reported_.find("let go of the data in") == std::string::npos);
  // The dead letter is given up: its data goes, too.
  journal(make_state(flow, 14, 3, RunState::kDiscarded));
  fill(2000, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_TRUE(run(shard_->get({Position(14)}))->front()->data_expired);
  // And the history.
  for (std::uint64_t p = 41; p <= shard_->last().value; ++p) shard_->settle(flow, Position(p));
  shard_->configured({flow});
  ASSERT_TRUE(run(shard_->flush()));
  pass(hours(100), 3000);
  EXPECT_EQ(run(shard_->get({Position(1)}))->size(), 0u);
  EXPECT_EQ(run(shard_->get({Position(10)}))->size(), 1u);
  EXPECT_EQ(run(shard_->read(RunId{flow, Position(10)}))->size(), 2u);
  EXPECT_EQ(*run(shard_->status({flow, Position(1)})), std::nullopt);
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(StoreRetention, DuplicatesAreKnownLongerThanTheHistory) {
  options_.keep = hours(10);
  options_.dedupe_window = hours(200);
  open();
  const FlowId flow = work(40);
  pass(hours(20), 1000);
  EXPECT_GT(segments_that_hold(Holds::kKeys), 2u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(run(shard_->append(make_events({"1"}), Deadline::never()))->front().duplicate);
    EXPECT_EQ(run(shard_->get({Position(1)}))->size(), 0u);
    EXPECT_EQ(*run(shard_->status({flow, Position(1)})), std::nullopt);
    EXPECT_EQ(run(shard_->read(RunId{flow, Position(10)}))->size(), 2u);
    EXPECT_EQ(run(shard_->get({Position(10)}))->size(), 1u);
    EXPECT_TRUE(store_->verify()->clean()) << store_->verify()->places.front();
    reopen();
  }
}

// What state.db alone knows is what stands before the first segment that has records.
TEST_F(StoreRetention, AClockThatIsPutBackLetsNothingGoOutOfTurn) {
  options_.keep = hours(30);
  options_.keep_payloads = hours(10);
  open();
  fill(1, 20);
  clock_.jump_wall(-hours(30));
  fill(100, 20);
  clock_.jump_wall(hours(30));
  pass(hours(12), 1000);
  EXPECT_GT(segments_that_hold(Holds::kHistory), 3u);
  EXPECT_EQ(segments_that_hold(Holds::kKeys), 0u);  // those that are older stand behind younger ones
  EXPECT_TRUE(run(shard_->get({Position(25)}))->front()->data_expired);
  pass(hours(20), 2000);
  EXPECT_GT(segments_that_hold(Holds::kKeys), 3u);
  EXPECT_TRUE(store_->verify()->clean()) << store_->verify()->places.front();
}

TEST_F(StoreRetention, LostStateIsNoticedWhereTheSegmentsDoNotTellIt) {
  options_.keep = hours(100);
  options_.keep_payloads = hours(10);
  open();
  work(40);
  pass(hours(20), 1000);
  close();
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) std::filesystem::remove(file(name));
  EXPECT_EQ(try_open().error().code, Code::kCorrupt);
  options_.accept_loss = true;
  open();
  EXPECT_TRUE(run(shard_->get({Position(10)}))->front()->data_expired);
}

TEST_F(StoreRetention, ASegmentThatFillsSlowlyEnds) {
  options_.keep = hours(80);
  options_.dedupe_window = hours(1);
  options_.segment_bytes = 64u << 20;
  open();
  fill(1, 3);
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().sealed, 0u);
  clock_.advance(hours(11));
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().sealed, 1u);
  clock_.advance(hours(100));
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().sealed, 1u);  // one file stays
  fill(4, 1);
  reopen();
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"4"}));
  clock_.advance(hours(11));
  reopen();  // its age is known after a start, too
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().sealed, 1u);
}

// A start must not make it new: with one each hour it would never end.
TEST_F(StoreRetention, ASegmentOfRecordsAloneKeepsItsAge) {
  options_.keep = hours(80);
  options_.segment_bytes = 64u << 20;
  open();
  const FlowId flow = open_flow("orders");
  fill(1, 1);
  clock_.advance(hours(11));
  ASSERT_TRUE(store_->maintain());
  ASSERT_EQ(store_->stats().sealed, 1u);
  Record record = make_state(flow, 1, 1, RunState::kHeld);
  record.at = clock_.now();
  journal(std::move(record));
  for (int i = 0; i < 2; ++i) {
    clock_.advance(hours(6));
    reopen();
  }
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().sealed, 2u);
}

TEST_F(StoreRetention, NothingOfOldDataIsLeftInAnyFile) {
  options_.keep = hours(80);
  options_.segment_bytes = 256u << 10;
  open();
  const std::string secret = "call-me-ishmael";
  std::vector<NewEvent> one{make_event(secret)};
  one[0].received = clock_.now();
  ASSERT_TRUE(run(shard_->append(one, Deadline::never())));
  for (int i = 0; i < 10; ++i) {
    fill(100 * (i + 1), 5);
    clock_.advance(hours(12));
    ASSERT_TRUE(store_->maintain());
  }
  fill(10'000, 5);
  ASSERT_TRUE(store_->maintain());
  shard_->configured({});
  clock_.advance(hours(100));
  fill(20'000, 5);
  ASSERT_TRUE(store_->maintain());
  clock_.advance(hours(12));
  fill(30'000, 5);
  ASSERT_TRUE(store_->maintain());
  EXPECT_FALSE(anywhere(secret));
}

TEST_F(StoreRetention, ExpiredEntriesGiveTheirRoomBack) {
  options_.segment_bytes = 256u << 10;
  open();
  const FlowId flow = open_flow("orders");
  fill(1, 300);
  for (std::uint64_t event = 1; event <= 300; ++event) {
    Record record = make_state(flow, event, 1, event == 7 ? RunState::kHeld : RunState::kDelivered);
    record.puts = {{"once", "key-" + std::to_string(event), Bytes(3000, 'v'), clock_.now() + hours(1)}};
    journal(std::move(record));
  }
  fill(1000, 400);
  ASSERT_TRUE(store_->maintain());
  const auto before = std::filesystem::file_size(file("state.db")) + std::filesystem::file_size(file("state.db-wal"));
  EXPECT_TRUE(*run(shard_->get("once", "key-1")));
  clock_.advance(hours(2));
  ASSERT_TRUE(store_->compact());
  EXPECT_FALSE(*run(shard_->get("once", "key-1")));
  EXPECT_TRUE(*run(shard_->get("once", "key-7")));  // its run is held
  EXPECT_LT(std::filesystem::file_size(file("state.db")), before / 4);
}

TEST_F(StoreRetention, AStoreThatIsTooLargeLosesItsOldestHistoryFirst) {
  options_.bytes_max = 1;
  open();
  work(40);
  fill(100, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_GT(store_->stats().oldest_position, 30u);
  EXPECT_EQ(run(shard_->get({Position(10)}))->size(), 1u);
  EXPECT_NE(reported_.find("as room is needed"), std::string::npos);
}

TEST_F(StoreRetention, ALowDiskIsToldAndHistoryGoes) {
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  const std::uint64_t free = store_->stats().disk_free;
  close();
  options_.headroom_bytes = free + (free >> 1);  // less than that is free, more than a quarter of it
  reported_.clear();
  open();
  ASSERT_TRUE(store_->maintain());
  EXPECT_TRUE(store_->stats().disk_low);
  EXPECT_FALSE(store_->stats().refusing);
  EXPECT_NE(reported_.find("the oldest history goes before its time"), std::string::npos) << reported_;
  EXPECT_GT(store_->stats().oldest_position, 20u);
  fill(100, 1);
}

TEST_F(StoreRetention, RunsGoOnWhereWebhooksAreRefused) {
  open();
  const FlowId flow = work(5);
  const std::uint64_t free = store_->stats().disk_free;
  close();
  options_.headroom_bytes = 5 * free;  // free is a fifth of it: less than a quarter, more than an eighth
  open();
  const auto refused = run(shard_->append(make_events({"new"}), Deadline::never()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  EXPECT_TRUE(store_->stats().refusing);
  journal(make_state(flow, 3, 3, RunState::kDelivered));
}

TEST_F(StoreRetention, NothingIsTakenAtTheLastOfTheDisk) {
  open();
  const FlowId flow = work(5);
  const std::uint64_t free = store_->stats().disk_free;
  close();
  options_.headroom_bytes = 10 * free;  // less than an eighth of it is free
  open();
  EXPECT_EQ(run(shard_->append(make_events({"new"}), Deadline::never())).error().code, Code::kFull);
  const auto refused = run(shard_->append(make_state(flow, 3, 3, RunState::kDelivered), Sync::kWait));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
}

TEST_F(StoreRetention, ACompactionSaysWhatRoomItTakes) {
  open();
  work(5);
  const std::uint64_t free = store_->stats().disk_free;
  close();
  options_.headroom_bytes = 2 * free;
  open();
  const auto refused = store_->compact();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  for (const char* words : {"state.db cannot be written anew: that takes ", "beside the reserve of ", " MiB are free"})
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  EXPECT_TRUE(store_->maintain());  // nobody asks for it any more
}

TEST_F(StoreRetention, NothingIsLetGoOfWhileFilesAreHeld) {
  options_.keep = hours(10);
  options_.dedupe_window = hours(10);
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  close();
  clock_.advance(hours(20));
  const auto core = std::make_shared<StoreCore>(options_, clock_);
  ASSERT_TRUE(core->open());
  {
    const auto held = core->hold_files();  // as a backup does
    ASSERT_TRUE(core->maintain());
    EXPECT_EQ(reported_, "");
  }
  ASSERT_TRUE(core->maintain());
  EXPECT_NE(reported_.find("let go of "), std::string::npos);
  core->close();
}

TEST_F(StoreRetention, AFullDiskAtAStartIsToldInWords) {
  options_.vfs = FaultyDisk::vfs();
  open();
  work(5);
  close();
  FaultyDisk::get().fail({.on = DiskFault::On::kOpen, .file = "seg-", .full = true});
  const auto refused = try_open();
  FaultyDisk::get().mend();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  for (const char* words : {"is full (", "KiB left", "nothing is lost"})
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  open();
  EXPECT_EQ(all_ids().size(), 5u);
}

}  // namespace
}  // namespace tieline::store
