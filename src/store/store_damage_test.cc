// Rows whose codec, key or format is not what this program knows. Such a row must never be taken for something else,
// and must cost nothing beyond itself.
#include <algorithm>
#include <functional>

#include "store/files.h"
#include "store/segment.h"
#include "store/sql.h"
#include "store/store_fixture.h"

namespace tieline::store {
namespace {

class StoreDamage : public DiskStoreTest {
 protected:
  StoreDamage() {
    options_.segment_bytes = 4096;
    options_.tail_bytes = 0;
  }
  void clear() {
    std::filesystem::remove_all(options_.directory);
    reported_.clear();
  }

  // Event 1 with three records, an entry; and, if `sealed`, so many events more that all of it stands in sealed
  // segments.
  void write(bool sealed) {
    open();
    flow_ = *run(shard_->open_flow("orders", Position(0)));
    append(1, 1);
    for (std::uint32_t n = 1; n <= 3; ++n) ASSERT_TRUE(run(shard_->append(make_record(flow_, 1, n), Sync::kWait)));
    ASSERT_TRUE(run(shard_->create("cursor", "hubspot", "value")));
    if (sealed) {
      append(2, 40);
      ASSERT_TRUE(store_->maintain());
    }
    close();
  }
  void append(int first, int count) {
    for (int i = first; i < first + count; ++i) {
      std::vector<NewEvent> one{make_event(std::to_string(i), "shopify", 400)};
      ASSERT_TRUE(run(shard_->append(one, Deadline::never())));
    }
  }
  // Runs `sql` on every segment.
  void edit(const std::string& sql) {
    each_segment([&](Database& db) { ASSERT_TRUE(db.run(sql.c_str())); });
  }
  void each_segment(const std::function<void(Database&)>& edit) {
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".db") || name == "state.db") continue;
      auto db = Database::open(entry.path().string(), Database::Mode::kReadWrite);
      ASSERT_TRUE(db) << db.error().text();
      edit(*db);
    }
  }
  // Changes one record and gives it the crc that it would have had.
  void rewrite_record(const std::string& where, const std::function<void(RawRecord&, Bytes& body)>& change) {
    int changed = 0;
    each_segment([&](Database& db) {
      RawRecord raw;
      Bytes body;
      {
        auto find =
            db.prepare("select lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, body from rec where " + where);
        ASSERT_TRUE(find) << find.error().text();
        if (!*find->step()) return;
        raw = raw_record_row(*find);
        body = raw.body;
      }
      change(raw, body);
      raw.body = body;
      auto update = db.prepare("update rec set codec=?, key_id=?, crc=?, body=? where lsn=?");
      update->bind(1, raw.codec).bind(2, raw.key_id).bind(3, raw.computed_crc()).bind_blob(4, raw.body);
      ASSERT_TRUE(update->bind(5, raw.lsn).run());
      ++changed;
    });
    ASSERT_EQ(changed, 1);
  }
  std::vector<std::string> bodies() {
    std::vector<std::string> found;
    const auto records = run(shard_->read(RunId{flow_, Position(1)}));
    for (const Record& record : *records) found.push_back(record.body);
    return found;
  }
  // Record 2 of three is set aside and counted, whatever asks for it.
  void expect_second_record_lost(const std::string& why) {
    EXPECT_EQ(bodies(), (std::vector<std::string>{"record 1", "record 3"}));
    EXPECT_EQ(store_->stats().corrupt_records, 1u);
    const auto report = store_->verify();
    EXPECT_EQ(report->corrupt_records, 1u);
    ASSERT_EQ(report->places.size(), 1u);
    EXPECT_NE(report->places[0].find(why), std::string::npos) << report->places[0];
    EXPECT_NE(reported_.find("set aside"), std::string::npos) << reported_;
  }

  FlowId flow_;
};

constexpr const char* kSecond = "kind<16 and lsn=(select min(lsn) + 1 from rec)";

