// The contract of the ports, sentence by sentence, against every store. It must never know which one it talks to.
#include "store/codec.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::Test;

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
class StoreContract : public Test {
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
TYPED_TEST_SUITE(StoreContract, Backends, BackendNames);

// EventLog.

TYPED_TEST(StoreContract, AppendGivesGrowingPositionsInOrder) {
  const auto first = this->append(make_events({"a", "b", "c"}));
  const auto second = this->append(make_events({"d"}));
  ASSERT_EQ(first.size(), 3u);
  EXPECT_LT(first[0].at, first[1].at);
  EXPECT_LT(first[1].at, first[2].at);
  EXPECT_LT(first[2].at, second[0].at);
  EXPECT_FALSE(first[0].duplicate);
  EXPECT_EQ(this->store().last(), second[0].at);
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TYPED_TEST(StoreContract, EventsComeBackAsTheyWere) {
  NewEvent event = make_event("a");
  event.op = Op::kDeleted;
  event.time = kStart - hours(48);
  event.subject = "";
  event.data = std::make_shared<const std::string>(std::string(5000, 'y') + "\xC3\xA4");
  std::vector<NewEvent> batch{event};
  this->append(batch);
  for (int round = 0; round < 2; ++round) {
    const auto events = this->run(this->store().read(Position(0), ReadLimits{}));
    ASSERT_EQ(events->size(), 1u);
    const Event& found = *events->front();
    EXPECT_EQ(found.source, event.source);
    EXPECT_EQ(found.id, event.id);
    EXPECT_EQ(found.type, event.type);
    EXPECT_EQ(found.subject, event.subject);
    EXPECT_EQ(found.op, event.op);
    EXPECT_EQ(found.time, event.time);
    EXPECT_EQ(found.received, event.received);
    EXPECT_EQ(*found.data, *event.data);
    this->restart();
  }
}

TYPED_TEST(StoreContract, DuplicateWritesNothingAndNamesTheFirst) {
  const std::uint64_t first = this->append_one("a");
  this->append_one("b");
  const auto again = this->append(make_events({"a"}));
  EXPECT_TRUE(again[0].duplicate);
  EXPECT_EQ(again[0].at.value, first);
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "b"}));
}

TYPED_TEST(StoreContract, DuplicatesWithinOneBatch) {
  const auto done = this->append(make_events({"a", "b", "a", "a"}));
  EXPECT_FALSE(done[0].duplicate);
  EXPECT_FALSE(done[1].duplicate);
  EXPECT_TRUE(done[2].duplicate);
  EXPECT_TRUE(done[3].duplicate);
  EXPECT_EQ(done[2].at, done[0].at);
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "b"}));
}

TYPED_TEST(StoreContract, DuplicatesAcrossRestarts) {
  const std::uint64_t first = this->append_one("a");
  for (int i = 0; i < 20; ++i) this->append_one("filler " + std::to_string(i));
  this->restart();
  const auto again = this->append(make_events({"a"}));
  EXPECT_TRUE(again[0].duplicate);
  EXPECT_EQ(again[0].at.value, first);
}

TYPED_TEST(StoreContract, DuplicateInFlightIsAnsweredWithTheFirst) {
  auto first = this->loop_.start(this->store().append(make_events({"a"}), Deadline::never()));
  auto second = this->loop_.start(this->store().append(make_events({"a"}), Deadline::never()));
  const auto again = this->loop_.wait(second);
  ASSERT_TRUE(first->has_value());
  EXPECT_TRUE((*again)[0].duplicate);
  EXPECT_EQ((*again)[0].at, (***first)[0].at);
}

TYPED_TEST(StoreContract, SameIdOfAnotherSourceIsAnotherEvent) {
  this->append_one("a");
  std::vector<NewEvent> other{make_event("a", "stripe")};
  EXPECT_FALSE(this->append(other)[0].duplicate);
  // The key is the pair, not the two run together.
  std::vector<NewEvent> shifted{make_event("ya", "shopif")};
  EXPECT_FALSE(this->append(shifted)[0].duplicate);
}

