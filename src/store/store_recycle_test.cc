// Logs that are written over the blocks of an earlier one, and files made ready for a segment that is not there yet.
// What is old in them must never come back, nor pass for damage.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>

#include "store/files.h"
#include "store/log_end.h"
#include "store/next_segment.h"
#include "store/segment.h"
#include "store/sql.h"
#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFrame = 4120;
constexpr std::size_t kInHot = 6;  // events, one a group

class StoreRecycle : public DiskStoreTest {
 protected:
  StoreRecycle() {
    options_.tail_bytes = 0;
    options_.segment_bytes = 192u << 10;
  }
  fs::path file(const std::string& name) const { return options_.directory / name; }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(options_.directory)) all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }
  // Of the newest segment, as its names go: "seg-….db".
  std::string hot() const {
    std::string newest;
    for (const std::string& name : names()) {
      if (name.starts_with("seg-") && name.ends_with(".db")) newest = name;
    }
    return newest;
  }
  void append(std::size_t data_bytes = 3000) {
    std::vector<NewEvent> one{make_event(std::to_string(++count_), "shopify", data_bytes)};
    const auto done = run(shard_->append(one, Deadline::never()));
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(done->front().at.value, count_);
  }
  // Fills the hot segment, and waits until it is sealed.
  void fill_segment() {
    const std::uint64_t before = store_->stats().segments;
    while (store_->stats().segments == before) append();
    ASSERT_TRUE(store_->maintain());
  }
  std::size_t events_left() {
    std::size_t count = 0;
    for (std::uint64_t after = 0;;) {
      const auto events = run(shard_->read(Position(after), ReadLimits{64, 1u << 20}));
      EXPECT_TRUE(events) << events.error().text();
      if (!events || events->empty()) return count;
      count += events->size();
      after = events->back()->position.value;
    }
  }
  // Some sealed segments, and a few groups in a log over an old one; closed. Its name is hot_log_.
  void write() {
    fs::remove_all(options_.directory);
    count_ = 0;
    open();
    fill_segment();
    fill_segment();
    for (std::size_t i = 1; i < kInHot; ++i) append();
    before_last_ = read_wal(file(hot() + "-wal").string())->bytes();
    append();
    close();
    hot_log_ = hot() + "-wal";
    const auto wal = read_wal(file(hot_log_).string());
    ASSERT_TRUE(wal && wal->header_intact);
    own_bytes_ = wal->bytes();
    ASSERT_GT(wal->file_bytes, 2 * own_bytes_) << "nothing old behind it";
    reported_.clear();
  }
  void harm(const std::function<void(std::string& log)>& how) {
    std::string bytes = read_file(file(hot_log_));
    how(bytes);
    write_file(file(hot_log_), bytes);
    fs::remove(file(hot_log_.substr(0, hot_log_.size() - 4) + "-shm"));
  }
  void expect_whole(std::size_t events) {
    open();
    if (HasFatalFailure()) return;
    for (const char* word : {"damaged", "missing", "corrupt"})
      EXPECT_EQ(reported_.find(word), std::string::npos) << reported_;
    EXPECT_EQ(events_left(), events);
    EXPECT_TRUE(store_->verify()->clean());
    close();
  }
  void expect_refused(const std::string& words) {
    const auto opened = try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::kCorrupt);
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
  }

  std::uint64_t count_ = 0;  // events written
  std::string hot_log_;
  std::size_t own_bytes_ = 0, before_last_ = 0;  // of the log, without its last event
};

TEST_F(StoreRecycle, ALogIsWrittenOverTheOneOfASealedSegment) {
  open();
  fill_segment();
  EXPECT_EQ(names(),
            (std::vector<std::string>{"end", "lock", "next.db", "next.db-wal", "sealed-00000000000000000001.db",
                                      "state.db", "state.db-shm", "state.db-wal"}));
  struct stat old {
  }, now{};
  ASSERT_EQ(::stat(file("next.db-wal").c_str(), &old), 0);
  EXPECT_TRUE(read_wal(file("next.db-wal").string())->blank);
  append();
  EXPECT_FALSE(fs::exists(file("next.db")));
  ASSERT_EQ(::stat(file(hot() + "-wal").c_str(), &now), 0);
  EXPECT_EQ(now.st_ino, old.st_ino);
  EXPECT_EQ(now.st_size, old.st_size);
  const auto wal = read_wal(file(hot() + "-wal").string());
  EXPECT_TRUE(wal->header_intact);
  EXPECT_LT(wal->bytes(), wal->file_bytes);
  EXPECT_EQ(wal->frames_behind, 0u);
  EXPECT_TRUE(store_->verify()->clean());
  fill_segment();  // longer than the old one, or shorter: nothing changes
  append(20000);
  EXPECT_EQ(events_left(), count_);
  EXPECT_TRUE(store_->verify()->clean());
  close();
  for (const std::string& name : names()) EXPECT_FALSE(name.starts_with("next")) << name;  // a stopped store is small
  expect_whole(count_);
}

