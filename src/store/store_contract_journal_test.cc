// The contract of the journal, sentence by sentence, against every store: flows, records, states and cursors.
#include "store/store_contract_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;

TYPED_TEST_SUITE(StoreContract, Backends, BackendNames);

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

}  // namespace
}  // namespace tieline::store