TYPED_TEST(StoreContract, SameIdAfterTheWindowIsAnotherEvent) {
  this->append_one("a");
  NewEvent late = make_event("a");
  late.received = kStart + this->store().dedupe_window();
  NewEvent later = late;
  later.received += seconds(1);
  std::vector<NewEvent> first{late}, second{later};
  EXPECT_FALSE(this->append(first)[0].duplicate);
  const auto again = this->append(second);
  EXPECT_TRUE(again[0].duplicate);
  EXPECT_EQ(again[0].at, this->store().last());
}

TYPED_TEST(StoreContract, ReadHonoursCountBytesAndStart) {
  this->append(make_events({"a", "b", "c", "d"}));
  EXPECT_EQ(this->read_ids(0, {2, 1u << 20}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(this->read_ids(2), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(this->read_ids(1, {10, 1}), (std::vector<std::string>{"b"}));  // at least one
  EXPECT_TRUE(this->read_ids(4).empty());
  EXPECT_TRUE(this->read_ids(400).empty());
}

TYPED_TEST(StoreContract, ReadWalksTheWholeLog) {
  for (int i = 0; i < 60; ++i) this->append_one(std::to_string(i));
  for (int round = 0; round < 2; ++round) {
    std::vector<std::string> ids;
    std::uint64_t after = 0;
    while (true) {
      const auto events = this->run(this->store().read(Position(after), ReadLimits{7, 1u << 20}));
      if (events->empty()) break;
      for (const EventPtr& event : *events) ids.push_back(event->id);
      after = events->back()->position.value;
    }
    ASSERT_EQ(ids.size(), 60u);
    for (int i = 0; i < 60; ++i) EXPECT_EQ(ids[static_cast<std::size_t>(i)], std::to_string(i));
    this->restart();
  }
}

TYPED_TEST(StoreContract, GetGivesThoseThatExistInThatOrder) {
  this->append(make_events({"a", "b", "c"}));
  const auto got = this->run(this->store().get({Position(3), Position(99), Position(1), Position(0)}));
  EXPECT_EQ(ids_of(*got), (std::vector<std::string>{"c", "a"}));
}

TYPED_TEST(StoreContract, FindByDedupeKey) {
  this->append(make_events({"a", "b"}));
  for (int round = 0; round < 2; ++round) {
    const auto found = this->run(this->store().find("shopify", "b"));
    ASSERT_TRUE(found);
    EXPECT_EQ((*found)->position, Position(2));
    EXPECT_EQ(this->run(this->store().find("shopify", "z")).error().code, Code::kNotFound);
    EXPECT_EQ(this->run(this->store().find("stripe", "b")).error().code, Code::kNotFound);
    this->restart();
  }
}

TYPED_TEST(StoreContract, FirstAtOrAfter) {
  EXPECT_EQ(*this->run(this->store().first_at_or_after(kStart)), Position(1));
  for (int i = 0; i < 10; ++i) {
    NewEvent event = make_event(std::to_string(i));
    event.received = kStart + seconds(10 * i);
    std::vector<NewEvent> batch{event};
    this->append(batch);
  }
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(*this->run(this->store().first_at_or_after(kStart - hours(1))), Position(1));
    EXPECT_EQ(*this->run(this->store().first_at_or_after(kStart + seconds(30))), Position(4));
    EXPECT_EQ(*this->run(this->store().first_at_or_after(kStart + seconds(31))), Position(5));
    EXPECT_EQ(*this->run(this->store().first_at_or_after(kStart + hours(1))), Position(11));
    this->restart();
  }
}

asio::awaitable<bool> waited_beyond(ShardStore& store, Position after, Deadline deadline) {
  co_await store.wait_beyond(after, deadline);
  co_return store.last() > after;
}

TYPED_TEST(StoreContract, WaitBeyondReturnsWithTheNextEvent) {
  auto waiting = this->loop_.start(waited_beyond(this->store(), Position(0), Deadline::never()));
  this->loop_.turn();
  EXPECT_FALSE(waiting->has_value());
  this->append_one("a");
  EXPECT_TRUE(this->loop_.wait(waiting));
  auto at_once = this->loop_.start(waited_beyond(this->store(), Position(0), Deadline::never()));
  EXPECT_TRUE(this->loop_.wait(at_once));
}

TYPED_TEST(StoreContract, WaitBeyondReturnsAtTheDeadline) {
  auto early = this->loop_.start(waited_beyond(this->store(), Position(0), this->clock_.deadline_in(seconds(20))));
  auto waiting = this->loop_.start(waited_beyond(this->store(), Position(0), this->clock_.deadline_in(seconds(5))));
  this->loop_.turn();
  this->clock_.advance(seconds(4));
  this->loop_.turn();
  EXPECT_FALSE(waiting->has_value());
  this->clock_.advance(seconds(1));
  EXPECT_FALSE(this->loop_.wait(waiting));
  EXPECT_FALSE(early->has_value());
  this->clock_.advance(seconds(15));
  EXPECT_FALSE(this->loop_.wait(early));
}

TYPED_TEST(StoreContract, TooLargeIsRefusedWhole) {
  std::vector<NewEvent> batch{make_event("small"), make_event("large", "shopify", kEventBytesMax)};
  EXPECT_EQ(this->run(this->store().append(batch, Deadline::never())).error().code, Code::kTooLarge);
  std::vector<NewEvent> named{make_event(std::string(kKeyBytesMax + 1, 'n'))};
  EXPECT_EQ(this->run(this->store().append(named, Deadline::never())).error().code, Code::kTooLarge);
  EXPECT_TRUE(this->read_ids().empty());
}

// Journal.

TYPED_TEST(StoreContract, FlowsKeepTheirNumbers) {
  const FlowId orders = this->open_flow("orders");
  const FlowId refunds = this->open_flow("refunds");
  EXPECT_NE(orders, refunds);
  EXPECT_EQ(this->open_flow("orders"), orders);
  this->restart();
  EXPECT_EQ(this->open_flow("refunds"), refunds);
  EXPECT_EQ(this->open_flow("orders"), orders);
  const auto flows = this->run(this->store().flows());
  EXPECT_EQ(*flows, (std::vector<std::pair<FlowId, std::string>>{{orders, "orders"}, {refunds, "refunds"}}));
}

TYPED_TEST(StoreContract, NewFlowStartsWhereItIsTold) {
  this->append(make_events({"a", "b", "c"}));
  const FlowId flow = this->open_flow("orders", 2);
  EXPECT_EQ(this->cursor(flow).floor, Position(2));
  this->open_flow("orders", 0);  // known: the cursor stays
  EXPECT_EQ(this->cursor(flow).floor, Position(2));
  this->restart();
  EXPECT_EQ(this->cursor(flow).floor, Position(2));
}

TYPED_TEST(StoreContract, UnknownFlowIsRefused) {
  EXPECT_EQ(this->journal(make_record(FlowId(7), 1, 1)).error().code, Code::kInvalid);
  EXPECT_EQ(this->run(this->store().cursor(FlowId(7))).error().code, Code::kNotFound);
}

TYPED_TEST(StoreContract, RecordsComeBackAsTheyWereByNumber) {
  const std::uint64_t event = this->append_one("a");
  const FlowId flow = this->open_flow("orders");
  ASSERT_TRUE(this->journal(make_record(flow, event, 1, RecordKind::kIntent)));
  Record second = make_record(flow, event, 2);
  second.body = std::string("\0binary\xFF", 8);
  second.puts.push_back({"once", "k", "v", kStart + hours(1)});
  ASSERT_TRUE(this->journal(second));
  Record third = make_state(flow, event, 3, RunState::kRetrying);
  third.due = kStart + hours(2);
  third.lane = 0xFFFFFFFFFFFFFFFFu;
  third.summary = "503 of hubspot";
  ASSERT_TRUE(this->journal(third));
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  for (int round = 0; round < 3; ++round) {
    const auto found = this->records(flow, event);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].kind, RecordKind::kIntent);
    EXPECT_EQ(found[0].number, 1u);
    EXPECT_EQ(found[1].body, second.body);
    EXPECT_EQ(found[1].step, 2);
    EXPECT_EQ(found[1].attempt, 1);
    EXPECT_EQ(found[1].at, second.at);
    ASSERT_EQ(found[1].puts.size(), 1u);
    EXPECT_EQ(found[1].puts[0].until, second.puts[0].until);
    EXPECT_EQ(found[2].state, RunState::kRetrying);
    EXPECT_EQ(found[2].due, third.due);
    EXPECT_EQ(found[2].lane, third.lane);
    EXPECT_EQ(found[2].summary, third.summary);
    const RunStatus status = this->status(flow, event);
    EXPECT_EQ(status.state, RunState::kRetrying);
    EXPECT_EQ(status.records, 3u);
    EXPECT_EQ(status.due, third.due);
    EXPECT_EQ(status.lane, third.lane);
    EXPECT_EQ(status.summary, third.summary);
    EXPECT_EQ(status.changed, third.at);
    this->restart();
  }
  EXPECT_TRUE(this->records(flow, 999).empty());
  EXPECT_EQ(*this->run(this->store().status({flow, Position(999)})), std::nullopt);
}

