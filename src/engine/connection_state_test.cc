// What a connection writes for the next process.
#include "engine/connections.h"
#include "engine/shard_fixture.h"

namespace tieline::engine {
namespace {

class ConnectionStateTest : public ShardTest {};

TEST_F(ConnectionStateTest, WhileTheStoreRefusesTheLastIncidentsAreKeptOnly) {
  ConnectionInfo info;
  info.name = "api";
  Connection connection(clock_, 7, info, limits_.breaker);
  for (int i = 0; i < 150; ++i) {
    Incident over;
    over.since = clock_.now() + std::chrono::seconds(i);
    connection.ended(over);
  }
  const std::size_t before = store_->syncs();
  Result<void> closed = failure(Code::kTimeout, "not yet");
  await(keep(connection.close(*store_), &closed));
  ASSERT_TRUE(closed.has_value());
  EXPECT_EQ(store_->syncs() - before, kIncidentsKept) << "nothing is written to be erased at once";
  Result<std::vector<Entry>> entries;
  await(keep(store_->scan(std::string(kIncidentBucket), "api/", "", 1'000), &entries));
  ASSERT_EQ(entries->size(), kIncidentsKept);
  EXPECT_EQ(decode_incident(entries->back().value)->since, clock_.now() + std::chrono::seconds(149));
  await(store_->stop());
}

}  // namespace
}  // namespace tieline::engine
