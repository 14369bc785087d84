// The stores that keep the contract of the ports, and what its tests, store_contract_*_test.cc, ask them for. It must
// never know which one it talks to.
#pragma once

#include "store/store_fixture.h"

namespace tieline::store {

class MemoryBackend {
 public:
  MemoryBackend(Loop& loop, ManualClock& clock)
      : loop_(loop), store_(std::make_unique<MemoryStore>(loop.executor(), clock)) {}
  ~MemoryBackend() { loop_.run(store_->stop()); }
  ShardStore& store() { return *store_; }
  void restart() {
    auto next = store_->crash();
    loop_.run(store_->stop());
    store_ = std::move(next);
  }

 private:
  Loop& loop_;
  std::unique_ptr<MemoryStore> store_;
};

template <std::uint64_t kSegmentBytes>
class SqliteBackend {
 public:
  SqliteBackend(Loop& loop, ManualClock& clock) : loop_(loop), clock_(clock) { open(); }
  ~SqliteBackend() { close(); }
  ShardStore& store() { return *shard_; }
  void restart() {
    close();
    open();
  }

 private:
  void open() {
    StoreOptions options;
    options.directory = directory_.path();
    options.segment_bytes = kSegmentBytes;
    options.headroom_bytes = 0;
    options.tail_bytes = kSegmentBytes;
    auto opened = SqliteStore::open(options, clock_);
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
    shard_ = store_->shard(loop_.executor());
  }
  void close() {
    loop_.run(shard_->stop());
    shard_.reset();
    store_.reset();
  }

  Loop& loop_;
  ManualClock& clock_;
  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<ShardStore> shard_;
};

template <class Backend>
class StoreContract : public ::testing::Test {
 protected:
  ShardStore& store() { return backend_.store(); }
  void restart() { backend_.restart(); }
  template <class T>
  T run(asio::awaitable<T> task) {
    return loop_.run(std::move(task));
  }

  std::vector<Appended> append(std::vector<NewEvent> events) {
    auto done = run(store().append(std::move(events), Deadline::never()));
    EXPECT_TRUE(done) << done.error().text();
    return done ? *done : std::vector<Appended>();
  }
  std::uint64_t append_one(const std::string& id) { return append(make_events({id})).front().at.value; }
  std::vector<std::string> read_ids(std::uint64_t after = 0, ReadLimits limits = {}) {
    auto events = run(store().read(Position(after), limits));
    EXPECT_TRUE(events) << events.error().text();
    return ids_of(*events);
  }
  FlowId open_flow(const std::string& name, std::uint64_t start = 0) {
    auto id = run(store().open_flow(name, Position(start)));
    EXPECT_TRUE(id) << id.error().text();
    return id ? *id : FlowId();
  }
  Result<void> journal(Record record, Sync sync = Sync::kWait) { return run(store().append(std::move(record), sync)); }
  RunStatus status(FlowId flow, std::uint64_t event) {
    auto found = run(store().status({flow, Position(event)}));
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : RunStatus();
  }
  std::vector<Record> records(FlowId flow, std::uint64_t event) {
    auto found = run(store().read(RunId{flow, Position(event)}));
    EXPECT_TRUE(found) << found.error().text();
    return found ? *found : std::vector<Record>();
  }
  FlowCursor cursor(FlowId flow) { return *run(store().cursor(flow)); }
  std::vector<std::uint64_t> events_of(const RunQuery& query) {
    auto found = run(store().runs(query));
    EXPECT_TRUE(found);
    std::vector<std::uint64_t> events;
    for (const RunStatus& status : *found) events.push_back(status.run.event.value);
    return events;
  }
  std::optional<Entry> entry(const std::string& bucket, const std::string& key) {
    auto found = run(store().get(bucket, key));
    EXPECT_TRUE(found);
    return *found;
  }

  Loop loop_;
  ManualClock clock_{kStart};
  Backend backend_{loop_, clock_};
};

struct BackendNames {
  template <class T>
  static std::string GetName(int index) {
    return std::vector<std::string>{"Memory", "Sqlite", "SqliteTinySegments"}[static_cast<std::size_t>(index)];
  }
};
using Backends = ::testing::Types<MemoryBackend, SqliteBackend<64u << 20>, SqliteBackend<600>>;

}  // namespace tieline::store