TYPED_TEST(StoreContract, ARenamedFlowKeepsItsNumberCursorAndRuns) {
  const std::uint64_t event = this->append_one("a");
  const FlowId flow = this->open_flow("orders"), other = this->open_flow("refunds");
  ASSERT_TRUE(this->journal(make_state(flow, event, 1, RunState::kHeld)));
  EXPECT_EQ(this->run(this->store().rename_flow("ordres", "sales")).error().code, Code::kNotFound);
  EXPECT_EQ(this->run(this->store().rename_flow("orders", "refunds")).error().code, Code::kConflict);
  EXPECT_EQ(this->run(this->store().rename_flow("orders", "")).error().code, Code::kInvalid);
  ASSERT_TRUE(this->run(this->store().rename_flow("orders", "sales")));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(this->open_flow("sales"), flow);
    EXPECT_EQ(this->status(flow, event).state, RunState::kHeld);
    EXPECT_EQ(this->open_flow("refunds"), other);
    for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(round) + std::to_string(i));
    this->restart();
  }
  EXPECT_EQ(this->open_flow("orders").value, 3u) << "the old name is free again";
}

TYPED_TEST(StoreContract, RepeatOfARecordChangesNothing) {
  const std::uint64_t event = this->append_one("a");
  const FlowId flow = this->open_flow("orders");
  ASSERT_TRUE(this->journal(make_record(flow, event, 1)));
  ASSERT_TRUE(this->journal(make_state(flow, event, 2, RunState::kDelivered)));
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(this->journal(make_record(flow, event, 1)));
    EXPECT_TRUE(this->journal(make_state(flow, event, 2, RunState::kDelivered), Sync::kWithNext));
    Record other = make_record(flow, event, 1);
    other.body = "something else";
    EXPECT_EQ(this->journal(other).error().code, Code::kConflict);
    EXPECT_EQ(this->records(flow, event).size(), 2u);
    EXPECT_EQ(this->run(this->store().counts(flow))->delivered, 1u);
    this->restart();
  }
}

