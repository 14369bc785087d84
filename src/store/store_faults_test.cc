// The store on a disk that fails, fills, stalls and loses its power on purpose. It must never report durable what is
// lost then.
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

#include "store/faulty_disk.h"
#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

using std::chrono::seconds;

FaultyDisk& disk() { return FaultyDisk::get(); }

class StoreFaults : public DiskStoreTest {
 protected:
  StoreFaults() {
    options_.vfs = FaultyDisk::vfs();
    disk().mend();
    open();
  }
  ~StoreFaults() override {
    disk().mend();
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
  disk().fail({.on = DiskFault::On::kSync});
  const auto failed = append("lost");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  disk().mend();  // the disk says that it is well again; what it dropped is gone all the same
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
    disk().power_off_after(1 + below(200));
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
    in_a_group += !disk().unsynced().empty();
    for (const std::string& name : disk().unsynced()) {
      const auto wal = read_wal(name);
      over_old += name.ends_with("-wal") && wal && wal->header_intact &&
                  wal->file_bytes > wal->bytes() + wal->frames_behind * (4096 + WalState::kFrameBytes);
    }
    const unsigned kind = below(4);  // nothing, all, half or nearly all of it survives
    disk().lose_power([&] { return kind == 1 || (kind == 2 && below(2) == 0) || (kind == 3 && below(8) != 0); });
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
  disk().fail({.full = true});
  auto waiting = start("waiting");
  loop_.turn();
  until([&] { return store_->stats().refusing.has_value(); });
  const auto refused = append("refused");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFull);
  EXPECT_NE(refused.error().message.find("disk is full"), std::string::npos);
  disk().mend();
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