TEST_F(StoreDamage, WhatIsWrittenStandsAsItIs) {
  write(false);
  each_segment([](Database& db) {
    EXPECT_EQ(*db.number("select count(*) from rec where codec=0 and key_id=0"), 4);
    EXPECT_EQ(*db.number("select count(*) from event where codec=0 and key_id=0"), 1);
    // docs/store-format.md, less what a small position saves: 28 - 2 a record, 28 - 3 an entry, 21 an event.
    EXPECT_EQ(*db.number("select (select sum(payload) from dbstat where name='rec') - "
                         "(select sum(length(body) + 2 * (crc >= 1 << 31)) from rec)"),
              3 * 26 + 25);
    EXPECT_EQ(*db.number("select (select sum(payload) from dbstat where name='event') - "
                         "(select sum(length(meta) + length(body) + 2 * (crc >= 1 << 31)) from event)"),
              21);
  });
}

TEST_F(StoreDamage, RecordOfAnUnknownFormIsSetAside) {
  struct Case {
    std::int64_t codec, key_id;
    const char* why;
  };
  for (const bool sealed : {true, false}) {
    for (const Case& c : {Case{9, 0, "record 2 has codec 9, not known"}, Case{-1, 0, "has codec -1, not known"},
                          Case{std::int64_t{1} << 32, 0, "has codec 4294967296, not known"},
                          Case{0, 5, "record 2 is encrypted with key 5, not known"},
                          Case{kCodecZstd, 0, "record 2 has a broken frame"}}) {
      SCOPED_TRACE(std::string(c.why) + (sealed ? ", sealed" : ", hot"));
      clear();
      write(sealed);
      rewrite_record(kSecond, [&](RawRecord& raw, Bytes&) {
        raw.codec = c.codec;
        raw.key_id = c.key_id;
      });
      open();
      expect_second_record_lost(c.why);
      append(100, 1);
      close();
    }
  }
}

TEST_F(StoreDamage, FormBehindTheCrcIsNotBelieved) {
  for (const char* change : {"codec=1", "key_id=1"}) {
    SCOPED_TRACE(change);
    clear();
    write(false);
    edit(std::string("update rec set ") + change + " where " + kSecond);
    open();
    expect_second_record_lost("record 2 fails its crc");
    close();
  }
}

TEST_F(StoreDamage, CompressedRecordIsRead) {
  for (const bool sealed : {true, false}) {
    SCOPED_TRACE(sealed ? "sealed" : "hot");
    clear();
    open();
    flow_ = *run(shard_->open_flow("orders", Position(0)));
    append(1, 1);
    Record record = make_record(flow_, 1, 1);
    record.body = std::string(900, 'r');
    ASSERT_TRUE(run(shard_->append(record, Sync::kWait)));
    ASSERT_TRUE(run(shard_->create("cursor", "hubspot", std::string(900, 'e'))));
    if (sealed) {
      append(2, 40);
      ASSERT_TRUE(store_->maintain());
    }
    close();
    for (const char* where : {"kind<16", "kind=16"}) {
      rewrite_record(where, [](RawRecord& raw, Bytes& body) {
        const Bytes plain = body;
        raw.codec = compress_body(plain, body);
        ASSERT_EQ(raw.codec, kCodecZstd);
      });
    }
    open();
    EXPECT_EQ(bodies(), (std::vector<std::string>{record.body}));
    EXPECT_EQ((*run(shard_->get("cursor", "hubspot")))->value, std::string(900, 'e'));
    // The same record again is known as a repeat.
    EXPECT_TRUE(run(shard_->append(record, Sync::kWait)));
    EXPECT_EQ(bodies().size(), 1u);
    EXPECT_EQ(store_->verify()->corrupt_records, 0u);
    close();
  }
}

TEST_F(StoreDamage, EntryOfAnUnknownFormIsSetAside) {
  write(false);
  rewrite_record("kind=16", [](RawRecord& raw, Bytes&) { raw.key_id = 3; });
  open();
  EXPECT_FALSE(run(shard_->get("cursor", "hubspot"))->has_value());
  EXPECT_EQ(store_->stats().corrupt_records, 1u);
  EXPECT_EQ(bodies().size(), 3u);
  EXPECT_NE(reported_.find("record 4 is encrypted with key 3, not known: set aside"), std::string::npos) << reported_;
}

