// The store's parts that are pure: cursors, codecs, the dedupe table, and the memory store's own faults.
#include <map>
#include <set>

#include "base/prng.h"
#include "store/codec.h"
#include "store/recent.h"
#include "store/segment.h"
#include "store/store_core.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

TEST(Cursor, AgreesWithASetOfPositions) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng(seed);
    Cursor cursor(Position(5));
    std::set<std::uint64_t> model;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t p = 1 + prng.below(50);
      EXPECT_EQ(cursor.settle(Position(p)), p > 5 && model.insert(p).second) << "seed " << seed;
    }
    for (std::uint64_t p = 1; p <= 5; ++p) model.insert(p);
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t p = prng.below(51);
      EXPECT_EQ(cursor.unsettle(Position(p)), model.erase(p) == 1) << "seed " << seed;
      const std::uint64_t again = 1 + prng.below(50);
      EXPECT_EQ(cursor.settle(Position(again)), model.insert(again).second) << "seed " << seed;
    }
    std::uint64_t floor = 0;
    while (model.contains(floor + 1)) ++floor;
    EXPECT_EQ(cursor.floor(), Position(floor)) << "seed " << seed;
    std::vector<Position> beyond;
    for (const std::uint64_t p : model) {
      if (p > floor) beyond.emplace_back(p);
    }
    EXPECT_EQ(cursor.list().settled, beyond) << "seed " << seed;
    for (std::uint64_t p = 1; p < 60; ++p) EXPECT_EQ(cursor.settled(Position(p)), p <= floor || model.contains(p));
    const auto back = Cursor::decode(cursor.floor(), cursor.encode());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, cursor);
  }
}

TEST(Cursor, FloorJumpsOverWhatItSwallows) {
  Cursor cursor;
  for (const std::uint64_t p : {3u, 4u, 8u}) cursor.settle(Position(p));
  cursor.settle_up_to(Position(2));
  EXPECT_EQ(cursor.floor(), Position(4));
  cursor.settle_up_to(Position(6));
  EXPECT_EQ(cursor.floor(), Position(6));
  EXPECT_EQ(cursor.ranges(), 1u);
}

TEST(Cursor, BrokenRangesAreRefused) {
  EXPECT_EQ(Cursor::decode(Position(1), std::string_view("\x00\x00", 2)).error().code, Code::kCorrupt);
  EXPECT_EQ(Cursor::decode(Position(1), "\x85").error().code, Code::kCorrupt);
}

TEST(Codec, RecordSurvivesAndNoPrefixOfItDecodes) {
  Record record = make_state(FlowId(3), 9, 300, RunState::kRetrying);
  record.due = kStart;
  record.lane = 77;
  record.summary = "because";
  record.puts = {{"once", "k", std::string("\0v", 2), kStart}, {"index", "", "", Time::max()}};
  Bytes bytes;
  encode_record(bytes, record);
  Record back;
  ASSERT_TRUE(decode_record(bytes, back));
  EXPECT_EQ(back.number, 300u);
  EXPECT_EQ(back.due, kStart);
  EXPECT_EQ(back.puts[0].value, record.puts[0].value);
  EXPECT_EQ(back.puts[1].until, Time::max());
  EXPECT_EQ(back.body, record.body);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    Record cut;
    EXPECT_FALSE(decode_record(std::string_view(bytes).substr(0, n), cut)) << n;
  }
}

// The worked byte counts of docs/store-format.md.
TEST(Codec, FormatPageIsRight) {
  NewEvent event = make_event("820982911946154508");
  event.subject = "order/1042";
  EXPECT_EQ(encode_meta(event).size(), 1 + 7 + 1 + 18 + 1 + 13 + 1 + 10 + 1 + 4u);
  Record outcome = make_record(FlowId(1), 1, 1);
  outcome.body = "{\"id\":\"991\"}";
  Bytes bytes;
  encode_record(bytes, outcome);
  EXPECT_EQ(to_hex(bytes),
            "0001"
            "0c" +
                to_hex(outcome.body));
  bytes.clear();
  Record done = make_state(FlowId(1), 1, 2, RunState::kDelivered);
  done.body.clear();
  done.puts = {{"index", "order/1042", ""}};
  encode_record(bytes, done);
  EXPECT_EQ(to_hex(bytes),
            "110204"
            "01"
            "05" +
                to_hex("index") + "0a" + to_hex("order/1042") +
                "00"
                "00"
                "00");
  Cursor cursor(Position(100));
  for (const std::uint64_t p : {102u, 103u, 104u, 200u}) cursor.settle(Position(p));
  EXPECT_EQ(to_hex(cursor.encode()),
            "0202"
            "6000");
}