TEST_F(StoreRecycle, ASmallStoreMakesNothingReady) {
  open();
  for (int i = 0; i < 5; ++i) append();
  ASSERT_TRUE(store_->maintain());
  for (const std::string& name : names()) EXPECT_FALSE(name.starts_with("next")) << name;
}

TEST_F(StoreRecycle, OldFramesBehindTheEndAreNobodys) {
  for (const bool remembered : {true, false}) {
    for (const bool shm : {true, false}) {
      SCOPED_TRACE(std::string(remembered ? "with" : "without") + " the end, " + (shm ? "with" : "without") + " -shm");
      write();
      if (!remembered) fs::remove(file("end"));
      if (!shm) fs::remove(file(hot() + "-shm"));
      options_.read_only = true;
      open();
      EXPECT_EQ(events_left(), count_);
      EXPECT_TRUE(store_->verify()->clean());
      close();
      options_.read_only = false;
      EXPECT_GT(fs::file_size(file(hot_log_)), own_bytes_);
      expect_whole(count_);
      EXPECT_EQ(fs::file_size(file(hot_log_)), own_bytes_);
      open();
      append();
      close();
      expect_whole(count_);
    }
  }
}

TEST_F(StoreRecycle, DamageBeforeOldFramesIsDamage) {
  struct Case {
    const char* name;
    std::function<void(std::string&)> how;
    std::string words;      // of the refusal
    bool found_without;     // the end is not needed to see it
    std::size_t saved_min;  // of the hot segment's events
  };
  std::string old_log;  // as it would stand there if nothing of the new one had been written
  const auto zero = [](std::string& log, std::size_t from, std::size_t count) {
    log.replace(from, count, std::string(count, '\0'));
  };
  const std::vector<Case> cases{
      {"flipped", [&](std::string& log) { log[own_bytes_ / 2] = static_cast<char>(log[own_bytes_ / 2] ^ 4); },
       " is damaged at byte ", true, kInHot - 1},
      {"the last group was never written",
       [&](std::string& log) {
         log.replace(before_last_, own_bytes_ - before_last_, old_log, before_last_, own_bytes_ - before_last_);
       },
       " ends after ", false, kInHot - 1},
      {"one page was never written",
       [&](std::string& log) { log.replace(32 + 9 * kFrame, kFrame, old_log, 32 + 9 * kFrame, kFrame); },
       " is damaged at byte ", true, kInHot - 1},
      {"header zeroed", [&](std::string& log) { zero(log, 0, 32); }, " is damaged at byte 32 of", true, kInHot},
      {"salt flipped", [&](std::string& log) { log[17] = static_cast<char>(log[17] ^ 4); }, " is damaged at byte 32 of",
       true, kInHot},
      {"start zeroed", [&](std::string& log) { zero(log, 0, 32 + 2 * kFrame); }, " is damaged at byte 32 of", true, 0},
      {"nothing but old frames", [&](std::string& log) { zero(log, 0, own_bytes_); }, " is damaged at byte 32 of", true,
       0},
      {"old header too", [&](std::string& log) { log.replace(0, own_bytes_, old_log, 0, own_bytes_); }, " ends after ",
       false, 0},
  };
  for (const Case& c : cases) {
    for (const bool remembered : {true, false}) {
      if (!remembered && !c.found_without) continue;
      SCOPED_TRACE(std::string(c.name) + (remembered ? "" : ", without the end"));
      write();
      if (HasFatalFailure()) return;
      const std::size_t before = count_ - kInHot;
      old_log = read_file(file(hot_log_));
      // The same old frames further on in the file stand for what was at its start.
      for (std::size_t at = own_bytes_ - kFrame; at >= 32 && at < own_bytes_; at -= kFrame) {
        if (at + 2 * own_bytes_ < old_log.size()) old_log.replace(at, kFrame, old_log, at + own_bytes_ - 32, kFrame);
      }
      old_log.replace(0, 32, std::string("TLBLANK1\n") + std::string(23, '\0'));
      if (!remembered) fs::remove(file("end"));
      harm(c.how);
      expect_refused(hot_log_ + c.words);
      options_.accept_loss = true;
      open();
      options_.accept_loss = false;
      if (HasFatalFailure()) return;
      const std::size_t left = events_left();
      EXPECT_GE(left, before + c.saved_min);
      EXPECT_LE(left, before + kInHot);
      close();
      open();
      EXPECT_EQ(events_left(), left);
      std::vector<NewEvent> more{make_event("more")};
      const auto at = run(shard_->append(more, Deadline::never()));
      ASSERT_TRUE(at);
      EXPECT_TRUE(!remembered || at->front().at.value == count_ + 1) << at->front().at.value;
      EXPECT_EQ(events_left(), left + 1);
      close();
    }
  }
}