TEST_F(StoreDamage, EventOfAnUnknownFormIsSetAsideAndSettled) {
  struct Case {
    std::int64_t codec, key_id;
    bool right_crc;
    const char* why;
  };
  // The second last: a compressed body must not be handed out as data because one bit says so.
  for (const Case& c :
       {Case{7, 0, true, "event 7 has codec 7, not known"}, Case{0, 2, true, "event 7 is encrypted with"},
        Case{0, 0, false, "event 7 fails its crc"}, Case{1, 2, false, "event 7 fails its crc"}}) {
    SCOPED_TRACE(c.why);
    clear();
    write(true);
    int changed = 0;
    each_segment([&](Database& db) {
      RawEvent raw;
      Bytes meta, body;
      std::int64_t crc = 0;
      {
        auto find = db.prepare("select seq, ts, codec, key_id, crc, meta, body from event where seq=7");
        if (!*find->step()) return;
        ASSERT_EQ(find->integer(2), kCodecZstd);
        meta = find->bytes(5);
        body = find->bytes(6);
        raw = RawEvent{find->natural(0), find->integer(1), c.codec, c.key_id, meta, body};
        crc = c.right_crc ? raw.computed_crc() : find->integer(4);
      }
      auto update = db.prepare("update event set codec=?, key_id=?, crc=? where seq=7");
      ASSERT_TRUE(update->bind(1, raw.codec).bind(2, raw.key_id).bind(3, crc).run());
      ++changed;
    });
    ASSERT_EQ(changed, 1);
    open();
    const auto some = run(shard_->get({Position(6), Position(7), Position(8)}));
    ASSERT_TRUE(some) << some.error().text();
    EXPECT_EQ(ids_of(*some), (std::vector<std::string>{"6", "8"}));
    EXPECT_EQ(store_->stats().corrupt_events, 1u);
    const auto report = store_->verify();
    ASSERT_EQ(report->places.size(), 1u);
    EXPECT_NE(report->places[0].find(c.why), std::string::npos) << report->places[0];
    for (std::uint64_t p = 1; p <= 41; ++p) {
      if (p != 7) shard_->settle(flow_, Position(p));
    }
    EXPECT_EQ(run(shard_->cursor(flow_))->floor, Position(41));
    close();
  }
}

TEST_F(StoreDamage, EventsOfAnOldestSegmentThatCannotBeReadAreCounted) {
  for (const std::uintmax_t left : {6000, 0}) {
    clear();
    write(true);
    std::vector<std::string> sealed;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (entry.path().filename().string().starts_with("sealed-")) sealed.push_back(entry.path().string());
    }
    std::sort(sealed.begin(), sealed.end());
    ASSERT_GE(sealed.size(), 2u);
    std::filesystem::resize_file(sealed.front(), left);
    open();
    const auto next = run(shard_->read(Position(0), {}));
    ASSERT_TRUE(next && !next->empty());
    const std::uint64_t lost = next->front()->position.value - 1;
    EXPECT_GE(lost, 1u);
    EXPECT_EQ(store_->stats().corrupt_events, lost);
    EXPECT_NE(reported_.find(sealed.front() + " is corrupt and is set aside"), std::string::npos) << reported_;
    const std::string which = lost == 1 ? "event 1 is" : "events 1 to " + std::to_string(lost) + " are";
    EXPECT_NE(reported_.find(which), std::string::npos) << reported_;
    close();
  }
}

// What retention let go of is not missed.
TEST_F(StoreDamage, AnOldestSegmentThatIsGoneIsMissed) {
  write(true);
  const std::string oldest = (options_.directory / segment_name(1, true)).string();
  ASSERT_TRUE(std::filesystem::remove(oldest));
  for (int times = 0; times < 2; ++times) {
    reported_.clear();
    options_.read_only = times == 0;
    open();
    const std::uint64_t lost = run(shard_->read(Position(0), {}))->front()->position.value - 1;
    EXPECT_GE(lost, 1u);
    EXPECT_EQ(store_->stats().corrupt_events, lost);
    EXPECT_NE(reported_.find("events 1 to " + std::to_string(lost) + " are corrupt or missing"), std::string::npos)
        << reported_;
    EXPECT_EQ(run(shard_->cursor(flow_))->floor, Position(lost));
    const auto report = store_->verify();
    EXPECT_EQ(report->corrupt_events, lost);
    EXPECT_EQ(report->places.size(), report->corrupt_records > 0 ? 2u : 1u);
    close();
  }
  const auto repaired = SqliteStore::repair(options_, clock_);
  ASSERT_TRUE(repaired) << repaired.error().text();
  EXPECT_GE(repaired->events_aside, 1u);
  EXPECT_TRUE(repaired->after.clean());
  reported_.clear();
  options_.keep = std::chrono::hours(1);
  options_.dedupe_window = std::chrono::hours(1);
  open();
  EXPECT_EQ(reported_, "");
  shard_->configured({});
  clock_.advance(std::chrono::hours(2));
  ASSERT_TRUE(store_->maintain());
  EXPECT_NE(reported_.find("let go of "), std::string::npos);
  close();
  reported_.clear();
  open();
  EXPECT_EQ(reported_, "");
  EXPECT_TRUE(store_->verify()->clean());
}

