// What only the store on disk can get wrong: crashes, broken files, rotation, retention, locks.
#include "store/sqlite_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "store/sql.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class SqliteStoreTest : public WorkedStoreTest {};

// Appends until it is killed; writes every acknowledged id to the pipe.
asio::awaitable<void> append_for_ever(ShardStore& store, int slot, int pipe) {
  for (int n = 0;; ++n) {
    const std::string id = std::to_string(slot) + "-" + std::to_string(n);
    std::vector<NewEvent> one{make_event(id, "shopify", 200)};
    const auto done = co_await store.append(std::move(one), Deadline::never());
    if (!done) ::_exit(3);
    const std::string line = id + "\n";
    if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(4);
  }
}

TEST_F(SqliteStoreTest, KilledProcessLosesNothingAcknowledged) {
  options_.segment_bytes = 16384;
  std::set<std::string> acknowledged;
  for (int round = 0; round < 3; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      if (!try_open()) ::_exit(2);
      bool never = false;
      for (int slot = 0; slot < 16; ++slot) {
        asio::co_spawn(loop_.executor(), append_for_ever(*shard_, round * 100 + slot, ends[1]),
                       [](const std::exception_ptr&) {});
      }
      loop_.turn_until(never);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> buffer;
    bool killed = false;
    while (true) {
      const ssize_t got = ::read(ends[0], buffer.data(), buffer.size());
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
      if (!killed && std::count(text.begin(), text.end(), '\n') > 300) {
        ::kill(child, SIGKILL);
        killed = true;
      }
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    std::istringstream lines(text);
    for (std::string id; std::getline(lines, id);) acknowledged.insert(id);
  }
  open();
  const auto ids = all_ids();
  const std::set<std::string> stored(ids.begin(), ids.end());
  EXPECT_EQ(stored.size(), ids.size());  // none twice
  EXPECT_GT(acknowledged.size(), 900u);
  for (const std::string& id : acknowledged) EXPECT_TRUE(stored.contains(id)) << id;
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(SqliteStoreTest, ManyAppendsShareACommit) {
  options_.segment_bytes = 64u << 20;
  open();
  std::vector<std::shared_ptr<std::optional<Result<std::vector<Appended>>>>> pending;
  for (int i = 0; i < 500; ++i) {
    std::vector<NewEvent> one{make_event(std::to_string(i))};
    pending.push_back(loop_.start(shard_->append(std::move(one), Deadline::never())));
  }
  for (auto& place : pending) EXPECT_TRUE(loop_.wait(place));
  EXPECT_LE(store_->stats().commits, 10u);
  EXPECT_EQ(store_->stats().events, 500u);
}

TEST_F(SqliteStoreTest, RotatesSealsAndFoldsUnderLoad) {
  open();
  const FlowId flow = work(120);
  ASSERT_TRUE(store_->maintain());
  const StoreStats stats = store_->stats();
  EXPECT_GT(stats.sealed, 5u);
  EXPECT_EQ(stats.unfolded_segments, 1u);
  EXPECT_EQ(stats.segments, stats.sealed + 1);
  EXPECT_EQ(stats.events, 120u);
  EXPECT_EQ(stats.records, 240u);
  EXPECT_EQ(all_ids().size(), 120u);
  EXPECT_EQ(run(shard_->counts(flow))->delivered, 120u - 12u - 16u - 8u);  // held, dead, waiting
  EXPECT_EQ(run(shard_->cursor(flow))->floor, Position(120));
  const auto report = store_->verify();
  EXPECT_TRUE(report->clean());
  EXPECT_EQ(report->events, 120u);
  EXPECT_EQ(report->records, 240u);
  const std::string before = picture();
  reopen();
  EXPECT_EQ(picture(), before);
}

TEST_F(SqliteStoreTest, SealingMakesSegmentsSmaller) {
  options_.segment_bytes = 256u << 10;
  open();
  for (int i = 0; i < 200; ++i) {
    std::vector<NewEvent> one{make_event(std::to_string(i), "shopify", 1600)};
    ASSERT_TRUE(run(shard_->append(std::move(one), Deadline::never())));
  }
  ASSERT_TRUE(store_->maintain());
  const auto sealed = files_like("sealed-");
  ASSERT_EQ(sealed.size(), 1u);
  EXPECT_LT(std::filesystem::file_size(sealed.front()), 128u << 10);
  EXPECT_EQ(all_ids().size(), 200u);
}

TEST_F(SqliteStoreTest, FlippedByteInASealedEventIsSetAside) {
  open();
  fill(1, 40);
  ASSERT_TRUE(store_->maintain());
  close();
  int flipped = 0;
  for (const auto& path : files_like("sealed-")) flipped += flip(path, "order-7");
  ASSERT_EQ(flipped, 1);
  open();
  const auto ids = all_ids();
  EXPECT_EQ(ids.size(), 39u);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "7"), 0);
  EXPECT_EQ(store_->stats().corrupt_events, 1u);
  const auto report = store_->verify();
  EXPECT_EQ(report->corrupt_events, 1u);
  ASSERT_EQ(report->places.size(), 1u);
  EXPECT_NE(report->places[0].find("event 7 fails its crc"), std::string::npos) << report->places[0];
  // Nobody can settle it, so the store does: the flow's floor does not stop there.
  const FlowId flow = open_flow("orders");
  for (std::uint64_t p = 1; p <= 40; ++p) {
    if (p != 7) shard_->settle(flow, Position(p));
  }
  EXPECT_EQ(run(shard_->cursor(flow))->floor, Position(40));
}