TEST_F(StoreRecycle, ASegmentUnderTheNameOfAnotherIsNotRead) {
  open();
  fill_segment();
  const std::uint64_t in_first = count_;
  fill_segment();
  const std::uint64_t in_two = count_;
  append();
  close();
  std::vector<std::string> sealed;
  for (const std::string& name : names()) {
    if (name.starts_with("sealed-")) sealed.push_back(name);
  }
  ASSERT_EQ(sealed.size(), 2u);
  fs::copy_file(file(sealed[0]), file(sealed[1]), fs::copy_options::overwrite_existing);
  open();
  EXPECT_NE(reported_.find(sealed[1] + " holds another segment"), std::string::npos) << reported_;
  EXPECT_EQ(events_left(), in_first + 1);
  EXPECT_EQ(store_->stats().corrupt_events, in_two - in_first);
}

TEST_F(StoreRecycle, TornLastGroupOverOldFramesOpensWithoutAWord) {
  write();
  const std::string before = read_file(file(hot_log_)), end = read_file(file("end"));
  const std::vector<std::string> standing = names();
  std::map<std::string, std::string> kept;
  for (const std::string& name : standing) kept[name] = read_file(file(name));
  // The group is written over old frames as the writer does it, without the cut of an opening.
  {
    auto db = Database::open(file(hot()).string(), Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run("pragma synchronous=full; pragma wal_autocheckpoint=0; begin immediate"));
    for (int i = 0; i < 12; ++i)
      ASSERT_TRUE(db->run("insert into event select max(seq)+1, 1, 0, 0, 1, x'00', randomblob(3000) from event"));
    ASSERT_TRUE(db->run("commit"));
  }
  const std::string whole = read_file(file(hot_log_));
  const std::size_t pages = (read_wal(file(hot_log_).string())->bytes() - own_bytes_) / kFrame;
  ASSERT_GT(pages, 10u);
  ASSERT_EQ(whole.size(), before.size());
  struct Case {
    const char* name;
    std::function<bool(std::size_t page)> survives;
  };
  for (const Case& c : {Case{"nothing", [](std::size_t) { return false; }},
                        Case{"half", [&](std::size_t page) { return page < pages / 2; }},
                        Case{"all but the first", [](std::size_t page) { return page > 0; }},
                        Case{"all but one", [](std::size_t page) { return page != 4; }},
                        Case{"all but the commit", [&](std::size_t page) { return page + 1 < pages; }},
                        Case{"the commit", [&](std::size_t page) { return page + 1 == pages; }},
                        Case{"every other", [](std::size_t page) { return page % 2 == 1; }}}) {
    for (const bool in_blocks : {false, true}) {  // frames lie across blocks
      for (const bool remembered : {true, false}) {
        SCOPED_TRACE(std::string(c.name) + (in_blocks ? " in blocks" : "") + (remembered ? "" : ", without the end"));
        fs::remove_all(options_.directory);
        fs::create_directory(options_.directory);
        for (const auto& [name, bytes] : kept) write_file(file(name), bytes);
        std::string torn = whole;
        for (std::size_t page = 0; page < pages; ++page) {
          const std::size_t unit = in_blocks ? 4096 : kFrame;
          const std::size_t at = in_blocks ? (own_bytes_ / unit + 1 + page) * unit : own_bytes_ + page * unit;
          if (!c.survives(page)) torn.replace(at, unit, before, at, unit);
        }
        if (in_blocks && !c.survives(0)) {
          const std::size_t rest = 4096 - own_bytes_ % 4096;
          torn.replace(own_bytes_, rest, before, own_bytes_, rest);
        }
        write_file(file(hot_log_), torn);
        if (!remembered) fs::remove(file("end"));
        reported_.clear();
        expect_whole(count_);
        expect_whole(count_);
      }
    }
  }
}

