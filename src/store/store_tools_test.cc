// Verifying what state.db tells, mending, and copying a store that works.
#include <atomic>
#include <thread>

#include "json/value.h"
#include "store/files.h"
#include "store/segment.h"
#include "store/sql.h"
#include "store/state_db.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;

class StoreTools : public WorkedStoreTest {
 protected:
  void change_state(const char* sql) {
    auto db = Database::open(file("state.db").string(), Database::Mode::kReadWrite);
    const auto done = db->run(sql);
    ASSERT_TRUE(done) << done.error().text();
  }
  std::vector<std::string> places() {
    const auto report = store_->verify();
    EXPECT_TRUE(report);
    return report->places;
  }
  RepairReport repair() {
    auto report = SqliteStore::repair(options_, clock_);
    EXPECT_TRUE(report) << report.error().text();
    if (!report) return {};
    EXPECT_TRUE(report->after.clean()) << report->after.places.front();
    return *report;
  }
  static std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Works on, and is whole afterwards.
  void expect_goes_on() {
    fill(5000, 30);
    ASSERT_TRUE(store_->maintain());
    reopen();
    EXPECT_TRUE(store_->verify()->clean());
    EXPECT_EQ(all_ids().back(), "5029");
  }
};

TEST_F(StoreTools, VerifyComparesTheFoldWithTheRecords) {
  const std::pair<const char*, const char*> cases[] = {
      {"update run set state=4 where seq=10", "state.db: run orders/10 is delivered, its last record says held"},
      {"delete from run where seq=3", "state.db: run orders/3 is missing"},
      {"update run set records=1 where seq=4", "state.db: run orders/4 lacks its record 2"},
      {"update entry set value='x' where key='order/5'", "state.db: entry index order/5 differs from record"},
      {"delete from entry where key='order/6'", "state.db: entry index order/6 is missing"},
  };
  for (const auto& [sql, words] : cases) {
    SCOPED_TRACE(sql);
    std::filesystem::remove_all(options_.directory);
    open();
    work(40);
    ASSERT_TRUE(store_->maintain());
    const std::string before = picture();
    EXPECT_TRUE(store_->verify()->clean()) << places().front();
    close();
    change_state(sql);
    options_.read_only = true;
    open();
    const auto found = places();
    ASSERT_FALSE(found.empty());
    EXPECT_TRUE(found.front().starts_with(words)) << found.front();
    close();
    options_.read_only = false;
    EXPECT_TRUE(repair().state_rebuilt);
    open();
    EXPECT_EQ(picture(), before);
    expect_goes_on();
    close();
  }
}

TEST_F(StoreTools, VerifyMissesARecordAsRepairDoes) {
  open();
  work(60);
  ASSERT_TRUE(store_->maintain());
  close();
  const auto sealed = files_like("sealed-");
  for (const char* which : {"min(lsn)+1", "max(lsn)"}) {
    auto db = Database::open(sealed[sealed.size() - 2].string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run(("delete from rec where lsn=(select " + std::string(which) + " from rec)").c_str()));
  }
  options_.read_only = true;
  open();
  const auto report = store_->verify();
  EXPECT_EQ(report->corrupt_records, 2u);
  EXPECT_NE(report->places.front().find(" is missing"), std::string::npos) << report->places.front();
  close();
  options_.read_only = false;
  EXPECT_EQ(repair().records_aside, 2u);
  open();
  expect_goes_on();
}