TEST_F(SqliteStoreTest, OverwrittenPageLosesOnlyWhatStoodOnIt) {
  open();
  fill(1, 40);
  ASSERT_TRUE(store_->maintain());
  close();
  const auto sealed = files_like("sealed-");
  ASSERT_GT(sealed.size(), 2u);
  {
    std::fstream file(sealed[1], std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto at = bytes.find("orders/create");
    ASSERT_NE(at, std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at / 4096 * 4096));
    file << std::string(4096, '\xA5');
  }
  open();
  const auto ids = all_ids();
  EXPECT_GT(ids.size(), 20u);
  EXPECT_LT(ids.size(), 40u);
  EXPECT_EQ(store_->stats().corrupt_events, 40u - ids.size());
  const auto report = store_->verify();
  EXPECT_EQ(report->corrupt_events, 40u - ids.size());
  EXPECT_EQ(report->corrupt_segments, 1u);  // SQLite's own check
  fill(100, 3);
}

TEST_F(SqliteStoreTest, FlippedByteInARecordIsCountedAndSkipped) {
  open();
  const FlowId flow = open_flow("orders");
  fill(1, 1);
  for (std::uint32_t n = 1; n <= 3; ++n) {
    Record record = make_record(flow, 1, n);
    record.body = "content of record " + std::to_string(n);
    journal(std::move(record));
  }
  fill(2, 40);
  ASSERT_TRUE(store_->maintain());
  close();
  int flipped = 0;
  for (const auto& path : files_like("sealed-")) flipped += flip(path, "content of record 2");
  ASSERT_EQ(flipped, 1);
  open();
  const auto records = run(shard_->read(RunId{flow, Position(1)}));
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[1].number, 3u);
  EXPECT_EQ(store_->stats().corrupt_records, 1u);
  EXPECT_EQ(store_->verify()->corrupt_records, 1u);
}

TEST_F(SqliteStoreTest, LostStateIsRebuiltFromTheSegments) {
  open();
  work(60);
  ASSERT_TRUE(store_->maintain());
  const std::string before = picture();
  for (const bool garbage : {false, true}) {
    close();
    for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) std::filesystem::remove(file(name));
    if (garbage) std::ofstream(file("state.db")) << std::string(9000, 'g');
    open();
    EXPECT_EQ(picture(), before);
    EXPECT_EQ(store_->stats().unfolded_segments, 1u);
  }
}