// Every state in which a crash may leave the files of the next segment, in whatever order the directory was written.
TEST_F(StoreRecycle, CrashBetweenAnyTwoStepsOfASegmentsBeginningOpensWithoutARefusal) {
  open();
  for (int i = 0; i < 20; ++i) append();
  close();
  const std::string segment = "seg-00000000000000000021.db", log = segment + "-wal";
  // A database as it is made ready, and a log that was one: of a segment with a page more than this one will have.
  const std::string made = (directory_.path() / "made.db").string();
  {
    auto db = Database::open(made, Database::Mode::kCreate);
    ASSERT_TRUE(db->run("pragma page_size=4096; pragma journal_mode=wal"));
  }
  const std::string database = read_file(made);
  ASSERT_EQ(database.size(), 4096u);
  const std::string old_name = (directory_.path() / "old-wal").string();
  write_file(old_name, read_file(file("seg-00000000000000000001.db-wal")));
  const std::string used = read_file(old_name);
  ASSERT_TRUE(blank_wal(old_name));
  const std::string blank = read_file(old_name);
  ASSERT_EQ(blank.size(), used.size());
  ASSERT_EQ(blank.substr(32), used.substr(32));
  // The first group of the new one, over it.
  write_file(made, database);
  write_file(made + "-wal", blank);
  fs::remove(made + "-shm");
  {
    auto db = Database::open(made, Database::Mode::kReadWrite);
    ASSERT_TRUE(db->run("pragma synchronous=full; pragma wal_autocheckpoint=0; begin immediate"));
    ASSERT_TRUE(db->run(kSegmentSchema));
    ASSERT_TRUE(db->run("commit"));
  }
  const std::string begun = read_file(made + "-wal");
  ASSERT_EQ(begun.size(), blank.size());
  const std::size_t pages = (read_wal(made + "-wal")->bytes() - 32) / kFrame;
  ASSERT_GE(pages, 7u);
  const auto mixed = [&](std::size_t bytes) { return begun.substr(0, bytes) + blank.substr(bytes); };
  std::string without_one = begun;
  without_one.replace(32 + 2 * kFrame, kFrame, blank, 32 + 2 * kFrame, kFrame);

  struct Case {
    const char* name;
    std::map<std::string, std::string> files;
  };
  const std::vector<Case> cases{
      {"a file without a page", {{"next.db", ""}}},
      {"with its journal", {{"next.db", ""}, {"next.db-journal", std::string(512, 'j')}}},
      {"made", {{"next.db", database}}},
      {"with an empty log", {{"next.db", database}, {"next.db-wal", ""}, {"next.db-shm", std::string(32768, '\0')}}},
      {"ready", {{"next.db", database}, {"next.db-wal", blank}}},
      {"the log alone", {{"next.db-wal", blank}}},
      {"a log that was not blanked", {{"next.db", database}, {"next.db-wal", used}}},
      {"the database renamed", {{segment, database}, {"next.db-wal", blank}}},
      {"the log renamed", {{"next.db", database}, {log, blank}}},
      {"the log renamed, the database lost", {{log, blank}}},
      {"an empty log alone", {{log, ""}}},
      {"both renamed", {{segment, database}, {log, blank}}},
      {"opened", {{segment, database}, {log, blank}, {segment + "-shm", std::string(32768, '\0')}}},
      {"the log's header written", {{segment, database}, {log, mixed(32)}}},
      {"some frames written", {{segment, database}, {log, mixed(32 + 3 * kFrame)}}},
      {"all but one", {{segment, database}, {log, without_one}}},
      {"all but the commit", {{segment, database}, {log, mixed(32 + (pages - 1) * kFrame)}}},
  };
  std::map<std::string, std::string> kept;
  for (const std::string& name : names()) kept[name] = read_file(file(name));
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::uint64_t written = count_;
    fs::remove_all(options_.directory);
    fs::create_directory(options_.directory);
    for (const auto& [name, bytes] : kept) write_file(file(name), bytes);
    for (const auto& [name, bytes] : c.files) write_file(file(name), bytes);
    reported_.clear();
    options_.read_only = true;
    const std::vector<std::string> standing = names();
    open();
    EXPECT_EQ(events_left(), count_);
    close();
    options_.read_only = false;
    for (const auto& [name, bytes] : c.files)
      EXPECT_TRUE(name.ends_with("-shm") || read_file(file(name)) == bytes) << name;
    for (const std::string& name : standing) EXPECT_TRUE(fs::exists(file(name))) << name;
    expect_whole(count_);
    if (HasFatalFailure()) return;
    for (const std::string& name : names()) {
      EXPECT_FALSE(name.starts_with("next")) << name;
      const bool aside = name.find(".unfinished") != std::string::npos;  // of old frames nothing is kept for anybody
      EXPECT_TRUE(!aside || fs::file_size(file(name)) <= std::max<std::size_t>(32768, 32 + pages * kFrame)) << name;
    }
    open();
    for (int i = 0; i < 80; ++i) append();  // through the segment of that name, or a later one
    close();
    expect_whole(count_);
    count_ = written;
  }
}

