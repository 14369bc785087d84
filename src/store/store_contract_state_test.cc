// The contract of the state store, sentence by sentence, against every store: entries and revisions.
#include "store/store_contract_fixture.h"

namespace tieline::store {
namespace {

TYPED_TEST_SUITE(StoreContract, Backends, BackendNames);

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

}  // namespace
}  // namespace tieline::store