TEST_F(SqliteStoreTest, RetentionKeepsWhatIsStillOwed) {
  options_.keep = hours(1);
  open();
  const FlowId flow = work(40);
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().oldest_position, 1u);  // too young
  clock_.advance(hours(2));
  fill(1000, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_GT(store_->stats().oldest_position, 30u);
  for (int round = 0; round < 2; ++round) {
    const auto kept = run(shard_->get({Position(1), Position(10), Position(14)}));
    EXPECT_EQ(ids_of(*kept), (std::vector<std::string>{"10", "14"}));  // delivered: gone; held, dead: kept
    const auto records = run(shard_->read(RunId{flow, Position(10)}));
    ASSERT_EQ(records->size(), 2u);
    EXPECT_EQ((*records)[1].summary, "why 10");
    RunQuery held;
    held.states = {RunState::kHeld};
    EXPECT_EQ(run(shard_->runs(held))->size(), 4u);
    EXPECT_EQ(run(shard_->counts(flow))->delivered, 40u - 4u - 5u - 3u);
    EXPECT_EQ(*run(shard_->status({flow, Position(1)})), std::nullopt);
    EXPECT_EQ(run(shard_->get("index", "order/3"))->value().value, "3");
    EXPECT_EQ(all_ids().front(), "1000");
    reopen();
  }
  // Delivered after all: its event need not be kept any longer.
  journal(make_state(flow, 10, 3, RunState::kDelivered));
  EXPECT_EQ(run(shard_->read(RunId{flow, Position(10)}))->size(), 3u);
  for (std::uint64_t p = 41; p <= 60; ++p) shard_->settle(flow, Position(p));
  clock_.advance(hours(2));
  fill(2000, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(ids_of(*run(shard_->get({Position(10), Position(14)}))), (std::vector<std::string>{"14"}));
}

TEST_F(SqliteStoreTest, RetentionWaitsForEveryFlow) {
  options_.keep = hours(1);
  options_.bytes_max = 1;  // even when it is over its size
  open();
  const FlowId orders = open_flow("orders");
  const FlowId slow = open_flow("slow");
  fill(1, 40);
  for (std::uint64_t p = 1; p <= 40; ++p) shard_->settle(orders, Position(p));
  clock_.advance(hours(2));
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().oldest_position, 1u);
  for (std::uint64_t p = 1; p <= 40; ++p) shard_->settle(slow, Position(p));
  ASSERT_TRUE(run(shard_->flush()));
  ASSERT_TRUE(store_->maintain());
  EXPECT_GT(store_->stats().oldest_position, 20u);
}

TEST_F(SqliteStoreTest, RemovedFlowHoldsNothingBackButKeepsItsRuns) {
  options_.keep = hours(1);
  open();
  const FlowId orders = open_flow("orders");
  const FlowId removed = open_flow("removed");
  fill(1, 40);
  journal(make_state(removed, 3, 1, RunState::kHeld));
  journal(make_state(removed, 5, 1, RunState::kDelivered));
  for (std::uint64_t p = 1; p <= 40; ++p) shard_->settle(orders, Position(p));
  ASSERT_TRUE(run(shard_->flush()));
  clock_.advance(hours(2));
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().oldest_position, 1u);  // nobody said yet which flows there are
  shard_->configured({orders});
  ASSERT_TRUE(store_->maintain());
  const std::uint64_t oldest = store_->stats().oldest_position;
  EXPECT_GT(oldest, 20u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ids_of(*run(shard_->get({Position(2), Position(3), Position(5)}))), (std::vector<std::string>{"3"}));
    EXPECT_EQ(run(shard_->read(RunId{removed, Position(3)}))->size(), 1u);
    // It comes back: at what is left, and holds it again.
    EXPECT_EQ(open_flow("removed"), removed);
    EXPECT_EQ(run(shard_->cursor(removed))->floor, Position(oldest - 1));
    shard_->configured({orders, removed});
    fill(1000 + round * 100, 20);
    for (std::uint64_t p = 41; p <= shard_->last().value; ++p) shard_->settle(orders, Position(p));
    ASSERT_TRUE(run(shard_->flush()));
    clock_.advance(hours(2));
    ASSERT_TRUE(store_->maintain());
    EXPECT_EQ(store_->stats().oldest_position, oldest);
    reopen();
  }
}

