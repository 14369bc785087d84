#include "store/discard_log.h"

#include "store/store_fixture.h"

namespace tieline::store {
namespace {

using std::chrono::hours;

class DiscardLogTest : public ::testing::Test {
 protected:
  std::vector<Appended> append(std::vector<NewEvent> events) {
    auto done = loop_.run(log_->append(std::move(events), Deadline::never()));
    EXPECT_TRUE(done) << done.error().text();
    return done ? *done : std::vector<Appended>();
  }
  void with(DiscardOptions options) { log_ = std::make_unique<DiscardLog>(clock_, options); }

  Loop loop_;
  ManualClock clock_{kStart};
  std::unique_ptr<DiscardLog> log_ = std::make_unique<DiscardLog>(clock_);
};

TEST_F(DiscardLogTest, KnowsADuplicateBySourceAndId) {
  const auto first = append(make_events({"a", "b", "a"}));
  ASSERT_EQ(first.size(), 3u);
  EXPECT_FALSE(first[0].duplicate || first[1].duplicate);
  EXPECT_TRUE(first[2].duplicate);
  EXPECT_EQ(first[2].at, Position(1));
  EXPECT_EQ(append(make_events({"b"}))[0].at, Position(2));
  EXPECT_FALSE(append({make_event("a", "stripe")})[0].duplicate);
  EXPECT_EQ(log_->last(), Position(3));
}

TEST_F(DiscardLogTest, KnowsItAlsoWhenTheEventIsGoneFromMemory) {
  with({.tail_bytes = 100});
  for (int i = 0; i < 5'000; ++i) ASSERT_FALSE(append({make_event(std::to_string(i))})[0].duplicate) << i;
  for (int i = 0; i < 5'000; i += 7) {
    const auto again = append({make_event(std::to_string(i))});
    EXPECT_TRUE(again[0].duplicate) << i;
    EXPECT_EQ(again[0].at, Position(static_cast<std::uint64_t>(i) + 1));
  }
}

TEST_F(DiscardLogTest, ForgetsBeyondTheWindow) {
  with({.dedupe_window = hours(1)});
  append(make_events({"a"}));
  std::vector<NewEvent> late = make_events({"a"});
  late[0].received += hours(1);
  EXPECT_FALSE(append(late)[0].duplicate);
  EXPECT_TRUE(append(late)[0].duplicate);
}

TEST_F(DiscardLogTest, RefusesWhatTheStoreRefusesAndKeepsNothing) {
  std::vector<NewEvent> bad = make_events({"a"});
  bad[0].data = nullptr;
  EXPECT_EQ(loop_.run(log_->append(bad, Deadline::never())).error().code, Code::kInvalid);
  append(make_events({"a"}));
  EXPECT_TRUE(loop_.run(log_->read(Position(0), ReadLimits{}))->empty());
  EXPECT_TRUE(loop_.run(log_->get({Position(1)}))->empty());
  EXPECT_EQ(loop_.run(log_->find("shopify", "a")).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace tieline::store
