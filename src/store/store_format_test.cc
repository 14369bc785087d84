// Directories as programs of each format left them: every later program opens them, reads all of it and goes on. What
// stands in tests/store is never written again.
#include <zstd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "store/codec.h"
#include "store/sql.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

// A directory as one zstd frame: of each file its name and its content, as texts.
Bytes pack(const fs::path& directory) {
  std::map<std::string, Bytes> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name.ends_with("-shm") || name == "lock") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[name] = Bytes(std::istreambuf_iterator<char>(in), {});
  }
  Bytes all, out;
  for (const auto& [name, content] : files) {
    put_text(all, name);
    put_text(all, content);
  }
  out.resize(ZSTD_compressBound(all.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), all.data(), all.size(), 19));
  return out;
}

void unpack(const fs::path& packed, const fs::path& directory) {
  std::ifstream in(packed, std::ios::binary);
  const Bytes frame(std::istreambuf_iterator<char>(in), {});
  Bytes all(ZSTD_getFrameContentSize(frame.data(), frame.size()), '\0');
  ASSERT_EQ(ZSTD_decompress(all.data(), all.size(), frame.data(), frame.size()), all.size());
  fs::create_directories(directory);
  Reader reader(all);
  while (!reader.at_end() && reader.ok()) {
    const std::string name(reader.text());
    std::ofstream(directory / name, std::ios::binary) << reader.text();
  }
  ASSERT_TRUE(reader.ok());
}

class StoreFormat : public DiskStoreTest {
 protected:
  StoreFormat() { options_.segment_bytes = 6000; }

  void append(int first, int count) {
    for (int i = first; i < first + count; ++i) {
      std::vector<NewEvent> one{make_event(std::to_string(i), "shopify", 200)};
      one.front().received = clock_.now();
      const auto done = run(shard_->append(std::move(one), Deadline::never()));
      ASSERT_TRUE(done) << done.error().text();
    }
  }
  void journal(Record record) {
    const auto done = run(shard_->append(std::move(record), Sync::kWait));
    ASSERT_TRUE(done) << done.error().text();
  }
  // Events 1 to 60 with a run each, of which history has let the oldest go: what stands in tests/store.
  void make_the_kept_one() {
    options_.keep = hours(24);
    open();
    const FlowId flow = *run(shard_->open_flow("orders", Position(0)));
    append(1, 40);
    for (std::uint64_t event = 1; event <= 40; ++event) {
      Record outcome = make_record(flow, event, 1);
      outcome.puts = {{"index", "order/" + std::to_string(event), std::to_string(event), Time::max()}};
      journal(std::move(outcome));
      Record end = make_state(flow, event, 2,
                              event % 10 == 0  ? RunState::kHeld
                              : event % 7 == 0 ? RunState::kDead
                                               : RunState::kDelivered);
      if (end.state != RunState::kDelivered) end.summary = "why " + std::to_string(event);
      if (event == 5) end.puts = {{"once", "deal-5", R"({"state":"done"})", kStart + hours(24 * 90)}};
      journal(std::move(end));
    }
    ASSERT_TRUE(run(shard_->create("flow_source", "abc", "flow: orders")));
    ASSERT_TRUE(store_->maintain());
    clock_.advance(hours(48));
    append(41, 20);
    ASSERT_TRUE(store_->maintain());
    for (std::uint64_t event = 41; event <= 58; ++event) journal(make_state(flow, event, 1, RunState::kDelivered));
    ASSERT_GT(store_->stats().oldest_position, 10u);
    ASSERT_LT(store_->stats().oldest_position, 45u);
    close();
  }
};

// Makes another one: TIELINE_WRITE_STORE=tests/store/format-N.zst, when a format is left behind.
TEST_F(StoreFormat, MakesADirectoryToKeep) {
  make_the_kept_one();
  if (const char* to = std::getenv("TIELINE_WRITE_STORE"); to != nullptr) {
    std::ofstream(to, std::ios::binary) << pack(options_.directory);
  }
}

TEST_F(StoreFormat, AStateOfFormat3IsReadAndWritten) {
  make_the_kept_one();
  const std::string path = (options_.directory / "state.db").string();
  {
    auto db = Database::open(path, Database::Mode::kReadWrite);
    ASSERT_TRUE(
        db->run("alter table applied drop column first_lsn; alter table applied drop column first_seq; "
                "update applied set format=3"));
  }
  reported_.clear();
  options_.read_only = true;
  open();
  EXPECT_TRUE(store_->verify()->clean());
  close();
  options_.read_only = false;
  for (int round = 0; round < 2; ++round) {
    open();
    EXPECT_EQ(reported_, "");
    EXPECT_EQ(run(shard_->append(make_events({"60"}), Deadline::never()))->front().duplicate, true);
    EXPECT_TRUE(store_->verify()->clean());
    close();
  }
  auto db = Database::open(path, Database::Mode::kRead);
  EXPECT_EQ(*db->number("select format from applied"), 4);
}

TEST_F(StoreFormat, DirectoryOfFormat2IsReadAndWritten) {
  unpack("tests/store/format-2.zst", options_.directory);
  clock_.advance(hours(48));
  open();
  const std::uint64_t oldest = store_->stats().oldest_position;
  const FlowId flow = *run(shard_->open_flow("orders", Position(0)));
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    EXPECT_EQ(reported_, "");
    std::vector<std::string> expected;
    for (std::uint64_t i = oldest; i <= 60; ++i) expected.push_back(std::to_string(i));
    std::vector<std::string> ids;
    for (std::uint64_t after = 0; after < 60;) {
      const auto events = run(shard_->read(Position(after), ReadLimits{}));
      ASSERT_TRUE(events && !events->empty());
      after = events->back()->position.value;
      for (const std::string& id : ids_of(*events)) ids.push_back(id);
    }
    if (ids.size() > expected.size()) ids.resize(expected.size());
    EXPECT_EQ(ids, expected);
    // Kept beside the segments, and in them.
    for (const std::uint64_t event : {7, 10, 35, 40}) {
      const auto kept = run(shard_->get({Position(event)}));
      ASSERT_EQ(kept->size(), 1u) << event;
      EXPECT_EQ(*kept->front()->data, *make_event(std::to_string(event), "shopify", 200).data);
      const auto records = run(shard_->read(RunId{flow, Position(event)}));
      ASSERT_EQ(records->size(), 2u) << event;
      EXPECT_EQ(records->front().body, "record 1");
      EXPECT_EQ(records->back().summary, "why " + std::to_string(event));
    }
    // Of 40: 4 held, 5 dead. 18 more, and one in the first round here.
    EXPECT_EQ(run(shard_->counts(flow))->delivered, 31u + 18u + (round == 0 ? 0 : 1));
    EXPECT_EQ(run(shard_->get("index", "order/40"))->value().value, "40");
    EXPECT_EQ(run(shard_->get("once", "deal-5"))->value().value, R"({"state":"done"})");
    EXPECT_EQ(run(shard_->get("flow_source", "abc"))->value().value, "flow: orders");
    EXPECT_TRUE(store_->verify()->clean());
    // A duplicate is known, and what is new is written, sealed and folded.
    const auto again = run(shard_->append(make_events({"60"}), Deadline::never()));
    EXPECT_TRUE(again->front().duplicate);
    if (round == 0) {
      journal(make_state(flow, 59, 1, RunState::kDelivered));
      append(1000, 40);
      ASSERT_TRUE(store_->maintain());
      close();
      open();
    }
  }
}

}  // namespace
}  // namespace tieline::store
