// What happens to the log's files between two openings: flipped bytes, cut and missing files, and what a crash leaves.
// The first must never be taken for the last.
#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "store/log_end.h"
#include "store/sql.h"
#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHot = "seg-00000000000000000001.db";

class StoreWal : public DiskStoreTest {
 protected:
  StoreWal() { options_.tail_bytes = 0; }
  // One commit each; the position of the last one.
  std::uint64_t append(int first, int count) {
    std::uint64_t at = 0;
    for (int i = first; i < first + count; ++i) {
      std::vector<NewEvent> one{make_event(std::to_string(i), "shopify", 400)};
      const auto done = run(shard_->append(one, Deadline::never()));
      EXPECT_TRUE(done) << done.error().text();
      if (done) at = done->front().at.value;
    }
    return at;
  }
  std::vector<std::string> all_ids() {
    std::vector<std::string> ids;
    for (std::uint64_t after = 0;;) {
      const auto events = run(shard_->read(Position(after), ReadLimits{16, 1u << 20}));
      EXPECT_TRUE(events) << events.error().text();
      if (!events || events->empty()) return ids;
      for (const EventPtr& event : *events) ids.push_back(event->id);
      after = events->back()->position.value;
    }
  }
  // 100 events, each with a record, in the hot segment.
  void write() {
    open();
    flow_ = *run(shard_->open_flow("orders", Position(0)));
    for (int i = 1; i <= 100; ++i) {
      append(i, 1);
      ASSERT_TRUE(run(shard_->append(make_record(flow_, static_cast<std::uint64_t>(i), 1), Sync::kWait)));
    }
    close();
    reported_.clear();
  }
  fs::path file(const std::string& name) const { return options_.directory / name; }
  void flip(const std::string& name, std::size_t at) {
    std::string bytes = read_file(file(name));
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    write_file(file(name), bytes);
  }
  void expect_refused(const std::string& words) {
    const auto opened = try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::kCorrupt);
    for (const std::string& part : {words, std::string("may be lost"), std::string("tieline run --accept-loss")}) {
      EXPECT_NE(opened.error().message.find(part), std::string::npos) << opened.error().message;
    }
  }
  void expect_verify_tells(const std::string& words) {
    options_.read_only = true;
    open();
    EXPECT_NE(reported_.find(words), std::string::npos) << reported_;
    const auto report = store_->verify();
    ASSERT_TRUE(report);
    EXPECT_GE(report->corrupt_segments, 1u);
    ASSERT_FALSE(report->places.empty());
    EXPECT_NE(report->places[0].find(words), std::string::npos) << report->places[0];
    close();
    options_.read_only = false;
  }
  // With the loss accepted it goes on behind everything that was ever acknowledged; how many events are left.
  std::size_t expect_goes_on_when_accepted() {
    options_.accept_loss = true;
    open();
    options_.accept_loss = false;
    if (HasFatalFailure()) return 0;
    const std::size_t left = all_ids().size();
    close();
    open();  // accepted once, also before anything was written again
    if (HasFatalFailure()) return 0;
    EXPECT_EQ(all_ids().size(), left);
    EXPECT_EQ(append(1000, 1), 101u);
    close();
    open();
    EXPECT_EQ(append(1001, 1), 102u);
    EXPECT_EQ(all_ids().size(), left + 2);
    close();
    return left;
  }

  FlowId flow_;
};

const std::string kLog = std::string(kHot) + "-wal";

TEST_F(StoreWal, WalkFindsWhatSqliteAccepts) {
  write();
  const auto wal = read_wal(file(kLog).string());
  ASSERT_TRUE(wal);
  EXPECT_TRUE(wal->present && wal->header_intact);
  EXPECT_EQ(wal->bytes(), wal->file_bytes);
  EXPECT_EQ(wal->frames_behind, 0u);
  const auto end = read_log_end(file("end").string());
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, (LogEnd{1, wal->frames, 100, 100}));
  EXPECT_FALSE(read_wal(file("none").string())->present);
  flip("end", 17);
  EXPECT_FALSE(read_log_end(file("end").string()));
}