TEST_F(StoreDamage, ASegmentThatACrashCutOffInItsMakingIsTakenBack) {
  write(true);
  const std::string made = (options_.directory / "seg-00000000000000009999.db").string();
  const auto copy = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  };
  {
    const std::string half = (options_.directory.parent_path() / "half.db").string();
    auto db = Database::open(half, Database::Mode::kCreate);
    // More than the cache holds: pages are written before the commit, and the journal knows how to take them back.
    ASSERT_TRUE(db->run("pragma cache_size=1; begin; create table t(a); insert into t values(zeroblob(100000))"));
    ASSERT_TRUE(std::filesystem::exists(half + "-journal"));
    copy(half, made);
    copy(half + "-journal", made + "-journal");
  }
  ASSERT_GT(std::filesystem::file_size(made), 0u);
  options_.read_only = true;  // who only looks is told what it is
  open();
  const auto report = store_->verify();
  EXPECT_TRUE(report && report->clean());
  ASSERT_EQ(report->places.size(), 1u);
  EXPECT_NE(report->places[0].find("a crash left it before its first commit"), std::string::npos) << report->places[0];
  close();
  options_.read_only = false;
  open();
  EXPECT_EQ(store_->stats().last_position, 41u);
  EXPECT_NE(reported_.find("was never finished and is set aside"), std::string::npos) << reported_;
  EXPECT_EQ(store_->stats().corrupt_events, 0u);
}