TEST(Dedupe, FindsEverythingThroughGrowth) {
  Dedupe dedupe;
  for (std::uint64_t i = 1; i <= 20'000; ++i) dedupe.add(hash64(std::to_string(i)), 1'000'000 + i);
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    bool found = false;
    dedupe.each(hash64(std::to_string(i)), [&](std::uint64_t seq) { found = found || seq == 1'000'000 + i; });
    EXPECT_TRUE(found) << i;
  }
  EXPECT_LE(dedupe.bytes(), 20'000u * 32);
}

TEST(Dedupe, ForgetsWhatIsOlder) {
  Dedupe dedupe;
  for (std::uint64_t i = 1; i <= 1000; ++i) dedupe.add(hash64(std::to_string(i)), i);
  dedupe.forget_up_to(990);
  std::size_t hits = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    dedupe.each(hash64(std::to_string(i)), [&](std::uint64_t seq) { hits += seq == i; });
  }
  EXPECT_EQ(hits, 10u);
  dedupe.forget_up_to(5);  // an older segment goes later: what is forgotten stays so
  dedupe.each(hash64("900"), [&](std::uint64_t seq) { hits += seq == 900; });
  EXPECT_EQ(hits, 10u);
  for (std::uint64_t i = 1001; i <= 5000; ++i) {
    dedupe.add(hash64(std::to_string(i)), i);
    dedupe.forget_up_to(i - 10);
  }
  EXPECT_LE(dedupe.bytes(), 4096u * 8);  // it does not grow for what is forgotten
}

TEST(Sealing, RestsTheLessTheMoreWaits) {
  const Duration worked = std::chrono::milliseconds(2);
  EXPECT_NEAR(static_cast<double>(pause_of_sealing(worked, 1).count()), 15.0 * static_cast<double>(worked.count()),
              500);
  for (std::size_t behind = 1; behind < kGenerationsMax; ++behind)
    EXPECT_LE(pause_of_sealing(worked, behind), pause_of_sealing(worked, behind - 1)) << behind;
  EXPECT_LT(pause_of_sealing(worked, kGenerationsMax - 2), worked);
  EXPECT_EQ(pause_of_sealing(worked, kGenerationsMax - 1), Duration(0));
  EXPECT_EQ(pause_of_sealing(worked, kGenerationsMax), Duration(0));
  EXPECT_LE(pause_of_sealing(std::chrono::hours(1), 1), std::chrono::seconds(1));
}

TEST(Recent, KnowsWhichOfItsEventsHaveAnotherHash) {
  Recent recent;
  recent.open(1, 5);  // what stands before 7 came in an earlier process
  recent.add_hash(7, 70);
  recent.add_hash(8, 80);
  recent.open(1, 9);
  recent.add_hash(9, 90);
  for (std::uint64_t seq = 7; seq <= 9; ++seq) {
    EXPECT_FALSE(recent.differs(seq, seq * 10)) << seq;
    EXPECT_TRUE(recent.differs(seq, 1)) << seq;
  }
  for (const std::uint64_t unknown : {0u, 1u, 6u, 10u}) EXPECT_FALSE(recent.differs(unknown, 1)) << unknown;
  recent.drop_oldest();
  EXPECT_FALSE(recent.differs(7, 1));
  EXPECT_TRUE(recent.differs(9, 1));
}

// A closed generation is not asked for runs of events that came later; what it has is found.
TEST(Recent, FindsARunInTheGenerationThatHasIt) {
  Recent recent;
  FlowCounts counts;
  const auto append = [&](std::uint64_t event, std::uint32_t number, std::uint64_t lsn) {
    Record record;
    record.run = {FlowId(1), Position(event)};
    record.number = number;
    record.kind = RecordKind::kIntent;
    return recent.apply(record, {lsn, lsn, number}, std::nullopt, counts).records;
  };
  const auto records_of = [&](std::uint64_t event) {
    const RecentRun* const run = recent.run({FlowId(1), Position(event)});
    return run == nullptr ? 0 : run->status.records;
  };
  recent.open(1, 1);
  EXPECT_FALSE(recent.hot().closed_before(Position(9))) << "it is not closed";
  EXPECT_EQ(append(3, 1, 1), 1u);
  EXPECT_EQ(append(5, 1, 2), 1u);
  recent.hot().last_seq = 5;
  EXPECT_FALSE(recent.hot().closed_before(Position(5)));
  EXPECT_TRUE(recent.hot().closed_before(Position(6)));
  recent.open(3, 6);
  EXPECT_EQ(append(5, 2, 3), 2u) << "goes on from the older one's status";
  EXPECT_EQ(append(6, 1, 4), 1u);
  EXPECT_EQ(records_of(3), 1u);
  EXPECT_EQ(records_of(5), 2u);
  EXPECT_EQ(records_of(6), 1u);
  EXPECT_EQ(records_of(7), 0u);
  EXPECT_EQ(recent.records({FlowId(1), Position(5)}).size(), 2u);
}