TEST_F(StoreWal, FlippedByteInTheHotLogIsNotAShorterLog) {
  for (const bool remembered : {true, false}) {
    SCOPED_TRACE(remembered ? "with the end" : "without the end");
    fs::remove_all(options_.directory);
    write();
    flip(kLog, read_file(file(kLog)).size() / 2);
    fs::remove(file(kHot + std::string("-shm")));
    if (!remembered) fs::remove(file("end"));
    const std::string before = read_file(file(kLog));
    expect_refused(kLog + " is damaged at byte ");
    expect_verify_tells(kLog + " is damaged at byte ");
    EXPECT_EQ(read_file(file(kLog)), before);  // refusing and looking change nothing
    options_.accept_loss = true;
    open();
    options_.accept_loss = false;
    // What stands behind the damage is saved: the later pages hold what the flipped one held.
    EXPECT_EQ(all_ids().size(), 100u);
    EXPECT_EQ(read_file(file(kLog + ".damaged")), before);
    EXPECT_EQ(run(shard_->read(RunId{flow_, Position(100)}))->size(), 1u);
    EXPECT_FALSE(store_->verify()->clean());
    EXPECT_EQ(append(1000, 1), 101u);
    close();
    reported_.clear();
    open();
    EXPECT_TRUE(store_->verify()->clean());
    EXPECT_EQ(reported_, "");
    close();
  }
}

// A flow is done with an event by its cursor, on another page than the run's record: where that is lost the cursor
// alone would tell, and the run be gone without a word. What ended behind the damage is done again, if it cannot be
// read. Every page of the log in turn, those among them that a table's growth had filled in an earlier group.
TEST_F(StoreWal, WhereverItIsDamagedNoCursorCountsWithoutARecord) {
  constexpr std::uint64_t kDead = 5, kSealed = 12, kWaits = 15, kUnwanted = 32, kLast = 36;
  options_.segment_bytes = 8192;  // state.db knows the flow
  open();
  flow_ = *run(shard_->open_flow("orders", Position(0)));
  for (std::uint64_t i = 1; i <= kLast; ++i) {
    if (i == kSealed) {
      ASSERT_TRUE(store_->maintain());
      close();
      options_.segment_bytes = 64u << 20;
      open();
      // Where this is lost the run is dead again, and nothing to be done.
      Record discarded = make_state(flow_, kDead, 2, RunState::kDiscarded);
      discarded.body = std::string(700, 'd');
      ASSERT_TRUE(run(shard_->append(discarded, Sync::kWait)));
    }
    append(static_cast<int>(i), 1);
    if (i == kUnwanted) {
      shard_->settle(flow_, Position(i));
      ASSERT_TRUE(run(shard_->flush()));
      continue;
    }
    Record ended = make_state(flow_, i, 1, i == kWaits ? RunState::kRetrying : RunState::kDelivered);
    if (i == kDead) ended.state = RunState::kDead;
    ended.body = std::string(700, 'b');  // five a page
    ASSERT_TRUE(run(shard_->append(ended, Sync::kWait)));
  }
  close();
  const fs::path whole = directory_.path() / "whole";
  fs::copy(options_.directory, whole);
  std::string hot;
  for (const auto& entry : fs::directory_iterator(whole)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("seg-") && name.ends_with(".db")) hot = std::max(hot, name);
  }
  const std::string log = read_file(file(hot + "-wal"));
  const std::size_t frames = (log.size() - 32) / 4120;
  ASSERT_GT(frames, 60u);
  std::map<std::string, std::string> cases;
  for (std::size_t frame = 0; frame < frames; ++frame) {
    const std::size_t at = 32 + frame * 4120;
    std::string flipped = log, zeroed = log;
    flipped[at + 2000] = static_cast<char>(flipped[at + 2000] ^ 4);
    const std::size_t two = std::min<std::size_t>(2 * 4120, log.size() - at);
    zeroed.replace(at, two, std::string(two, '\0'));
    cases.emplace("a bit of page " + std::to_string(frame), std::move(flipped));
    if (frame % 3 == 0) cases.emplace("zeroes from page " + std::to_string(frame), std::move(zeroed));
  }
  cases.emplace("the header", std::string(32, '\0') + log.substr(32));
  // How many events the flow will do again; of them no run is known, and of all others one is. Nothing is held.
  const auto unsettled = [&] {
    std::size_t count = 0;
    const auto cursor = run(shard_->cursor(flow_));
    for (const std::string& id : all_ids()) {
      const std::uint64_t event = std::stoull(id);
      if (event > kLast || event == kUnwanted) continue;
      const bool settled = event <= cursor->floor.value ||
                           std::count(cursor->settled.begin(), cursor->settled.end(), Position(event)) > 0;
      const auto status = run(shard_->status({flow_, Position(event)}));
      EXPECT_TRUE(status && settled == status->has_value()) << event;
      EXPECT_TRUE(!status || !*status || (*status)->records == 1 || event == kDead) << event;
      count += !settled;
    }
    EXPECT_EQ(reported_.find("are held"), std::string::npos) << reported_;
    reported_.clear();
    return count;
  };
  std::size_t again = 0;
  for (const auto& [what, bytes] : cases) {
    SCOPED_TRACE(what);
    const auto harm = [&] {
      fs::remove_all(options_.directory);
      fs::copy(whole, options_.directory);
      write_file(file(hot + "-wal"), bytes);
    };
    harm();
    // A crash while it was saved once before.
    write_file(file(hot + ".tmp-wal"), log.substr(0, log.size() / 3));
    write_file(file(hot + ".before.tmp"), "half of it");
    options_.accept_loss = true;
    open();
    ASSERT_FALSE(HasFatalFailure());
    options_.accept_loss = false;
    EXPECT_NE(reported_.find("has no record that can be read, is done again"), std::string::npos) << reported_;
    const std::size_t count = unsettled();
    again += count;
    close();
    open();  // accepted once, also before anything was written again
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_EQ(unsettled(), count);
    EXPECT_EQ(append(1000, 1), kLast + 1);
    close();
    for (const auto& entry : fs::directory_iterator(options_.directory))
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
    open();  // what was accepted holds from now on
    EXPECT_EQ(unsettled(), count);
    close();
    if (count == 0) continue;
    harm();
    ASSERT_TRUE(SqliteStore::repair(options_, clock_));
    reported_.clear();
    open();
    EXPECT_EQ(unsettled(), count);
    close();
  }
  EXPECT_GT(again, 10u);
}

