// A log written in one piece, over a VFS that counts and fails. It must never differ from one that SQLite wrote alone.
#include "store/gather_vfs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "store/passing_vfs.h"
#include "store/sql.h"
#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

// What the base VFS is asked to do with logs, and what it answers.
struct Calls {
  std::vector<std::string> made;  // "write 32 at 0", "sync"
  int write_answer = SQLITE_OK;   // instead of writing
  int sync_answer = SQLITE_OK;
};
Calls& calls() {
  static Calls all;
  return all;
}

struct Nothing {};

const sqlite3_io_methods& counted_methods() {
  static const sqlite3_io_methods all = [] {
    sqlite3_io_methods m = passing_methods<Nothing>(false);
    m.xWrite = [](sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
      calls().made.push_back("write " + std::to_string(n) + " at " + std::to_string(at));
      if (calls().write_answer != SQLITE_OK) return calls().write_answer;
      return pass<Nothing, &sqlite3_io_methods::xWrite>(f, from, n, at);
    };
    m.xSync = [](sqlite3_file* f, int flags) {
      calls().made.emplace_back("sync");
      if (calls().sync_answer != SQLITE_OK) return calls().sync_answer;
      return pass<Nothing, &sqlite3_io_methods::xSync>(f, flags);
    };
    return m;
  }();
  return all;
}

const char* counted_vfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = passing_vfs<Nothing>("counted", sqlite3_vfs_find("unix"));
    made.xOpen = [](sqlite3_vfs* v, const char* name, sqlite3_file* file, int flags, int* out) {
      if ((flags & SQLITE_OPEN_WAL) == 0) return base_of(v)->xOpen(base_of(v), name, file, flags, out);
      return open_passing<Nothing>(v, name, file, flags, out, counted_methods());
    };
    return made;
  }();
  sqlite3_vfs_register(&vfs, 0);
  return "counted";
}

class GatherVfs : public ::testing::Test {
 protected:
  GatherVfs() {
    calls() = Calls();
    auto opened = Database::open(path_, Database::Mode::kCreate, gather_vfs(counted_vfs()));
    EXPECT_TRUE(opened) << opened.error().text();
    db_ = std::move(*opened);
    EXPECT_TRUE(
        db_.run("pragma page_size=4096; pragma journal_mode=wal; pragma synchronous=full; "
                "pragma wal_autocheckpoint=0; create table t(n integer primary key, body blob)"));
    calls() = Calls();
  }
  ~GatherVfs() override { calls() = Calls(); }

  std::string path_of(const char* suffix) const { return path_ + suffix; }
  // Rows of about a page each.
  std::string insert(int count) const {
    return "with recursive n(i) as (select 1 union all select i+1 from n where i<" + std::to_string(count) +
           ") insert into t(body) select randomblob(3000) from n";
  }
  std::int64_t rows(Database& db) { return *db.number("select count(*) from t"); }
  // Through a connection of its own, as readers do.
  std::int64_t rows_seen() {
    auto reader = Database::open(path_, Database::Mode::kRead);
    EXPECT_TRUE(reader);
    return rows(*reader);
  }
  void expect_sound() {
    auto reader = Database::open(path_, Database::Mode::kRead);
    auto check = reader->prepare("pragma integrity_check");
    ASSERT_TRUE(check->step());
    EXPECT_EQ(check->bytes(0), "ok");
  }
  int code_of(const std::string& sql) { return db_.prepare(sql)->run_code(); }

  TemporaryDirectory directory_;
  std::string path_ = (directory_.path() / "a.db").string();
  Database db_;
};

TEST_F(GatherVfs, AGroupIsOneWriteAndOneSync) {
  const auto before = read_wal(path_of("-wal"));
  ASSERT_TRUE(db_.run(insert(10).c_str()));
  const auto after = read_wal(path_of("-wal"));
  ASSERT_GT(after->frames, before->frames + 9);
  EXPECT_EQ(calls().made, (std::vector<std::string>{"write " + std::to_string(after->bytes() - before->bytes()) +
                                                        " at " + std::to_string(before->bytes()),
                                                    "sync"}));
  EXPECT_EQ(after->bytes(), after->file_bytes);
  EXPECT_EQ(rows_seen(), 10);
}

TEST_F(GatherVfs, ALogsHeaderIsSyncedBeforeItsFrames) {
  const std::string other = (directory_.path() / "b.db").string();
  auto db = Database::open(other, Database::Mode::kCreate, gather_vfs(counted_vfs()));
  ASSERT_TRUE(db->run("pragma page_size=4096; pragma journal_mode=wal; pragma synchronous=full; create table t(n)"));
  EXPECT_EQ(calls().made, (std::vector<std::string>{"write 32 at 0", "sync", "write 8240 at 32", "sync"}));
}

TEST_F(GatherVfs, ATransactionReadsWhatItHasWrittenAndNobodyElseDoes) {
  ASSERT_TRUE(db_.run("pragma cache_size=10; begin immediate"));
  ASSERT_TRUE(db_.run(insert(2000).c_str()));  // pages go to the log before the commit, and come back
  ASSERT_TRUE(db_.run("update t set body=zeroblob(3000) where n%7=0"));
  EXPECT_EQ(rows(db_), 2000);
  EXPECT_EQ(*db_.number("select count(*) from t where body=zeroblob(3000)"), 2000 / 7);
  EXPECT_EQ(rows_seen(), 0);
  ASSERT_TRUE(db_.run("commit"));
  EXPECT_EQ(rows_seen(), 2000);
  EXPECT_EQ(read_wal(path_of("-wal"))->frames_behind, 0u);
  expect_sound();
  // SQLite's own VFS takes no larger ones.
  for (const std::string& call : calls().made) {
    EXPECT_TRUE(!call.starts_with("write ") || std::stoi(call.substr(6)) < 1 << 17) << call;
  }
}