TYPED_TEST(StoreContract, WithNextIsDurableWithALaterWait) {
  const std::uint64_t event = this->append_one("a");
  const FlowId flow = this->open_flow("orders");
  ASSERT_TRUE(this->journal(make_record(flow, event, 1), Sync::kWithNext));
  ASSERT_TRUE(this->journal(make_record(flow, event, 2), Sync::kWithNext));
  ASSERT_TRUE(this->journal(make_record(flow, event, 3)));
  this->restart();
  const auto found = this->records(flow, event);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].body, "record 1");
  EXPECT_EQ(found[2].body, "record 3");
}

TYPED_TEST(StoreContract, FlushMakesEverythingDurable) {
  const FlowId flow = this->open_flow("orders");
  const std::uint64_t event = this->append_one("a");
  ASSERT_TRUE(this->journal(make_record(flow, event, 1), Sync::kWithNext));
  this->store().settle(flow, Position(event));
  ASSERT_TRUE(this->run(this->store().flush()));
  ASSERT_TRUE(this->run(this->store().flush()));
  this->restart();
  EXPECT_EQ(this->records(flow, event).size(), 1u);
  EXPECT_EQ(this->cursor(flow).floor, Position(event));
}

TYPED_TEST(StoreContract, FirstRecordOfAnyKindMakesARunningRun) {
  const std::uint64_t event = this->append_one("a");
  const FlowId flow = this->open_flow("orders");
  ASSERT_TRUE(this->journal(make_record(flow, event, 1, RecordKind::kIntent)));
  EXPECT_EQ(this->status(flow, event).state, RunState::kRunning);
  EXPECT_EQ(this->cursor(flow).floor, Position(0));  // only a state settles
  EXPECT_EQ(this->run(this->store().counts(flow))->running, 1u);
}