// What was accepted is what was lost by then: of the same segment, full now, nobody is asked, and who lost is held.
TEST_F(StoreWal, AcceptanceDoesNotExcuseWhatIsDamagedLater) {
  open();
  flow_ = *run(shard_->open_flow("orders", Position(0)));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    append(static_cast<int>(i), 1);
    Record waits = make_state(flow_, i, 1, RunState::kRetrying);
    waits.body = std::string(700, 'b');
    ASSERT_TRUE(run(shard_->append(waits, Sync::kWait)));
  }
  close();
  flip(kLog, 17);  // in the header: nothing is lost
  options_.accept_loss = true;
  open();
  options_.accept_loss = false;
  append(1000, 1);
  close();
  const fs::path whole = directory_.path() / "whole";
  fs::copy(options_.directory, whole);
  const std::size_t frames = (fs::file_size(file(kLog)) - 32) / 4120;
  std::size_t held = 0;
  for (std::size_t frame = frames / 2; frame < frames; ++frame) {
    SCOPED_TRACE(frame);
    fs::remove_all(options_.directory);
    fs::copy(whole, options_.directory);
    flip(kLog, 32 + frame * 4120 + 2000);
    reported_.clear();
    open();
    const bool lost = reported_.find("are missing: set aside") != std::string::npos &&
                      reported_.find("records ") != std::string::npos;
    EXPECT_TRUE(!lost || reported_.find("are held") != std::string::npos) << reported_;
    held += lost;
    close();
  }
  EXPECT_GT(held, 0u);
}