TEST_F(GatherVfs, WhatIsRolledBackIsOverwritten) {
  ASSERT_TRUE(db_.run(insert(5).c_str()));
  ASSERT_TRUE(db_.run("pragma cache_size=10; begin immediate"));
  ASSERT_TRUE(db_.run(insert(100).c_str()));
  ASSERT_TRUE(db_.run("rollback"));
  EXPECT_EQ(rows(db_), 5);
  ASSERT_TRUE(db_.run(insert(3).c_str()));
  EXPECT_EQ(rows_seen(), 8);
  expect_sound();
}

TEST_F(GatherVfs, AFullDiskIsToldAsSuchAndTheGroupMayBeRepeated) {
  ASSERT_TRUE(db_.run(insert(5).c_str()));
  for (const bool spilling : {false, true}) {
    SCOPED_TRACE(spilling ? "before the commit" : "in the commit");
    ASSERT_TRUE(db_.run(spilling ? "pragma cache_size=10" : "pragma cache_size=-8192"));
    const std::int64_t before = rows(db_);
    calls().write_answer = SQLITE_FULL;
    ASSERT_TRUE(db_.run("begin immediate"));
    int code = code_of(insert(spilling ? 1000 : 20));
    if (code == SQLITE_OK) code = code_of("commit");
    EXPECT_EQ(code, SQLITE_FULL);
    (void)db_.run("rollback");
    EXPECT_EQ(rows_seen(), before);
    calls() = Calls();
    EXPECT_EQ(code_of(insert(20)), SQLITE_OK);
    EXPECT_EQ(rows_seen(), before + 20);
    expect_sound();
  }
}

TEST_F(GatherVfs, OtherFailuresKeepTheirCodes) {
  calls().write_answer = SQLITE_IOERR_WRITE;
  EXPECT_EQ(code_of(insert(3)), SQLITE_IOERR_WRITE);
  calls() = Calls();
  calls().sync_answer = SQLITE_IOERR_FSYNC;
  EXPECT_EQ(code_of(insert(3)), SQLITE_IOERR_FSYNC);
  EXPECT_EQ(calls().made.size(), 2u);  // a sync is no reason to keep or repeat what was handed on
  EXPECT_EQ(rows_seen(), 0);
}

TEST_F(GatherVfs, ClosingHandsOnWhatIsLeft) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(gather_vfs(counted_vfs()).c_str());
  ASSERT_NE(vfs, nullptr);
  const std::string name = (directory_.path() / "x-wal").string();
  std::ofstream(directory_.path() / "x") << "";  // whose rights the log gets
  std::vector<char> memory(static_cast<std::size_t>(vfs->szOsFile));
  auto* file = reinterpret_cast<sqlite3_file*>(memory.data());
  ASSERT_EQ(vfs->xOpen(vfs, name.c_str(), file, SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr),
            SQLITE_OK);
  const auto write = [&](std::string_view bytes, sqlite3_int64 at) {
    return file->pMethods->xWrite(file, bytes.data(), static_cast<int>(bytes.size()), at);
  };
  EXPECT_EQ(write("abc", 0) | write("def", 3), SQLITE_OK);
  EXPECT_TRUE(calls().made.empty());
  char part[3];
  EXPECT_EQ(file->pMethods->xRead(file, part, 3, 2), SQLITE_OK);  // of both
  EXPECT_EQ(std::string(part, 3), "cde");
  EXPECT_EQ(write("GH", 6) | write("X", 1), SQLITE_OK);  // does not follow on
  sqlite3_int64 size = 0;
  EXPECT_EQ(file->pMethods->xFileSize(file, &size), SQLITE_OK);
  EXPECT_EQ(size, 8);
  EXPECT_EQ(write("IJ", 8), SQLITE_OK);
  EXPECT_EQ(file->pMethods->xTruncate(file, 9), SQLITE_OK);
  EXPECT_EQ(write("KL", 9), SQLITE_OK);
  EXPECT_EQ(file->pMethods->xClose(file), SQLITE_OK);
  std::ifstream in(name, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "aXcdefGHIKL");
  EXPECT_EQ(calls().made,
            (std::vector<std::string>{"write 6 at 0", "write 2 at 6", "write 1 at 1", "write 2 at 8", "write 2 at 9"}));
}

TEST_F(GatherVfs, AnUnknownBaseIsToldByWhoOpensIt) {
  EXPECT_EQ(gather_vfs("no such thing"), "no such thing");
  const auto opened = Database::open(path_, Database::Mode::kReadWrite, gather_vfs("no such thing"));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("no such vfs"), std::string::npos) << opened.error().message;
}

TEST_F(GatherVfs, AnyThreadMayAskFirst) {
  std::vector<std::thread> threads;
  std::vector<std::string> names(8);
  for (std::string& name : names) threads.emplace_back([&name] { name = gather_vfs("unix"); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& name : names) EXPECT_EQ(name, "gather-unix");
}

}  // namespace
}  // namespace tieline::store