TYPED_TEST(StoreContract, StatesAndSettlingMoveTheCursor) {
  for (const char* id : {"a", "b", "c", "d", "e"}) this->append_one(id);
  const FlowId flow = this->open_flow("orders");
  const FlowId other = this->open_flow("refunds");
  ASSERT_TRUE(this->journal(make_state(flow, 3, 1, RunState::kDelivered)));
  this->store().settle(flow, Position(5));
  EXPECT_EQ(this->cursor(flow).floor, Position(0));
  EXPECT_EQ(this->cursor(flow).settled, (std::vector<Position>{Position(3), Position(5)}));
  this->store().settle(flow, Position(1));
  ASSERT_TRUE(this->journal(make_state(flow, 2, 1, RunState::kParked)));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(this->cursor(flow).floor, Position(3));
    EXPECT_EQ(this->cursor(flow).settled, (std::vector<Position>{Position(5)}));
    EXPECT_EQ(this->cursor(other).floor, Position(0));
    this->restart();
  }
  this->store().settle(flow, Position(4));
  this->store().settle(flow, Position(4));
  EXPECT_EQ(this->cursor(flow).floor, Position(5));
}

TYPED_TEST(StoreContract, FlowThatIsNotConfiguredIsKnownAllTheSame) {
  this->append(make_events({"a", "b", "c"}));
  const FlowId flow = this->open_flow("orders"), other = this->open_flow("refunds");
  this->store().configured({other});
  ASSERT_TRUE(this->journal(make_state(flow, 1, 1, RunState::kHeld)));
  this->store().settle(flow, Position(2));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(this->open_flow("orders"), flow);
    EXPECT_EQ(this->cursor(flow).floor, Position(2));  // nothing went, so it stays where it was
    EXPECT_EQ(this->status(flow, 1).state, RunState::kHeld);
    EXPECT_EQ(this->run(this->store().counts(flow))->held, 1u);
    ASSERT_TRUE(this->run(this->store().flush()));
    this->restart();
  }
}

TYPED_TEST(StoreContract, RunsAreFoundByFlowStateAndTime) {
  for (int i = 0; i < 30; ++i) this->append_one(std::to_string(i));
  const FlowId flow = this->open_flow("orders");
  const FlowId other = this->open_flow("refunds");
  ASSERT_TRUE(this->journal(make_state(flow, 1, 1, RunState::kDelivered)));
  ASSERT_TRUE(this->journal(make_state(flow, 2, 1, RunState::kHeld)));
  ASSERT_TRUE(this->journal(make_state(flow, 20, 1, RunState::kDead)));
  ASSERT_TRUE(this->journal(make_state(flow, 3, 1, RunState::kRetrying)));
  ASSERT_TRUE(this->journal(make_state(other, 2, 1, RunState::kHeld)));
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  Record late = make_state(flow, 4, 1, RunState::kHeld);
  late.at = kStart + hours(1);
  ASSERT_TRUE(this->journal(late));
  for (int round = 0; round < 3; ++round) {
    using Positions = std::vector<std::uint64_t>;
    RunQuery all;
    all.flow = flow;
    EXPECT_EQ(this->events_of(all), (Positions{1, 2, 3, 4, 20}));
    RunQuery held;
    held.states = {RunState::kHeld};
    EXPECT_EQ(this->events_of(held), (Positions{2, 2, 4}));
    RunQuery pending;
    pending.flow = flow;
    pending.states = {RunState::kHeld, RunState::kRetrying, RunState::kDead};
    pending.after = Position(2);
    EXPECT_EQ(this->events_of(pending), (Positions{3, 4, 20}));
    pending.count = 2;
    EXPECT_EQ(this->events_of(pending), (Positions{3, 4}));
    RunQuery newest = all;
    newest.newest_first = true;
    newest.count = 3;
    EXPECT_EQ(this->events_of(newest), (Positions{20, 4, 3}));
    RunQuery recent = all;
    recent.since = kStart + hours(1);
    EXPECT_EQ(this->events_of(recent), (Positions{4}));
    RunQuery none = all;
    none.count = 0;
    EXPECT_TRUE(this->events_of(none).empty());
    this->restart();
  }
}