TEST_F(SqliteStoreTest, LostStateBehindRetentionIsNotGuessed) {
  options_.keep = hours(1);
  open();
  work(40);
  clock_.advance(hours(2));
  fill(1000, 20);
  ASSERT_TRUE(store_->maintain());
  ASSERT_GT(store_->stats().oldest_position, 1u);
  close();
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) std::filesystem::remove(file(name));
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  options_.accept_loss = true;
  open();
  EXPECT_FALSE(all_ids().empty());
  EXPECT_EQ(run(shard_->flows())->size(), 1u);  // names and cursors stand in every segment's head
}

TEST_F(SqliteStoreTest, OldDuplicatesAreFoundInSealedSegments) {
  open();
  fill(1, 60);
  ASSERT_TRUE(store_->maintain());
  for (int round = 0; round < 2; ++round) {
    const auto again = run(shard_->append(make_events({"3"}), Deadline::never()));
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->front().duplicate);
    EXPECT_EQ(again->front().at, Position(3));
    reopen();
  }
  EXPECT_EQ(store_->stats().dedupe_entries, 60u);
}

TEST_F(SqliteStoreTest, SecondOneIsRefused) {
  open();
  auto second = SqliteStore::open(options_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  options_.read_only = true;
  EXPECT_EQ(SqliteStore::open(options_, clock_).error().code, Code::kUnavailable);
}

TEST_F(SqliteStoreTest, ReadOnlyShowsEverythingAndChangesNothing) {
  open();
  const FlowId flow = work(60);
  const std::string before = picture();
  close();
  options_.read_only = true;
  open();
  auto second = SqliteStore::open(options_, clock_);
  EXPECT_TRUE(second) << second.error().text();
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(all_ids().size(), 60u);
  EXPECT_EQ(run(shard_->append(make_events({"x"}), Deadline::never())).error().code, Code::kUnavailable);
  EXPECT_EQ(run(shard_->append(make_record(flow, 1, 9), Sync::kWait)).error().code, Code::kUnavailable);
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(SqliteStoreTest, ReadOnlyNeedsAStore) {
  options_.read_only = true;
  EXPECT_EQ(try_open().error().code, Code::kNotFound);
}

TEST_F(SqliteStoreTest, AnotherEnvironmentsStoreIsRefused) {
  options_.environment = "prod";
  open();
  fill(1, 1);
  close();
  options_.environment = "stage";
  EXPECT_EQ(try_open().error().code, Code::kDenied);
  options_.environment = "prod";
  EXPECT_TRUE(try_open());
}

TEST_F(SqliteStoreTest, CutShortSealingIsRepeated) {
  open();
  fill(1, 40);
  ASSERT_TRUE(store_->maintain());
  close();
  const auto sealed = files_like("sealed-");
  std::ofstream(sealed[0].string() + ".tmp") << "half of it";
  open();
  EXPECT_EQ(all_ids().size(), 40u);
  EXPECT_FALSE(std::filesystem::exists(sealed[0].string() + ".tmp"));
}

TEST_F(SqliteStoreTest, ExpiredEntriesGoWithAFold) {
  open();
  const FlowId flow = open_flow("orders");
  fill(1, 1);
  Record record = make_record(flow, 1, 1);
  record.puts = {{"once", "short", "1", kStart + hours(1)}, {"once", "long", "2", kStart + hours(100)}};
  journal(std::move(record));
  fill(2, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_TRUE(*run(shard_->get("once", "short")));
  clock_.advance(hours(2));
  fill(100, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_TRUE(*run(shard_->get("once", "short")));  // its run works yet: what it claimed, no other may
  journal(make_state(flow, 1, 2, RunState::kDelivered));
  fill(200, 20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_FALSE(*run(shard_->get("once", "short")));
  EXPECT_TRUE(*run(shard_->get("once", "long")));
}

asio::awaitable<bool> waited_beyond(ShardStore& store, Position after) {
  const Deadline never = Deadline::never();
  co_await store.wait_beyond(after, never);
  co_return store.last() > after;
}

TEST_F(SqliteStoreTest, ShardsShareOneLog) {
  open();
  auto other = store_->shard(loop_.executor());
  fill(1, 3);
  EXPECT_EQ(run(other->read(Position(0), ReadLimits{}))->size(), 3u);
  const auto flow = run(other->open_flow("orders", Position(0)));
  EXPECT_EQ(open_flow("orders"), *flow);
  const auto created = run(other->create("polls", "a", "1"));
  ASSERT_TRUE(created);
  EXPECT_EQ(run(shard_->create("polls", "a", "2")).error().code, Code::kConflict);
  EXPECT_TRUE(run(shard_->update("polls", "a", "2", *created)));
  EXPECT_EQ(run(other->get("polls", "a"))->value().value, "2");

  // Each learns of what the other appends, whether it waits for it or not.
  auto waiting = loop_.start(waited_beyond(*other, Position(3)));
  loop_.turn();
  EXPECT_FALSE(waiting->has_value());
  fill(4, 1);
  EXPECT_TRUE(loop_.wait(waiting));
  fill(5, 1);
  EXPECT_EQ(other->last(), Position(5));
  loop_.run(other->stop());
}

TEST_F(SqliteStoreTest, LittleDiskLeftRefusesWithWords) {
  options_.headroom_bytes = std::uint64_t{1} << 62;
  open();
  const auto refused = run(shard_->append(make_events({"a"}), Deadline::never()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  for (const std::string& part : {options_.directory.string(), std::string("MiB left"), std::string("MiB that the")})
    EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
  ASSERT_TRUE(store_->stats().refusing);
  EXPECT_EQ(store_->stats().refusing->message, refused.error().message);
}

TEST_F(SqliteStoreTest, NobodyElseMayReadItsFiles) {
  std::filesystem::create_directories(options_.directory);
  std::ofstream(file("state.db-was")) << "left by an older program";
  std::filesystem::permissions(file("state.db-was"), std::filesystem::perms(0644));
  open();
  work(20);
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(std::filesystem::status(options_.directory).permissions(), std::filesystem::perms(0700));
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
  }
}

TEST_F(SqliteStoreTest, BytesAreTheSameOpenOrClosed) {
  options_.segment_bytes = 64u << 20;
  open();
  fill(1, 200);
  close();
  const auto log = std::filesystem::file_size(file("seg-00000000000000000001.db-wal"));
  options_.read_only = true;
  open();
  EXPECT_EQ(store_->stats().bytes, log + 4096);
}

TEST_F(SqliteStoreTest, NothingGoesWhileACheckpointIsHeldUp) {
  options_.keep = hours(1);
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  clock_.advance(hours(2));
  auto reader = Database::open(file("state.db").string(), Database::Mode::kRead);
  ASSERT_TRUE(reader->run("pragma busy_timeout=1; begin"));
  EXPECT_GT(*reader->number("select count(*) from run"), 0);
  fill(1000, 20);
  EXPECT_TRUE(store_->maintain());
  EXPECT_EQ(store_->stats().oldest_position, 1u);
  ASSERT_TRUE(reader->run("commit"));
  EXPECT_TRUE(store_->maintain());
  EXPECT_GT(store_->stats().oldest_position, 30u);
}

}  // namespace
}  // namespace tieline::store