// What of the newest full segments is not folded yet is read from them: a run whose last record is lost looks like one
// that never had it, and would make its call again.
TEST_F(StoreDamage, ARunWhoseLastRecordIsLostIsKnownToLackIt) {
  struct Case {
    const char* sql;
    bool known;  // who it belonged to: the index by run tells
  };
  for (const Case& c : {Case{"update rec set crc=crc+1 where lsn in (select max(lsn) from rec where kind=1)", true},
                        Case{"delete from rec where lsn in (select max(lsn) from rec where kind=1)", false}}) {
    for (const std::uint64_t event : {1, 5}) {  // 1 has records before it, 5 has none
      SCOPED_TRACE(std::string(c.sql) + " of " + std::to_string(event));
      clear();
      write(false);
      open();
      append(2, 5);
      for (std::uint64_t p = 2; p <= 6; ++p) {
        if (p != event) shard_->settle(flow_, Position(p));
      }
      ASSERT_TRUE(run(shard_->append(make_state(flow_, 2, 1, RunState::kRetrying), Sync::kWait)));
      Record lost = make_record(flow_, event, event == 1 ? 4 : 1, RecordKind::kIntent);
      ASSERT_TRUE(run(shard_->append(lost, Sync::kWait)));
      append(50, 40);
      for (std::uint64_t p = 7; p <= 46; ++p) shard_->settle(flow_, Position(p));
      ASSERT_TRUE(run(shard_->flush()));
      append(90, 1);
      ASSERT_TRUE(store_->maintain());
      // Its next record is behind the loss: nothing of it is missing.
      ASSERT_TRUE(run(shard_->append(make_state(flow_, 2, 2, RunState::kRetrying), Sync::kWait)));
      close();
      for (const char* suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(options_.directory / ("state.db" + std::string(suffix)));
      each_segment([&](Database& db) {
        const bool full = *db.number("select sealed from head") != 0;
        ASSERT_TRUE(!full || db.run(c.sql));
      });
      for (int times = 0; times < 3; ++times) {
        options_.read_only = times == 0;
        open();
        const RunId suspected{flow_, Position(event)};
        const auto status = run(shard_->status(suspected));
        ASSERT_TRUE(status && *status);
        EXPECT_EQ((*status)->state, RunState::kRunning);
        const std::size_t readable = run(shard_->read(suspected))->size();
        EXPECT_EQ(readable, event == 1 ? 3u : 0u);
        EXPECT_EQ((*status)->records, readable + 1);
        EXPECT_EQ(run(shard_->status({flow_, Position(2)}))->value().records, 2u);
        RunQuery unfinished;
        unfinished.flow = flow_;
        unfinished.states = {RunState::kRunning};
        const auto found = run(shard_->runs(unfinished));
        // Event 1 stands at three records, and may have had a fourth one, if nothing tells whose the lost one was.
        EXPECT_EQ(found->size(), event == 1 ? 1u : 2u);
        EXPECT_EQ(run(shard_->status({flow_, Position(1)}))->value().records, event == 1 || !c.known ? 4u : 3u);
        EXPECT_EQ(run(shard_->counts(flow_))->running, found->size());
        EXPECT_EQ(reported_.find("may be lost: those of them") != std::string::npos, times < 2) << reported_;
        reported_.clear();
        close();
      }
    }
  }
  options_.read_only = false;
}

// Also where nobody has said yet that what is lost may be done again: the log's own end.
TEST_F(StoreDamage, ARunOfTheHotLogWhoseLastRecordFailsItsCrcIsKnownToLackIt) {
  options_.segment_bytes = 64u << 20;
  open();
  flow_ = *run(shard_->open_flow("orders", Position(0)));
  append(1, 2);
  for (std::uint32_t n = 1; n <= 3; ++n) ASSERT_TRUE(run(shard_->append(make_record(flow_, 1, n), Sync::kWait)));
  close();
  edit("update rec set crc=crc+1 where lsn=(select max(lsn) from rec)");
  open();
  const auto status = run(shard_->status({flow_, Position(1)}));
  ASSERT_TRUE(status && *status);
  EXPECT_EQ((*status)->records, 3u);
  EXPECT_EQ(run(shard_->read(RunId{flow_, Position(1)}))->size(), 2u);
  EXPECT_NE(reported_.find("record 3 fails its crc"), std::string::npos) << reported_;
  EXPECT_NE(reported_.find("may be lost: those of them that have not ended are held"), std::string::npos) << reported_;
}

// Its event is lost, and so is what tells where the log ended: no other event gets its position, nor so its run.
TEST_F(StoreDamage, ARecordOfALostEventKeepsItsPosition) {
  options_.segment_bytes = 64u << 20;
  open();
  flow_ = *run(shard_->open_flow("orders", Position(0)));
  append(1, 3);
  ASSERT_TRUE(run(shard_->append(make_state(flow_, 3, 1, RunState::kDelivered), Sync::kWait)));
  close();
  std::filesystem::remove(options_.directory / "end");
  edit("delete from event where seq=3; delete from seen where seq=3");
  open();
  append(4, 1);
  EXPECT_EQ(store_->stats().last_position, 4u);
  EXPECT_NE(reported_.find("event 3 is corrupt or missing"), std::string::npos) << reported_;
  EXPECT_FALSE(run(shard_->status({flow_, Position(4)}))->has_value());
}

TEST_F(StoreDamage, AnotherFormatIsRefusedWithWords) {
  struct Case {
    int format;
    const char* by;
  };
  for (const Case& c : {Case{1, "; an older program wrote it"}, Case{5, "; a newer program wrote it"}}) {
    for (const bool state : {true, false}) {
      const std::string words =
          "its format is " + std::to_string(c.format) + ", this program reads 2 to " + (state ? "4" : "3") + c.by;
      clear();
      write(true);
      if (state) {
        auto db = Database::open((options_.directory / "state.db").string(), Database::Mode::kReadWrite);
        ASSERT_TRUE(db->run(("update applied set format=" + std::to_string(c.format)).c_str()));
      } else {
        edit("update head set format=" + std::to_string(c.format));
      }
      for (const bool read_only : {false, true}) {
        options_.read_only = read_only;
        const auto opened = try_open();
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Code::kUnsupported);
        EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
        EXPECT_NE(opened.error().message.find(state ? "state.db" : ".db: its"), std::string::npos);
      }
      options_.read_only = false;
    }
  }
}

}  // namespace
}  // namespace tieline::store