TYPED_TEST(StoreContract, CountsFollowTheStates) {
  const FlowId flow = this->open_flow("orders");
  for (int i = 0; i < 4; ++i) this->append_one(std::to_string(i));
  ASSERT_TRUE(this->journal(make_record(flow, 1, 1)));
  ASSERT_TRUE(this->journal(make_state(flow, 1, 2, RunState::kRetrying)));
  ASSERT_TRUE(this->journal(make_state(flow, 2, 1, RunState::kHeld)));
  ASSERT_TRUE(this->journal(make_state(flow, 3, 1, RunState::kSkipped)));
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  ASSERT_TRUE(this->journal(make_state(flow, 1, 3, RunState::kDelivered)));
  ASSERT_TRUE(this->journal(make_state(flow, 4, 1, RunState::kDead)));
  ASSERT_TRUE(this->journal(make_state(flow, 4, 2, RunState::kDiscarded)));
  for (int round = 0; round < 3; ++round) {
    const auto counts = this->run(this->store().counts(flow));
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->delivered, 1u);
    EXPECT_EQ(counts->skipped, 1u);
    EXPECT_EQ(counts->held, 1u);
    EXPECT_EQ(counts->dead, 1u);
    EXPECT_EQ(counts->discarded, 1u);
    EXPECT_EQ(counts->running, 0u);
    EXPECT_EQ(counts->retrying, 0u);
    EXPECT_EQ(counts->parked, 0u);
    this->restart();
  }
}

TYPED_TEST(StoreContract, ARunGoesOnAfterARestart) {
  const FlowId flow = this->open_flow("orders");
  const std::uint64_t event = this->append_one("a");
  ASSERT_TRUE(this->journal(make_state(flow, event, 1, RunState::kRetrying)));
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  this->restart();
  ASSERT_TRUE(this->journal(make_record(flow, event, 2)));
  ASSERT_TRUE(this->journal(make_state(flow, event, 3, RunState::kDelivered)));
  EXPECT_EQ(this->status(flow, event).state, RunState::kDelivered);
  EXPECT_EQ(this->records(flow, event).size(), 3u);
  EXPECT_EQ(this->run(this->store().counts(flow))->retrying, 0u);
}

// A run's end and what it published.

TYPED_TEST(StoreContract, EventsOfARunsEndStandInTheLogBehindIt) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  Record end = make_state(flow, at, 1, RunState::kDelivered);
  end.events = {make_event("p1", "topic/t"), make_event("p2", "topic/t")};
  end.events[1].hops = 300;
  ASSERT_TRUE(this->journal(end));
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "p1", "p2"}));
  this->restart();
  EXPECT_EQ(this->read_ids(at), (std::vector<std::string>{"p1", "p2"}));
  const auto found = this->run(this->store().find("topic/t", "p2"));
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->hops, 300u);
  EXPECT_EQ(this->run(this->store().find("shopify", "a")).value()->hops, 0u);
  EXPECT_EQ(this->status(flow, at).state, RunState::kDelivered);
  EXPECT_EQ(this->cursor(flow).floor, Position(at));
}

