// A disk that fails, fills, stalls and loses its power on purpose: a VFS before SQLite's own. It must never fail a file
// by accident.
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

using std::chrono::seconds;

// What a file held when it was synced last, of the blocks that were written since.
struct Unsynced {
  std::int64_t bytes = 0;
  std::map<std::int64_t, std::string> blocks;
};
constexpr std::int64_t kBlock = 4096;

struct FaultyDisk {
  std::atomic<bool> fail_sync{false}, full{false};
  std::mutex mutex;
  std::condition_variable released;
  bool stalled = false;
  // Power: guarded by `mutex`. After so many writes and syncs of segments it is off; 0: it stays.
  std::uint64_t power_for = 0;
  bool power_off = false;
  std::map<std::string, Unsynced> unsynced;

  // False: the power is off.
  bool powered(const char* name) {
    const std::lock_guard lock(mutex);
    if (name != nullptr && power_for > 0 && --power_for == 0) power_off = true;
    return !power_off;
  }
  // The power comes back: of each block that no sync covered, what `survives` says is new, the rest as it was.
  void lose(const std::function<bool()>& survives) {
    const std::lock_guard lock(mutex);
    for (const auto& [name, file] : std::exchange(unsynced, {})) {
      std::fstream on_disk(name, std::ios::in | std::ios::out | std::ios::binary);
      if (!on_disk) continue;
      std::int64_t bytes = file.bytes;
      for (const auto& [at, before] : file.blocks) {
        if (survives()) {
          bytes = std::max(bytes, at + kBlock);
        } else {
          on_disk.seekp(at);
          on_disk.write(before.data(), kBlock);
        }
      }
      on_disk.close();
      const auto now = static_cast<std::int64_t>(std::filesystem::file_size(name));
      if (now > bytes) std::filesystem::resize_file(name, static_cast<std::uintmax_t>(bytes));
    }
    power_off = false;
    power_for = 0;
  }

  void stall(bool on) {
    {
      const std::lock_guard lock(mutex);
      stalled = on;
    }
    released.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex);
    released.wait(lock, [this] { return !stalled; });
  }
};
FaultyDisk& disk() {
  static FaultyDisk one;
  return one;
}

struct FaultyFile {
  sqlite3_file base;
  const char* name;  // of a segment or its log; null: nothing of it is lost
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
FaultyFile* own(sqlite3_file* f) { return reinterpret_cast<FaultyFile*>(f); }
sqlite3_file* real(sqlite3_file* f) { return own(f)->real(); }

void remember_blocks(sqlite3_file* f, sqlite3_int64 at, int n) {
  if (own(f)->name == nullptr) return;
  const std::lock_guard lock(disk().mutex);
  const auto [file, first] = disk().unsynced.try_emplace(own(f)->name);
  if (first) {
    sqlite3_int64 bytes = 0;
    real(f)->pMethods->xFileSize(real(f), &bytes);
    file->second.bytes = bytes;
  }
  for (std::int64_t block = at / kBlock * kBlock; block < at + n; block += kBlock) {
    const auto [place, fresh] = file->second.blocks.try_emplace(block, kBlock, '\0');
    if (fresh) real(f)->pMethods->xRead(real(f), place->second.data(), kBlock, block);  // zeroes behind the end
  }
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods all = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
    m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
      return real(f)->pMethods->xRead(real(f), to, n, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
      if (disk().full) return SQLITE_FULL;
      if (!disk().powered(own(f)->name)) return static_cast<int>(SQLITE_IOERR_WRITE);
      remember_blocks(f, at, n);
      return real(f)->pMethods->xWrite(real(f), from, n, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return real(f)->pMethods->xTruncate(real(f), size); };
    m.xSync = [](sqlite3_file* f, int flags) {
      disk().pass();
      if (disk().fail_sync) return static_cast<int>(SQLITE_IOERR_FSYNC);
      if (!disk().powered(own(f)->name)) return static_cast<int>(SQLITE_IOERR_FSYNC);
      const int code = real(f)->pMethods->xSync(real(f), flags);
      const std::lock_guard lock(disk().mutex);
      if (own(f)->name != nullptr) disk().unsynced.erase(own(f)->name);
      return code;
    };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); };
    m.xLock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); };
    m.xUnlock = [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return real(f)->pMethods->xCheckReservedLock(real(f), out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return real(f)->pMethods->xFileControl(real(f), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); };
    return m;
  }();
  return all;
}