TEST_F(StoreWal, DamagedAndMissingFilesAreRefused) {
  struct Case {
    const char* name;
    std::function<void()> harm;
    std::string words;
    std::size_t left_min, left_max;
  };
  const auto cut = [&](const std::string& name, double part) {
    const auto size = static_cast<double>(fs::file_size(file(name)));
    fs::resize_file(file(name), static_cast<std::uintmax_t>(size * part));
  };
  const auto zero = [&](std::size_t from, std::size_t count) {
    std::string bytes = read_file(file(kLog));
    bytes.replace(from, count, std::string(count, '\0'));
    write_file(file(kLog), bytes);
  };
  const std::vector<Case> cases{
      {"cut in the middle", [&] { cut(kLog, 0.5); }, kLog + " ends after ", 40, 60},
      {"cut to nothing", [&] { cut(kLog, 0); }, kLog + " is missing or empty", 0, 0},
      {"log missing", [&] { fs::remove(file(kLog)); }, kLog + " is missing or empty", 0, 0},
      {"header zeroed", [&] { zero(0, 32); }, kLog + " is damaged at byte 32 of", 100, 100},
      {"start zeroed", [&] { zero(0, 3 * 4120); }, kLog + " is damaged at byte 32 of", 0, 100},
      {"salt flipped", [&] { flip(kLog, 17); }, kLog + " is damaged at byte 32 of", 100, 100},
      {"last group flipped", [&] { flip(kLog, fs::file_size(file(kLog)) - 100); }, kLog + " is damaged at byte", 100,
       100},
      {"last commit cut", [&] { cut(kLog, 0.9999); }, kLog + " ends after ", 99, 100},
      {"file empty", [&] { cut(kHot, 0); }, std::string(kHot) + " is cut off or missing", 100, 100},
      {"file missing", [&] { fs::remove(file(kHot)); }, std::string(kHot) + " is cut off or missing", 100, 100},
      {"all missing",
       [&] {
         for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file(kHot + std::string(suffix)));
       },
       "the newest segment is missing", 0, 0},
  };
  for (const Case& c : cases) {
    for (const bool shm : {true, false}) {
      SCOPED_TRACE(std::string(c.name) + (shm ? "" : ", no -shm"));
      fs::remove_all(options_.directory);
      write();
      c.harm();
      if (!shm) fs::remove(file(kHot + std::string("-shm")));
      expect_refused(c.words);
      if (!HasFatalFailure()) expect_verify_tells(c.words);
      if (HasFatalFailure()) return;
      const std::size_t left = expect_goes_on_when_accepted();
      EXPECT_GE(left, c.left_min);
      EXPECT_LE(left, c.left_max);
    }
  }
}

TEST_F(StoreWal, MissingNewestSegmentBehindOthersIsRefused) {
  options_.segment_bytes = 8192;
  for (const bool remembered : {true, false}) {
    SCOPED_TRACE(remembered ? "with the end" : "without the end");
    fs::remove_all(options_.directory);
    open();
    append(1, 80);
    ASSERT_TRUE(store_->maintain());
    close();
    std::vector<std::string> numbers;  // of the segments, in 20 digits
    const auto number = [](const fs::path& path) {
      const std::string name = path.filename().string();
      return name.starts_with("seg-") || name.starts_with("sealed-") ? name.substr(name.find('-') + 1, 20) : "";
    };
    for (const auto& entry : fs::directory_iterator(options_.directory)) numbers.push_back(number(entry.path()));
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    ASSERT_GT(numbers.size(), 4u);
    // Without the end only what state.db has folded tells that there was more: numbers[0] is that of no segment.
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      if (number(entry.path()) >= numbers[2]) fs::remove(entry.path());
    }
    if (!remembered) fs::remove(file("end"));
    expect_refused("the newest segment is missing");
    expect_verify_tells("the newest segment is missing");
    options_.accept_loss = true;
    open();
    options_.accept_loss = false;
    EXPECT_GT(store_->stats().corrupt_events, 5u);
    EXPECT_GE(append(1000, 1), remembered ? 81u : 60u);
    close();
    reported_.clear();
    open();
    EXPECT_NE(reported_.find("are corrupt or missing"), std::string::npos) << reported_;
    EXPECT_EQ(store_->verify()->corrupt_events, store_->stats().corrupt_events);
    close();
  }
}