class MemoryStoreTest : public ::testing::Test {
 protected:
  ~MemoryStoreTest() override { loop_.run(store_->stop()); }
  Loop loop_;
  ManualClock clock_{kStart};
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>(loop_.executor(), clock_);
};

TEST_F(MemoryStoreTest, CrashForgetsWhatWasNotSynced) {
  store_->set_autosync(false);
  auto kept = loop_.start(store_->append(make_events({"kept"}), Deadline::never()));
  loop_.turn();
  EXPECT_FALSE(kept->has_value());
  EXPECT_EQ(store_->last(), Position(0));
  store_->sync();
  EXPECT_TRUE(loop_.wait(kept));
  auto lost = loop_.start(store_->append(make_events({"lost"}), clock_.deadline_in(std::chrono::seconds(1))));
  loop_.turn();
  auto next = store_->crash();
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(loop_.wait(lost).error().code, Code::kTimeout);
  loop_.run(store_->stop());
  store_ = std::move(next);
  store_->set_autosync(true);
  EXPECT_EQ(ids_of(*loop_.run(store_->read(Position(0), ReadLimits{}))), (std::vector<std::string>{"kept"}));
  EXPECT_FALSE(loop_.run(store_->append(make_events({"lost"}), Deadline::never()))->front().duplicate);
}

TEST_F(MemoryStoreTest, WithNextAloneIsForgotten) {
  const FlowId flow = *loop_.run(store_->open_flow("orders", Position(0)));
  ASSERT_TRUE(loop_.run(store_->append(make_record(flow, 1, 1), Sync::kWithNext)));
  store_->settle(flow, Position(1));
  loop_.turn();
  auto next = store_->crash();
  loop_.run(store_->stop());
  store_ = std::move(next);
  EXPECT_TRUE(loop_.run(store_->read(RunId{flow, Position(1)}))->empty());
  EXPECT_EQ(loop_.run(store_->cursor(flow))->floor, Position(0));
}

TEST_F(MemoryStoreTest, SyncCoversWhatCameBeforeItBegan) {
  store_->set_sync_delay(std::chrono::milliseconds(10));
  auto first = loop_.start(store_->append(make_events({"a"}), Deadline::never()));
  loop_.turn();
  auto second = loop_.start(store_->append(make_events({"b"}), Deadline::never()));
  loop_.turn();
  clock_.advance(std::chrono::milliseconds(10));
  loop_.turn();
  EXPECT_TRUE(first->has_value());
  EXPECT_FALSE(second->has_value());
  clock_.advance(std::chrono::milliseconds(10));
  loop_.turn();
  EXPECT_TRUE(second->has_value());
  EXPECT_EQ(store_->syncs(), 2u);
}

TEST_F(MemoryStoreTest, FailsOnRequest) {
  store_->refuse(Code::kFull);
  EXPECT_EQ(loop_.run(store_->append(make_events({"a"}), Deadline::never())).error().code, Code::kFull);
  store_->refuse(std::nullopt);
  EXPECT_TRUE(loop_.run(store_->append(make_events({"a"}), Deadline::never())));
  store_->fail_next_sync();
  EXPECT_EQ(loop_.run(store_->append(make_events({"b"}), Deadline::never())).error().code, Code::kUnavailable);
  EXPECT_EQ(loop_.run(store_->append(make_events({"c"}), Deadline::never())).error().code, Code::kUnavailable);
}

TEST_F(MemoryStoreTest, CorruptEventIsLeftOutAndSettled) {
  const FlowId flow = *loop_.run(store_->open_flow("orders", Position(0)));
  ASSERT_TRUE(loop_.run(store_->append(make_events({"a", "b"}), Deadline::never())));
  store_->corrupt(Position(1));
  EXPECT_EQ(ids_of(*loop_.run(store_->read(Position(0), ReadLimits{}))), (std::vector<std::string>{"b"}));
  EXPECT_EQ(loop_.run(store_->cursor(flow))->floor, Position(1));
}

}  // namespace
}  // namespace tieline::store