TEST_F(StoreTools, RepairSetsCorruptRowsAside) {
  open();
  const FlowId flow = work(60);
  ASSERT_TRUE(store_->maintain());
  close();
  bool event = false, record = false;
  const auto sealed = files_like("sealed-");
  ASSERT_GT(sealed.size(), 3u);
  {
    auto db = Database::open(sealed[1].string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run("update event set crc=crc+1 where seq=(select min(seq) from event)"));
    event = *db->number("select count(*) from event") > 0;
    auto other = Database::open(sealed.back().string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(other->run("update rec set crc=crc+1 where lsn=(select min(lsn) from rec)"));
    record = *other->number("select count(*) from rec") > 0;
  }
  ASSERT_TRUE(event && record);
  const RepairReport report = repair();
  EXPECT_EQ(report.events_aside, 1u);
  EXPECT_EQ(report.records_aside, 1u);
  EXPECT_EQ(report.segments_rewritten, 2u);
  std::ifstream in(report.aside_file);
  std::string line;
  std::size_t lines = 0;
  for (; std::getline(in, line); ++lines) {
    const auto row = json::parse(line);
    ASSERT_TRUE(row) << line;
    EXPECT_TRUE(from_base64(row->root()["body"].as_string()));
    EXPECT_FALSE(row->root()["why"].as_string().empty());
  }
  EXPECT_EQ(lines, 2u);
  reported_.clear();
  open();
  EXPECT_EQ(reported_, "");
  EXPECT_EQ(all_ids().size(), 59u);
  EXPECT_EQ(run(shard_->cursor(flow))->floor.value, 60u);
  close();
  EXPECT_EQ(repair().events_aside, 0u);
  open();
  expect_goes_on();
}

TEST_F(StoreTools, RepairThatCannotSetAsideChangesNothing) {
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  close();
  const auto damaged = files_like("sealed-")[1];
  {
    auto db = Database::open(damaged.string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run("update event set crc=crc+1 where seq=(select min(seq) from event)"));
  }
  const auto before = bytes_of(damaged);
  const auto taken = file("repair-" + std::to_string(to_unix_us(clock_.now()) / 1'000'000) + ".corrupt-records");
  std::filesystem::create_directory(taken);
  const auto refused = SqliteStore::repair(options_, clock_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("corrupt-records failed: Is a directory"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(bytes_of(damaged), before);
  std::filesystem::remove(taken);
  EXPECT_EQ(repair().events_aside, 1u);
}

TEST_F(StoreTools, RepairLeavesAWholeStoreAsItIs) {
  open();
  work(40);
  const std::string before = picture();
  close();
  const RepairReport report = repair();
  EXPECT_EQ(report.segments_rewritten, 0u);
  EXPECT_FALSE(report.state_rebuilt);
  EXPECT_EQ(report.aside_file, "");
  open();
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(SqliteStore::repair(options_, clock_).error().code, Code::kUnavailable);
}

TEST_F(StoreTools, RepairMendsADamagedStateAndPages) {
  options_.keep = hours(24);
  open();
  const FlowId flow = work(40);
  clock_.advance(hours(48));
  fill(1000, 60);
  ASSERT_TRUE(store_->maintain());
  ASSERT_GT(store_->stats().oldest_position, 10u);
  const FlowCounts before = *run(shard_->counts(flow));
  close();
  {
    auto db = Database::open(file("state.db").string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->number("pragma wal_checkpoint(truncate)"));
  }
  {  // a page of state.db, and one of a segment
    const auto smash = [](const std::filesystem::path& path, std::streamoff page) {
      std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
      out.seekp(page * 4096);
      out << std::string(4096, 'g');
    };
    smash(file("state.db"), 1);
    const auto sealed = files_like("sealed-");
    smash(sealed.back(), static_cast<std::streamoff>(std::filesystem::file_size(sealed.back()) / 4096 / 2));
  }
  const RepairReport report = repair();
  EXPECT_TRUE(report.state_rebuilt);
  open();
  EXPECT_TRUE(store_->verify()->clean());
  for (const std::uint64_t held : {10, 20}) {
    EXPECT_EQ(run(shard_->get({Position(held)}))->size(), 1u);
    EXPECT_EQ(run(shard_->read(RunId{flow, Position(held)}))->size(), 2u);
  }
  const FlowCounts after = *run(shard_->counts(flow));
  EXPECT_EQ(after.held, before.held);
  EXPECT_EQ(after.dead, before.dead);
  EXPECT_EQ(after.waiting, before.waiting);
  journal(make_state(flow, 13, 3, RunState::kDelivered));
  EXPECT_EQ(run(shard_->counts(flow))->waiting, before.waiting - 1);
  expect_goes_on();
}

// A crash between the names of the damaged state.db and the mended one must not leave none, nor the one's log to the
// other.
TEST_F(StoreTools, ARepairIsEndedByTheNextStart) {
  options_.keep = hours(24);
  open();
  work(40);
  clock_.advance(hours(48));
  fill(1000, 60);
  ASSERT_TRUE(store_->maintain());
  close();
  change_state("update kept_event set crc=crc+1 where seq=20");
  EXPECT_TRUE(repair().state_rebuilt);
  open();
  const std::string mended = picture();
  EXPECT_NE(mended.find("1/10 held"), std::string::npos);
  close();
  {
    auto db = Database::open(file("state.db").string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->number("pragma wal_checkpoint(truncate)"));
  }
  // As a crash leaves it: the damaged one in its place, with its log.
  std::filesystem::rename(file("state.db"), file("state.db.mended"));
  std::filesystem::copy_file(file("state.db.corrupt"), file("state.db"));
  {
    auto db = Database::open(file("state.db").string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run("delete from kept_event"));
  }
  for (const char* name : {"state.db.tmp", "state.db.tmp-wal", "state.db.tmp-shm"}) std::ofstream(file(name)) << "x";
  open();
  EXPECT_EQ(picture(), mended);
  EXPECT_TRUE(store_->verify()->clean());
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name.find(".tmp") == std::string::npos && name.find(".mended") == std::string::npos) << name;
  }
  expect_goes_on();
}

TEST_F(StoreTools, WhatIsSetAsideIsNeverWrittenOver) {
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  close();
  const std::vector<std::string> names{"state.db.corrupt", "state.db.corrupt-2", "state.db.corrupt-3"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    change_state("update run set records=1 where seq=4");
    change_state(("pragma user_version=" + std::to_string(i + 1)).c_str());
    EXPECT_TRUE(repair().state_rebuilt);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto aside = Database::open(file(names[i]).string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(aside) << aside.error().text();
    EXPECT_EQ(*aside->number("pragma user_version"), static_cast<std::int64_t>(i + 1));
  }
}

TEST_F(StoreTools, RepairKnowsAMissingSegment) {
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  close();
  const auto sealed = files_like("sealed-");
  std::filesystem::remove(sealed[2]);
  const RepairReport report = repair();
  EXPECT_GT(report.events_aside, 0u);
  reported_.clear();
  open();
  EXPECT_EQ(reported_, "");
  EXPECT_EQ(all_ids().size(), 40u - report.events_aside);
  expect_goes_on();
}

TEST_F(StoreTools, BackupIsAStoreThatOpens) {
  options_.keep = hours(24);
  options_.beside = {"secrets.key", "another"};
  open();
  work(40);
  clock_.advance(hours(48));
  fill(1000, 20);
  ASSERT_TRUE(store_->maintain());
  fill(2000, 3);
  const std::string before = picture();
  const auto ids = all_ids();
  const auto copy = directory_.path() / "it's a copy";
  std::ofstream(file("secrets.key")) << "key\n";
  const auto report = store_->backup(copy);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->others, 1u);  // and one that is not there is nobody's loss
  EXPECT_EQ(std::filesystem::file_size(copy / "secrets.key"), 4u);
  EXPECT_EQ(std::filesystem::status(copy / "secrets.key").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(report->last, shard_->last());
  EXPECT_EQ(store_->backup(copy).error().code, Code::kConflict);
  fill(3000, 20);  // the copy has none of it
  close();
  const auto was = std::exchange(options_.directory, copy);
  reported_.clear();
  open();
  EXPECT_EQ(reported_, "");
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(all_ids(), ids);
  EXPECT_TRUE(store_->verify()->clean());
  expect_goes_on();
  close();
  options_.directory = was;
  open();
  EXPECT_EQ(all_ids().back(), "3019");  // nor has the store any of the copy's
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(StoreTools, WhatTakesLongIsGivenUp) {
  open();
  work(40);
  const std::atomic<bool> give_up = true;
  const auto copy = directory_.path() / "copy";
  EXPECT_EQ(store_->verify(&give_up).error().code, Code::kUnavailable);
  EXPECT_EQ(store_->backup(copy, &give_up).error().code, Code::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(copy));
  EXPECT_FALSE(std::filesystem::exists(copy.string() + ".unfinished"));
  EXPECT_TRUE(store_->compact());  // which may end before anybody looks
  const auto compacted = store_->compact(&give_up);
  EXPECT_TRUE(compacted || compacted.error().code == Code::kUnavailable);
  EXPECT_TRUE(store_->compact());
  EXPECT_EQ(store_->stats().background_error, "");
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(StoreTools, SqlIsGivenUpWhereItStands) {
  open();
  work(40);
  ASSERT_TRUE(store_->maintain());
  close();
  auto opened = StateDb::open(file("state.db").string(), {});
  ASSERT_TRUE(opened);
  const auto given_up = opened->compact(true);
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code, Code::kUnavailable);
  EXPECT_TRUE(opened->compact(false));
  auto db = Database::open(file("state.db").string(), Database::Mode::kRead);
  const std::atomic<bool> flag = true;
  db->give_up_when(&flag);
  EXPECT_EQ(db->run(("vacuum into '" + file("copy.db").string() + "'").c_str()).error().code, Code::kUnavailable);
}

// Each copy has what was acknowledged before it began, whatever is written meanwhile.
TEST_F(StoreTools, BackupUnderLoadHasAllThatWasAcknowledged) {
  options_.segment_bytes = 64u << 10;
  open();
  constexpr int kCopies = 4;
  for (int n = 0; n < kCopies; ++n) {
    const std::uint64_t acknowledged = shard_->last().value;
    const auto copy = directory_.path() / ("copy" + std::to_string(n));
    std::atomic<bool> done = false;
    Result<BackupReport> report;
    std::thread copying([&] {
      report = store_->backup(copy);
      done = true;
    });
    for (int i = 0; !done || i < 20; ++i) {
      std::vector<NewEvent> one{make_event(std::to_string(n) + "-" + std::to_string(i), "shopify", 2000)};
      ASSERT_TRUE(run(shard_->append(one, Deadline::never())));
    }
    copying.join();
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_GE(report->last.value, acknowledged);
    StoreOptions options = options_;
    options.directory = copy;
    std::string said;
    options.report = [&](std::string_view line) { said += std::string(line) + "\n"; };
    const auto opened = SqliteStore::open(options, clock_);
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_EQ((*opened)->stats().last_position, report->last.value);
    EXPECT_EQ(said, "");
    EXPECT_TRUE((*opened)->verify()->clean());
  }
}

}  // namespace
}  // namespace tieline::store
