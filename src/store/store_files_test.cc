// Files that are grown in steps, and one that is made ready for a segment that is not there yet, without a store.
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "store/files.h"
#include "store/next_segment.h"
#include "store/store_fixture.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;

TEST(StoreFiles, LargeFilesGoInStepsUnlessTheyHaveASecondName) {
  TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory.path() / name).string(); };
  const auto make = [&](const char* name, std::uintmax_t bytes) {
    write_file(path(name), "x");
    fs::resize_file(path(name), bytes);
  };
  make("a", 30u << 20);
  EXPECT_TRUE(shrink_file(path("a"), (13u << 20) + 1));
  EXPECT_EQ(fs::file_size(path("a")), (13u << 20) + 1);
  EXPECT_TRUE(shrink_file(path("a"), 100u << 20));
  EXPECT_EQ(fs::file_size(path("a")), (13u << 20) + 1);
  fs::create_hard_link(path("a"), path("kept"));
  EXPECT_FALSE(shrink_file(path("a"), 0));
  EXPECT_FALSE(shrink_file(path("none"), 0));
  make("b.db", 10u << 20);
  make("b.db-wal", 30u << 20);
  make("b.db-shm", 32768);
  fs::create_hard_link(path("b.db-wal"), path("kept-wal"));
  remove_database_slowly(path("b.db"));
  remove_database_slowly(path("a"));
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(directory.path())) left.push_back(entry.path().filename());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"kept", "kept-wal"}));
  EXPECT_EQ(fs::file_size(path("kept")), (13u << 20) + 1);
  EXPECT_EQ(fs::file_size(path("kept-wal")), 30u << 20);
}

TEST(NextSegment, IsTakenOnce) {
  TemporaryDirectory directory;
  NextSegment next(directory.path(), "");
  const auto path = [&](const char* name) { return (directory.path() / name).string(); };
  EXPECT_FALSE(next.take(path("a.db")));
  EXPECT_FALSE(fs::exists(path("a.db")));
  write_file(path("old"), std::string(100000, 'o'));
  EXPECT_FALSE(next.add_log(path("old"), 1u << 20));  // nothing it could belong to
  write_file(path("next.db-wal"), "left from before");
  ASSERT_TRUE(next.prepare());
  EXPECT_FALSE(fs::exists(path("next.db-wal")));
  fs::create_hard_link(path("old"), path("kept"));
  EXPECT_FALSE(next.add_log(path("old"), 1u << 20));  // somebody's copy
  EXPECT_EQ(read_file(path("kept")), std::string(100000, 'o'));
  fs::remove(path("kept"));
  EXPECT_TRUE(next.add_log(path("old"), 50000));
  EXPECT_FALSE(fs::exists(path("old")));
  EXPECT_EQ(fs::file_size(path("next.db-wal")), 50000u);
  EXPECT_TRUE(read_wal(path("next.db-wal"))->blank);
  write_file(path("old"), std::string(100000, 'o'));
  EXPECT_FALSE(next.add_log(path("old"), 1u << 20));  // it has one
  EXPECT_EQ(fs::file_size(path("old")), 100000u);
  ASSERT_TRUE(next.prepare());
  EXPECT_TRUE(next.take(path("a.db")));
  EXPECT_EQ(fs::file_size(path("a.db-wal")), 50000u);
  EXPECT_FALSE(next.take(path("b.db")));
  ASSERT_TRUE(next.prepare());
  EXPECT_TRUE(next.add_log(path("old"), 1u << 20));
  next.drop_log();
  EXPECT_TRUE(next.take(path("b.db")));
  EXPECT_FALSE(fs::exists(path("b.db-wal")));
  ASSERT_TRUE(next.prepare());
  write_file(path("old"), std::string(100000, 'o'));
  EXPECT_TRUE(next.add_log(path("old"), 1u << 20));
  fs::remove(path("next.db"));
  EXPECT_FALSE(next.take(path("c.db")));
  EXPECT_FALSE(fs::exists(path("c.db-wal")));
  ASSERT_TRUE(next.prepare());
  next.remove();
  EXPECT_FALSE(fs::exists(path("next.db")));
  EXPECT_FALSE(next.take(path("c.db")));
}

}  // namespace
}  // namespace tieline::store