// Where the sealed form stands, the other one may be in any state.
TEST_F(StoreRecycle, CrashWhileAnOpenFormGoesCostsNothing) {
  const std::string segment = "seg-00000000000000000001.db";
  open();
  fill_segment();
  append();
  close();
  std::map<std::string, std::string> kept;
  for (const std::string& name : names()) kept[name] = read_file(file(name));
  const std::string database = std::string(4096, 'd'), used = kept[hot() + "-wal"];
  const std::string blank = std::string("TLBLANK1\n") + std::string(23, '\0') + used.substr(32);
  const std::vector<std::map<std::string, std::string>> cases{
      {{segment, database}, {segment + "-wal", used}, {segment + "-shm", "s"}},
      {{segment, database}, {segment + "-wal", blank}, {segment + "-shm", "s"}},
      {{segment, database}, {"next.db-wal", blank}, {segment + "-shm", "s"}},
      {{segment, database}},
      {{segment, database}, {segment + "-wal.tmp", used.substr(0, used.size() / 2)}},
      {{segment + ".tmp", database.substr(0, 100)}},
      {{segment + "-wal", blank}},
      {{segment + "-wal", ""}}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    for (const auto& [name, bytes] : cases[i]) write_file(file(name), bytes);
    options_.read_only = true;
    open();
    EXPECT_EQ(events_left(), count_);
    close();
    options_.read_only = false;
    expect_whole(count_);
    for (const std::string& name : names()) EXPECT_FALSE(name.starts_with(segment) || name.starts_with("next")) << name;
  }
}

TEST_F(StoreRecycle, WhatSomebodyReadsIsNotWrittenOver) {
  const std::string first = "seg-00000000000000000001.db";
  open();
  append();
  EXPECT_EQ(events_left(), 1u);  // a reader stays open
  const std::string before = read_file(file(first + "-wal"));
  fill_segment();
  EXPECT_TRUE(fs::exists(file(first + "-wal")));
  EXPECT_EQ(read_file(file(first + "-wal")).substr(0, before.size()), before);
  EXPECT_FALSE(fs::exists(file("next.db-wal")));
  EXPECT_EQ(events_left(), count_);  // from the sealed form, and the reader is closed
  ASSERT_TRUE(store_->maintain());
  EXPECT_FALSE(fs::exists(file(first)));
  EXPECT_TRUE(fs::exists(file("next.db-wal")));
}

TEST_F(StoreRecycle, AReaderThatStaysKeepsOneOpenFormAtMost) {
  const std::string first = "seg-00000000000000000001.db";
  open();
  append();
  EXPECT_EQ(events_left(), 1u);
  fill_segment();
  EXPECT_TRUE(fs::exists(file(first)));
  fill_segment();
  EXPECT_FALSE(fs::exists(file(first)));
  EXPECT_EQ(events_left(), count_);
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(StoreRecycle, ADiskThatIsLowGetsTheRoomBack) {
  options_.headroom_bytes = 1u << 20;
  open();
  fill_segment();
  ASSERT_TRUE(fs::exists(file("next.db-wal")));
  close();
  options_.headroom_bytes = std::numeric_limits<std::uint64_t>::max() / 2;  // low at once, and out
  open();
  (void)store_->maintain();
  EXPECT_FALSE(fs::exists(file("next.db-wal")));
}

}  // namespace
}  // namespace tieline::store
