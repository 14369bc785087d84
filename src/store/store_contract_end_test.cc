// The contract of a run's end and of the events that it publishes, against every store: both stand, or neither.
#include "store/store_contract_fixture.h"

namespace tieline::store {
namespace {

TYPED_TEST_SUITE(StoreContract, Backends, BackendNames);

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

}  // namespace
}  // namespace tieline::store