const char* faulty_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs* base = sqlite3_vfs_find(nullptr);
    sqlite3_vfs copy = *base;
    copy.zName = "faulty";
    copy.pNext = nullptr;
    copy.szOsFile = static_cast<int>(sizeof(FaultyFile)) + base->szOsFile;
    copy.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      sqlite3_vfs* under = sqlite3_vfs_find("unix");
      const int code = under->xOpen(under, name, real(file), flags, out);
      const bool log = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0 && name != nullptr &&
                       std::strstr(name, "/seg-") != nullptr;
      reinterpret_cast<FaultyFile*>(file)->name = log ? name : nullptr;
      file->pMethods = real(file)->pMethods != nullptr ? &methods() : nullptr;
      return code;
    };
    return copy;
  }();
  sqlite3_vfs_register(&vfs, 0);
  return "faulty";
}

class StoreFaults : public DiskStoreTest {
 protected:
  StoreFaults() {
    options_.vfs = faulty_vfs();
    disk().fail_sync = disk().full = false;
    open();
  }
  ~StoreFaults() override {
    disk().fail_sync = disk().full = false;
    disk().stall(false);
    close();
  }
  using Answer = Result<std::vector<Appended>>;
  std::shared_ptr<std::optional<Answer>> start(const std::string& id, Deadline deadline = Deadline::never()) {
    return loop_.start(shard_->append(make_events({id}), deadline));
  }
  Answer append(const std::string& id) { return loop_.run(shard_->append(make_events({id}), Deadline::never())); }
  std::vector<std::string> all_ids() { return ids_of(*loop_.run(shard_->read(Position(0), ReadLimits{}))); }
  // The store's threads are real: waits until they got there.
  template <class Condition>
  void until(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }
};

TEST_F(StoreFaults, FailedSyncRefusesUntilRestart) {
  ASSERT_TRUE(append("before"));
  disk().fail_sync = true;
  const auto failed = append("lost");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  disk().fail_sync = false;  // the disk says that it is well again; what it dropped is gone all the same
  EXPECT_EQ(append("after").error().code, Code::kUnavailable);
  EXPECT_EQ(loop_.run(shard_->create("b", "k", "v")).error().code, Code::kUnavailable);
  EXPECT_EQ(loop_.run(shard_->flush()).error().code, Code::kUnavailable);
  ASSERT_TRUE(store_->stats().refusing);
  EXPECT_NE(store_->stats().refusing->message.find("restarted"), std::string::npos);
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"before"}));
  close();
  open();
  ASSERT_TRUE(append("after"));
  const auto ids = all_ids();
  EXPECT_EQ(ids.front(), "before");
  EXPECT_EQ(ids.back(), "after");
}