TEST_F(StoreWal, DamageBeforeTheEndCostsWhatItHits) {
  options_.segment_bytes = 128u << 10;
  open();
  const auto keep = directory_.path() / "kept";
  append(1, 1);
  int count = 1;
  for (; fs::exists(file(kHot)); ++count) {  // until it is sealed
    fs::remove_all(keep);
    fs::create_directory(keep);
    for (const char* suffix : {"", "-wal"})
      fs::copy(file(kHot + std::string(suffix)), keep / (kHot + std::string(suffix)));
    append(1 + count, 1);
    if (store_->stats().segments > 1) {
      ASSERT_TRUE(store_->maintain());
    }
  }
  append(1000, 3);
  close();
  fs::remove(file("sealed-00000000000000000001.db"));
  for (const char* suffix : {"", "-wal"})
    fs::copy(keep / (kHot + std::string(suffix)), file(kHot + std::string(suffix)));
  flip(kLog, fs::file_size(file(kLog)) / 2);
  open();
  EXPECT_NE(reported_.find(kLog + " is damaged at byte"), std::string::npos) << reported_;
  const std::size_t left = all_ids().size();
  EXPECT_GE(left, static_cast<std::size_t>(count) - 3);
  EXPECT_EQ(store_->stats().corrupt_events, static_cast<std::size_t>(count) + 3 - left);
  EXPECT_EQ(append(2000, 1), static_cast<std::uint64_t>(count) + 4);
}

TEST_F(StoreWal, OverwrittenFirstPageCostsNothingWhileTheLogHasIt) {
  write();
  write_file(file(kHot), std::string(4096, 'x'));
  open();
  EXPECT_EQ(all_ids().size(), 100u);
  EXPECT_EQ(append(1000, 1), 101u);
}

// What a crash leaves.

TEST_F(StoreWal, TornLastGroupOpensWithoutAWord) {
  open();
  flow_ = *run(shard_->open_flow("orders", Position(0)));
  append(1, 20);
  const std::string log = read_file(file(kLog)), end = read_file(file("end"));
  std::vector<NewEvent> many;
  for (int i = 0; i < 60; ++i) many.push_back(make_event("late " + std::to_string(i), "shopify", 900));
  ASSERT_TRUE(run(shard_->append(many, Deadline::never())));
  close();
  const std::string whole = read_file(file(kLog));
  const std::size_t pages = (whole.size() - log.size()) / 4120;
  ASSERT_GT(pages, 10u);
  const auto torn = [&](const std::function<bool(std::size_t page)>& survives) {
    std::string bytes = whole;
    for (std::size_t page = 0; page < pages; ++page) {
      if (!survives(page)) bytes.replace(log.size() + page * 4120, 4120, std::string(4120, '\0'));
    }
    return bytes;
  };
  struct Case {
    const char* name;
    std::string log;
  };
  for (const Case& c :
       {Case{"nothing", log}, Case{"half", whole.substr(0, log.size() + pages / 2 * 4120)},
        Case{"in a page", whole.substr(0, log.size() + 1000)}, Case{"zeroes", torn([](std::size_t) { return false; })},
        Case{"all but the first", torn([](std::size_t page) { return page > 0; })},
        Case{"all but one", torn([](std::size_t page) { return page != 4; })},
        Case{"all but the commit", torn([&](std::size_t page) { return page + 1 < pages; })},
        Case{"every other", torn([](std::size_t page) { return page % 2 == 1; })}}) {
    for (const bool remembered : {true, false}) {
      SCOPED_TRACE(c.name);
      write_file(file(kLog), c.log);
      write_file(file("end"), remembered ? end : "");
      reported_.clear();
      // A shorter group over the torn one, torn too: what was left of the first must not look like damage.
      for (int round = 0; round < 2; ++round) {
        open();
        EXPECT_EQ(reported_, "");
        EXPECT_EQ(all_ids().size(), 20u);
        EXPECT_TRUE(store_->verify()->clean());
        close();
      }
      EXPECT_LE(fs::file_size(file(kLog)), log.size());
      open();
      EXPECT_EQ(append(500, 1), 21u);
      close();
      EXPECT_EQ(reported_, "");
    }
  }
}

TEST_F(StoreWal, CrashWhileASegmentIsMadeOpensWithoutARefusal) {
  write();
  auto db = Database::open(file("seg-00000000000000000101.db").string(), Database::Mode::kCreate);
  ASSERT_TRUE(db->run("pragma journal_mode=wal"));
  write_file(file("seg-00000000000000000101.db-wal"), "");
  open();
  EXPECT_EQ(all_ids().size(), 100u);
  EXPECT_EQ(append(1000, 1), 101u);
}

}  // namespace
}  // namespace tieline::store