TYPED_TEST(StoreContract, WhoWaitsForEventsIsWokenByARunsEnd) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  const auto journaled = [&]() -> asio::awaitable<bool> {
    Record end = make_state(flow, at, 1, RunState::kDelivered);
    end.events = {make_event("p", "topic/t")};
    const auto written = co_await this->store().append(std::move(end), Sync::kWithNext);
    co_return written.has_value();
  };
  const auto waited = [&]() -> asio::awaitable<bool> {
    co_await this->store().wait_beyond(Position(at), Deadline::never());
    co_return true;
  };
  auto waiting = this->loop_.start(waited());
  ASSERT_TRUE(this->run(journaled()));
  ASSERT_TRUE(this->run(this->store().flush()));
  EXPECT_TRUE(this->loop_.wait(waiting));
  EXPECT_EQ(this->store().last(), Position(at + 1));
}

TYPED_TEST(StoreContract, NeitherTheEndNorItsEventsStandAlone) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  Record end = make_state(flow, at, 1, RunState::kDelivered);
  end.events = {make_event("p", "topic/t")};
  ASSERT_TRUE(this->journal(end, Sync::kWithNext));
  this->restart();
  const bool ended = !this->records(flow, at).empty();
  EXPECT_EQ(this->read_ids(at).size(), ended ? 1u : 0u);
}

TYPED_TEST(StoreContract, RepeatOfAnEndAppendsNothing) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  Record end = make_state(flow, at, 1, RunState::kDelivered);
  end.events = {make_event("p", "topic/t")};
  ASSERT_TRUE(this->journal(end));
  ASSERT_TRUE(this->journal(end));
  this->restart();
  ASSERT_TRUE(this->journal(end));
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "p"}));
}

TYPED_TEST(StoreContract, EventOfAnEndThatIsInTheLogIsLeftOut) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  this->append({make_event("p", "topic/t")});
  this->restart();
  Record end = make_state(flow, at, 1, RunState::kDelivered);
  end.events = {make_event("p", "topic/t"), make_event("q", "topic/t"), make_event("q", "topic/t")};
  ASSERT_TRUE(this->journal(end));
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a", "p", "q"}));
  EXPECT_EQ(this->status(flow, at).state, RunState::kDelivered);
}

TYPED_TEST(StoreContract, OnlyAnEndCarriesEventsAndARefusedOneWritesNothing) {
  const FlowId flow = this->open_flow("f");
  const std::uint64_t at = this->append_one("a");
  Record record = make_state(flow, at, 1, RunState::kRetrying);
  record.events = {make_event("p", "topic/t")};
  EXPECT_EQ(this->journal(record).error().code, Code::kInvalid);
  record.state = RunState::kDelivered;
  record.events.push_back(make_event("q", "topic/t", kEventBytesMax));
  EXPECT_EQ(this->journal(record).error().code, Code::kTooLarge);
  record.run.flow = FlowId(99);
  record.events.pop_back();
  EXPECT_EQ(this->journal(record).error().code, Code::kInvalid);
  record.run.flow = flow;
  record.kind = RecordKind::kOutcome;
  EXPECT_EQ(this->journal(record).error().code, Code::kInvalid);
  ASSERT_TRUE(this->run(this->store().flush()));
  EXPECT_EQ(this->read_ids(), (std::vector<std::string>{"a"}));
  EXPECT_TRUE(this->records(flow, at).empty());
}

// StateStore.

TYPED_TEST(StoreContract, PutsAreVisibleWithTheirRecord) {
  const FlowId flow = this->open_flow("orders");
  const std::uint64_t event = this->append_one("a");
  Record record = make_record(flow, event, 1);
  record.puts = {{"once", "payout-1", "result"}, {"index", "order/1042", ""}};
  ASSERT_TRUE(this->journal(record, Sync::kWithNext));
  ASSERT_TRUE(this->entry("once", "payout-1"));  // at once, durable or not
  Record again = make_record(flow, event, 2);
  const std::uint64_t before = this->entry("once", "payout-1")->revision;
  again.puts = {{"once", "payout-1", "other"}};
  ASSERT_TRUE(this->journal(again));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(this->entry("once", "payout-1")->value, "other");
    EXPECT_GT(this->entry("once", "payout-1")->revision, before);
    EXPECT_EQ(this->entry("index", "order/1042")->value, "");
    EXPECT_FALSE(this->entry("once", "order/1042"));
    this->restart();
  }
}