// Power losses at chosen moments of the same work; what no sync covered is lost by the block.
TEST_F(StoreFaults, PowerLossKeepsEverythingAcknowledged) {
  constexpr int kRounds = 16;
  std::mt19937 chance(20261125);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(chance() % n); };
  close();
  options_.segment_bytes = 96u << 10;
  options_.tail_bytes = 4096;
  std::string reported;
  std::mutex reporting;
  options_.report = [&](std::string_view line) {
    const std::lock_guard lock(reporting);
    reported += std::string(line) + "\n";
  };
  const auto file = [&](const char* name) { return options_.directory / name; };
  std::set<std::string> acknowledged;
  std::set<std::uint64_t> journaled;
  std::set<std::uint64_t> published;  // by the run's event: its end carries an event
  int in_a_group = 0;                 // rounds in which something un-synced was there to lose
  int over_old = 0;                   // of them, those in which a log was being written over an earlier one
  // The store's threads use up the time until the power fails together, so rounds differ in what they come to: it goes
  // on until enough was there to lose.
  const auto enough = [&] { return acknowledged.size() > 200 && in_a_group > kRounds / 4 && over_old > kRounds / 8; };
  for (int round = 0; round < kRounds || !enough(); ++round) {
    ASSERT_LT(round, 20 * kRounds) << acknowledged.size() << " acknowledged, " << in_a_group
                                   << " with a group to lose, " << over_old << " of them over old frames";
    SCOPED_TRACE("round " + std::to_string(round));
    reported.clear();
    open();
    ASSERT_FALSE(HasFatalFailure());
    const FlowId flow = *loop_.run(shard_->open_flow("orders", Position(0)));
    const std::string old_end = (std::ostringstream() << std::ifstream(file("end")).rdbuf()).str();
    {
      const std::lock_guard lock(disk().mutex);
      disk().power_for = 1 + below(200);
    }
    for (int n = 0, failed = 0; failed == 0; ++n) {
      std::vector<std::pair<std::string, std::shared_ptr<std::optional<Answer>>>> batch;
      for (unsigned i = 0, count = 1 + below(6); i < count; ++i) {
        const std::string id = std::to_string(round) + "-" + std::to_string(n) + "-" + std::to_string(i);
        std::vector<NewEvent> one{make_event(id, "shopify", below(9000))};
        batch.emplace_back(id, loop_.start(shard_->append(std::move(one), Deadline::never())));
      }
      for (auto& [id, answer] : batch) {
        const Answer& done = loop_.wait(answer);
        failed += !done;
        if (!done) continue;
        acknowledged.insert(id);
        const std::uint64_t at = done->front().at.value;
        if (below(2) == 0) {
          if (loop_.run(shard_->append(make_record(flow, at, 1), Sync::kWait))) journaled.insert(at);
          continue;
        }
        published.insert(at);
        Record end = make_state(flow, at, 1, RunState::kDelivered);
        end.events = {make_event("of-" + std::to_string(at), "topic/t", below(9000))};
        const Sync sync = below(2) == 0 ? Sync::kWait : Sync::kWithNext;
        const auto ended = loop_.run(shard_->append(std::move(end), sync));
        if (ended && sync == Sync::kWait) acknowledged.insert("of-" + std::to_string(at));
      }
    }
    close();
    in_a_group += !disk().unsynced.empty();
    for (const auto& [name, unsynced] : disk().unsynced) {
      const auto wal = read_wal(name);
      over_old += name.ends_with("-wal") && wal && wal->header_intact &&
                  wal->file_bytes > wal->bytes() + wal->frames_behind * (4096 + WalState::kFrameBytes);
    }
    const unsigned kind = below(4);  // nothing, all, half or nearly all of it survives
    disk().lose([&] { return kind == 1 || (kind == 2 && below(2) == 0) || (kind == 3 && below(8) != 0); });
    // The end is not synced with each group: it may be older, or gone. The state may be gone with it.
    const unsigned end = below(3);
    if (end == 1) std::ofstream(file("end"), std::ios::binary) << old_end;
    if (end == 2) std::filesystem::remove(file("end"));
    if (below(4) == 0) {
      for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) std::filesystem::remove(file(name));
    }
    reported.clear();
    open();
    ASSERT_FALSE(HasFatalFailure());
    std::set<std::string> stored;
    for (std::uint64_t after = 0;;) {
      const auto events = loop_.run(shard_->read(Position(after), ReadLimits{}));
      ASSERT_TRUE(events) << events.error().text();
      if (events->empty()) break;
      for (const EventPtr& event : *events) EXPECT_TRUE(stored.insert(event->id).second) << event->id;
      after = events->back()->position.value;
    }
    EXPECT_TRUE(std::includes(stored.begin(), stored.end(), acknowledged.begin(), acknowledged.end()));
    for (const std::uint64_t at : journaled)
      EXPECT_EQ(loop_.run(shard_->read(RunId{flow, Position(at)}))->size(), 1u) << at;
    for (const std::uint64_t at : published) {
      const bool ended = !loop_.run(shard_->read(RunId{flow, Position(at)}))->empty();
      EXPECT_EQ(ended, stored.contains("of-" + std::to_string(at))) << at;
    }
    EXPECT_TRUE(store_->verify()->clean());
    for (const char* word : {"damaged", "missing", "corrupt or"})
      EXPECT_EQ(reported.find(word), std::string::npos) << reported;
    ASSERT_FALSE(HasFailure());
    close();
  }
}

