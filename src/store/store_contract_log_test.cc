// The contract of the event log, sentence by sentence, against every store.
#include "store/store_contract_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TYPED_TEST_SUITE(StoreContract, Backends, BackendNames);

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

TYPED_TEST(StoreContract, StoppedHandleRefuses) {
  this->loop_.run(this->store().stop());
  EXPECT_EQ(this->run(this->store().append(make_events({"a"}), Deadline::never())).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace tieline::store