TYPED_TEST(StoreContract, CreateUpdateEraseCompareRevisions) {
  const auto first = this->run(this->store().create("polls", "stripe", "cursor 1"));
  ASSERT_TRUE(first);
  EXPECT_GT(*first, 0u);
  EXPECT_EQ(this->run(this->store().create("polls", "stripe", "x")).error().code, Code::kConflict);
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  this->restart();
  EXPECT_EQ(this->run(this->store().create("polls", "stripe", "x")).error().code, Code::kConflict);
  const auto second = this->run(this->store().update("polls", "stripe", "cursor 2", *first));
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_GT(*second, *first);
  EXPECT_EQ(this->run(this->store().update("polls", "stripe", "x", *first)).error().code, Code::kConflict);
  EXPECT_EQ(this->run(this->store().update("polls", "none", "x", 0)).error().code, Code::kConflict);
  EXPECT_EQ(this->entry("polls", "stripe")->value, "cursor 2");
  EXPECT_EQ(this->run(this->store().erase("polls", "stripe", *first)).error().code, Code::kConflict);
  ASSERT_TRUE(this->run(this->store().erase("polls", "stripe", *second)));
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(this->entry("polls", "stripe"));
    EXPECT_EQ(this->run(this->store().update("polls", "stripe", "x", *second)).error().code, Code::kConflict);
    this->restart();
  }
  const auto third = this->run(this->store().create("polls", "stripe", "again"));
  ASSERT_TRUE(third);
  EXPECT_GT(*third, *second);
}

TYPED_TEST(StoreContract, ScanGivesKeysInOrder) {
  for (const char* key : {"order/2", "order/10", "mail/a", "order/1", "orders"}) {
    ASSERT_TRUE(this->run(this->store().create("index", key, key)));
  }
  for (int i = 0; i < 12; ++i) this->append_one("filler " + std::to_string(i));
  ASSERT_TRUE(this->run(this->store().create("index", "order/3", "late")));
  ASSERT_TRUE(this->run(this->store().create("other", "order/4", "elsewhere")));
  ASSERT_TRUE(this->run(this->store().erase("index", "order/2", this->entry("index", "order/2")->revision)));
  const auto keys = [&](const std::string& prefix, const std::string& after, std::size_t count) {
    const auto found = this->run(this->store().scan("index", prefix, after, count));
    EXPECT_TRUE(found);
    std::vector<std::string> out;
    for (const Entry& entry : *found) out.push_back(entry.key);
    return out;
  };
  using Keys = std::vector<std::string>;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(keys("order/", "", 10), (Keys{"order/1", "order/10", "order/3"}));
    EXPECT_EQ(keys("order/", "order/1", 10), (Keys{"order/10", "order/3"}));
    EXPECT_EQ(keys("", "", 2), (Keys{"mail/a", "order/1"}));
    EXPECT_EQ(keys("z", "", 2), Keys{});
    EXPECT_EQ(keys("order/", "", 0), Keys{});
    this->restart();
  }
}

TYPED_TEST(StoreContract, TooLargeRecordsAndEntriesAreRefused) {
  const FlowId flow = this->open_flow("orders");
  Record record = make_record(flow, 1, 1);
  record.body = std::string(kRecordBytesMax, 'x');
  EXPECT_EQ(this->journal(record).error().code, Code::kTooLarge);
  EXPECT_EQ(this->run(this->store().create("b", std::string(kKeyBytesMax + 1, 'k'), "v")).error().code,
            Code::kTooLarge);
  EXPECT_EQ(this->journal(make_record(flow, 1, 0)).error().code, Code::kInvalid);
}

TYPED_TEST(StoreContract, StoppedHandleRefuses) {
  this->loop_.run(this->store().stop());
  EXPECT_EQ(this->run(this->store().append(make_events({"a"}), Deadline::never())).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace tieline::store