TEST_F(StoreFaults, FullDiskRefusesAndResumesByItself) {
  ASSERT_TRUE(append("before"));
  disk().full = true;
  auto waiting = start("waiting");
  loop_.turn();
  until([&] { return store_->stats().refusing.has_value(); });
  const auto refused = append("refused");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  EXPECT_NE(refused.error().message.find("disk is full"), std::string::npos);
  disk().full = false;
  EXPECT_TRUE(loop_.wait(waiting));
  EXPECT_TRUE(append("after"));
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"before", "waiting", "after"}));
  EXPECT_FALSE(store_->stats().refusing);
}

TEST_F(StoreFaults, NothingIsAnsweredBeforeItsSync) {
  ASSERT_TRUE(append("before"));
  disk().stall(true);
  auto first = start("a");
  auto duplicate = start("a");
  loop_.turn();
  until([&] { return store_->stats().queue == 0; });  // the writer has it, and waits for the disk
  auto later = start("a");
  loop_.turn();
  EXPECT_FALSE(first->has_value());
  EXPECT_FALSE(duplicate->has_value());
  EXPECT_FALSE(later->has_value());
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"before"}));
  EXPECT_EQ(shard_->last(), Position(1));
  disk().stall(false);
  EXPECT_FALSE(loop_.wait(first)->front().duplicate);
  EXPECT_TRUE(loop_.wait(duplicate)->front().duplicate);
  EXPECT_TRUE(loop_.wait(later)->front().duplicate);
}

TEST_F(StoreFaults, DeadlinesPassWhileTheDiskStalls) {
  close();
  options_.queue_count_max = 2;
  open();
  ASSERT_TRUE(append("before"));
  disk().stall(true);
  auto in_flight = start("in flight", clock_.deadline_in(seconds(2)));
  loop_.turn();
  until([&] { return store_->stats().queue == 0; });
  auto queued = start("queued 1"), queued_too = start("queued 2", clock_.deadline_in(seconds(3)));
  auto outside = start("outside", clock_.deadline_in(seconds(2)));
  auto patient = start("patient");
  loop_.turn();
  EXPECT_EQ(store_->stats().queue, 2u);
  clock_.advance(seconds(2));
  EXPECT_EQ(loop_.wait(in_flight).error().code, Code::kTimeout);  // the outcome is unknown
  EXPECT_EQ(loop_.wait(outside).error().code, Code::kFull);       // it is known: nothing was taken
  EXPECT_FALSE(queued_too->has_value());
  clock_.advance(seconds(1));
  EXPECT_EQ(loop_.wait(queued_too).error().code, Code::kTimeout);
  disk().stall(false);
  EXPECT_TRUE(loop_.wait(queued));
  EXPECT_TRUE(loop_.wait(patient));
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"before", "in flight", "queued 1", "queued 2", "patient"}));
  EXPECT_TRUE(append("in flight")->front().duplicate);
}

TEST_F(StoreFaults, ClosingMakesTheQueueDurable) {
  auto first = start("a"), second = start("b");
  loop_.turn();
  store_.reset();
  EXPECT_TRUE(loop_.wait(first));
  EXPECT_TRUE(loop_.wait(second));
  close();
  open();
  EXPECT_EQ(all_ids(), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace tieline::store
